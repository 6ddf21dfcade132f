"""Reward models that know the right answer: a check of each response against its prompt's row.

A *check* is a function ``(response, row) -> bool | float | None``: whether the response is right, or how right, or
``None`` where it cannot say. ``row`` holds the columns of the pair's source. Two are built in (``checks``), any other
is named as ``module:function``. Checks run in processes of their own (``workers``, ``worker``): what hangs, crashes
or prints there does so alone.
"""

from rewardrouter.reward_models.verifiers.model import VerifierRewardModel

__all__ = ["VerifierRewardModel"]

"""Single RM: every pair to the same one, as RLHF does today (the paper's first baseline)."""

from __future__ import annotations

from collections.abc import Sequence

from rewardrouter.annotators.base import Annotation, Stateless, StepContext
from rewardrouter.annotators.calling import call_in_order
from rewardrouter.pairs import PreferencePair
from rewardrouter.reward_models.pool import RewardModelPool


class SingleAnnotator(Stateless):
    """Labels every pair with one RM and has nobody to fail over to."""

    def __init__(self, pool: RewardModelPool, rm: str) -> None:
        self._pool = pool.select([rm])
        self._rm = rm

    def annotate(self, pairs: Sequence[PreferencePair], step: StepContext) -> list[Annotation]:
        """Return the RM's labels; no label where it failed or tied."""
        return call_in_order(self._pool, pairs, [(self._rm,)] * len(pairs), step)

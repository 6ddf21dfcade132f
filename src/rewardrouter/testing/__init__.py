"""Conformance checks: whether a reward model, or an annotator, keeps its contract.

Both seams are small enough that anyone may stand behind them, and a breach does
not show: a reply out of order, or a judge that prefers whatever stands first,
trains a policy on wrong labels without a sound. The checks ask a few questions
whose answers the contract fixes, and raise :class:`ConformanceError`, one line
on the law that is broken, at the first answer that breaks one::

    def test_my_reward_model():
        check_reward_model(MyRewardModel())

    def test_my_annotator():
        check_annotator(lambda: MyAnnotator(pool, seed=0))

Nothing here needs torch.
"""

from rewardrouter.testing.annotators import check_annotator
from rewardrouter.testing.reward_models import check_reward_model
from rewardrouter.testing.samples import ConformanceError, sample_pairs

__all__ = ["ConformanceError", "check_annotator", "check_reward_model", "sample_pairs"]

"""Offline only ("w/o online"): every pair to the RM with the highest BT score (paper 3.2)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rewardrouter.annotators.base import Annotation, Stateless, StepContext
from rewardrouter.annotators.calling import call_in_order
from rewardrouter.annotators.contexts import PairScorer
from rewardrouter.pairs import PreferencePair
from rewardrouter.reward_models.pool import RewardModelPool


class OfflineOnlyAnnotator(Stateless):
    """Routes by ``argmax_n <h, E_bt[n]>``; a failed or tied call goes to the next best.

    Raises
    ------
    ConfigError
        If an arm of the router is not in the pool.
    """

    def __init__(self, pool: RewardModelPool, router: PairScorer) -> None:
        self._pool = pool.select(router.arms)
        self._router = router

    def annotate(self, pairs: Sequence[PreferencePair], step: StepContext) -> list[Annotation]:
        """Return the labels of the routed RMs."""
        scores = self._router.scores(pairs)
        ranked = np.argsort(-scores, axis=1, kind="stable")
        orders = [[self._router.arms[n] for n in row] for row in ranked]
        return call_in_order(self._pool, pairs, orders, step)

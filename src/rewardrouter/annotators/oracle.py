"""Oracle: asks an RM that is right wherever one is. The ceiling of every one-call router."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rewardrouter.annotators.base import Annotation, Stateless, StepContext
from rewardrouter.annotators.calling import call_in_order
from rewardrouter.pairs import PreferencePair
from rewardrouter.reward_models.pool import RewardModelPool
from rewardrouter.verdicts import VerdictTable


class OracleAnnotator(Stateless):
    """Knows the labels: routes each pair of ``table`` to a right RM, to any RM where none is right.

    It is handed the labels: a ceiling, not a strategy.
    """

    def __init__(self, pool: RewardModelPool, table: VerdictTable) -> None:
        self._pool = pool
        behaviour = table.pool(pool.names).behaviour
        # Right before wrong, and wrong before missing.
        best = np.where(np.isnan(behaviour), -1.0, behaviour).argmax(axis=1)
        self._rm = {pair.id: pool.names[int(n)] for pair, n in zip(table.pairs, best, strict=True)}

    def annotate(self, pairs: Sequence[PreferencePair], step: StepContext) -> list[Annotation]:
        """Return the right RM's labels.

        Raises
        ------
        KeyError
            If a pair is not of the table.
        """
        return call_in_order(self._pool, pairs, [(self._rm[pair.id],) for pair in pairs], step)

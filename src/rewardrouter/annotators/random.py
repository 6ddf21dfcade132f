"""Random routing: each pair to an RM drawn uniformly (a baseline of the paper)."""

from __future__ import annotations

from collections.abc import Sequence

from rewardrouter.annotators.base import Annotation, Stateless, StepContext
from rewardrouter.annotators.calling import call_in_order
from rewardrouter.annotators.seeding import pair_generator
from rewardrouter.pairs import PreferencePair
from rewardrouter.reward_models.pool import RewardModelPool


class RandomAnnotator(Stateless):
    """Asks the RMs in an order drawn per pair from the seed, the step and the pair's id.

    The draw does not depend on batches or on the order of pairs, so a resumed
    run makes the same choices.
    """

    def __init__(self, pool: RewardModelPool, seed: int = 0) -> None:
        self._pool = pool
        self._seed = seed

    def annotate(self, pairs: Sequence[PreferencePair], step: StepContext) -> list[Annotation]:
        """Return the drawn RM's labels, failing over along the drawn order."""
        orders = []
        for pair in pairs:
            draw = pair_generator(self._seed, pair, step).permutation(len(self._pool))
            orders.append([self._pool.names[i] for i in draw])
        return call_in_order(self._pool, pairs, orders, step)

"""Cost-aware routing: one call per pair, to the RM with the highest ``accuracy - price * cost`` (beyond the paper).

The accuracy of an RM on a pair, relative to the best one's, follows from the Bradley-Terry scores
(:func:`rewardrouter.calibration.relative_accuracy`). The price is given, or found on the router's held-out pairs such
that one call per pair costs the budget on average. At price 0 this is the offline router.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from rewardrouter.annotators.base import Annotation, StepContext
from rewardrouter.annotators.calling import call_in_order
from rewardrouter.annotators.cascade import CalibratedScorer
from rewardrouter.annotators.planned import Planned
from rewardrouter.calibration import Costs, EvidenceModel
from rewardrouter.calibration.budget import single_call_price
from rewardrouter.calibration.choosing import net_accuracy
from rewardrouter.errors import ConfigError
from rewardrouter.pairs import PreferencePair
from rewardrouter.reward_models.pool import RewardModelPool

if TYPE_CHECKING:  # settings need pydantic; whoever passes some has imported it
    from rewardrouter.config.cascade import CostSettings


class CostAwareAnnotator(Planned["_Priced"]):
    """Routes by accuracy less cost; a failed or tied call goes to the next best.

    Raises
    ------
    ConfigError
        If neither budget nor price is given, or both; if an arm of the router is not in the pool.
    """

    def __init__(self, pool: RewardModelPool, router: CalibratedScorer, settings: CostSettings) -> None:
        if (settings.budget is None) == (settings.price is None):
            raise ConfigError(
                "router+cost: give a budget (router+cost@0.01) or a price (router+cost:price=2)"
            )
        super().__init__(pool.select(router.arms), settings.unit)
        self._router = router
        self._settings = settings

    def annotate(self, pairs: Sequence[PreferencePair], step: StepContext) -> list[Annotation]:
        """Return the labels of the routed RMs."""
        if not pairs:
            return []
        ready = self._prepared(pairs)
        net = net_accuracy(ready.plan.model, self._router.scores(pairs), ready.costs, ready.plan.price)
        ranked = np.argsort(-net, axis=1, kind="stable")
        return call_in_order(self._pool, pairs, [[self._router.arms[n] for n in row] for row in ranked], step)

    def _plan(self, costs: Costs) -> _Priced:
        held_out, budget = self._router.held_out, self._settings.budget
        model = EvidenceModel.fit(held_out)
        if budget is None:
            return _Priced(model, self._settings.price or 0.0)
        return _Priced(model, single_call_price(model, held_out, costs, budget))


@dataclasses.dataclass(frozen=True, slots=True)
class _Priced:
    """How often RMs disagree on the held-out pairs, and accuracy per unit of cost."""

    model: EvidenceModel
    price: float

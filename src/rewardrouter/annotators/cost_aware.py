"""Cost-aware routing: one call per pair, to the RM with the highest ``accuracy - price * cost`` (beyond the paper).

The accuracy of an RM on a pair, relative to the best one's, follows from the Bradley-Terry scores
(:func:`rewardrouter.calibration.relative_accuracy`). The price is given, or found on the router's held-out pairs such
that one call per pair costs the budget on average. At price 0 this is the offline router.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from rewardrouter.annotators.base import Annotation, StepContext
from rewardrouter.annotators.calling import call_in_order
from rewardrouter.annotators.cascade import CalibratedScorer
from rewardrouter.annotators.costs import check_timed, costs_from, costs_of
from rewardrouter.calibration import Costs, EvidenceModel
from rewardrouter.calibration.budget import single_call_price
from rewardrouter.calibration.choosing import net_accuracy
from rewardrouter.errors import CheckpointError, ConfigError
from rewardrouter.pairs import PreferencePair
from rewardrouter.reward_models.pool import RewardModelPool
from rewardrouter.state import State

if TYPE_CHECKING:  # settings need pydantic; whoever passes some has imported it
    from rewardrouter.config.cascade import CostSettings


class CostAwareAnnotator:
    """Routes by accuracy less cost; a failed or tied call goes to the next best.

    Raises
    ------
    ConfigError
        If neither budget nor price is given, or both; if an arm of the router is not in the pool; from
        :meth:`prepare` or at the first batch, if an RM has no cost, or no price keeps the budget.
    """

    def __init__(self, pool: RewardModelPool, router: CalibratedScorer, settings: CostSettings) -> None:
        if (settings.budget is None) == (settings.price is None):
            raise ConfigError(
                "router+cost: give a budget (router+cost@0.01) or a price (router+cost:price=2)"
            )
        self._pool = pool.select(router.arms)
        self._router = router
        self._settings = settings
        self._costs: Costs | None = None
        self._price = 0.0

    @property
    def measures(self) -> bool:
        """Whether it plans by seconds that it measures, which differ from run to run."""
        return self._settings.unit == "second"

    def prepare(self) -> None:
        """Plan before the first batch; seconds, which are measured on it, wait for it.

        Raises
        ------
        ConfigError
            If an RM has no cost, or cannot be timed, or no price keeps the budget.
        """
        if self._costs is not None:
            return
        if self.measures:
            check_timed(self._pool)
        else:
            self._plan(costs_of(self._pool, self._settings.unit, ()))

    def annotate(self, pairs: Sequence[PreferencePair], step: StepContext) -> list[Annotation]:
        """Return the labels of the routed RMs."""
        if not pairs:
            return []
        if self._costs is None:
            self._plan(costs_of(self._pool, self._settings.unit, pairs))
        assert self._costs is not None  # noqa: S101 - for the type checker
        net = net_accuracy(self._model, self._router.scores(pairs), self._costs, self._price)
        ranked = np.argsort(-net, axis=1, kind="stable")
        return call_in_order(self._pool, pairs, [[self._router.arms[n] for n in row] for row in ranked], step)

    def observe(self, outcomes: object) -> None:
        """Ignore the outcomes: this strategy does not learn."""

    def state_dict(self) -> State:
        """Return the costs, which may have been measured."""
        return State({} if self._costs is None else {"costs": self._costs.values})

    def load_state_dict(self, state: State) -> None:
        """Restore what :meth:`state_dict` returned.

        Raises
        ------
        CheckpointError
            If it is another strategy's, or of another number of RMs.
        """
        if unknown := [name for name in (*state.arrays, *state.metadata) if name != "costs"]:
            raise CheckpointError(
                f"router+cost keeps no {', '.join(unknown)}; the state is another strategy's"
            )
        if "costs" in state.arrays:
            self._plan(costs_from(state, len(self._pool), self._settings.unit))

    def _plan(self, costs: Costs) -> None:
        held_out, budget = self._router.held_out, self._settings.budget
        self._model = EvidenceModel.fit(held_out)
        self._price = (
            single_call_price(self._model, held_out, costs, budget)
            if budget is not None
            else self._settings.price or 0.0
        )
        self._costs = costs

"""The part of a cascade, and of cost-aware routing, that plans by what calls cost (beyond the paper).

A plan needs the cost of a call to each RM. Calls and money are known before the first batch, so a budget that cannot
be kept is refused before anything is labelled (:meth:`Planned.prepare`); seconds are measured on the first batch.
"""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, Generic, TypeVar

from rewardrouter.annotators.base import Annotation, DecisionId, Outcome, StepContext
from rewardrouter.annotators.costs import check_timed, costs_from, costs_of
from rewardrouter.calibration import Costs
from rewardrouter.errors import CheckpointError
from rewardrouter.pairs import PreferencePair
from rewardrouter.reward_models.pool import RewardModelPool
from rewardrouter.state import State

if TYPE_CHECKING:  # settings need pydantic; whoever passes some has imported it
    from rewardrouter.config.cascade import Unit

PlanT = TypeVar("PlanT")


@dataclasses.dataclass(frozen=True, slots=True)
class Ready(Generic[PlanT]):
    """The costs of calls, and what was planned with them."""

    costs: Costs
    plan: PlanT


class Planned(ABC, Generic[PlanT]):
    """An annotator that plans by what calls cost, and keeps these costs; it learns from no outcome.

    Parameters
    ----------
    pool
        Of N RMs.
    unit
        What costs are counted in.
    """

    _keeps: ClassVar[frozenset[str]] = frozenset({"costs"})
    """The names in its state."""

    def __init__(self, pool: RewardModelPool, unit: Unit) -> None:
        self._pool = pool
        self._unit = unit
        self._ready: Ready[PlanT] | None = None

    @property
    def measures(self) -> bool:
        """Whether it plans by seconds that it measures, which differ from run to run."""
        return self._unit == "second"

    def prepare(self) -> None:
        """Plan before the first batch; seconds, which are measured on it, wait for it.

        Raises
        ------
        ConfigError
            If an RM has no cost, or cannot be timed, or no plan keeps the budget.
        """
        if not self.measures:
            self._prepared(())
        elif self._ready is None:
            check_timed(self._pool)

    @abstractmethod
    def annotate(self, pairs: Sequence[PreferencePair], step: StepContext) -> list[Annotation]:
        """Return one annotation per pair, in the order of ``pairs``."""

    def observe(self, outcomes: Mapping[DecisionId, Outcome]) -> None:
        """Ignore the outcomes: evidence comes from labelled pairs, not from training."""

    def state_dict(self) -> State:
        """Return the costs, which may have been measured."""
        return State({} if self._ready is None else {"costs": self._ready.costs.values})

    def load_state_dict(self, state: State) -> None:
        """Restore what :meth:`state_dict` returned.

        Raises
        ------
        CheckpointError
            If it is another strategy's, or of another number of RMs.
        """
        if unknown := [name for name in (*state.arrays, *state.metadata) if name not in self._keeps]:
            raise CheckpointError(
                f"{type(self).__name__} keeps no {', '.join(unknown)}; the state is another strategy's"
            )
        if "costs" in state.arrays:
            self._ready = self._planned(costs_from(state, len(self._pool), self._unit))

    @abstractmethod
    def _plan(self, costs: Costs) -> PlanT:
        """Return the plan for these costs.

        Raises
        ------
        ConfigError
            If none keeps the budget.
        """

    def _prepared(self, pairs: Sequence[PreferencePair]) -> Ready[PlanT]:
        """Return costs and plan; seconds that are not known yet are measured on ``pairs``."""
        if self._ready is None:
            self._ready = self._planned(costs_of(self._pool, self._unit, pairs))
        return self._ready

    def _planned(self, costs: Costs) -> Ready[PlanT]:
        return Ready(costs, self._plan(costs))

"""From the outcomes of labels to bandit rewards, one per decision.

The formulas are arrays-only and lie in :mod:`rewardrouter.online.feedback` (paper App. B) and
:mod:`rewardrouter.online.advantage` (Table 7); here they meet the decisions that they judge. Whoever writes
another reward writes a class with these three methods and hands it to an annotator.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np

from rewardrouter.annotators.base import KeepsNoState, Outcome
from rewardrouter.annotators.decisions import Decision
from rewardrouter.online.advantage import advantage_rewards
from rewardrouter.online.arrays import Floats
from rewardrouter.online.feedback import BanditReward, BatchReward, Rewards
from rewardrouter.state import State


@runtime_checkable
class Reward(Protocol):
    """Says what the decisions of one batch were worth."""

    def rewards(self, decisions: Sequence[Decision], outcomes: Sequence[Outcome]) -> Rewards:
        """Return one reward per decision, in order; NaN for none.

        Called once per settled batch, or where one RM is chosen per batch, once per RM that answered in it.
        """

    def state_dict(self) -> State:
        """Return all that changes while rewards are given."""

    def load_state_dict(self, state: State) -> None:
        """Restore what :meth:`state_dict` returned; raise ``CheckpointError`` where it does not fit."""


class LossReward:
    """The paper's: minus the loss, centred in the batch and rescaled by the past (App. B)."""

    def __init__(self, formula: BanditReward | None = None) -> None:
        self._formula = BanditReward() if formula is None else formula

    def rewards(self, decisions: Sequence[Decision], outcomes: Sequence[Outcome]) -> Rewards:  # noqa: ARG002
        """Return the rewards of one batch's losses."""
        return self._formula.rewards(_losses(outcomes))

    def state_dict(self) -> State:
        """Return the formula's past."""
        return self._formula.state_dict()

    def load_state_dict(self, state: State) -> None:
        """Restore the formula's past."""
        self._formula.load_state_dict(state)


class BatchLossReward:
    """LASER's: minus the mean loss of the decisions, not centred, rescaled by the past; the same for each."""

    def __init__(self, formula: BatchReward | None = None) -> None:
        self._formula = BatchReward() if formula is None else formula

    def rewards(self, decisions: Sequence[Decision], outcomes: Sequence[Outcome]) -> Rewards:
        """Return one value, repeated; NaN where no loss is finite."""
        given = self._formula.rewards(_losses(outcomes))
        return Rewards(np.repeat(given.values, len(decisions)), given.refused)

    def state_dict(self) -> State:
        """Return the formula's past."""
        return self._formula.state_dict()

    def load_state_dict(self, state: State) -> None:
        """Restore the formula's past."""
        self._formula.load_state_dict(state)


class AdvantageReward(KeepsNoState):
    """Table 7's: 1 where the loss is at most the mean over the reference RMs' labels, else 0.

    A reference that gave the decision's own label has its loss, one that gave the other label the swapped loss;
    one that gave no label is left out.
    """

    def rewards(self, decisions: Sequence[Decision], outcomes: Sequence[Outcome]) -> Rewards:
        """Return 0, 1 or NaN per decision."""
        most = max((len(decision.references) for decision in decisions), default=0)
        references = np.full((len(decisions), most), np.nan)
        for row, decision, outcome in zip(references, decisions, outcomes, strict=True):
            for n, label in enumerate(decision.references.values()):
                if label is not None:
                    row[n] = outcome.loss if label == decision.label else outcome.swapped_loss
        return advantage_rewards(_losses(outcomes), references)


def _losses(outcomes: Sequence[Outcome]) -> Floats:
    return np.array([outcome.loss for outcome in outcomes], np.float64)

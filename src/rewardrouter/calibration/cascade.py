"""The cascade on arrays: ask, hear, and stop when the label is sure enough.

    cascade = Cascade(model, signals, costs, threshold=2.0)
    while len((asked := cascade.ask()).rows):
        cascade.hear(asked, winners, margins)          # of the RMs asked, in the same order
    cascade.beliefs.log_odds

The same object is driven by live RMs (``annotators.cascade``) and by recorded verdicts (``calibration.budget``).
"""

from __future__ import annotations

import dataclasses
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from rewardrouter.calibration.beliefs import EvidenceModel
from rewardrouter.calibration.choosing import MOST_CALLS, Costs, first_arms, next_arms
from rewardrouter.calibration.heldout import Signals

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Order: TypeAlias = Literal["gain", "score"]


@dataclasses.dataclass(frozen=True)
class Asked:
    """Whom to ask now: W rows, and the RM of each, ``int64 [W]``."""

    rows: Integers
    arms: Integers


class Cascade:
    """One pass over P pairs.

    ``beliefs`` is what is believed of them, ``asked``, ``bool [P, N]``, who was asked.

    Parameters
    ----------
    model
        Of N RMs.
    signals
        Of the P pairs.
    costs
        Of a call to each RM.
    threshold
        Log odds of the label at which asking ends, at least 0. No label is given before one RM named a winner.
    price
        Of one unit of cost, in accuracy: how the first RM is chosen.
    by
        Who is asked next: the RM that would tell most per cost (``gain``), or the best scored (``score``).
    most_calls
        About one pair.
    left
        ``bool [P, N]``: who can be asked; ``None`` for all.
    """

    def __init__(
        self,
        model: EvidenceModel,
        signals: Signals,
        costs: Costs,
        *,
        threshold: float,
        price: float = 0.0,
        by: Order = "gain",
        most_calls: int = MOST_CALLS,
        left: npt.NDArray[np.bool_] | None = None,
    ) -> None:
        self.beliefs = model.begin(signals)
        self._model, self._signals, self._costs = model, signals, costs
        self._threshold, self._price, self._by, self._most = threshold, price, by, most_calls
        self._left = np.ones(signals.scores.shape, np.bool_) if left is None else left.copy()
        self.asked = np.zeros(signals.scores.shape, np.bool_)

    @property
    def sure(self) -> npt.NDArray[np.bool_]:
        """``bool [P]``: the label is sure enough, and an RM named a winner."""
        heard = self.beliefs.answered.any(axis=1)
        enough: npt.NDArray[np.bool_] = heard & (np.abs(self.beliefs.log_odds) >= self._threshold)
        return enough

    def ask(self) -> Asked:
        """Return whom to ask now; no rows at the end.

        A pair of which no RM named a winner yet is asked on as long as any RM is left.
        """
        calls = self.asked.sum(axis=1)
        unheard = ~self.beliefs.answered.any(axis=1)
        open_ = ~self.sure & self._left.any(axis=1) & ((calls < self._most) | unheard)
        rows = np.flatnonzero(open_)
        if not len(rows):
            return Asked(rows, rows)
        new = calls[rows] == 0
        arms = np.zeros(len(rows), np.int64)
        if new.any():
            arms[new] = first_arms(
                self._model, self._signals.select(rows[new]), self._costs, self._price, self._left[rows[new]]
            )
        if (~new).any():
            old = rows[~new]
            if self._by == "gain":
                arms[~new] = next_arms(self.beliefs, self._signals, self._costs, old, self._left[old])
            else:
                arms[~new] = np.where(self._left[old], self._signals.scores[old], -np.inf).argmax(axis=1)
        self._left[rows, arms] = False
        self.asked[rows, arms] = True
        return Asked(rows, arms)

    def hear(self, asked: Asked, winners: Integers, margins: Floats) -> None:
        """Hear the verdicts of those asked: winner 1, -1 or 0 (none), and the margin or NaN, ``[W]`` each."""
        self.beliefs.tell(asked.rows, asked.arms, winners, margins)

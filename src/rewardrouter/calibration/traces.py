"""A cascade that never stops early, after each of its calls: every threshold at once.

Whom a cascade asks next does not depend on when it stops. So one pass over labelled pairs tells, for every threshold,
what it would have cost and how often its label would have been right. On the held-out pairs, evidence is fitted to
the other folds than those it is tried on.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

from rewardrouter.calibration.beliefs import EvidenceModel
from rewardrouter.calibration.cascade import Cascade, Order
from rewardrouter.calibration.choosing import MOST_CALLS, Costs
from rewardrouter.calibration.heldout import HeldOut
from rewardrouter.calibration.witnesses import INDEPENDENCE
from rewardrouter.errors import ConfigError

Floats = npt.NDArray[np.float64]

_ROWS = 4_000
"""Held-out pairs that a trace is made of at most."""


@dataclasses.dataclass(frozen=True)
class Trace:
    """A cascade that never stopped early, on P held-out pairs: after each of up to K calls.

    ``sureness`` is ``|log odds|``, ``float64 [P, K]``, -1 before an RM named a winner; ``cost`` what was spent until
    then; ``right`` whether the label would be the human's. Rows of fewer calls repeat their last. ``alone``, ``[P]``,
    is whether the first verdict by itself is right.
    """

    sureness: Floats
    cost: Floats
    right: Floats
    alone: Floats

    def at(self, threshold: float) -> tuple[Floats, Floats]:
        """Return cost and rightness of every pair, ``[P]`` each, when asking ends at ``threshold``."""
        sure = self.sureness >= threshold
        stop = np.where(sure.any(axis=1), sure.argmax(axis=1), sure.shape[1] - 1)
        rows = np.arange(len(stop))
        return self.cost[rows, stop], self.right[rows, stop]

    @property
    def thresholds(self) -> Floats:
        """Every threshold worth trying, ascending: 0, then a grid of what was reached."""
        reached = np.unique(np.quantile(self.sureness[self.sureness >= 0], np.linspace(0, 1, 801)))
        return np.concatenate([[0.0], reached, [np.nextafter(reached[-1], np.inf)]])


def trace(
    held_out: HeldOut,
    costs: Costs,
    price: float = 0.0,
    *,
    independence: float = INDEPENDENCE,
    by: Order = "gain",
) -> Trace:
    """Run a cascade that never stops on held-out pairs, each fold by what the others taught.

    Raises
    ------
    ConfigError
        If there are no held-out pairs.
    """
    check_plannable(held_out)
    if len(held_out) > _ROWS:
        held_out = held_out.sampled(0, _ROWS)
    parts, asked, plannable = [], held_out.asked, held_out.plannable
    for taught, held in held_out.parts():
        tried = held & plannable
        if tried.any():
            model = EvidenceModel.fit(taught, independence=independence)
            parts.append(traced(model, held_out.select(tried), costs, price, by, asked[tried]))
    return Trace(
        *(
            np.concatenate([getattr(part, field.name) for part in parts])
            for field in dataclasses.fields(Trace)
        )
    )


def check_plannable(held_out: HeldOut) -> None:
    """Check that there is something to plan a budget on.

    Raises
    ------
    ConfigError
        If there are no held-out pairs.
    """
    if not len(held_out):
        raise ConfigError("the router keeps no held-out pairs, so no budget can be planned: fit it again")


def traced(
    model: EvidenceModel,
    pairs: HeldOut,
    costs: Costs,
    price: float = 0.0,
    by: Order = "gain",
    left: npt.NDArray[np.bool_] | None = None,
) -> Trace:
    """Run a cascade that never stops on labelled pairs that ``model`` was not fitted to.

    ``left``, ``bool [P, N]``, is who can be asked; ``None`` for all.
    """
    cascade = Cascade(model, pairs.signals, costs, threshold=np.inf, price=price, by=by, left=left)
    sureness, spent, right = [], [], []
    total, alone = np.zeros(len(pairs)), np.zeros(len(pairs))
    for _ in range(min(MOST_CALLS, pairs.winners.shape[1])):
        asked = cascade.ask()
        winners = pairs.winners[asked.rows, asked.arms]
        first = ~cascade.beliefs.answered[asked.rows].any(axis=1) & (winners != 0)
        alone[asked.rows[first]] = (winners == pairs.labels[asked.rows])[first]
        cascade.hear(asked, winners, pairs.margins[asked.rows, asked.arms])
        total[asked.rows] += costs.values[asked.arms]
        odds, heard = cascade.beliefs.log_odds, cascade.beliefs.answered.any(axis=1)
        sureness.append(np.where(heard, np.abs(odds), -1.0))
        spent.append(total.copy())
        right.append((heard & (odds * pairs.labels > 0)).astype(np.float64))
    return Trace(np.stack(sureness, 1), np.stack(spent, 1), np.stack(right, 1), alone)

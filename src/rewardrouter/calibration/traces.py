"""A cascade that never stops early, after each of its calls: every threshold at once.

Whom a cascade asks next does not depend on when it stops. So one pass over labelled pairs tells, for every threshold,
what it would have cost and how often its label would have been right. On the held-out pairs, evidence is fitted to
the other folds than those it is tried on.

About new pairs every RM can be asked, about some held-out pairs not: who joined later was not there. Where a cascade is
not sure when those that can be asked have all answered, the others would be asked. They are paid for, and change no
label, so a budget is rather kept too well than not at all.
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
"""Held-out pairs that a trace is made of at most, and further ones that teach alone."""


@dataclasses.dataclass(frozen=True)
class Trace:
    """A cascade that never stopped early, on P held-out pairs: after each of up to K calls.

    ``sureness`` is ``|log odds|``, ``float64 [P, K]``, -1 before an RM named a winner; ``cost`` what was spent until
    then; ``right`` whether the label would be the human's. ``alone``, ``[P]``,
    is whether the first verdict by itself is right; ``groups``, ``int64 [P]``, the pairs' groups.
    """

    sureness: Floats
    cost: Floats
    right: Floats
    alone: Floats
    groups: npt.NDArray[np.int64]

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
        If no held-out pair was judged by one of the RMs.
    """
    check_plannable(held_out)
    # Who can be asked is known of all pairs together, so before some are drawn.
    drawn = np.sort(np.concatenate([_drawn(held_out.plannable), _drawn(~held_out.plannable)]))
    asked, plannable = held_out.asked[drawn], held_out.plannable[drawn]
    parts, held_out = [], dataclasses.replace(held_out, groups=held_out.clusters).select(drawn)
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
        If no held-out pair was judged by one of the RMs.
    """
    if not len(held_out):
        raise ConfigError("the router keeps no held-out pairs, so no budget can be planned: fit it again")
    if not held_out.plannable.any():
        raise ConfigError(
            "the router's reward models named a winner of none of its held-out pairs, so no budget can be planned: fit"
            " it again, or add reward models with labelled pairs (rewardrouter arms add NAME --verdicts V)"
        )


def _drawn(which: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """Return the indices of at most :data:`_ROWS` of these pairs."""
    return np.random.default_rng(0).permutation(np.flatnonzero(which))[:_ROWS]


def traced(
    model: EvidenceModel,
    pairs: HeldOut,
    costs: Costs,
    price: float = 0.0,
    by: Order = "gain",
    left: npt.NDArray[np.bool_] | None = None,
) -> Trace:
    """Run a cascade that never stops on labelled pairs that ``model`` was not fitted to.

    ``left``, ``bool [P, N]``, is who can be asked; ``None`` for all. The others cost as the rest of a pool would.
    """
    cascade = Cascade(model, pairs.signals, costs, threshold=np.inf, price=price, by=by, left=left)
    askable = np.ones(pairs.winners.shape, np.bool_) if left is None else left
    # Who could not be asked is paid for at last, the dearest first.
    others, n_askable = np.sort(np.where(askable, 0.0, costs.values), axis=1)[:, ::-1], askable.sum(axis=1)
    sureness, spent, right = [], [], []
    total, alone = np.zeros(len(pairs)), np.zeros(len(pairs))
    for call in range(min(MOST_CALLS, pairs.winners.shape[1])):
        asked = cascade.ask()
        winners = pairs.winners[asked.rows, asked.arms]
        first = ~cascade.beliefs.answered[asked.rows].any(axis=1) & (winners != 0)
        alone[asked.rows[first]] = (winners == pairs.labels[asked.rows])[first]
        cascade.hear(asked, winners, pairs.margins[asked.rows, asked.arms])
        total[asked.rows] += costs.values[asked.arms]
        out = np.flatnonzero(n_askable <= call)
        total[out] += others[out, call - n_askable[out]]
        odds, heard = cascade.beliefs.log_odds, cascade.beliefs.answered.any(axis=1)
        sureness.append(np.where(heard, np.abs(odds), -1.0))
        spent.append(total.copy())
        right.append((heard & (odds * pairs.labels > 0)).astype(np.float64))
    return Trace(np.stack(sureness, 1), np.stack(spent, 1), np.stack(right, 1), alone, pairs.clusters)

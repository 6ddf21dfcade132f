"""Thresholds that keep a budget, found on the held-out pairs alone.

One pass over the held-out pairs (``calibration.traces``) tells for every threshold what it costs. The threshold of a
budget is the highest whose mean cost, with one standard error (of groups) to spare, is within it: other pairs cost a
little more or less.

With unequal costs there is also a price, by which a cheap RM is asked first: of a few prices, each with its own
threshold, the one that was right most often.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from rewardrouter.calibration.beliefs import EvidenceModel
from rewardrouter.calibration.choosing import Costs, net_accuracy
from rewardrouter.calibration.clusters import Clusters
from rewardrouter.calibration.heldout import HeldOut
from rewardrouter.calibration.traces import Trace, check_plannable
from rewardrouter.errors import ConfigError

Floats = npt.NDArray[np.float64]

_PRICES = (0.0, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
"""Accuracy that is given up for the mean cost of an RM."""


@dataclasses.dataclass(frozen=True)
class Plan:
    """How a cascade is to work, and what it did on the held-out pairs.

    ``threshold`` is in log odds; ``price`` in accuracy per unit of cost; ``cost`` the mean there, in the costs' unit,
    ``accuracy`` the share of right labels among all held-out pairs. ``alone``: the router's RM labels by itself.
    """

    threshold: float
    price: float
    cost: float
    accuracy: float
    alone: bool = False


def best_plan(
    tried: Callable[[float], Trace], costs: Costs, budget: float, *, or_alone: bool = False
) -> Plan:
    """Return the plan of the highest threshold whose mean cost, and one standard error, is within ``budget``.

    ``tried`` gives the cascade on the held-out pairs at a price. Of the prices, each with its own threshold, the one is
    taken that is right most often there. Thresholds are not chosen by that: a lower one may be right as often, or
    more. Where RMs tie or fail so often that none keeps a budget of at least the cheapest call, it is the plan that
    costs least: asking on until one RM answers is needed.
    With ``or_alone`` a cascade that is right less often there than the router by itself is the router by itself: on few
    held-out pairs evidence may be worth nothing.

    Raises
    ------
    ConfigError
        If the budget is less than one call to the cheapest RM.
    """
    _check(budget, costs)
    traces = {price: tried(price) for price in prices(costs)}
    found = [cheapest_within(trace, budget, price) for price, trace in traces.items()]
    plans = [plan for plan in found if plan is not None]
    if plans:
        best = max(plans, key=lambda plan: plan.accuracy)  # of equals the lowest price
    else:
        at_once = [
            Plan(0.0, price, float(cost.mean()), float(right.mean()))
            for price, trace in traces.items()
            for cost, right in [trace.at(0.0)]
        ]
        best = min(at_once, key=lambda plan: plan.cost)
    alone, cost = float(traces[0.0].alone.mean()), traces[0.0].at(0.0)[0]
    affordable = (
        _keeps(cost, Clusters(traces[0.0].groups), budget) if plans else float(cost.mean()) <= best.cost
    )
    if or_alone and alone > best.accuracy and affordable:
        return Plan(0.0, 0.0, float(cost.mean()), alone, alone=True)
    return best


def prices(costs: Costs) -> tuple[float, ...]:
    """Return the prices to try; where all cost the same, none changes anything."""
    return (0.0,) if costs.equal else tuple(price / float(costs.values.mean()) for price in _PRICES)


def cheapest_within(tried: Trace, budget: float, price: float) -> Plan | None:
    """Return the plan of the highest threshold that keeps the budget, ``None`` where not even threshold 0 does."""
    best, clusters = None, Clusters(tried.groups)
    for threshold in tried.thresholds:
        cost, right = tried.at(float(threshold))
        if not _keeps(cost, clusters, budget):
            break
        best = Plan(float(threshold), price, float(cost.mean()), float(right.mean()))
    return best


def _keeps(cost: Floats, clusters: Clusters, budget: float) -> bool:
    """Return whether the mean cost, with one standard error to spare, is within the budget."""
    return float(cost.mean()) + clusters.standard_error(cost) <= budget + 1e-9


def single_call_price(model: EvidenceModel, held_out: HeldOut, costs: Costs, budget: float) -> float:
    """Return the least price at which routing to one RM keeps ``budget`` per held-out pair.

    What it costs is the mean and one standard error. Calls that tied or failed cost too, and so does the next RM that
    is asked then.

    Raises
    ------
    ConfigError
        If no price keeps the budget, with the least that can be kept, or no held-out pair was judged.
    """
    _check(budget, costs)
    calls = _SingleCalls(model, held_out, costs)
    most = budget * (1 + 1e-9)
    if calls.spent(0.0) <= most:
        return 0.0
    steps = calls.prices
    kept = next((n for n, price in enumerate(steps) if calls.spent(price) <= most), None)
    if kept is None:
        raise ConfigError(
            f"a budget of {budget:g} {costs.unit}s per pair cannot be kept on the router's held-out pairs, where calls"
            f" that tie or fail are paid for too; the least that can is {calls.least_text}"
        )
    low, high = steps[max(kept - 1, 0)], steps[kept]
    for _ in range(40):
        middle = (low * high) ** 0.5
        low, high = (middle, high) if calls.spent(middle) > most else (low, middle)
    return high


def least_single_call(model: EvidenceModel, held_out: HeldOut, costs: Costs) -> float:
    """Return the least budget that :func:`single_call_price` keeps.

    Raises
    ------
    ConfigError
        If no held-out pair was judged by one of the RMs.
    """
    return _SingleCalls(model, held_out, costs).least


class _SingleCalls:
    """What routing to one RM spends on the held-out pairs, by the price."""

    def __init__(self, model: EvidenceModel, held_out: HeldOut, costs: Costs) -> None:
        check_plannable(held_out)
        plannable = held_out.plannable
        self._held_out, self._model, self._costs = held_out.select(plannable), model, costs
        self._asked, self._clusters = held_out.asked[plannable], Clusters(held_out.clusters[plannable])
        # Where nobody who can be asked answers, another would be: the dearest, at worst.
        self._other = np.where(self._asked, 0.0, costs.values).max(axis=1)

    @property
    def prices(self) -> list[float]:
        """Prices to try, rising; one that is higher need not spend less, where a cheap RM ties more often."""
        # Accuracy is at most 1, so the highest price outweighs it wherever two costs differ by a billionth.
        dearest = float(self._costs.values.max())
        return [10.0 ** (power / 4) / dearest for power in range(-36, 37)] if dearest else [0.0]

    def spent(self, price: float) -> float:
        """Return the mean cost per pair, and one standard error."""
        held_out = self._held_out
        net = net_accuracy(self._model, held_out.signals.scores, self._costs, price)
        order = np.argsort(np.where(self._asked, -net, np.inf), axis=1, kind="stable")
        answered = np.take_along_axis(held_out.answered, order, axis=1)
        heard = answered.any(axis=1)
        last = np.where(heard, answered.argmax(axis=1), self._asked.sum(axis=1) - 1)
        cost: Floats = self._costs.values[order].cumsum(axis=1)[np.arange(len(order)), last]
        cost = cost + np.where(heard, 0.0, self._other)
        return float(cost.mean()) + self._clusters.standard_error(cost)

    @functools.cached_property
    def least(self) -> float:
        """The least that any price spends."""
        return min(map(self.spent, (0.0, *self.prices)))

    @property
    def least_text(self) -> str:
        """The same in three digits, rounded up: a budget that is kept."""
        unit = 10.0 ** (math.floor(math.log10(self.least)) - 2)
        return f"{math.ceil(self.least / unit - 1e-8) * unit:.3g}"


def _check(budget: float, costs: Costs) -> None:
    cheapest = float(costs.values.min())
    if budget < cheapest * (1 - 1e-9):
        raise ConfigError(
            f"a budget of {budget:g} {costs.unit}s per pair is less than one call to the cheapest reward model"
            f" ({cheapest:g})"
        )

"""Thresholds that keep a budget, found on the held-out pairs alone.

One pass over the held-out pairs (``calibration.traces``) tells for every threshold what it costs. The threshold of a
budget is the highest whose mean cost, with one standard error to spare, is within it: other pairs cost a little more
or less.

With unequal costs there is also a price, by which a cheap RM is asked first: of a few prices, each with its own
threshold, the one that was right most often.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from rewardrouter.calibration.beliefs import EvidenceModel
from rewardrouter.calibration.choosing import Costs, net_accuracy
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
    """Return the plan that is right most often among those whose mean cost per pair keeps ``budget``.

    ``tried`` gives the cascade on the held-out pairs at a price. Where RMs tie or fail so often that none keeps a
    budget of at least the cheapest call, it is the plan that costs least: asking on until one RM answers is needed.
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
    alone, cost = float(traces[0.0].alone.mean()), float(traces[0.0].at(0.0)[0].mean())
    if or_alone and alone > best.accuracy and cost <= max(budget, best.cost):
        return Plan(0.0, 0.0, cost, alone, alone=True)
    return best


def prices(costs: Costs) -> tuple[float, ...]:
    """Return the prices to try; where all cost the same, none changes anything."""
    return (0.0,) if costs.equal else tuple(price / float(costs.values.mean()) for price in _PRICES)


def cheapest_within(tried: Trace, budget: float, price: float) -> Plan | None:
    """Return the plan of the highest threshold that keeps the budget, ``None`` where not even threshold 0 does."""
    best = None
    for threshold in tried.thresholds:
        cost, right = tried.at(float(threshold))
        spare = float(cost.std()) / len(cost) ** 0.5
        if float(cost.mean()) + spare > budget + 1e-9:
            break
        best = Plan(float(threshold), price, float(cost.mean()), float(right.mean()))
    return best


def single_call_price(model: EvidenceModel, held_out: HeldOut, costs: Costs, budget: float) -> float:
    """Return the least price at which routing to one RM costs at most ``budget`` per held-out pair.

    Calls that tied or failed cost too, and so does the next RM that is asked then. Where even the highest price exceeds
    the budget by such calls, it is the highest.

    Raises
    ------
    ConfigError
        If the budget is less than one call to the cheapest RM, or there are no held-out pairs.
    """
    _check(budget, costs)
    check_plannable(held_out)
    held_out = held_out.select(held_out.plannable)
    asked = held_out.asked

    def spent(price: float) -> float:
        net = net_accuracy(model, held_out.signals.scores, costs, price)
        order = np.argsort(np.where(asked, -net, np.inf), axis=1, kind="stable")
        answered = np.take_along_axis(held_out.answered, order, axis=1)
        last = np.where(answered.any(axis=1), answered.argmax(axis=1), order.shape[1] - 1)
        return float(costs.values[order].cumsum(axis=1)[np.arange(len(order)), last].mean())

    # Accuracy is at most 1, so the highest price outweighs it wherever two costs differ by a billionth.
    high = 1e9 / float(costs.values.max())
    if spent(0.0) <= budget:
        return 0.0
    if spent(high) > budget * (1 + 1e-9):
        return high
    low = 1e-18 * high
    for _ in range(100):
        middle = (low * high) ** 0.5
        low, high = (middle, high) if spent(middle) > budget else (low, middle)
    return high


def _check(budget: float, costs: Costs) -> None:
    cheapest = float(costs.values.min())
    if budget < cheapest * (1 - 1e-9):
        raise ConfigError(
            f"a budget of {budget:g} {costs.unit}s per pair is less than one call to the cheapest reward model"
            f" ({cheapest:g})"
        )

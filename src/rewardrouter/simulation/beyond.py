"""The strategies beyond the paper by name: cascades and cost-aware routing, each with a budget behind ``@``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from rewardrouter.annotators import Annotator
from rewardrouter.annotators.cascade import CalibratedScorer, CascadeAnnotator
from rewardrouter.annotators.cost_aware import CostAwareAnnotator
from rewardrouter.calibration import Costs, EvidenceModel
from rewardrouter.calibration.budget import least_single_call
from rewardrouter.config.base import StrictModel
from rewardrouter.config.cascade import CascadeSettings, CostSettings
from rewardrouter.reward_models import RewardModelPool
from rewardrouter.simulation.asked import canonical, name_of, settings_of

Make = Callable[[RewardModelPool, CalibratedScorer, int], Annotator]
"""Makes an annotator of a pool, a router and a seed."""

BUDGETS = (1.1, 1.35, 1.6, 2.0)
"""Mean calls per pair of the cascades that every evaluation shows."""


def _cascade(settings: Any) -> Make:
    return lambda pool, router, seed: CascadeAnnotator(pool, router, settings, seed=seed)


def _cost(settings: Any) -> Make:
    return lambda pool, router, _: CostAwareAnnotator(pool, router, settings)


BEYOND: dict[str, tuple[type[StrictModel], Callable[[Any], Make]]] = {
    "router+cascade": (CascadeSettings, _cascade),
    "router+cost": (CostSettings, _cost),
}
"""Name, settings, and how to make one."""


def beyond(text: str) -> tuple[str, Make] | None:
    """Return the strategy's full name and how to make it; ``None`` where ``text`` asks for another one.

    Raises
    ------
    ConfigError
        If it has no such setting.
    """
    name = name_of(text)
    if name not in BEYOND:
        return None
    cls, make = BEYOND[name]
    settings = settings_of(cls, text)
    return canonical(name, settings), make(settings)


def priced(router: CalibratedScorer, costs: Sequence[float]) -> list[str]:
    """Return strategies that keep budgets of cost, for RMs that cost so much per call.

    The budgets are shares and multiples of what the plain router's calls cost on its held-out pairs, without those that
    cost-aware routing cannot keep there.
    """
    each, held_out = np.asarray(costs, np.float64), router.held_out
    plain = float(each[held_out.signals.scores.argmax(axis=1)].mean())
    least = least_single_call(EvidenceModel.fit(held_out), held_out, Costs(each))
    everything = float(each.sum())

    def kept(shares: Sequence[float]) -> list[str]:
        budgets = [float(f"{share * plain:.3g}") for share in shares]
        return [f"{budget:g}" for budget in budgets if least <= budget <= everything and budget > 0]

    return [
        *(f"router+cost@{budget}" for budget in kept((0.25, 0.5, 0.75))),
        *(f"router+cascade@{budget}:unit=cost" for budget in kept((0.5, 0.75, 1.0, 1.35, 2.0))),
    ]

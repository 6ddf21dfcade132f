"""What the settings of a cascade admit as evidence, and in which order reward models are asked.

Every ablation is one of :class:`~rewardrouter.config.cascade.EvidenceSettings`: without margins a verdict is worth its
reward model's base rate on such pairs, without a reading the router is no witness, and other orders than the router's
take the place of its scores. Held-out pairs and new ones are treated alike.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from rewardrouter.calibration import Costs, EvidenceModel, HeldOut, Plan, Signals
from rewardrouter.calibration.beliefs import accuracy_of
from rewardrouter.calibration.budget import best_plan
from rewardrouter.calibration.cascade import Order
from rewardrouter.calibration.traces import Trace, trace, traced
from rewardrouter.calibration.witnesses import INDEPENDENCE
from rewardrouter.online.arrays import Floats

if TYPE_CHECKING:  # settings need pydantic; whoever passes some has imported it
    from rewardrouter.config.cascade import EvidenceSettings


class Admitted:
    """Held-out pairs, and the evidence model fitted to them, as the settings of a cascade have it.

    Parameters
    ----------
    settings
        What is admitted.
    held_out
        All that is known of the held-out pairs.
    seed
        Of ``order: random`` on these.

    Attributes
    ----------
    model
        Fitted to what is admitted.
    """

    def __init__(self, settings: EvidenceSettings, held_out: HeldOut, seed: int) -> None:
        self._settings = settings
        self._accuracy = accuracy_of(held_out)
        random = np.random.default_rng(seed).random
        self._held_out = self.pairs(held_out, lambda: random(held_out.signals.scores.shape))
        self._traces: dict[tuple[bytes, float], Trace] = {}
        self.model = EvidenceModel.fit(self._held_out, independence=self._independence)

    @staticmethod
    @functools.lru_cache(maxsize=16)
    def of(settings: EvidenceSettings, held_out: HeldOut, seed: int) -> Admitted:
        """Return the same object for the same settings, seed and (identical) held-out pairs: budgets share the work."""
        return Admitted(settings, held_out, seed)

    @property
    def plannable(self) -> bool:
        """Whether any held-out pair was judged by one of the RMs."""
        return bool(self._held_out.plannable.any())

    @property
    def by(self) -> Order:
        """How the second RM and those after it are chosen."""
        return "gain" if self._settings.order == "gain" else "score"

    def plan(self, costs: Costs, budget: float) -> Plan:
        """Return threshold and price that keep a budget on the held-out pairs.

        Raises
        ------
        ConfigError
            If none do.
        """
        routed = self._settings.order in ("gain", "router")
        return best_plan(lambda price: self.trace(costs, price), costs, budget, or_alone=routed)

    def trace(self, costs: Costs, price: float = 0.0) -> Trace:
        """Return the cascade on the held-out pairs for all thresholds."""
        key = (costs.values.tobytes(), price)
        if key not in self._traces:
            self._traces[key] = trace(
                self._held_out, costs, price, independence=self._independence, by=self.by
            )
        return self._traces[key]

    def traced(self, pairs: HeldOut, costs: Costs, drawn: Callable[[], Floats]) -> Trace:
        """Return the cascade on other labelled pairs for all thresholds, at price 0."""
        return traced(self.model, self.pairs(pairs, drawn), costs, by=self.by)

    def signals(self, signals: Signals, drawn: Callable[[], Floats]) -> Signals:
        """Return what is admitted of P pairs' signals; ``drawn`` gives ``[P, N]`` numbers for ``order: random``."""
        scores = signals.scores
        if self._settings.order == "accuracy":
            scores = np.tile(self._accuracy, (len(scores), 1))
        elif self._settings.order == "random":
            scores = drawn()
        return Signals(scores, signals.beliefs, signals.reading if self._settings.reading else None)

    def margins(self, margins: Floats) -> Floats:
        """Return what is admitted of margins of any shape."""
        return margins if self._settings.margins else np.full_like(margins, np.nan)

    def pairs(self, pairs: HeldOut, drawn: Callable[[], Floats]) -> HeldOut:
        """Return what is admitted of P labelled pairs."""
        return dataclasses.replace(
            pairs, signals=self.signals(pairs.signals, drawn), margins=self.margins(pairs.margins)
        )

    @property
    def _independence(self) -> float:
        return INDEPENDENCE if self._settings.witnesses == "joint" else float("inf")

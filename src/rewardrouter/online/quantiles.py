"""Exact quantiles of all rewards so far, at microseconds each.

A run may have a million rewards; sorting them anew for every batch would cost more than the rest of the step.
A sorted list takes each where it belongs, and any order statistic is then a look-up.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from sortedcontainers import SortedList

from rewardrouter.errors import ConfigError
from rewardrouter.online.arrays import Floats
from rewardrouter.state import State


class RunningQuantiles:
    """A growing collection of numbers of which any quantile is known at once."""

    def __init__(self, values: Iterable[float] = ()) -> None:
        self._sorted = SortedList(values)

    def __len__(self) -> int:
        return len(self._sorted)

    def add(self, values: Floats) -> None:
        """Add finite numbers ``[n]``."""
        self._sorted.update(values.tolist())

    def quantile(self, share: float) -> float:
        """Return the quantile that ``share`` in [0, 1] of the numbers lie below.

        Between two order statistics it is interpolated linearly: to the bit what ``numpy.quantile`` returns.

        Raises
        ------
        ValueError
            If there are no numbers yet.
        """
        if not self._sorted:
            raise ValueError("no quantile of no numbers")
        place = (len(self._sorted) - 1) * share
        before = int(place)
        low: float = self._sorted[before]
        high: float = self._sorted[min(before + 1, len(self._sorted) - 1)]
        weight, gap = place - before, high - low
        return low + gap * weight if weight < 0.5 else high - gap * (1 - weight)

    def values(self) -> Floats:
        """Return all numbers ``[n]``, sorted."""
        return np.fromiter(self._sorted, np.float64, len(self._sorted))


class PercentileScale:
    """Brings rewards to [0, 1] by percentiles of all past ones (App. B).

    What lies below the past's ``low`` quantile becomes 0, above its ``high`` quantile 1, what lies between is
    linear. Where the past holds fewer than ``least`` rewards, or both quantiles agree, every reward is the neutral
    0.5.

    Raises
    ------
    ConfigError
        If not ``0 <= low < high <= 1``, or ``least`` is less than 1.
    """

    NEUTRAL = 0.5

    def __init__(self, low: float = 0.2, high: float = 0.8, least: int = 20) -> None:
        if not 0 <= low < high <= 1:
            raise ConfigError(f"percentiles: expected 0 <= low < high <= 1, found {low} and {high}")
        if least < 1:
            raise ConfigError(f"least: expected at least 1 past reward, found {least}")
        self.low, self.high, self.least = low, high, least
        self._past = RunningQuantiles()

    def __len__(self) -> int:
        """Return the number of past rewards."""
        return len(self._past)

    def rescale(self, rewards: Floats) -> Floats:
        """Return finite rewards ``[n]`` on the scale of the past, ``[n]`` in [0, 1]; then they are past too."""
        scaled = np.full(len(rewards), self.NEUTRAL)
        if len(self._past) >= self.least:
            bottom, top = self._past.quantile(self.low), self._past.quantile(self.high)
            if top > bottom:
                scaled = np.clip((rewards - bottom) / (top - bottom), 0.0, 1.0)
        self._past.add(rewards)
        return scaled

    def state_dict(self) -> State:
        """Return the past rewards, sorted."""
        return State({"past": self._past.values()})

    def load_state_dict(self, state: State) -> None:
        """Take over past rewards.

        Raises
        ------
        CheckpointError
            If the state is broken.
        """
        self._past = RunningQuantiles(state.floats("past", None).tolist())

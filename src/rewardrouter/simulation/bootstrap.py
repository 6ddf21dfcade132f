"""Intervals of means over pairs that are not independent: whole groups are drawn."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

_CHUNK = 100
"""Resamples held in memory at once."""


class GroupBootstrap:
    """95 % bootstrap intervals over groups, every interval from the same draws.

    Parameters
    ----------
    groups
        ``[P]``: the group of each pair.
    seed
        Of the draws.
    resamples
        How often as many groups as there are, are drawn with replacement.
    """

    def __init__(
        self, groups: Sequence[str] | npt.NDArray[np.str_], seed: int = 0, resamples: int = 2_000
    ) -> None:
        _, self._row_group = np.unique(np.asarray(groups), return_inverse=True)
        self._sizes = np.bincount(self._row_group)
        self._seed, self._resamples = seed, resamples

    def interval(self, values: npt.NDArray[np.float64]) -> tuple[float, float]:
        """Return the interval of the mean of ``values [P]``."""
        sums, n = np.bincount(self._row_group, weights=values), len(self._sizes)
        random, means = np.random.default_rng(self._seed), []
        for start in range(0, self._resamples, _CHUNK):
            size = min(_CHUNK, self._resamples - start)
            drawn = random.multinomial(n, np.full(n, 1 / n), size=size)
            means.append((drawn @ sums) / (drawn @ self._sizes))
        low, high = np.quantile(np.concatenate(means), (0.025, 0.975))
        return float(low), float(high)

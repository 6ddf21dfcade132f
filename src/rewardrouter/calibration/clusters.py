"""Standard errors of pairs that hang together.

Pairs of one problem are right, and cost, together: nine of them tell less than nine of as many problems. So a standard
error sums deviations within a group before it squares them.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


class Clusters:
    """The groups of P pairs, ``int64 [P]``: any numbers, the same for pairs of one group."""

    def __init__(self, groups: npt.NDArray[np.int64]) -> None:
        names, self._place = np.unique(groups, return_inverse=True)
        self._n = len(names)

    def sums(self, values: Floats) -> Floats:
        """Return the sum of ``values [P]`` within each of the G groups, ``float64 [G]``."""
        return np.bincount(self._place, values, self._n).astype(np.float64)

    def standard_error(self, values: Floats) -> float:
        """Return the standard error of the mean of ``values [P]``; with pairs of their own groups, std / sqrt(P)."""
        deviations = self.sums(values - values.mean())
        return float(np.sqrt((deviations**2).sum())) / len(values)

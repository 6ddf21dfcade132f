"""Two measures: the area under a ROC curve, and the interval of a mean over seeds."""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt
from scipy import stats


def auc(scores: npt.ArrayLike, positive: npt.ArrayLike) -> float | None:
    """Return the probability that a positive's score exceeds a negative's, ties counting half.

    ``scores [P]`` and ``positive bool [P]``; pairs without a finite score are left out. ``None`` where there are not
    both positives and negatives.
    """
    given, truth = np.asarray(scores, np.float64), np.asarray(positive, np.bool_)
    usable = np.isfinite(given)
    given, truth = given[usable], truth[usable]
    n, m = int(truth.sum()), int((~truth).sum())
    if not n or not m:
        return None
    ranks = stats.rankdata(given)
    return float((ranks[truth].sum() - n * (n + 1) / 2) / (n * m))


@dataclasses.dataclass(frozen=True, slots=True)
class MeanOverSeeds:
    """A mean, its standard error and 95 % interval, and the seeds' standard deviation; 0 wide for one seed."""

    mean: float
    std: float
    se: float
    low: float
    high: float


def mean_over_seeds(values: npt.ArrayLike) -> MeanOverSeeds:
    """Return the mean of ``values [S]`` with Student's interval."""
    given = np.asarray(values, np.float64)
    mean, n = float(given.mean()), len(given)
    if n < 2:
        return MeanOverSeeds(mean, 0.0, 0.0, mean, mean)
    std = float(given.std(ddof=1))
    se = std / n**0.5
    half = float(stats.t.ppf(0.975, n - 1)) * se
    return MeanOverSeeds(mean, std, se, mean - half, mean + half)

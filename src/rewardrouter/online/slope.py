"""Whether probabilities are over-confident: a test of the calibration slope.

Of K predictions with log odds l and outcomes y, ``logit P(y = 1) = a + b l``: b = 1 where they hold, less where they
claim too much, 0 where they say nothing. b is found by logistic regression; its standard error allows for predictions
about one pair, and about pairs of one problem, being right or wrong together (the sandwich estimator, clustered by
group where it is known, else by pair). The constant a is not tested:
whoever uses the probabilities here compares them within a pair.

Two questions are asked of b:

* *proven*: is b above :data:`PROOF` beyond doubt? Asked of pairs labelled beforehand, where there are many.
* *refuted*: is b below 1 beyond doubt? Asked of pairs that are audited now and then while training goes on, at their
  16th and at every doubling, ten times at most, so that with a level of :data:`LEVEL` / 10 each, all looks together
  raise a false alarm with a probability of at most :data:`LEVEL` (approximately: b is taken as Gaussian).
"""

from __future__ import annotations

import dataclasses
from statistics import NormalDist

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from rewardrouter.calibration.clusters import Clusters
from rewardrouter.calibration.logistic import fit_logistic
from rewardrouter.errors import CheckpointError
from rewardrouter.online.arrays import Floats, Indices
from rewardrouter.state import State

PROOF = 0.5
"""A slope of less means log odds that are twice too large, or worse."""

LEVEL = 0.05
LOOKS = 10
FIRST_LOOK = 16
"""Audited pairs."""

_WEAK = np.array([0.1, 0.1])
"""Precision of the prior of (a, b) around (0, 1): keeps few pairs from saying that b is infinite."""


@dataclasses.dataclass(frozen=True, slots=True)
class Slope:
    """The calibration slope, its standard error, and the number of pairs it is from."""

    value: float
    error: float
    pairs: int

    @property
    def proven(self) -> bool:
        """Whether the slope is above :data:`PROOF`, one-sided at :data:`LEVEL`."""
        return self.value - _quantile(LEVEL) * self.error > PROOF

    @property
    def refuted(self) -> bool:
        """Whether the slope is below 1, one-sided at :data:`LEVEL` / :data:`LOOKS`."""
        return self.value + _quantile(LEVEL / LOOKS) * self.error < 1.0


def calibration_slope(
    log_odds: Floats,
    right: Floats,
    pairs: npt.NDArray[np.int64],
    groups: npt.NDArray[np.int64] | None = None,
) -> Slope:
    """Return the slope of predictions ``log_odds [K]`` with outcomes ``right [K]``, 0 or 1, about ``pairs [K]``.

    ``groups [K]`` are those of the pairs; ``None``: each is one of its own. With no predictions the slope is unknown: 1
    with an infinite error.
    """
    if not len(log_odds):
        return Slope(1.0, float("inf"), 0)
    design = np.stack([np.ones_like(log_odds), log_odds], axis=1)
    weights = fit_logistic(design, 2.0 * right - 1.0, centre=np.array([0.0, 1.0]), strength=_WEAK)
    predicted = expit(design @ weights)
    information = (design * (predicted * (1.0 - predicted))[:, None]).T @ design + np.diag(_WEAK)
    clusters = Clusters(pairs if groups is None else groups)
    pull = design * (right - predicted)[:, None]
    sums = np.stack([clusters.sums(column) for column in pull.T], axis=1)
    inverse = np.linalg.inv(information)
    # The prior's share of the information is certain, so it is added to the sandwich's filling too.
    covariance = inverse @ (sums.T @ sums + np.diag(_WEAK)) @ inverse
    return Slope(float(weights[1]), float(np.sqrt(covariance[1, 1])), len(np.unique(pairs)))


class SlopeWatch:
    """Collects audited predictions and looks at their slope at every doubling.

    ``slope`` is that of the last look, ``None`` before the first; ``refuted`` whether it spoke against them.
    """

    def __init__(self) -> None:
        self.slope: Slope | None = None
        self._log_odds: Floats = np.empty(0)
        self._right: Floats = np.empty(0)
        self._pairs: Indices = np.empty(0, np.int64)
        self._audited = 0
        self._looks = 0

    @property
    def refuted(self) -> bool:
        """Whether the last look found the predictions over-confident."""
        return self.slope is not None and self.slope.refuted

    def add(self, log_odds: Floats, right: Floats) -> None:
        """Take in the predictions about one audited pair, ``[K]`` each."""
        if self._looks == LOOKS or not len(log_odds):
            return
        self._log_odds = np.concatenate([self._log_odds, log_odds])
        self._right = np.concatenate([self._right, right])
        self._pairs = np.concatenate([self._pairs, np.full(len(log_odds), self._audited)])
        self._audited += 1
        if self._audited == FIRST_LOOK * 2**self._looks:
            self.slope = calibration_slope(self._log_odds, self._right, self._pairs)
            self._looks += 1

    def state_dict(self) -> State:
        """Return the predictions and the last look."""
        arrays = {"log_odds": self._log_odds, "right": self._right, "pairs": self._pairs}
        last = None if self.slope is None else [x.hex() for x in (self.slope.value, self.slope.error)]
        metadata = {"audited": self._audited, "looks": self._looks, "slope": last}
        if self.slope is not None:
            metadata["slope_pairs"] = self.slope.pairs
        return State(arrays, metadata)

    def load_state_dict(self, state: State) -> None:
        """Continue where the state was taken.

        Raises
        ------
        CheckpointError
            If it is broken; nothing is changed then.
        """
        log_odds = state.floats("log_odds", None)
        right, pairs = state.floats("right", len(log_odds)), state.array("pairs", (len(log_odds),), np.int64)
        audited, looks = state.value("audited", int), state.value("looks", int)
        saved = state.metadata.get("slope")
        try:
            value, error = (0.0, 0.0) if saved is None else map(float.fromhex, saved)
        except (TypeError, ValueError) as problem:
            raise CheckpointError(f"state: the slope cannot be read ({problem}); it is broken") from problem
        slope = None if saved is None else Slope(value, error, state.value("slope_pairs", int))
        if (slope is None) != (looks == 0) or not 0 <= looks <= LOOKS:
            raise CheckpointError("state: looks and slope do not belong together; it is broken")
        self._log_odds, self._right, self._pairs = log_odds, right, pairs
        self._audited, self._looks, self.slope = audited, looks, slope


def _quantile(level: float) -> float:
    return NormalDist().inv_cdf(1.0 - level)

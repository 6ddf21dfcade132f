"""How sure an RM's verdict is: P(right | its margin, the pair), per RM.

For RM n that named a winner by the margin m on a pair whose belief (the classification head's logit, Eq. 3) is b,

    logit P(right) = u_n + v_n g(m) + w_n z(b),      v_n >= 0,

with ``g(m) = min(sqrt(m / median_n), 3) - 1`` and z standardised: an RM that is half as decided as usual has
g = -.3. More decided is never taken for less right: an RM whose margins mislead is fitted without them. The weights of
all RMs are drawn toward common ones, and these toward those by which the belief is taken as it is: few verdicts say
little. An RM without scores gets its base rate (g = 0), one that was never seen what is believed of it.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from rewardrouter.calibration.heldout import HeldOut
from rewardrouter.calibration.logistic import fit_logistic

Floats = npt.NDArray[np.float64]

NODES = 5
"""Typical margins of an RM that are kept: what an unasked RM might answer."""
_COMMON = np.array([0.01, 1.0, 1.0])
"""Precisions of the common weights' prior, around what is believed: constant, margin, belief."""
_OWN = np.array([1.0, 10.0, 10.0])
"""Precisions of an RM's own weights around the common ones: in verdicts' worth, about four times these."""
_MOST = 3.0


@dataclasses.dataclass(frozen=True)
class Correctness:
    """Calibrated correctness of N RMs.

    ``weights`` are (u, v, w), ``float64 [N, 3]``, ``common`` those of an RM never seen, ``[3]``; ``median`` the median
    margin of each RM in its own unit, ``[N]``, NaN where it has no scores; ``nodes`` quantiles of g of its
    margins, ``[N, NODES]``; ``centre [N]`` and ``scale`` standardise beliefs.
    """

    weights: Floats
    common: Floats
    median: Floats
    nodes: Floats
    centre: Floats
    scale: float

    @classmethod
    def fit(cls, held_out: HeldOut) -> Correctness:
        """Fit to held-out pairs; an RM without any verdict gets the common weights and what is believed of it."""
        beliefs, margins = held_out.signals.beliefs, held_out.margins
        n_rms = beliefs.shape[1]
        seen = held_out.answered
        median = np.array([_median(margins[seen[:, n], n]) for n in range(n_rms)])
        blank = cls(
            np.zeros((n_rms, 3)),
            np.zeros(3),
            median,
            np.zeros((n_rms, NODES)),
            beliefs.mean(axis=0) if len(beliefs) else np.zeros(n_rms),
            max(float(beliefs.std()), 1e-9) if beliefs.size else 1.0,
        )
        nodes = np.array([blank._typical(margins[seen[:, n], n], n) for n in range(n_rms)])
        misleading = np.zeros(n_rms, np.bool_)
        while True:
            found = blank._weights(held_out, misleading)
            worse = np.isfinite(median) & (found[1:, 1] < 0.0)
            if not worse.any():
                break
            misleading |= worse  # so that the constant is fitted to v = 0, and keeps the base rate
        found[:, 1] = np.maximum(found[:, 1], 0.0)
        return dataclasses.replace(blank, weights=found[1:], common=found[0], nodes=nodes)

    def logits(self, margins: Floats, beliefs: Floats) -> Floats:
        """Return the log odds of being right, ``float64 [P, N]``.

        ``margins [P, N]`` are in each RM's unit, NaN where it only named a winner; ``beliefs [P, N]`` as in
        :class:`~rewardrouter.calibration.heldout.Signals`.
        """
        logits: Floats = (self._features(margins, beliefs) * self.weights).sum(axis=2)
        return logits

    def typical_logits(self, beliefs: Floats) -> Floats:
        """Return the log odds that each RM would have at its typical margins, ``float64 [P, N, NODES]``."""
        u, v, w = self.weights.T
        z = (beliefs - self.centre) / self.scale
        logits: Floats = (u + w * z)[:, :, None] + (v[:, None] * self.nodes)[None]
        return logits

    def expected(self, beliefs: Floats) -> Floats:
        """Return P(right) before the RM answers, ``float64 [P, N]``: the mean over its typical margins."""
        found: Floats = expit(self.typical_logits(beliefs)).mean(axis=2)
        return found

    def _weights(self, held_out: HeldOut, misleading: npt.NDArray[np.bool_]) -> Floats:
        """Return the common weights, then each RM's, ``[N + 1, 3]``; v is 0 for those with ``misleading`` margins."""
        rows, arms = np.nonzero(held_out.answered)
        n_rms = len(misleading)
        features = self._features(held_out.margins, held_out.signals.beliefs)[rows, arms]
        features[misleading[arms], 1] = 0.0
        # One regression: the common weights, then each RM's own; the prior ties an RM's to the common ones by
        # writing them as common + difference.
        design = np.zeros((len(rows), 3 * (n_rms + 1)))
        design[:, :3] = features
        for n in range(n_rms):
            design[arms == n, 3 * n + 3 : 3 * n + 6] = features[arms == n]
        found = fit_logistic(
            design,
            2.0 * held_out.behaviour[rows, arms] - 1.0,
            centre=self._as_believed(),
            strength=np.concatenate([_COMMON, np.tile(_OWN, n_rms)]),
        ).reshape(n_rms + 1, 3)
        found[1:] += found[0]
        found[1:][misleading, 1] = 0.0
        return found

    def _as_believed(self) -> Floats:
        """Return the weights, common and each RM's difference, by which beliefs are taken as they are."""
        common = np.array([self.centre.mean(), 0.0, self.scale])
        own = np.stack([np.array([centre - common[0], 0.0, 0.0]) for centre in self.centre])
        return np.concatenate([common, own.ravel()])

    def _features(self, margins: Floats, beliefs: Floats) -> Floats:
        with np.errstate(invalid="ignore"):
            size = np.minimum(np.sqrt(margins / self.median), _MOST) - 1.0
        decided = np.where(np.isfinite(size), size, 0.0)
        z = (beliefs - self.centre) / self.scale
        return np.stack([np.ones_like(z), decided, z], axis=2)

    def _typical(self, margins: Floats, n: int) -> Floats:
        scored = margins[np.isfinite(margins)]
        if not len(scored) or not np.isfinite(self.median[n]):
            return np.zeros(NODES)
        quantiles = np.quantile(scored, (np.arange(NODES) + 0.5) / NODES)
        typical: Floats = np.minimum(np.sqrt(quantiles / self.median[n]), _MOST) - 1.0
        return typical


def _median(margins: Floats) -> float:
    scored = margins[np.isfinite(margins) & (margins > 0)]
    return float(np.median(scored)) if len(scored) else float("nan")

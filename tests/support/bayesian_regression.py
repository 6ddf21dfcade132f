"""Bayesian linear regression the long way: by precisions and inverses, one arm at a time."""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


@dataclasses.dataclass(frozen=True)
class Gaussian:
    mean: Floats
    covariance: Floats


def posterior(
    prior_mean: Floats, prior_variance: float, noise_variance: float, contexts: Floats, rewards: Floats
) -> Gaussian:
    """Return the posterior of the weights of one arm: all its data at once (paper Eqs. 5 and 6)."""
    d = len(prior_mean)
    precision = np.eye(d) / prior_variance + contexts.T @ contexts / noise_variance
    shift = prior_mean / prior_variance + contexts.T @ rewards / noise_variance
    return Gaussian(np.linalg.solve(precision, shift), np.linalg.inv(precision))

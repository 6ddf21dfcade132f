"""Gaussians of several arms, conditioned on the rewards of one batch (paper Eqs. 5, 6).

With the contexts H and rewards r of an arm,

    covariance' = (covariance^-1 + H' H / noise_variance)^-1
    mean'       = covariance' (covariance^-1 mean + H' r / noise_variance)

is computed in the covariance's own form, so that nothing of size d x d is inverted: with ``G = H covariance`` and the
Cholesky factor ``L L' = G H' + noise_variance I``

    V = L^-1 G,    covariance' = covariance - V' V,    mean' = mean + V' L^-1 (r - H mean).

The rewards of a batch belong to several arms; with H sorted by arm, ``G H'`` has one diagonal block per arm and one
factorisation serves them all.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from rewardrouter.online.arrays import Floats, Indices
from rewardrouter.online.covariance import Covariance


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Conditioned:
    """The A arms that had rewards: their places ``arms``, ``int [A]``, and ``counts``, ``int [A]``, of rewards.

    ``spread``, ``[A]``, is ``h' covariance h / h' h`` on their contexts, before these rewards, at the mean.
    """

    arms: Indices
    counts: Indices
    spread: Floats


def condition(
    mean: Floats,
    covariances: Sequence[Covariance],
    contexts: Floats,
    arms: Indices,
    rewards: Floats,
    noise_variance: float,
) -> Conditioned:
    """Change ``mean``, ``[N, d]``, and the N ``covariances`` in place: take in R rewards.

    Parameters
    ----------
    mean, covariances
        Of the arms' weights.
    contexts, arms, rewards
        ``[R, d]``, ``int [R]`` and ``[R]``, sorted by arm, none of them missing.
    noise_variance
        Of a reward about ``h' w``.
    """
    starts = np.flatnonzero(np.diff(arms, prepend=-1))
    present, sizes = arms[starts], np.diff(starts, append=len(arms))
    spans = [
        (arm, slice(start, start + size))
        for arm, start, size in zip(present.tolist(), starts.tolist(), sizes.tolist(), strict=True)
    ]
    gains = np.empty_like(contexts)
    innovation = np.zeros((len(arms), len(arms)))
    for arm, own in spans:
        gains[own] = covariances[arm].gains(contexts[own])
        innovation[own, own] = gains[own] @ contexts[own].T
    squared_norms = np.maximum(np.vecdot(contexts, contexts), np.finfo(np.float64).tiny)
    spread = np.add.reduceat(innovation.diagonal() / squared_norms, starts) / sizes
    innovation.flat[:: len(arms) + 1] += noise_variance
    whiten = np.linalg.inv(np.linalg.cholesky(innovation))
    surprise = whiten @ (rewards - np.vecdot(contexts, mean[arms]))
    for arm, own in spans:
        rows = whiten[own, own] @ gains[own]
        mean[arm] += surprise[own] @ rows
        covariances[arm].subtract(rows)
    return Conditioned(present, sizes, spread)

"""The best arm per pair, with as few variances computed as will do.

Thompson sampling and LinUCB both choose ``argmax_n  m_n + z_n sqrt(v_n)``: the mean score ``m_n = h' mean_n``
costs d multiplications, its variance ``v_n = h' covariance_n h`` up to d^2. As rewards only ever shrink a
covariance,

    0 <= v_n <= prior_variance h' h,

so ``m_n`` (where z_n < 0) or ``m_n + z_n sqrt(prior_variance h' h)`` is a ceiling known for nothing. First the arm
that looks best is evaluated; of the others only those whose ceiling reaches its score. The arm found is the one
that evaluating all of them gives: what is left out could not have won.
"""

from __future__ import annotations

import itertools

import numpy as np

from rewardrouter.online.arrays import Floats, Indices, Mask
from rewardrouter.online.posterior import ArmPosteriors


def best_arms(
    posteriors: ArmPosteriors, contexts: Floats, deviations: Floats, allowed: Mask | None
) -> Indices:
    """Return the arm of the highest ``mean + deviation * standard deviation`` per pair; the first of equals.

    Parameters
    ----------
    posteriors
        Of N arms.
    contexts
        ``[B, d]``, checked.
    deviations
        ``[B, N]``: standard normal draws for Thompson sampling, a positive constant for LinUCB.
    allowed
        ``bool [B, N]``: the arms that may be chosen, at least one per pair; ``None`` for all.

    Returns
    -------
    ``int [B]``.

    Raises
    ------
    ValueError
        If ``allowed`` has another shape or leaves a pair no arm.
    """
    if allowed is not None and (allowed.shape != deviations.shape or not allowed.any(axis=1).all()):
        raise ValueError(
            f"allowed: expected bool {list(deviations.shape)} with an arm for every pair, got {list(allowed.shape)}"
        )
    mean = contexts @ posteriors.mean.T
    squared_norms = np.vecdot(contexts, contexts)
    norms = np.sqrt(squared_norms)[:, None]
    ceiling = mean + np.maximum(deviations, 0.0) * (np.sqrt(posteriors.prior_variance) * norms)
    likely = mean + deviations * np.sqrt(posteriors.spread) * norms
    open_ = np.ones(mean.shape, np.bool_) if allowed is None else allowed.copy()
    score = np.full(mean.shape, -np.inf)

    def evaluate(wanted: Mask) -> None:
        arms, rows = np.nonzero(wanted.T)
        variances = np.empty(len(arms))
        starts = np.flatnonzero(np.diff(arms, prepend=-1)).tolist()
        for start, stop in itertools.pairwise([*starts, len(arms)]):
            own = rows[start:stop]
            covariance = posteriors.covariances[arms[start]]
            variances[start:stop] = covariance.variances(contexts[own], squared_norms[own])
        score[rows, arms] = mean[rows, arms] + deviations[rows, arms] * np.sqrt(variances)
        open_[wanted] = False

    first = np.zeros(mean.shape, np.bool_)
    first[np.arange(len(mean)), np.where(open_, likely, -np.inf).argmax(axis=1)] = True
    evaluate(first)
    evaluate(open_ & (ceiling >= score.max(axis=1, keepdims=True)))
    best: Indices = score.argmax(axis=1)
    return best

"""Several kinds of observation of one score, as terms of one Gaussian likelihood.

An observation of kind k says ``level + z = h' w_n + eps``, ``eps ~ N(0, noise_variance_k / precision)``, on the scale
of the prior ``h' E_bt``: differences between arms are log odds (paper Eq. 2). It stands for ``weight`` such
observations, itself and those that were not drawn. What a kind is worth is learnt. Before any, its noise variance is
:data:`FIRST_VARIANCE`; afterwards the mean of an inverse-gamma posterior, p for precision,

    noise_variance_k = (FIRST * WORTH + sum_i weight_i p_i (residual_i^2 - h' covariance h)) / (WORTH + sum_i weight_i)

with residuals against the posterior predictive before the update. A weight is in both sums: in one alone the noise
would grow with the weights and cancel them. A precision is of the noise, so it is in the first only. A prior that is
wrong makes residuals large and all kinds look noisier than they are; within :data:`LIMITS` of the first value they
are kept.

z is a deviation from the pair's level: Eq. 2 knows differences between arms alone, so the level is put at the mean of
``h' mean_n`` over the arms as it is believed, and no observation moves it. Kinds that are ``compared`` are deviations
from the mean of the K arms that they are about: that is their level, and their residuals, which add up to 0, have
K - 1 degrees of freedom, so that squares are raised by K / (K - 1). A kind that is not centred between the arms has an
``offset`` besides, the running mean of its residuals, which is taken off: without it, whatever was picked would be
rewarded for the height of its reward.

The posterior of :mod:`rewardrouter.online.posterior` has one noise variance. A row scaled by ``sqrt(precision_i
noise_variance)``, context and reward alike, is exactly an observation of precision ``precision_i``; and terms about
the same arm on the same pair are exactly one, of the summed precision and the weighted mean.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from rewardrouter.errors import CheckpointError
from rewardrouter.online.arrays import Floats, Indices
from rewardrouter.online.posterior import Scores
from rewardrouter.state import State

FIRST_VARIANCE = 4.0
"""Of an observation before any: that of ``2 (y_n - y_m)`` for two equally good arms of which one is right (Eq. 2)."""

WORTH = 16.0
"""Observations that the first variance counts for."""

LIMITS = (1 / 64, 4.0)
"""Least and most of a noise variance, as multiples of :data:`FIRST_VARIANCE`."""

_TINY = np.finfo(np.float64).tiny


@dataclasses.dataclass(frozen=True, slots=True)
class Terms:
    """K observations: ``rows`` of their contexts, ``arms``, ``kinds``, ``int [K]``; ``values`` z.

    ``weights`` are how many observations each stands for, ``precisions`` those of its noise, relative to its kind's.
    """

    rows: Indices
    arms: Indices
    kinds: Indices
    values: Floats
    weights: Floats
    precisions: Floats


@dataclasses.dataclass(frozen=True, slots=True)
class Combined:
    """What the terms come to: ``rewards`` of ``precision`` about ``arms`` on the contexts of ``rows``, ``[M]`` each."""

    rows: Indices
    arms: Indices
    rewards: Floats
    precision: Floats


class Likelihood:
    """The noise variances of named kinds, and terms combined by them.

    Parameters
    ----------
    kinds
        Their names.
    free
        Those of them that have an offset.
    compared
        Those of them whose terms on one row are deviations from their own mean.
    """

    def __init__(self, kinds: Sequence[str], free: Sequence[str] = (), compared: Sequence[str] = ()) -> None:
        self.kinds = tuple(kinds)
        self._compared = np.array([kind in compared for kind in kinds], np.bool_)
        self._free = np.array([kind in free for kind in kinds], np.bool_)
        self._excess = np.zeros(len(kinds))
        self._counts = np.zeros(len(kinds))
        self._residuals = np.zeros(len(kinds))

    @property
    def noise_variances(self) -> Floats:
        """Of every kind now, ``float64 [kinds]``."""
        found = (FIRST_VARIANCE * WORTH + self._excess) / (WORTH + self._counts)
        least, most = (limit * FIRST_VARIANCE for limit in LIMITS)
        kept: Floats = np.clip(found, least, most)
        return kept

    @property
    def offsets(self) -> Floats:
        """Of every kind now, ``float64 [kinds]``; 0 for those that are centred."""
        return np.where(self._free, self._residuals / np.maximum(self._counts, _TINY), 0.0)

    def combine(self, scores: Scores, terms: Terms) -> Combined:
        """Return the terms of one batch as one observation per row and arm; then learn the noise from them.

        Parameters
        ----------
        scores
            What is believed of every arm on the batch's contexts, ``[B, N]``, before the batch.
        terms
            Of the batch. Those whose value is not finite are left out.
        """
        known = np.flatnonzero(np.isfinite(terms.values))
        rows, arms, kinds, weights, relative = (
            given[known] for given in (terms.rows, terms.arms, terms.kinds, terms.weights, terms.precisions)
        )
        believed, compared = scores.mean[rows, arms], self._compared[kinds]
        _, group = np.unique(rows * len(self.kinds) + kinds, return_inverse=True)
        size = np.bincount(group)[group]
        level = np.where(compared, np.bincount(group, believed)[group] / size, scores.mean.mean(axis=1)[rows])
        residuals = terms.values[known] + level - believed
        precisions = weights * relative / self.noise_variances[kinds]
        self._counts += np.bincount(kinds, weights, len(self.kinds))
        self._residuals += np.bincount(kinds, weights * residuals, len(self.kinds))
        offsets = self.offsets[kinds]
        raised = np.where(compared, size / np.maximum(size - 1, 1), 1.0)
        excess = raised * (residuals - offsets) ** 2 - scores.variance[rows, arms]
        self._excess += np.bincount(kinds, weights * relative * excess, len(self.kinds))
        n_arms = scores.mean.shape[1]
        places, place_of = np.unique(rows * n_arms + arms, return_inverse=True)
        precision = np.bincount(place_of, precisions, len(places)).astype(np.float64)
        totals = np.bincount(place_of, precisions * (terms.values[known] + level - offsets), len(places))
        return Combined(places // n_arms, places % n_arms, totals / precision, precision)

    def state_dict(self) -> State:
        """Return what was learnt of the noise."""
        arrays = {"excess": self._excess, "counts": self._counts, "residuals": self._residuals}
        return State({name: array.copy() for name, array in arrays.items()}, {"kinds": list(self.kinds)})

    def load_state_dict(self, state: State) -> None:
        """Continue where the state was taken.

        Raises
        ------
        CheckpointError
            If it is broken, or of other kinds; nothing is changed then.
        """
        if (saved := state.value("kinds", list)) != list(self.kinds):
            raise CheckpointError(
                f"state: learnt from {'+'.join(map(str, saved))}, but here is {'+'.join(self.kinds)}"
            )
        excess, counts, residuals = (
            state.floats(name, len(self.kinds)) for name in ("excess", "counts", "residuals")
        )
        if (counts < 0).any():
            raise CheckpointError("state: counts of observations are negative; it is broken")
        self._excess, self._counts, self._residuals = excess, counts, residuals

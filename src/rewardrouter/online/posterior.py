"""What is known of every arm's weights: one Gaussian per arm (paper 3.3).

The reward of arm n on a pair with context h is ``r = w_n' h + eps``, ``eps ~ N(0, noise_variance)``.
Before any reward ``w_n ~ N(prior_mean[n], prior_variance I)``; after those of contexts H the posterior is
again Gaussian (Eqs. 5, 6):

    covariance' = (covariance^-1 + H' H / noise_variance)^-1
    mean'       = covariance' (covariance^-1 mean + H' r / noise_variance)

:mod:`rewardrouter.online.conditioning` says how that is computed.

Where the world changes, old rewards mislead. With a ``discount`` g < 1 every update, which is one batch, is followed
by a step back to the prior, of the arms that had no reward as well:

    precision' = g precision + (1 - g) prior_precision
    mean'      = precision'^-1 (g precision mean + (1 - g) prior_precision prior_mean)
               = mean - (1 - g) / prior_variance covariance' (mean - prior_mean)

so that a reward weighs g^k after k further batches: about ``1 / (1 - g)`` batches are remembered, and an arm that is
never tried again returns to its prior. With g = 1 nothing of this is computed.

Nobody needs a sample of the weights: the score of an arm on a pair is ``h' w_n ~ N(h' mean_n,
h' covariance_n h)``, see :mod:`rewardrouter.online.thompson`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from rewardrouter.errors import CheckpointError, ConfigError
from rewardrouter.online.arrays import Floats, as_arms, as_contexts, as_vector
from rewardrouter.online.conditioning import condition
from rewardrouter.online.covariance import Covariance, covariances_state, restore_covariances
from rewardrouter.online.posterior_state import PosteriorState
from rewardrouter.state import State

CHUNK = 128
"""Rewards per factorisation; a larger update is made in several, to the same effect."""


@dataclasses.dataclass(frozen=True, slots=True)
class Scores:
    """Distribution of the score ``h' w`` of every arm on every pair: ``mean`` and ``variance``, ``[B, N]``."""

    mean: Floats
    variance: Floats


class ArmPosteriors:
    """The Gaussian posteriors of all arms.

    Parameters
    ----------
    names
        N distinct names, in the order of all arrays' arms.
    prior_mean
        ``[N, d]``: ``E_bt`` where the offline router seeds the online one (paper 3.4), zeros where not.
    prior_variance
        Of every weight before any reward, > 0.
    noise_variance
        Of a reward about ``h' w``, > 0.
    discount
        g, what a batch's rewards weigh one batch later, in (0, 1]; 1 forgets nothing.

    Raises
    ------
    ConfigError
        If there are no names, or names repeat, a variance is not positive, or ``discount`` is not in (0, 1].
    ValueError
        If ``prior_mean`` has another shape or is not finite.

    Notes
    -----
    ``mean`` is ``float64 [N, d]``; ``counts``, ``int64 [N]``, are the rewards that each arm has had.
    ``spread``, ``float64 [N]``, is ``h' Sigma_n h / h' h`` as last met in an update: typical of arm n,
    and no more than that. ``prior_variance`` grows with :meth:`widen`; ``given_variance`` is what it was at first.
    """

    def __init__(
        self,
        names: Sequence[str],
        prior_mean: npt.ArrayLike,
        prior_variance: float = 1.0,
        noise_variance: float = 1.0,
        *,
        discount: float = 1.0,
    ) -> None:
        for what, value in (("prior_variance", prior_variance), ("noise_variance", noise_variance)):
            if not 0 < value < np.inf:
                raise ConfigError(f"{what}: expected a positive number, found {value}")
        if not 0 < discount <= 1:
            raise ConfigError(f"discount: expected a number above 0 and at most 1, found {discount}")
        self.names = list(names)
        if not self.names:
            raise ConfigError("arms: none named; there is nothing to choose from")
        if repeated := sorted({name for name in self.names if self.names.count(name) > 1}):
            raise ConfigError(f"arms: {', '.join(repeated)} named twice; every arm needs its own name")
        self.prior_variance = self.given_variance = float(prior_variance)
        self.discount = float(discount)
        self.noise_variance = float(noise_variance)
        given = np.asarray(prior_mean, np.float64)
        if given.ndim != 2 or len(given) != len(self.names) or not given.shape[1]:
            raise ValueError(f"prior_mean: expected shape [{len(self.names)}, d], got {list(given.shape)}")
        self.mean: Floats = as_contexts(given, given.shape[1]).copy()
        self.prior_mean: Floats = self.mean.copy()
        self.counts = np.zeros(len(self.names), np.int64)
        self.spread = np.full(len(self.names), self.prior_variance)
        self.covariances = [self._fresh() for _ in self.names]

    @property
    def dimension(self) -> int:
        """The number of weights of an arm, d."""
        return int(self.mean.shape[1])

    def index(self, name: str) -> int:
        """Return the place of an arm in all arrays.

        Raises
        ------
        ConfigError
            If there is none of this name.
        """
        if name not in self.names:
            raise ConfigError(f"no arm {name}; there are: {', '.join(self.names)}")
        return self.names.index(name)

    def covariance(self, name: str) -> Floats:
        """Return the covariance ``[d, d]`` of an arm's weights."""
        return self.covariances[self.index(name)].dense()

    def precision(self, name: str) -> Floats:
        """Return the precision ``[d, d]`` of an arm's weights, the inverse of their covariance."""
        inverse = np.linalg.inv(self.covariance(name))
        return np.asarray((inverse + inverse.T) / 2, np.float64)

    def scores(self, contexts: npt.ArrayLike) -> Scores:
        """Return the distribution of every arm's score on contexts ``[B, d]``."""
        checked = as_contexts(contexts, self.dimension)
        squared_norms = np.vecdot(checked, checked)
        variance = np.empty((len(checked), len(self.names)))
        for arm, covariance in enumerate(self.covariances):
            variance[:, arm] = covariance.variances(checked, squared_norms)
        return Scores(checked @ self.mean.T, variance)

    def update(self, contexts: npt.ArrayLike, arms: npt.ArrayLike, rewards: npt.ArrayLike) -> int:
        """Take in the rewards of one batch: Eqs. 5 and 6; then forget, where there is a ``discount``.

        Parameters
        ----------
        contexts
            ``[B, d]``, those that the arms were chosen for.
        arms
            ``int [B]``; -1 where no arm answered: no reward is then taken in.
        rewards
            ``[B]``; one that is not finite (its loss was refused) is not taken in.

        Returns
        -------
        The number of rewards taken in.
        """
        checked = as_contexts(contexts, self.dimension)
        chosen = as_arms(arms, len(checked), len(self.names))
        values = as_vector(rewards, len(checked), "rewards")
        usable = np.flatnonzero((chosen >= 0) & np.isfinite(values))
        for start in range(0, len(usable), CHUNK):
            rows = usable[start : start + CHUNK]
            rows = rows[np.argsort(chosen[rows], kind="stable")]
            found = condition(
                self.mean, self.covariances, checked[rows], chosen[rows], values[rows], self.noise_variance
            )
            self.counts[found.arms] += found.counts
            self.spread[found.arms] = found.spread
        if self.discount < 1.0:
            for covariance in self.covariances:
                covariance.forget(self.discount)
            self._pull(-(1.0 - self.discount) / self.prior_variance)
        return len(usable)

    def widen(self, factor: float) -> None:
        """Trust the prior less, the rewards as before: the prior's variance is multiplied by ``factor``.

        Raises
        ------
        ConfigError
            If ``factor`` is less than 1 or not finite.
        """
        if not 1 <= factor < np.inf:
            raise ConfigError(f"factor: expected a number of at least 1, found {factor}")
        pull = (1.0 - 1.0 / factor) / self.prior_variance
        for covariance in self.covariances:
            covariance.widen(factor)
        self.prior_variance *= factor
        self.spread *= factor
        self._pull(pull)

    def add_arm(self, name: str, prior_mean: npt.ArrayLike | None = None) -> None:
        """Add an arm, last in all arrays, with its prior mean ``[d]`` (zeros where none is given).

        Raises
        ------
        ConfigError
            If there is one of this name.
        ValueError
            If the mean has another shape or is not finite.
        """
        if name in self.names:
            raise ConfigError(f"there is an arm {name} already; remove it first, or give another name")
        mean = np.zeros(self.dimension) if prior_mean is None else np.asarray(prior_mean, np.float64)
        row = as_contexts(mean[None], self.dimension)
        self.mean, self.prior_mean = (np.concatenate([rows, row]) for rows in (self.mean, self.prior_mean))
        self.counts = np.append(self.counts, 0)
        self.spread = np.append(self.spread, self.prior_variance)
        self.covariances.append(self._fresh())
        self.names.append(name)

    def remove_arm(self, name: str) -> None:
        """Remove an arm and all it has learnt; the arms behind it move up by one.

        Raises
        ------
        ConfigError
            If there is none of this name, or no other.
        """
        arm = self.index(name)
        if len(self.names) == 1:
            raise ConfigError(f"{name} is the only arm; add another before removing it")
        self.mean, self.prior_mean = (np.delete(rows, arm, axis=0) for rows in (self.mean, self.prior_mean))
        self.counts = np.delete(self.counts, arm)
        self.spread = np.delete(self.spread, arm)
        del self.covariances[arm], self.names[arm]

    def state_dict(self) -> State:
        """Return all there is, as it is: what continues from it continues with the same bits."""
        return PosteriorState(
            self.names,
            self.mean,
            self.prior_mean,
            self.counts,
            self.spread,
            covariances_state(self.covariances),
            self.prior_variance,
            self.given_variance,
            self.noise_variance,
            self.discount,
        ).state()

    @classmethod
    def from_state(cls, state: State) -> ArmPosteriors:
        """Return the posteriors that :meth:`state_dict` described.

        Raises
        ------
        CheckpointError
            If the state is broken.
        """
        kept = PosteriorState.read(state)
        variances = kept.prior_variance, kept.noise_variance
        try:
            found = cls(kept.names, kept.mean, *variances, discount=kept.discount)
        except (ConfigError, ValueError) as error:
            raise CheckpointError(f"state: {error}") from error
        found.prior_mean, found.given_variance = kept.prior_mean, kept.given_variance
        found.counts, found.spread = kept.counts, kept.spread
        restore_covariances(found.covariances, kept.covariances)
        return found

    def load_state_dict(self, state: State) -> None:
        """Take over a saved state; the order of the arms stays that of this object.

        Raises
        ------
        CheckpointError
            If the state is broken, or of other arms, another dimension or other variances.
        """
        PosteriorState.read(state).check_agreement(
            self.names,
            dimension=self.dimension,
            prior_variance=self.given_variance,
            noise_variance=self.noise_variance,
            discount=self.discount,
        )
        saved = ArmPosteriors.from_state(state)
        order = [saved.names.index(name) for name in self.names]
        self.mean, self.prior_mean = saved.mean[order], saved.prior_mean[order]
        self.counts, self.spread = saved.counts[order], saved.spread[order]
        self.prior_variance = saved.prior_variance
        self.covariances = [saved.covariances[arm] for arm in order]

    def _fresh(self) -> Covariance:
        return Covariance(self.dimension, self.prior_variance, forgets=self.discount < 1.0)

    def _pull(self, strength: float) -> None:
        """Move every mean by ``strength covariance (mean - prior_mean)``."""
        away = self.mean - self.prior_mean
        for arm in np.flatnonzero(away.any(axis=1)):
            self.mean[arm] += strength * self.covariances[arm].gains(away[arm : arm + 1])[0]

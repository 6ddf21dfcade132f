"""The weighted score: the offline router's scores and those of a bandit that started from nothing, mixed (paper 4.3).

    alpha softmax(s_bt) + (1 - alpha) softmax(s_online)

``s_bt = H E_bt'`` never changes; ``s_online`` is what a Thompson sampler without prior draws. Softmax brings both to
one scale. The other way of using both, E_bt as the sampler's prior mean, is :mod:`rewardrouter.online.thompson`'s.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from rewardrouter.errors import ConfigError
from rewardrouter.online.arrays import Floats, Indices, Mask, as_contexts
from rewardrouter.online.posterior import Scores
from rewardrouter.online.thompson import ThompsonSampler
from rewardrouter.state import State


class WeightedScore:
    """A bandit policy (:class:`rewardrouter.online.policy.BanditPolicy`) that mixes two scores.

    Parameters
    ----------
    offline
        ``E_bt [N, d]``, rows in the order of the sampler's names.
    sampler
        Of the same N arms and d, without prior; it alone learns.
    alpha
        The weight of the offline scores: 1 leaves the sampler out, 0 leaves nothing else.

    Raises
    ------
    ConfigError
        If ``alpha`` is not in [0, 1].
    ValueError
        If ``offline`` has another shape than the sampler's weights, or is not finite.
    """

    def __init__(self, offline: npt.ArrayLike, sampler: ThompsonSampler, alpha: float = 0.5) -> None:
        if not 0 <= alpha <= 1:
            raise ConfigError(f"alpha: expected a number from 0 to 1, found {alpha}")
        self._offline = as_contexts(offline, sampler.posteriors.dimension).copy()
        if len(self._offline) != len(sampler.names):
            raise ValueError(
                f"offline: expected a row for each of {len(sampler.names)} arms, got {len(self._offline)}"
            )
        self._sampler = sampler
        self.alpha = float(alpha)

    @property
    def names(self) -> list[str]:
        """The arms' names, in the order of their indices."""
        return self._sampler.names

    def deviations(self, pairs: int) -> Floats:
        """Draw the sampler's standard normal numbers ``[pairs, N]``."""
        return self._sampler.deviations(pairs)

    def best(self, contexts: npt.ArrayLike, deviations: Floats, allowed: Mask | None = None) -> Indices:
        """Return the arm of the highest mixed score ``int [B]`` that given draws ``[B, N]`` decide for.

        ``allowed``, ``bool [B, N]``, leaves out arms, but not from the softmax: the others' scores stay as they are.
        """
        checked = as_contexts(contexts, self._offline.shape[1])
        online = self._sampler.scores(checked)
        drawn = online.mean + deviations * np.sqrt(online.variance)
        mixed = self.alpha * _softmax(checked @ self._offline.T) + (1.0 - self.alpha) * _softmax(drawn)
        best: Indices = (mixed if allowed is None else np.where(allowed, mixed, -np.inf)).argmax(axis=1)
        return best

    def choose(self, contexts: npt.ArrayLike, allowed: Mask | None = None) -> Indices:
        """Return one arm ``int [B]`` per context ``[B, d]``, by fresh draws."""
        checked = as_contexts(contexts, self._offline.shape[1])
        return self.best(checked, self.deviations(len(checked)), allowed)

    def update(self, contexts: npt.ArrayLike, arms: npt.ArrayLike, rewards: npt.ArrayLike) -> int:
        """Teach the sampler: :meth:`rewardrouter.online.posterior.ArmPosteriors.update`."""
        return self._sampler.update(contexts, arms, rewards)

    def scores(self, contexts: npt.ArrayLike) -> Scores:
        """Return what the sampler believes of every arm's score on contexts ``[B, d]``, before any mixing."""
        return self._sampler.scores(contexts)

    def state_dict(self) -> State:
        """Return the sampler's state."""
        return State.joined(sampler=self._sampler.state_dict())

    def load_state_dict(self, state: State) -> None:
        """Continue where the state was taken, to the same draw and bit.

        Raises
        ------
        CheckpointError
            If it is broken or of other arms; nothing is changed then.
        """
        self._sampler.load_state_dict(state.part("sampler"))


def _softmax(scores: Floats) -> Floats:
    weights = np.exp(scores - scores.max(axis=1, keepdims=True))
    shares: Floats = weights / weights.sum(axis=1, keepdims=True)
    return shares

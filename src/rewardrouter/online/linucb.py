"""LinUCB as LASER uses it (Nguyen et al., arXiv 2410.01735; Li et al., arXiv 1003.0146).

Each arm is a ridge regression on its own contexts and rewards; the arm of the highest upper bound is chosen:

    u_n = h' theta_n + exploration sqrt(h' S_n h),    S_n = (ridge I + H' H)^-1,    theta_n = S_n H' r.

That is the posterior of :mod:`rewardrouter.online.posterior` with prior mean 0, prior variance ``1 / ridge`` and
noise variance 1: ``h' theta`` its mean, ``h' S h`` its variance. LASER's released code has exploration 0.1 and
ridge 1. It chooses one arm for a whole batch of prompts, with the mean of their embeddings as the context:
``choose(contexts.mean(axis=0, keepdims=True))``; one arm per pair is ``choose(contexts)``.

LASER's stickiness, kept as it is: nothing is random and the first of equals wins. Untried arms have mean 0 and
bound ``exploration |h|``. After one reward r on a context of unit length the tried arm's bound there is
``r / 2 + 0.07``, against 0.1: with rewards in [0, 1] any above .06 keeps it, and each of its further rewards more
so. Where contexts resemble each other the run then stays with its first arm. Longer contexts or a greater
exploration loosen it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import numpy as np
import numpy.typing as npt

from rewardrouter.errors import ConfigError
from rewardrouter.online.arrays import Floats, Indices, Mask, as_contexts
from rewardrouter.online.posterior import ArmPosteriors, Scores
from rewardrouter.online.selection import best_arms
from rewardrouter.state import State


class LinUCB:
    """A bandit policy (:class:`rewardrouter.online.policy.BanditPolicy`) that explores by upper bounds.

    Parameters
    ----------
    posteriors
        Of the arms. :meth:`without_prior` makes LASER's; with ``E_bt`` as prior mean this is LinUCB seeded by
        the offline router.
    exploration
        How many standard deviations above its mean an arm is taken to be, >= 0.

    Raises
    ------
    ConfigError
        If ``exploration`` is negative or not finite.
    """

    def __init__(self, posteriors: ArmPosteriors, exploration: float = 0.1) -> None:
        if not 0 <= exploration < np.inf:
            raise ConfigError(f"exploration: expected a number of at least 0, found {exploration}")
        self.posteriors = posteriors
        self.exploration = float(exploration)

    @classmethod
    def without_prior(
        cls, names: Sequence[str], dimension: int, *, exploration: float = 0.1, ridge: float = 1.0
    ) -> Self:
        """Return LASER's: ridge regressions from nothing."""
        if not 0 < ridge < np.inf:
            raise ConfigError(f"ridge: expected a positive number, found {ridge}")
        return cls(ArmPosteriors(names, np.zeros((len(names), dimension)), 1.0 / ridge), exploration)

    @property
    def names(self) -> list[str]:
        """The arms' names, in the order of their indices."""
        return list(self.posteriors.names)

    def deviations(self, pairs: int) -> Floats:
        """Return ``exploration`` for every pair and arm, ``[pairs, N]``."""
        return np.full((pairs, len(self.posteriors.names)), self.exploration)

    def best(self, contexts: npt.ArrayLike, deviations: Floats, allowed: Mask | None = None) -> Indices:
        """Return the arm of the highest upper bound ``int [B]`` per context ``[B, d]``; the first of equals.

        ``allowed``, ``bool [B, N]``, leaves out arms; each context must keep one.
        """
        return best_arms(
            self.posteriors, as_contexts(contexts, self.posteriors.dimension), deviations, allowed
        )

    def choose(self, contexts: npt.ArrayLike, allowed: Mask | None = None) -> Indices:
        """Return ``best`` at this policy's ``exploration``: one arm ``int [B]`` per context ``[B, d]``."""
        checked = as_contexts(contexts, self.posteriors.dimension)
        return self.best(checked, self.deviations(len(checked)), allowed)

    def update(self, contexts: npt.ArrayLike, arms: npt.ArrayLike, rewards: npt.ArrayLike) -> int:
        """Take in rewards: :meth:`rewardrouter.online.posterior.ArmPosteriors.update`."""
        return self.posteriors.update(contexts, arms, rewards)

    def scores(self, contexts: npt.ArrayLike) -> Scores:
        """Return mean and squared width (without ``exploration``) of every arm's bound on contexts ``[B, d]``."""
        return self.posteriors.scores(contexts)

    def state_dict(self) -> State:
        """Return the posteriors."""
        return State.joined(posteriors=self.posteriors.state_dict())

    def load_state_dict(self, state: State) -> None:
        """Continue where the state was taken.

        Raises
        ------
        CheckpointError
            If it is broken or of other arms; nothing is changed then.
        """
        self.posteriors.load_state_dict(state.part("posteriors"))

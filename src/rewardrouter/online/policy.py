"""The seam between the routed annotator and a bandit: arrays only."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy.typing as npt

from rewardrouter.online.arrays import Indices, Mask
from rewardrouter.online.posterior import Scores
from rewardrouter.state import State


@runtime_checkable
class BanditPolicy(Protocol):
    """Chooses an arm for every context, and learns from rewards."""

    @property
    def names(self) -> list[str]:
        """The arms' names, in the order of their indices."""

    def choose(self, contexts: npt.ArrayLike, allowed: Mask | None = None) -> Indices:
        """Return one arm ``[B]`` per context ``[B, d]``, out of those that ``allowed [B, N]`` leaves it."""

    def update(self, contexts: npt.ArrayLike, arms: npt.ArrayLike, rewards: npt.ArrayLike) -> int:
        """Learn from rewards ``[B]`` and return how many were taken in.

        An arm of -1 and a reward that is not finite are passed over.
        """

    def scores(self, contexts: npt.ArrayLike) -> Scores:
        """Return what is believed of every arm's score, ``[B, N]``."""

    def state_dict(self) -> State:
        """Return all that changes while the policy works."""

    def load_state_dict(self, state: State) -> None:
        """Continue where :meth:`state_dict` was taken, to the same bits."""

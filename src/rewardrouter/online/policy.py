"""The seam between the routed annotator and a bandit: arrays only.

A choice has two steps, so that a reward model that fails can be replaced by the next best of the *same* draw:
:meth:`BanditPolicy.deviations` draws once, :meth:`BanditPolicy.best` decides as often as needed.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy.typing as npt

from rewardrouter.online.arrays import Floats, Indices, Mask
from rewardrouter.online.posterior import Scores
from rewardrouter.state import State


@runtime_checkable
class BanditPolicy(Protocol):
    """Chooses an arm for every context, and learns from rewards."""

    @property
    def names(self) -> list[str]:
        """The arms' names, in the order of their indices."""

    def deviations(self, pairs: int) -> Floats:
        """Return how many standard deviations above its mean each arm's score is taken to be, ``[pairs, N]``.

        Standard normal draws for Thompson sampling, a constant for LinUCB. They follow the arms' names.
        """

    def best(self, contexts: npt.ArrayLike, deviations: Floats, allowed: Mask | None = None) -> Indices:
        """Return the arm ``int [B]`` that given deviations ``[B, N]`` decide for per context ``[B, d]``.

        ``allowed``, ``bool [B, N]``, leaves out arms; each context must keep one.
        """

    def choose(self, contexts: npt.ArrayLike, allowed: Mask | None = None) -> Indices:
        """Return ``best(contexts, deviations(B), allowed)``: one arm ``int [B]`` per context ``[B, d]``."""

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

"""What one choice of the bandit is for: each pair by itself, or all pairs of a call together.

Per pair, every pair has its own context and draw, and the RM that answered learns from that context and the pair's
reward. Per batch, the pairs have one context, the mean of theirs, and one draw; the RM chosen then learns once, from
that context and the mean reward of the pairs that it answered. One that answered in its place was not chosen on this
context and learns nothing.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Literal, Protocol, TypeAlias

import numpy as np

from rewardrouter.annotators.base import Annotation
from rewardrouter.annotators.calling import Choose
from rewardrouter.annotators.decisions import Settled
from rewardrouter.annotators.rewards import Reward
from rewardrouter.online.arrays import Floats, Indices, Mask
from rewardrouter.online.policy import BanditPolicy

Per: TypeAlias = Literal["pair", "batch"]
"""What one choice is for: each pair, or all pairs of a call together."""


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """How the RMs of one call's B pairs are chosen.

    ``choose`` names the best RM that is left to a pair, always by the same draw. ``contexts``, ``[B, d]``, are what
    the choice was made on. ``only`` is the one RM that was chosen on them; ``None`` where any that answers was.
    """

    choose: Choose
    contexts: Floats
    only: str | None = None

    def taught(self, annotations: Sequence[Annotation]) -> list[Annotation | None]:
        """Return the annotations whose RM may learn from them, ``None`` in the places of others."""
        return [one if self.only in (None, one.rm) else None for one in annotations]


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Lessons:
    """What L lessons a settled batch of P decisions teaches: ``rewards [L]`` of ``rms`` on ``contexts [L, d]``.

    ``values``, ``[P]``, are the bandit rewards of the decisions; NaN where a loss was refused.
    """

    contexts: Floats
    rms: Sequence[str]
    rewards: Floats
    values: Floats


class Choosing(Protocol):
    """What one choice is for."""

    def choice(self, policy: BanditPolicy, contexts: Floats) -> Choice:
        """Draw for pairs with contexts ``[B, d]``."""

    def lessons(self, settled: Settled, reward: Reward) -> Lessons:
        """Return what is to be learnt from a settled batch."""


class PerPair:
    """Every pair has a choice of its own."""

    def choice(self, policy: BanditPolicy, contexts: Floats) -> Choice:
        """Draw for every pair."""
        deviations = policy.deviations(len(contexts))

        def choose(rows: Indices, left: Mask) -> Indices:
            return policy.best(contexts[rows], deviations[rows], left)

        return Choice(choose, contexts)

    def lessons(self, settled: Settled, reward: Reward) -> Lessons:
        """Return one lesson per decision."""
        values = reward.rewards(settled.decisions, settled.outcomes).values
        return Lessons(settled.contexts, [decision.rm for decision in settled.decisions], values, values)


class PerBatch:
    """All pairs of a call have one choice."""

    def choice(self, policy: BanditPolicy, contexts: Floats) -> Choice:
        """Draw once, for the mean of the contexts."""
        mean, deviations = contexts.mean(axis=0, keepdims=True), policy.deviations(1)

        def choose(rows: Indices, left: Mask) -> Indices:  # noqa: ARG001 - every row has the same context and draw
            patterns, pattern_of = np.unique(left, axis=0, return_inverse=True)
            n = len(patterns)
            arms = policy.best(np.repeat(mean, n, axis=0), np.repeat(deviations, n, axis=0), patterns)
            return arms[pattern_of.reshape(-1)]

        names = policy.names
        (chosen,) = choose(np.zeros(1, np.int64), np.ones((1, len(names)), np.bool_))
        return Choice(choose, np.repeat(mean, len(contexts), axis=0), names[chosen])

    def lessons(self, settled: Settled, reward: Reward) -> Lessons:
        """Return one lesson per RM that answered, rewarded by the mean of its decisions' rewards."""
        answered: dict[str, list[int]] = {}
        for row, decision in enumerate(settled.decisions):
            answered.setdefault(decision.rm, []).append(row)
        values = np.empty(len(settled.decisions))
        means, rewards = [], []
        for rows in answered.values():
            values[rows] = reward.rewards(
                [settled.decisions[row] for row in rows], [settled.outcomes[row] for row in rows]
            ).values
            given = values[rows][np.isfinite(values[rows])]
            means.append(settled.contexts[rows].mean(axis=0))
            rewards.append(given.mean() if len(given) else np.nan)
        return Lessons(np.stack(means), list(answered), np.array(rewards), values)


CHOOSING: dict[Per, Choosing] = {"pair": PerPair(), "batch": PerBatch()}
"""By what the choice is for."""

"""Whether contexts still come from where the fitting pairs came from: a test that may be looked at after every batch.

The contexts are seen along K fixed directions, those in which the reference varies most. Along each, a new context
has a rank among the reference and all contexts before it, ties broken at random: ``u``. While contexts are
exchangeable with the reference, such ranks are uniform on [0, 1] and independent of each other (smoothed conformal
p-values; Vovk, Gammerman & Shafer, Algorithmic Learning in a Random World, 2005, theorem 8.1). So a bettor who stakes

    1 + bet (2 u - 1),    bet in +-1/4, +-1/2, +-3/4

keeps his capital on average whatever he does; along a direction in which contexts move it grows. The evidence is the
mean capital of all bettors: one per direction and bet, and again after every BLOCK contexts, the t-th time with
``1 / (t (t + 1))`` of the money, as the contexts may begin to move at any time. It is a martingale that starts at 1:
by Ville's inequality it ever reaches ``1 / level`` with probability at most ``level``, however often one looks. It
depends on the contexts and their order alone, not on how they were cut into batches. The bets weigh ``u`` about 1/2
and nothing else, so a spread that differs does not count, only a location.

Contexts that belong together (pairs of one problem) are no independent witnesses: many that are nearly the same make
bettors rich by chance. There are two ways to read such a stream, and a reference keeps what both need:

* *by groups*: one context of each group, the first that ever comes, against one of each group of the reference, drawn
  at random. That is exact, as long as groups come in an order that has nothing to do with them. But where pairs are
  shuffled, large groups come first, and those may be other problems.
* *by pairs*: each context once, against all of the reference. Its *weight* w is 1 over the size of the group that a
  random one of its contexts belongs to, and every stake enters as ``(1 + bet (2 u - 1))^w``. If all of a group were
  the same witness, their stakes would multiply to one; by Jensen the evidence is then still no more than 1 on
  average. That holds where groups are as large as the reference's.

:mod:`rewardrouter.annotators.watching` does both and believes the lesser evidence, so that one of them need be right.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

from rewardrouter.errors import CheckpointError, ConfigError
from rewardrouter.online.arrays import Floats, Indices, as_contexts
from rewardrouter.state import State, generator_state, restored_generator

DIRECTIONS = 32
"""K, the most directions; those in which the reference varies most."""

BLOCK = 16
"""Contexts after which new bettors begin."""

BINS = 64
"""Ranks are told apart no finer than this: then counts stand for all contexts of the past."""

LEVEL = 0.01
"""The false-alarm rate of a whole run."""

_BETS = np.array([-0.75, -0.5, -0.25, 0.25, 0.5, 0.75])


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class ContextReference:
    """What the fitting pairs' contexts looked like.

    ``directions`` is ``float64 [d, K]``; ``edges``, ``float64 [K, BINS - 1]``, cut each into bins, and ``counts``,
    ``int64 [K, BINS]``, says how many contexts lay in which, ``group_counts`` how many of one context of each group.
    ``weight`` in (0, 1] is what one context counts.
    """

    directions: Floats
    edges: Floats
    counts: Indices
    group_counts: Indices
    weight: float

    def by_groups(self) -> ContextReference:
        """Return the reference to read a stream against by groups; this one is for reading it by pairs."""
        return dataclasses.replace(self, counts=self.group_counts, weight=1.0)

    def state(self) -> State:
        """Return the reference as it is."""
        arrays = {
            "directions": self.directions,
            "edges": self.edges,
            "counts": self.counts,
            "group_counts": self.group_counts,
        }
        return State(arrays, {"weight": self.weight})

    @classmethod
    def from_state(cls, state: State, dimension: int) -> ContextReference:
        """Return the reference that :meth:`state` gave, of contexts of this dimension.

        Raises
        ------
        CheckpointError
            If it is broken, or of another dimension.
        """
        directions = state.floats("directions", dimension, None)
        k = directions.shape[1]
        counts, weight = state.array("counts", (k, BINS), np.int64), state.value("weight", float)
        if not 0 < weight <= 1:
            raise CheckpointError(f"contexts: a weight of {weight}, which is not above 0 and at most 1")
        edges, group_counts = (
            state.floats("edges", k, BINS - 1),
            state.array("group_counts", (k, BINS), np.int64),
        )
        return cls(directions, edges, counts, group_counts, weight)

    @classmethod
    def of(
        cls,
        contexts: npt.ArrayLike,
        blind: npt.ArrayLike | None = None,
        groups: npt.ArrayLike | None = None,
        *,
        seed: int = 0,
    ) -> ContextReference | None:
        """Return the reference of contexts; ``None`` where they do not vary.

        Parameters
        ----------
        contexts
            ``[P, d]``.
        blind
            ``[S, d]``: spans what the test must not look at, where even contexts like the reference's differ from it,
            as the reference is what was fitted to.
        groups
            ``[P]``: contexts of one group belong together; by default none does.
        seed
            Of which one stands for its group.
        """
        given = np.asarray(contexts, np.float64)
        checked = as_contexts(given, given.shape[-1])
        if not len(checked):
            return None
        centred = checked - checked.mean(axis=0)
        if blind is not None:
            _, sizes, rows = np.linalg.svd(as_contexts(blind, checked.shape[1]), full_matrices=False)
            hidden = rows[sizes > 1e-6 * sizes[0]]
            centred -= centred @ hidden.T @ hidden
        _, sizes, rows = np.linalg.svd(centred, full_matrices=False)
        directions = np.ascontiguousarray(
            rows[:DIRECTIONS][sizes[:DIRECTIONS] > 1e-6 * np.abs(checked).max()].T
        )
        if not directions.size:
            return None
        seen = checked @ directions
        edges = np.quantile(seen, np.arange(1, BINS) / BINS, axis=0).T.copy()
        bins = np.stack([np.searchsorted(own, x, side="right") for own, x in zip(edges, seen.T, strict=True)])
        order = np.random.default_rng(seed).permutation(len(seen))
        own = np.arange(len(seen)) if groups is None else np.asarray(groups)
        _, firsts, sizes = np.unique(own[order], return_index=True, return_counts=True)
        weight = len(seen) / float(np.square(sizes).sum())
        return cls(directions, edges, _counts(bins), _counts(bins[:, order[firsts]]), weight)


class ShiftTest:
    """Collects evidence that contexts have left the reference.

    Attributes
    ----------
    log_evidence
        Natural logarithm of the evidence now.
    most
        Of the evidence at its highest so far: ``exp(-most)`` is a p-value that may be looked at at any time.
    seen
        How many contexts it was given.

    Raises
    ------
    ConfigError
        If ``level`` is not in (0, 1).
    """

    def __init__(self, reference: ContextReference, *, level: float = LEVEL, seed: int = 0) -> None:
        if not 0 < level < 1:
            raise ConfigError(f"level: expected a probability above 0 and below 1, found {level}")
        self._reference, self._level = reference, float(level)
        self._generator = np.random.Generator(np.random.PCG64(seed))
        self._counts = reference.counts.copy()
        self._capital = np.full((len(reference.counts), len(_BETS)), -np.inf)
        self.seen = 0
        self.log_evidence = self.most = 0.0

    @property
    def threshold(self) -> float:
        """What ``log_evidence`` must reach."""
        return float(-np.log(self._level))

    @property
    def fired(self) -> bool:
        """Whether it ever has."""
        return self.most >= self.threshold

    def add(self, contexts: npt.ArrayLike) -> float:
        """Take in contexts ``[B, d]``, none of which was there before, and return ``log_evidence``."""
        for context in as_contexts(contexts, len(self._reference.directions)):
            self._take(context)
        return self.log_evidence

    def _take(self, context: Floats) -> None:
        t, within = divmod(self.seen, BLOCK)
        if not within:
            self._capital = np.logaddexp(self._capital, -np.log((t + 1.0) * (t + 2.0)))
        self.seen += 1
        bins = (self._reference.edges <= (context @ self._reference.directions)[:, None]).sum(axis=1)
        rows = np.arange(len(bins))
        below = (self._counts * (np.arange(BINS) < bins[:, None])).sum(axis=1)
        here = self._counts[rows, bins] + 1
        ranks = (below + self._generator.random(len(rows)) * here) / (self._counts[0].sum() + 1)
        self._capital += self._reference.weight * np.log1p(_BETS * (2.0 * ranks[:, None] - 1.0))
        self._counts[rows, bins] += 1
        kept = -np.log(t + 2.0)  # the money of bettors who have not begun
        placed = np.logaddexp.reduce(self._capital, axis=None) - np.log(self._capital.size)
        self.log_evidence = float(np.logaddexp(placed, kept))
        self.most = max(self.most, self.log_evidence)

    def state_dict(self) -> State:
        """Return all that changes while it looks."""
        arrays = {"counts": self._counts.copy()}
        if self.seen:
            arrays["capital"] = self._capital.copy()
        metadata = {
            "seen": self.seen,
            "most": self.most,
            "log_evidence": self.log_evidence,
            "generator": generator_state(self._generator),
        }
        return State(arrays, metadata)

    def load_state_dict(self, state: State) -> None:
        """Continue where the state was taken, to the same bit.

        Raises
        ------
        CheckpointError
            If it is broken, or of another reference; nothing is changed then.
        """
        counts = state.array("counts", self._counts.shape, np.int64)
        seen = state.value("seen", int)
        added = counts - self._reference.counts
        if (added < 0).any() or (added.sum(axis=1) != seen).any():
            raise CheckpointError("state: of a test against other fitting pairs; give the same router")
        capital = (
            state.floats("capital", *self._capital.shape) if seen else np.full_like(self._capital, -np.inf)
        )
        most, log_evidence = state.value("most", float), state.value("log_evidence", float)
        self._generator = restored_generator(state.value("generator", dict))
        self._counts, self._capital, self.seen = counts, capital, seen
        self.most, self.log_evidence = most, log_evidence


def _counts(bins: Indices) -> Indices:
    """Return how many of the bins ``[K, B]`` are which, ``int64 [K, BINS]``."""
    return np.stack([np.bincount(along, minlength=BINS) for along in bins]).astype(np.int64)

"""Makers of small verdict tables and of vectors to route by, for the tests of several packages."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch

from rewardrouter.offline.vectors import Block, PairVectors
from rewardrouter.pairs import PreferencePair
from rewardrouter.verdicts import FAILED, A, B, VerdictTable


def table_of(
    behaviour: npt.ArrayLike,
    *,
    labels: npt.ArrayLike | None = None,
    pairs: Sequence[PreferencePair] | None = None,
    groups: Sequence[str] | None = None,
    missing: int = FAILED,
) -> VerdictTable:
    """Return a table with this behaviour (1, 0, NaN) of N RMs that only name winners; each pair its own group."""
    behaviour = np.asarray(behaviour, np.float64)
    n_pairs, n_rms = behaviour.shape
    labels = np.resize([A, B], n_pairs) if labels is None else np.asarray(labels)
    winners = np.where(
        np.isnan(behaviour), missing, np.where(behaviour == 1, labels[:, None], -labels[:, None])
    )
    if pairs is None:
        names = groups if groups is not None else [f"group {n}" for n in range(n_pairs)]
        pairs = [
            PreferencePair(f"pair {n}", f"prompt {n}", "one", "other", {"group": name, "domain": f"d{n % 2}"})
            for n, name in enumerate(names)
        ]
    nothing = np.full((n_pairs, n_rms), np.nan)
    return VerdictTable(
        tuple(pairs),
        labels.astype(np.int8),
        tuple(f"rm-{n}" for n in range(n_rms)),
        winners.astype(np.int8),
        nothing,
        nothing.copy(),
    )


def swapped_table(table: VerdictTable) -> VerdictTable:
    """Return the same verdicts on the pairs with their responses exchanged."""
    turned = np.where(np.isin(table.winners, (A, B)), -table.winners, table.winners)
    return VerdictTable(
        tuple(pair.swapped() for pair in table.pairs),
        -table.labels,
        table.rms,
        turned.astype(np.int8),
        table.scores_b,
        table.scores_a,
    )


BLOCKS = (Block("prompt.mean@0", 4, True), Block("response.mean@0", 6, False))
"""Of the vectors below."""


def random_vectors(n_pairs: int, seed: int) -> PairVectors:
    """Return vectors of ``n_pairs`` pairs in the two blocks of ``BLOCKS``; those of the prompt are shared."""
    random = np.random.default_rng(seed)
    prompt = random.normal(size=(n_pairs, 4))
    a, b = (np.hstack([prompt, random.normal(size=(n_pairs, 6))]).astype(np.float32) for _ in range(2))
    return PairVectors(torch.from_numpy(a), torch.from_numpy(b))


def routable(
    n_pairs: int, seed: int, *, n_rms: int = 3, at_home: float = 0.95
) -> tuple[PairVectors, VerdictTable]:
    """Return pairs whose first prompt coordinate tells which of the first two RMs is right.

    RM 0 is right with probability ``at_home`` where it is positive and .5 elsewhere, RM 1 the other way
    round; all others are right with probability .6 everywhere.
    """
    random, vectors = np.random.default_rng(seed + 1), random_vectors(n_pairs, seed)
    positive = vectors.a[:, 0].numpy() > 0
    chance = np.full((n_pairs, n_rms), 0.6)
    chance[:, 0] = np.where(positive, at_home, 0.5)
    chance[:, 1] = np.where(positive, 0.5, at_home)
    return vectors, table_of(random.random((n_pairs, n_rms)) < chance, labels=random.choice([A, B], n_pairs))


def written_pairs(n_pairs: int, seed: int) -> tuple[list[PreferencePair], npt.NDArray[np.bool_]]:
    """Return pairs of two kinds, told apart by any reader, and which are of the first kind."""
    random = np.random.default_rng(seed)
    first = random.random(n_pairs) < 0.5
    pairs = []
    for n, kind in enumerate(first):
        x, y, z = random.integers(0, 10, 3)
        prompt = f"what is the capital of france {x}{y}?" if kind else f"def add(a, b): return a + {x}{y}"
        one, other = ("the capital is paris", "you are helpful") if kind else ("return a + b", "return b")
        answers = (f"{one} {z}", f"{other} {y}")
        metadata = {"group": f"problem {n // 2}", "domain": "geography" if kind else "code"}
        pairs.append(PreferencePair(f"pair/{n}", prompt, *answers[:: random.choice([1, -1])], metadata))
    return pairs, first


def written_table(n_pairs: int, seed: int, *, n_rms: int = 3) -> VerdictTable:
    """Return verdicts on :func:`written_pairs`: RM 0 is right on the first kind, RM 1 on the other."""
    random = np.random.default_rng(seed + 1)
    pairs, first = written_pairs(n_pairs, seed)
    chance = np.full((n_pairs, n_rms), 0.6)
    chance[:, 0], chance[:, 1] = np.where(first, 0.95, 0.3), np.where(first, 0.3, 0.95)
    behaviour = (random.random((n_pairs, n_rms)) < chance).astype(np.float64)
    behaviour[random.random((n_pairs, n_rms)) < 0.03] = np.nan
    return table_of(behaviour, labels=random.choice([A, B], n_pairs), pairs=pairs)

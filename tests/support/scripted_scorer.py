"""What annotators need of a router, without an encoder: contexts are digests of the texts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from rewardrouter.annotators import Annotation, Outcome
from rewardrouter.pairs import PreferencePair, digest

Floats = npt.NDArray[np.float64]


class ScriptedScorer:
    """Normal contexts that belong to a pair's texts in any order; ``E_bt`` rows that belong to the arms' names."""

    def __init__(self, arms: Sequence[str], dimension: int = 5) -> None:
        self.arms = tuple(arms)
        self._dimension = dimension
        self.prior_mean = np.stack([_normal(dimension, "arm", arm) for arm in arms])

    def contexts(self, pairs: Sequence[PreferencePair]) -> Floats:
        rows = [_of_pair(pair, self._dimension) for pair in pairs]
        return np.array(rows).reshape(len(pairs), self._dimension)

    def scores(self, pairs: Sequence[PreferencePair]) -> Floats:
        return self.contexts(pairs) @ self.prior_mean.T

    def encoder_features(self, pairs: Sequence[PreferencePair]) -> Floats:
        size = 2 * self._dimension
        rows = np.array([_of_pair(pair, size) for pair in pairs]).reshape(len(pairs), size)
        return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)


def _of_pair(pair: PreferencePair, dimension: int) -> Floats:
    return _normal(
        dimension, digest(pair.prompt), *sorted([digest(pair.response_a), digest(pair.response_b)])
    )


def _normal(dimension: int, *texts: str) -> Floats:
    return np.random.default_rng(int(digest(*texts), 16)).standard_normal(dimension)


def outcomes_of(annotations: Sequence[Annotation], seed: int = 0) -> dict[str, Outcome]:
    """Return DPO outcomes (paper Eq. 1) of a random margin for every labelled pair."""
    rng = np.random.default_rng(seed)
    labelled = [one.decision_id for one in annotations if one.label is not None]
    margins = rng.normal(0.0, 1.5, len(labelled)).tolist()
    return {
        decision: Outcome(float(np.log1p(np.exp(-m))), float(np.log1p(np.exp(m))), m)
        for decision, m in zip(labelled, margins, strict=True)
    }

"""What ``router_step.py`` compares with: the plain formulas, mabwiser, and bare matrix products."""

from __future__ import annotations

import numpy as np
from mabwiser.mab import MAB, LearningPolicy


class Naive:
    """The formulas as they stand: Eqs. 5 and 6 by inverses, draws by eigendecomposition."""

    def __init__(self, arms: int, d: int) -> None:
        self.precision, self.shift = np.stack([np.eye(d)] * arms), np.zeros((arms, d))
        self.refresh()

    def add(self, contexts, chosen, rewards) -> None:
        for arm in range(len(self.precision)):
            own = contexts[chosen == arm]
            self.precision[arm] += own.T @ own
            self.shift[arm] += rewards[chosen == arm] @ own

    def refresh(self) -> None:
        self.covariance = np.stack([np.linalg.inv(precision) for precision in self.precision])
        self.mean = np.stack([c @ shift for c, shift in zip(self.covariance, self.shift, strict=True)])

    def draw(self, arm, context, rng) -> float:
        variances, axes = np.linalg.eigh(self.covariance[arm])
        normals = rng.standard_normal(len(variances))
        weights = self.mean[arm] + axes @ (np.sqrt(np.maximum(variances, 0.0)) * normals)
        return context @ weights


def mabwiser_lints(arms: int, d: int) -> MAB:
    """Return mabwiser's LinTS with the prior of ours; a context of zeros makes it ready and teaches it nothing."""
    lints = MAB(list(range(arms)), LearningPolicy.LinTS(alpha=1.0, l2_lambda=1.0), seed=0)
    lints.fit(np.zeros(1, int), np.zeros(1), np.zeros((1, d)))
    return lints


def lints_step(lints, contexts, rewards) -> None:
    """Choose with mabwiser and teach it the rewards."""
    lints.partial_fit(np.array(lints.predict(contexts)), rewards, contexts)


class Floor:
    """The products that no dense form can do without, at matrix-product speed; of many arms a few stand for all."""

    def __init__(self, arms: int, d: int) -> None:
        self.matrices = np.random.default_rng(0).standard_normal((min(arms, 8), d, d))
        self.scale = (arms + 1) / len(self.matrices)  # one product's worth for the rank-64 update

    def step(self, contexts) -> None:
        for matrix in self.matrices:
            contexts @ matrix

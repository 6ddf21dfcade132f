"""Surrogates: cheap imitations of every reward model and of the human, and how much they agree.

Whether an RM is right depends on two things with a *sign*: which response the RM
prefers and which one the human prefers. ``|e - e'|`` has lost both. A surrogate
predicts a signed preference from the pair's difference; the product of an RM's
surrogate with the human's is an estimate of "this RM will be right here", and
does not change when the responses are exchanged, because both factors flip.

Each surrogate is a ridge regression that is odd in the pair by construction,

    m_n(x, y, y') = u_n^T ((e - e') (x) [sqrt(w0); c(x, y, y')]),

with ``(x)`` the outer product and c a few principal components of the pair's
symmetric features: what a difference means depends on what is asked. Targets
are the human label (+1, -1) and each RM's score margin, squashed by tanh at its
median size; an RM that only names a winner has targets +1, 0, -1.

Nothing is asked of any RM when a pair is routed: the surrogates are part of the
model. On the training pairs their features come from cross-fitting by group, so
that later layers do not learn to trust predictions of memorised pairs.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from rewardrouter.offline.principal import principal_directions
from rewardrouter.offline.splits import group_folds
from rewardrouter.offline.vectors import Block, PairVectors
from rewardrouter.verdicts import A, B, VerdictTable

_DIRECTIONS = 128
"""Principal directions of the difference that are kept."""
_CONTEXTS = 16
"""Principal components of the symmetric features that tell what is asked."""
_CONSTANT = 0.3
"""w0: the weight of what a difference means everywhere, against what it means here."""
_RIDGE = 2.0
"""Ridge strength, for designs whose rows have mean squared length 1."""
FOLDS = 5
"""Parts of the cross-fitting on the training pairs."""


def surrogate_targets(table: VerdictTable) -> Tensor:
    """Return what the surrogates imitate, ``float64 [P, 1 + N]``: the human, then each RM.

    Positive where response A is preferred; NaN where an RM gave no verdict.
    """
    margins = table.scores_a - table.scores_b
    winners = np.where(np.isin(table.winners, (A, B)), table.winners, 0).astype(np.float64)
    failed = ~np.isin(table.winners, (A, B, 0))
    columns = [table.labels.astype(np.float64)]
    for n in range(len(table.rms)):
        scored = np.isfinite(margins[:, n]) & (margins[:, n] != 0)
        typical = float(np.median(np.abs(margins[scored, n]))) if scored.any() else 1.0
        # Where the scores and a named winner disagree, the winner is the verdict.
        size = np.where(scored, np.tanh(np.abs(np.nan_to_num(margins[:, n])) / typical), 1.0)
        columns.append(np.where(failed[:, n], np.nan, winners[:, n] * size))
    return torch.from_numpy(np.stack(columns, axis=1))


class Surrogates(nn.Module):
    """Ridge imitations of the human and N RMs, and the agreement features made of them.

    ``forward`` gives ``[P, 2 N + 1]``: the products of the human's with every RM's
    predicted preference, then the absolute values of all predictions.
    """

    spread: Tensor
    directions: Tensor
    context_center: Tensor
    contexts: Tensor
    weights: Tensor
    center: Tensor
    scale: Tensor

    def __init__(self, blocks: Sequence[Block], n_features: int, n_rms: int, n_kept: tuple[int, int]) -> None:
        """Lay out the tensors; ``n_kept`` are the numbers of directions and contexts actually kept."""
        super().__init__()
        self._columns = torch.cat(
            [torch.full((block.size,), not block.of_prompt, dtype=torch.bool) for block in blocks]
        )
        self._sizes = [block.size for block in blocks if not block.of_prompt]
        n_directions, n_contexts = n_kept
        n_differences = int(self._columns.sum())
        self.register_buffer("spread", torch.zeros(n_differences))
        self.register_buffer("directions", torch.zeros(n_differences, n_directions))
        self.register_buffer("context_center", torch.zeros(n_features))
        self.register_buffer("contexts", torch.zeros(n_features, n_contexts))
        self.register_buffer("weights", torch.zeros(n_directions * (1 + n_contexts), 1 + n_rms))
        self.register_buffer("center", torch.zeros(2 * n_rms + 1))
        self.register_buffer("scale", torch.zeros(2 * n_rms + 1))

    @property
    def size(self) -> int:
        """Number of agreement features."""
        return len(self.center)

    @classmethod
    def fitted(
        cls,
        blocks: Sequence[Block],
        vectors: PairVectors,
        features: Tensor,
        targets: Tensor,
        groups: Sequence[str],
        weight: float,
        seed: int,
    ) -> tuple[Surrogates, Tensor]:
        """Fit to P training pairs; return the surrogates and the pairs' cross-fitted features ``[P, 2 N + 1]``.

        Parameters
        ----------
        blocks
            Of the vectors.
        vectors
            Of the training pairs.
        features
            ``float [P, F]``: their symmetric features.
        targets
            ``float64 [P, 1 + N]``: see :func:`surrogate_targets`.
        groups
            ``[P]``: pairs of one group are never on both sides of a cross-fit.
        weight
            Of the agreement features: their summed variance, where a standardised block has 1.
        seed
            Of the cross-fit's folds.
        """
        n_differences = sum(block.size for block in blocks if not block.of_prompt)
        kept = (
            min(_DIRECTIONS, n_differences, len(vectors)),
            min(_CONTEXTS, features.shape[1], len(vectors)),
        )
        surrogates = cls(blocks, features.shape[1], targets.shape[1] - 1, kept)
        surrogates._fit_design(vectors, features)
        design = surrogates._design(vectors.a, vectors.b, features)
        surrogates.weights.copy_(_ridge(design, targets))
        # Of one group nothing can be held out: its agreement stays unknown, and counts nothing.
        folds = torch.from_numpy(group_folds(list(groups), min(FOLDS, len(set(groups))), seed))
        crossed = torch.zeros(len(vectors), targets.shape[1], dtype=torch.float64)
        for fold in range(int(folds.max()) + 1 if folds.any() else 0):
            crossed[folds == fold] = design[folds == fold] @ _ridge(
                design[folds != fold], targets[folds != fold]
            )
        agreement = _agreement(crossed)
        std = agreement.std(dim=0, correction=0)
        surrogates.center.copy_(agreement.mean(dim=0))
        relative = (weight / surrogates.size) ** 0.5
        surrogates.scale.copy_(torch.where(std > 1e-9, relative / std.clamp(min=1e-9), 0.0))
        return surrogates, ((agreement - surrogates.center) * surrogates.scale).float()

    def forward(self, a: Tensor, b: Tensor, features: Tensor) -> Tensor:
        """Return the agreement features, ``float32 [P, 2 N + 1]``.

        ``a`` and ``b`` are vectors ``[P, D]``, ``features`` the symmetric features ``[P, F]`` of the same pairs.
        """
        return ((_agreement(self.preferences(a, b, features)) - self.center) * self.scale).float()

    def preferences(self, a: Tensor, b: Tensor, features: Tensor) -> Tensor:
        """Return the predicted preferences of the human and of every RM, ``float64 [P, 1 + N]``, positive for A.

        Arguments as of :meth:`forward`; exchanging the responses changes the sign.
        """
        return self._design(a, b, features) @ self.weights.double()

    def _differences(self, a: Tensor, b: Tensor) -> Tensor:
        return (a[:, self._columns] - b[:, self._columns]).double()

    def _fit_design(self, vectors: PairVectors, features: Tensor) -> None:
        raw = self._differences(vectors.a, vectors.b)
        std = raw.square().mean(dim=0).sqrt()
        weight = torch.cat([torch.full((size,), size**-0.5) for size in self._sizes]).double()
        self.spread.copy_(torch.where(std > 1e-9, weight / std.clamp(min=1e-9), 0.0))
        directions = _principal(raw * self.spread, self.directions.shape[1])
        kept = raw * self.spread @ directions
        self.directions.copy_(directions / kept.square().sum(dim=1).mean().sqrt().clamp(min=1e-9))
        self.context_center.copy_(features.mean(dim=0))
        centered = (features - self.context_center).double()
        contexts = _principal(centered, self.contexts.shape[1])
        kept = centered @ contexts
        self.contexts.copy_(contexts / kept.square().sum(dim=1).mean().sqrt().clamp(min=1e-9))

    def _design(self, a: Tensor, b: Tensor, features: Tensor) -> Tensor:
        difference = (self._differences(a, b) * self.spread) @ self.directions.double()
        context = (features - self.context_center).double() @ self.contexts.double()
        constant = torch.full((len(context), 1), _CONSTANT**0.5, dtype=torch.float64)
        context = torch.cat([constant, context], dim=1)
        return (difference[:, :, None] * context[:, None, :]).flatten(1)


def _agreement(predicted: Tensor) -> Tensor:
    """Return ``[P, 2 N + 1]`` of predictions ``[P, 1 + N]``; roots, so that a product is of a prediction's size."""
    human, rms = predicted[:, :1], predicted[:, 1:]
    products = human * rms
    return torch.cat([products.sign() * products.abs().sqrt(), predicted.abs().sqrt()], dim=1)


def _ridge(design: Tensor, targets: Tensor) -> Tensor:
    """Return ``float64 [D, K]``: ridge regressions of the targets ``[P, K]``; NaN targets take no part."""
    weights = torch.zeros(design.shape[1], targets.shape[1], dtype=torch.float64)
    observed = ~targets.isnan()
    for pattern in torch.unique(observed, dim=1).T:
        columns = (observed == pattern[:, None]).all(dim=0)
        rows, answers = design[pattern], targets[pattern][:, columns]
        if len(rows) < rows.shape[1]:  # the smaller of the two equal forms
            gram = rows @ rows.T + _RIDGE * torch.eye(len(rows), dtype=torch.float64)
            weights[:, columns] = rows.T @ torch.linalg.solve(gram, answers)
        else:
            gram = rows.T @ rows + _RIDGE * torch.eye(rows.shape[1], dtype=torch.float64)
            weights[:, columns] = torch.linalg.solve(gram, rows.T @ answers)
    return weights


def _principal(rows: Tensor, count: int) -> Tensor:
    """Return ``float64 [D, count]``: principal directions of ``rows [P, D]``, zeros where they span fewer."""
    directions = principal_directions(rows, count)
    return nn.functional.pad(directions, (0, count - directions.shape[1]))

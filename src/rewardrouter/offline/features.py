"""From the vectors of a pair's two texts to symmetric features of the pair (paper 3.2).

For every block of the vectors e and e' the features are ``[e + e' ; |e - e'|]``;
for a block of the prompt, which has no difference, ``e + e'`` alone. Exchanging
the responses exchanges e and e', so the features do not change: not by
training, but by construction, bit for bit.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from rewardrouter.offline.vectors import Block, PairVectors

_LIMIT = 5.0
"""Standard deviations beyond which a standardised feature is cut off: a text unlike all training texts
should look unusual, not decide alone."""


class PairFeatures(nn.Module):
    """The symmetric features of pairs, ``[P, F]``.

    Standardised features (see :meth:`fit`) have mean 0 and variance 1 on the training
    pairs and are divided by the square root of their block's size, so that each
    block weighs the same in an inner product.
    """

    center: Tensor
    scale: Tensor
    limit: Tensor

    def __init__(self, blocks: Sequence[Block]) -> None:
        super().__init__()
        self._blocks = tuple(blocks)
        self.register_buffer("center", torch.zeros(self.size))
        self.register_buffer("scale", torch.ones(self.size))
        self.register_buffer("limit", torch.full((self.size,), torch.inf))

    @property
    def size(self) -> int:
        """F, the number of features."""
        return sum(block.size if block.of_prompt else 2 * block.size for block in self._blocks)

    def fit(self, vectors: PairVectors) -> None:
        """Standardise by the given training pairs."""
        raw = self._raw(vectors.a, vectors.b).double()
        std = raw.std(dim=0, correction=0)
        sizes = [block.size if block.of_prompt else 2 * block.size for block in self._blocks]
        weight = torch.cat([torch.full((size,), size**-0.5) for size in sizes])
        # A feature that never varies says nothing; dividing by its rounding error would make it shout.
        constant = std < 1e-6 * (1 + raw.abs().amax(dim=0))
        self.center.copy_(raw.mean(dim=0))
        self.scale.copy_(torch.where(constant, 0.0, weight / std.clamp(min=1e-12)))
        self.limit.copy_(_LIMIT * weight)

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """Return ``float [P, F]`` of vectors ``float [P, D]``."""
        features = (self._raw(a, b) - self.center) * self.scale
        return features.clamp(-self.limit, self.limit)

    def _raw(self, a: Tensor, b: Tensor) -> Tensor:
        parts, start = [], 0
        for block in self._blocks:
            one, other = a[:, start : start + block.size], b[:, start : start + block.size]
            parts.append(one + other)
            if not block.of_prompt:
                parts.append((one - other).abs())
            start += block.size
        return torch.cat(parts, dim=1)

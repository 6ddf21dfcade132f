"""From the pair's features to h (paper 3.2).

* :class:`MlpFusion`: the authors' single layer, ``LayerNorm(ReLU(W x + b))``, trained.
* :class:`LinearFusion`: the leading principal components of the training pairs' features
  and a constant 1, fixed. With it the heads are a convex problem, and the coordinate of the
  constant in ``E_bt[n]`` is how good RM n is on the whole.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from rewardrouter.offline.principal import principal_directions


class MlpFusion(nn.Module):
    """Linear(F -> d), ReLU, LayerNorm."""

    def __init__(self, n_features: int, width: int, dropout: float) -> None:
        super().__init__()
        self.drop = nn.Dropout(dropout)
        self.linear = nn.Linear(n_features, width)
        self.norm = nn.LayerNorm(width)

    @property
    def width(self) -> int:
        """d, the length of h."""
        return self.linear.out_features

    def forward(self, features: Tensor) -> Tensor:
        """Return h, ``float [P, d]``, of features ``float [P, F]``."""
        h: Tensor = self.norm(torch.relu(self.linear(self.drop(features))))
        return h


class LinearFusion(nn.Module):
    """Principal components, and a constant as the last coordinate."""

    center: Tensor
    components: Tensor

    def __init__(self, n_features: int, width: int) -> None:
        super().__init__()
        self.register_buffer("center", torch.zeros(n_features))
        self.register_buffer("components", torch.zeros(n_features, width - 1))

    @property
    def width(self) -> int:
        """d, the length of h: components and the constant."""
        return self.components.shape[1] + 1

    @classmethod
    def fitted(cls, features: Tensor, width: int) -> LinearFusion:
        """Return the fusion that keeps up to ``width`` principal components of training features ``[P, F]``."""
        center = features.double().mean(dim=0)
        components = principal_directions(features.double() - center, width)
        fusion = cls(features.shape[1], components.shape[1] + 1)
        fusion.center.copy_(center)
        fusion.components.copy_(components)
        return fusion

    def forward(self, features: Tensor) -> Tensor:
        """Return h, ``float [P, d]``, of features ``float [P, F]``."""
        kept = (features - self.center) @ self.components
        return torch.cat([kept, kept.new_ones(len(kept), 1)], dim=1)

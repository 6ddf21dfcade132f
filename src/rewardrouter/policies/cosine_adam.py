"""AdamW whose learning rate rises over the first steps and falls to zero along a cosine: training from scratch."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

_WARMUP = 0.05
"""Share of the steps over which the learning rate rises."""


class CosineAdam:
    """Trains all weights of a model in a known number of steps; gradients are clipped to norm 1.

    Parameters
    ----------
    model
        What is trained.
    learning_rate
        The peak.
    weight_decay
        On matrices; gains and biases have none.
    steps
        How often :meth:`step` will be called.
    """

    def __init__(self, model: nn.Module, learning_rate: float, weight_decay: float, steps: int) -> None:
        self._parameters = list(model.parameters())
        groups = [
            {"params": [p for p in self._parameters if p.ndim > 1], "weight_decay": weight_decay},
            {"params": [p for p in self._parameters if p.ndim == 1], "weight_decay": 0.0},
        ]
        self._adam = torch.optim.AdamW(groups, lr=learning_rate, betas=(0.9, 0.95), fused=True)
        self._schedule = torch.optim.lr_scheduler.LambdaLR(self._adam, lambda step: _rate(step, steps))

    def step(self, loss: Tensor) -> float:
        """Take a step down the gradient of ``loss``, a scalar; return its value."""
        self._adam.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self._parameters, 1.0)
        self._adam.step()
        self._schedule.step()
        return float(loss.detach())


def _rate(step: int, steps: int) -> float:
    """Return the learning rate's share of its peak: a ramp, then half a cosine."""
    warmup = max(1, round(_WARMUP * steps))
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))

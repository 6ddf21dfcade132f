"""What weights are: a digest of a model's parameters, and whether they changed since."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import nn


def weights_digest(model: nn.Module) -> str:
    """Return the SHA-256 of every parameter's name, shape, dtype and bytes, as 64 hexadecimal digits."""
    digest = hashlib.sha256()
    for name, parameter in model.named_parameters():
        digest.update(f"{name} {tuple(parameter.shape)} {parameter.dtype}\0".encode())
        digest.update(parameter.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


class WatchedWeights:
    """The digest of a model's weights, computed again only after they changed.

    PyTorch counts in-place changes of a tensor (an optimiser's step, ``load_state_dict``, ``copy_``); a parameter that
    was replaced, or moved, is another tensor or lies elsewhere. Only a change behind PyTorch's back, through
    ``parameter.data``, goes unseen.
    """

    def __init__(self, model: nn.Module) -> None:
        self._model = model
        self._state: tuple[tuple[int, int, int], ...] = ()
        self._digest = ""

    @property
    def digest(self) -> str:
        """SHA-256 of the weights as they are, 64 hexadecimal digits."""
        state = tuple((id(p), p.data_ptr(), p._version) for p in self._model.parameters())
        if state != self._state or not self._digest:
            self._digest, self._state = weights_digest(self._model), state
        return self._digest

"""Where a gradient training takes the vectors of its batches from: fixed ones, or the encoder at every step."""

from __future__ import annotations

import dataclasses
import hashlib

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from rewardrouter.offline.encoder import PairEncoder
from rewardrouter.offline.prepared import PreparedPairs
from rewardrouter.offline.vectors import PairVectors


@dataclasses.dataclass(frozen=True)
class FrozenSource:
    """Pairs whose texts' vectors are known: only fusion and heads are trained."""

    vectors: PairVectors

    encoder: None = None

    def batch(self, rows: npt.NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        """Return the vectors of some pairs, ``float [B, D]`` twice."""
        chosen = self.vectors.select(rows)
        return chosen.a, chosen.b

    def digest(self) -> str:
        """Name the exact vectors."""
        digest = hashlib.sha256()
        for side in (self.vectors.a, self.vectors.b):
            digest.update(side.contiguous().numpy().tobytes())
        return digest.hexdigest()


@dataclasses.dataclass(frozen=True)
class EncodingSource:
    """Pairs whose texts go through the encoder at every step: full-parameter training."""

    prepared: PreparedPairs
    encoder: PairEncoder

    def batch(self, rows: npt.NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        """Return the vectors of some pairs, ``float [B, D]`` twice, with gradients; equal texts go in once."""
        both = np.concatenate([self.prepared.index_a[rows], self.prepared.index_b[rows]])
        distinct, place = np.unique(both, return_inverse=True)
        vectors = self.encoder.forward_texts([self.prepared.texts[t] for t in distinct])
        sides = vectors[torch.from_numpy(place).to(vectors.device)]
        return sides[: len(rows)], sides[len(rows) :]

    def digest(self) -> str:
        """Name the exact texts and the encoder that training starts from."""
        digest = hashlib.sha256(self.encoder.checkpoint.identity.encode())
        for text in self.prepared.texts:
            digest.update(hashlib.sha256(text.content).digest())
        digest.update(self.prepared.index_a.tobytes())
        digest.update(self.prepared.index_b.tobytes())
        return digest.hexdigest()

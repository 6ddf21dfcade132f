"""The vectors of a pair's two texts, in named blocks.

A block is one pooling of the encoder or one group of text statistics. A block
*of the prompt* says the same of both texts of a pair, so it has no difference.
(To be exact, a bidirectional encoder's states of the prompt have seen the
response behind it; what they learned of it is the response's blocks' to tell.)
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from rewardrouter.config.offline import FeatureConfig
from rewardrouter.offline.cache import EmbeddingCache
from rewardrouter.offline.encoder import PairEncoder, Progress
from rewardrouter.offline.prepared import CutReport
from rewardrouter.offline.statistics import PROMPT_STATISTICS, RESPONSE_STATISTICS, pair_statistics
from rewardrouter.pairs import PreferencePair


@dataclasses.dataclass(frozen=True, slots=True)
class Block:
    """Some neighbouring columns of a text's vector."""

    name: str
    size: int
    of_prompt: bool


@dataclasses.dataclass(frozen=True)
class PairVectors:
    """``float32 [P, D]`` twice: the vectors of (prompt, A) and of (prompt, B)."""

    a: Tensor
    b: Tensor

    def __len__(self) -> int:
        return len(self.a)

    def select(self, rows: npt.NDArray[np.int64]) -> PairVectors:
        """Return the vectors of some pairs."""
        index = torch.from_numpy(rows)
        return PairVectors(self.a[index], self.b[index])


def blocks_of(encoder: PairEncoder, config: FeatureConfig) -> tuple[Block, ...]:
    """Return the blocks of a text's vector, in order."""
    hidden = encoder.feature_dim // len(encoder.poolings)
    blocks = [Block(name, hidden, name.startswith("prompt.")) for name in encoder.poolings]
    if config.statistics:
        blocks.append(Block("statistics of the prompt", len(PROMPT_STATISTICS), True))
        blocks.append(Block("statistics of the response", len(RESPONSE_STATISTICS), False))
    return tuple(blocks)


def visible(pairs: Sequence[PreferencePair], config: FeatureConfig) -> list[PreferencePair]:
    """Return the pairs as the encoder may see them: without their responses where it routes on prompts."""
    if config.of == "prompt":
        return [dataclasses.replace(pair, response_a="", response_b="") for pair in pairs]
    return list(pairs)


def encode_pairs(
    encoder: PairEncoder,
    pairs: Sequence[PreferencePair],
    config: FeatureConfig,
    *,
    cache: EmbeddingCache | None = None,
    progress: Progress | None = None,
) -> tuple[PairVectors, CutReport]:
    """Return the vectors of the pairs, without gradients, and what the encoder did not see of them."""
    seen = visible(pairs, config)
    prepared = encoder.prepare(seen)
    texts = encoder.encode(prepared, cache=cache, progress=progress)
    a, b = texts[prepared.index_a], texts[prepared.index_b]
    if config.statistics:
        prompts, of_a, of_b = pair_statistics(seen)
        a, b = np.concatenate([a, prompts, of_a], axis=1), np.concatenate([b, prompts, of_b], axis=1)
    return PairVectors(torch.from_numpy(a), torch.from_numpy(b)), prepared.cuts

"""Labelled pairs as tensors, in micro-batches of similar length."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from rewardrouter.training.experience import TrainingPair


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class MicroBatch:
    """P pairs that go through the model at once; a batch without pairs has one that weighs nothing.

    ``decisions`` names the P pairs.
    """

    decisions: tuple[str, ...]
    tensors: dict[str, Tensor]


def micro_batches(pairs: Sequence[TrainingPair], count: int, pad: int) -> list[MicroBatch]:
    """Return exactly ``count`` micro-batches of the pairs, as even as can be.

    All processes pass the same number of batches through the model, whether their pairs were labelled or not.
    ``pad`` is any token id: it fills up where nothing is attended to, and is all of an empty batch.
    """
    lengths = [len(p.tokens.prompt) + max(len(p.chosen), len(p.rejected)) for p in pairs]
    order = np.argsort(lengths, kind="stable")
    return [_micro_batch([pairs[row] for row in rows], pad) for rows in np.array_split(order, count)]


def _micro_batch(pairs: Sequence[TrainingPair], pad: int) -> MicroBatch:
    prompts = [pair.tokens.prompt for pair in pairs] or [np.array([pad], np.int32)]
    chosen = [pair.chosen for pair in pairs] or [np.array([pad], np.int32)]
    rejected = [pair.rejected for pair in pairs] or [np.array([pad], np.int32)]
    texts = [np.concatenate(both) for both in zip(prompts * 2, chosen + rejected, strict=True)]
    ids = np.full((len(texts), max(map(len, texts))), pad, np.int64)
    seen, answered = np.zeros_like(ids), np.zeros_like(ids)
    for row, (text, prompt) in enumerate(zip(texts, prompts * 2, strict=True)):
        ids[row, : len(text)] = text
        seen[row, : len(text)] = 1
        answered[row, len(prompt) : len(text)] = 1
    weights = [pair.weight for pair in pairs] or [0.0]
    tensors = {
        "input_ids": torch.from_numpy(ids),
        "attention_mask": torch.from_numpy(seen),
        "completion_mask": torch.from_numpy(answered),
        "weights": torch.tensor(weights, dtype=torch.float32),
    }
    return MicroBatch(tuple(pair.decision_id for pair in pairs), tensors)

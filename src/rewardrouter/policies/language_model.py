"""Train a causal LM to predict the next token of texts that stand one after the other.

The texts are put in a new order each epoch, joined, and cut into blocks of equal length, so that no token is filler.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor
from transformers import LlamaForCausalLM

from rewardrouter.config.policy import SmallPolicyConfig
from rewardrouter.errors import DataError
from rewardrouter.policies.cosine_adam import CosineAdam
from rewardrouter.policies.scoring import chosen_log_probs
from rewardrouter.policies.tokens import Ids
from rewardrouter.progress import progress


def train_language_model(
    model: LlamaForCausalLM, texts: Sequence[Ids], config: SmallPolicyConfig, seed: int
) -> tuple[float, ...]:
    """Train all weights of ``model`` on the texts; return each epoch's mean loss, nats per token.

    Raises
    ------
    DataError
        If all texts together are shorter than one block.
    """
    total = sum(map(len, texts))
    blocks = total // (config.block_tokens + 1)
    if blocks == 0:
        raise DataError(
            f"small policy: the texts have {total} tokens together, fewer than one block of"
            f" {config.block_tokens + 1}. Give more pairs, or make policy.small.block_tokens less"
        )
    random = np.random.default_rng(seed)
    per_epoch = math.ceil(blocks / config.blocks_per_step)
    steps = per_epoch * config.epochs
    adam = CosineAdam(model, config.learning_rate, config.weight_decay, steps)
    losses = []
    with progress("small policy", steps) as advance:
        for _ in range(config.epochs):
            summed = 0.0
            for batch in _batches(texts, blocks, config, random):
                summed += adam.step(_loss(model, batch)) * len(batch)
                advance(1)
            losses.append(summed / blocks)
    return tuple(losses)


def unigram_entropy(texts: Sequence[Ids]) -> float:
    """Return the entropy of the tokens' frequencies, nats per token."""
    counts = np.bincount(np.concatenate(texts))
    shares = counts[counts > 0] / counts.sum()
    return float(-(shares * np.log(shares)).sum())


def _batches(
    texts: Sequence[Ids], blocks: int, config: SmallPolicyConfig, random: np.random.Generator
) -> Iterator[Tensor]:
    """Yield one epoch's blocks, ``int64 [n, block_tokens + 1]`` at a time."""
    length = config.block_tokens + 1
    joined = np.concatenate([texts[place] for place in random.permutation(len(texts))])
    cut = joined[: blocks * length].reshape(blocks, length)[random.permutation(blocks)]
    for start in range(0, blocks, config.blocks_per_step):
        yield torch.from_numpy(cut[start : start + config.blocks_per_step].astype(np.int64))


def _loss(model: LlamaForCausalLM, blocks: Tensor) -> Tensor:
    """Return the mean loss of predicting each block's second to last token, nats."""
    states = model.model(input_ids=blocks[:, :-1], use_cache=False).last_hidden_state
    return -chosen_log_probs(states.flatten(0, 1), model.lm_head.weight, blocks[:, 1:].flatten()).mean()

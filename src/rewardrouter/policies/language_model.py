"""Train a causal LM to predict the next token of texts that stand one after the other.

The texts are put in a new order each epoch, joined, and cut into blocks of equal length, so that no token is filler.
AdamW, gradients clipped to norm 1, the learning rate rising over the first steps and falling along a cosine.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from transformers import LlamaForCausalLM

from rewardrouter.config.policy import SmallPolicyConfig
from rewardrouter.errors import DataError
from rewardrouter.policies.scoring import chosen_log_probs
from rewardrouter.policies.tokens import Ids
from rewardrouter.progress import progress

_WARMUP = 0.05
"""Share of the steps over which the learning rate rises."""


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
    adam = _adam(model, config)
    schedule = torch.optim.lr_scheduler.LambdaLR(adam, lambda step: _rate(step, steps))
    losses = []
    with progress("small policy", steps) as advance:
        for _ in range(config.epochs):
            summed = 0.0
            for batch in _batches(texts, blocks, config, random):
                loss = _loss(model, batch)
                adam.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                nn.utils.clip_grad_norm_(model.parameters(), 1.0)
                adam.step()
                schedule.step()
                summed += float(loss.detach()) * len(batch)
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


def _adam(model: LlamaForCausalLM, config: SmallPolicyConfig) -> torch.optim.AdamW:
    matrices = [p for p in model.parameters() if p.ndim > 1]
    gains = [p for p in model.parameters() if p.ndim == 1]
    groups = [
        {"params": matrices, "weight_decay": config.weight_decay},
        {"params": gains, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=config.learning_rate, betas=(0.9, 0.95), fused=True)


def _rate(step: int, steps: int) -> float:
    """Return the learning rate's share of its peak: a ramp, then half a cosine."""
    warmup = max(1, round(_WARMUP * steps))
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))

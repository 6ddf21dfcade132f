"""Responses sampled from a causal LM, many prompts at a time; rows that have ended make room for the others."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from transformers import DynamicCache, LlamaForCausalLM, PreTrainedTokenizerBase

from rewardrouter.config.sandbox import SandboxSamplesConfig
from rewardrouter.sandbox.chat import ChatTokens, Ids, padded

_ROWS = 768
"""Responses that are written at once."""

_MAX_TOKENS = 40
"""Of a response; longer than any right one."""

_STILL_WRITING = 0.75
"""Share of a batch's rows below which those that have ended are taken out."""


def sample_responses(
    model: LlamaForCausalLM,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[str],
    config: SandboxSamplesConfig,
    seed: int,
) -> list[list[str]]:
    """Return ``config.responses`` responses to every prompt."""
    tokens, chance = ChatTokens(tokenizer), torch.Generator().manual_seed(seed)
    rows = [ids for ids in tokens.prompts(prompts) for _ in range(config.responses)]
    order = np.argsort([len(row) for row in rows], kind="stable")
    written: list[Ids] = [[] for _ in rows]
    for start in range(0, len(order), _ROWS):
        batch = order[start : start + _ROWS]
        for row, ids in zip(
            batch, _write(model, tokens, [rows[n] for n in batch], config, chance), strict=True
        ):
            written[row] = ids
    texts = tokens.texts(written)
    return [texts[start : start + config.responses] for start in range(0, len(texts), config.responses)]


@torch.inference_mode()
def _write(
    model: LlamaForCausalLM,
    tokens: ChatTokens,
    prompts: Sequence[Ids],
    config: SandboxSamplesConfig,
    chance: torch.Generator,
) -> list[Ids]:
    """Return the token ids of one response to each prompt, without their ends."""
    written: list[Ids] = [[] for _ in prompts]
    rows, ids = torch.arange(len(prompts)), padded(prompts, tokens.pad, left=True)
    mask, cache = ids.ne(tokens.pad).long(), DynamicCache(config=model.config)
    writing = torch.ones(len(rows), dtype=torch.bool)
    for _ in range(_MAX_TOKENS):
        positions = (mask.cumsum(1) - 1).clamp(min=0)[:, -ids.shape[1] :]
        logits = model(
            input_ids=ids,
            attention_mask=mask,
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        ).logits[:, -1]
        # The smallest of exponential times at these rates is a draw from the softmax.
        times = torch.empty_like(logits).exponential_(generator=chance)
        drawn = ((logits / config.temperature).softmax(-1) / times).argmax(-1)
        writing &= drawn != tokens.eos
        for row, token in zip(rows[writing].tolist(), drawn[writing].tolist(), strict=True):
            written[row].append(token)
        if not writing.any():
            break
        if writing.float().mean() < _STILL_WRITING:
            left = writing.nonzero()[:, 0]
            cache.batch_select_indices(left)
            rows, mask, drawn, writing = rows[left], mask[left], drawn[left], writing[left]
        mask = torch.cat([mask, torch.ones(len(mask), 1, dtype=mask.dtype)], dim=1)
        ids = drawn[:, None]
    return written

"""A small Llama with random weights, for policies that are built on the spot."""

from __future__ import annotations

from typing import Any, Protocol

import torch
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerBase


class Sizes(Protocol):
    """Width of the hidden states and of the layers between, number of layers, number of attention heads."""

    @property
    def width(self) -> int: ...  # noqa: D102

    @property
    def mlp_width(self) -> int: ...  # noqa: D102

    @property
    def layers(self) -> int: ...  # noqa: D102

    @property
    def heads(self) -> int: ...  # noqa: D102


def small_llama(
    sizes: Sizes, tokenizer: PreTrainedTokenizerBase, positions: int, *, seed: int, **more: Any
) -> LlamaForCausalLM:
    """Return a new model.

    Parameters
    ----------
    sizes
        Of the model.
    tokenizer
        Gives the vocabulary and its special tokens.
    positions
        The most tokens that it reads.
    seed
        Of the weights.
    more
        Further settings of ``LlamaConfig``.
    """
    settings = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=sizes.width,
        intermediate_size=sizes.mlp_width,
        num_hidden_layers=sizes.layers,
        num_attention_heads=sizes.heads,
        num_key_value_heads=sizes.heads,
        max_position_embeddings=positions,
        tie_word_embeddings=True,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        **more,
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return LlamaForCausalLM(settings)

"""Makers of tiny policies and of pairs that they can learn to tell apart."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from tiny_checkpoints import TINY, causal_tokenizer
from transformers import Gemma2Config, Gemma2ForCausalLM, GPT2Config, GPT2LMHeadModel, PreTrainedModel

from rewardrouter.config.policy import PolicyConfig
from rewardrouter.pairs import PreferencePair
from rewardrouter.policies import PreferencePolicy


def tiny_config(folder: Path | str, **settings: object) -> PolicyConfig:
    """Return settings under which a tiny policy learns within a few steps."""
    given = {"learning_rate": 1e-2, "beta": 0.1, "tuning": "full", "device": "cpu", "max_prompt_tokens": 32}
    return PolicyConfig.model_validate(
        {"checkpoint": str(folder), "max_response_tokens": 32, **given, **settings}
    )


def tiny_policy(folder: Path | str, *, seed: int = 0, **settings: object) -> PreferencePolicy:
    """Load a tiny policy."""
    return PreferencePolicy.from_config(tiny_config(folder, **settings), seed=seed)


def learnable_pairs(count: int, seed: int = 0) -> tuple[list[PreferencePair], npt.NDArray[np.int8]]:
    """Return pairs in which the better response names a capital, and their labels (+1 for A)."""
    random = np.random.default_rng(seed)
    labels = random.choice(np.array([1, -1], np.int8), count)
    pairs = []
    for n, label in enumerate(labels):
        x, y = random.integers(0, 10, 2)
        better = f"{x} {'0' * (n % 5)} The capital is Paris {y}"
        worse = f"{x} {'0' * (n % 5)} return a + b" + " + b" * (n % 7)
        sides = (better, worse) if label > 0 else (worse, better)
        pairs.append(PreferencePair(f"pair {n}", f"What is {x} + {y}?", *sides))
    return pairs, labels


def write_gpt2(folder: Path) -> Path:
    """A GPT-2: absolute positions, tied output layer, dropout."""
    tokenizer = causal_tokenizer(None, adds_bos=False)
    config = GPT2Config(
        vocab_size=len(tokenizer),
        n_positions=128,
        n_embd=32,
        n_layer=2,
        n_head=4,
        bos_token_id=0,
        eos_token_id=1,
    )
    torch.manual_seed(3)
    return _write(GPT2LMHeadModel(config), tokenizer, folder)


def write_gemma2(folder: Path) -> Path:
    """A Gemma 2: its logits are capped."""
    tokenizer = causal_tokenizer(None, adds_bos=True)
    config = Gemma2Config(
        vocab_size=len(tokenizer), num_key_value_heads=2, head_dim=8, final_logit_softcapping=2.0, **TINY
    )
    torch.manual_seed(4)
    return _write(Gemma2ForCausalLM(config), tokenizer, folder)


def _write(model: PreTrainedModel, tokenizer: object, folder: Path) -> Path:
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder

"""Training a language model on packed texts."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM

from rewardrouter.config.policy import SmallPolicyConfig
from rewardrouter.errors import DataError
from rewardrouter.policies.language_model import train_language_model, unigram_entropy

CONFIG = SmallPolicyConfig(block_tokens=16, blocks_per_step=4, epochs=6, learning_rate=1e-2)
TEXTS = [np.array([5, 6, 7, 8] * (3 + n % 4), np.int32) for n in range(20)]


def train(folder, seed=0):
    model = AutoModelForCausalLM.from_pretrained(folder)
    return model, train_language_model(model, TEXTS, CONFIG, seed)


def test_it_learns_what_follows(tiny_llama):
    _, losses = train(tiny_llama)
    assert len(losses) == 6
    assert losses[0] > losses[-1]
    assert losses[-1] < 0.5 * unigram_entropy(TEXTS)


def test_the_seed_decides(tiny_llama):
    (one, losses), (same, _), (other, _) = (train(tiny_llama, seed) for seed in (0, 0, 1))
    for first, second, third in zip(one.parameters(), same.parameters(), other.parameters(), strict=True):
        assert torch.equal(first, second)
        assert not torch.equal(first, third)
    assert all(map(math.isfinite, losses))


def test_too_few_texts(tiny_llama):
    model = AutoModelForCausalLM.from_pretrained(tiny_llama)
    with pytest.raises(DataError, match="12 tokens together, fewer than one block of 17"):
        train_language_model(model, TEXTS[:1], CONFIG, 0)


def test_unigram_entropy():
    assert unigram_entropy([np.array([1, 2]), np.array([3, 4])]) == pytest.approx(math.log(4))
    assert unigram_entropy([np.array([3, 3, 3])]) == 0

"""The adapter: a reference within the policy."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest
from tiny_policies import learnable_pairs, tiny_policy, write_gpt2

from rewardrouter.errors import ConfigError, MissingDependencyError


def weights_of(policy) -> dict[str, np.ndarray]:
    return dict(policy.state_dict().part("training").part("weights").arrays)


def test_only_the_adapter_is_trained(tiny_llama):
    names = weights_of(tiny_policy(tiny_llama, tuning="lora", lora={"rank": 2}))
    assert {name.rpartition("lora_")[0].rpartition(".")[0].rpartition(".")[2] for name in names} == {
        "q_proj",
        "v_proj",
    }
    assert {array.shape[0] for name, array in names.items() if "lora_A" in name} == {2}


def test_the_seed_decides_the_adapter_and_nothing_else(tiny_llama):
    one, same, other = (tiny_policy(tiny_llama, tuning="lora", seed=seed) for seed in (0, 0, 1))
    for name, array in weights_of(one).items():
        assert np.array_equal(array, weights_of(same)[name])
        assert np.array_equal(array, weights_of(other)[name]) == ("lora_B" in name)
    assert one.identity == other.identity


def test_the_reference_stays_when_the_policy_moves(tiny_llama):
    pairs, labels = learnable_pairs(8)
    policy = tiny_policy(tiny_llama, tuning="lora")
    before = policy.prepare(pairs)
    policy.train_step(before, np.arange(8), labels, np.ones(8))
    assert np.abs(policy.margins(before)).max() > 0
    assert np.array_equal(policy.prepare(pairs).reference, before.reference)


def test_unknown_modules_are_named(tmp_path):
    folder = write_gpt2(tmp_path)
    with pytest.raises(ConfigError, match=r"GPT2LMHeadModel has no q_proj\. It has: .*c_attn"):
        tiny_policy(folder, tuning="lora")
    assert weights_of(tiny_policy(folder, tuning="lora", lora={"target_modules": ["c_attn"]}))


def test_without_peft_the_command_is_said(tiny_llama, monkeypatch):
    monkeypatch.setattr("rewardrouter.policies.lora.find_spec", lambda name: None)
    assert importlib.util.find_spec("peft")
    with pytest.raises(MissingDependencyError, match=r"pip install 'rewardrouter\[lora\]'"):
        tiny_policy(tiny_llama, tuning="lora")

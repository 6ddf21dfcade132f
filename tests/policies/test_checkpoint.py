"""Loading policies, and what is said when that fails."""

from __future__ import annotations

import json
import shutil

import pytest
import torch
from tiny_policies import tiny_config, write_gpt2

from rewardrouter.config.policy import PolicyConfig
from rewardrouter.errors import CheckpointError, ConfigError
from rewardrouter.policies.checkpoint import load_policy_checkpoint, resolve_dtypes

CPU = torch.device("cpu")


def load(folder, **settings):
    return load_policy_checkpoint(tiny_config(folder, **settings), CPU, torch.float32)


def test_a_causal_model_loads_in_the_dtype_asked_for_and_says_nothing(tiny_llama, capfd):
    loaded = load_policy_checkpoint(tiny_config(tiny_llama), CPU, torch.bfloat16)
    assert {parameter.dtype for parameter in loaded.model.parameters()} == {torch.bfloat16}
    assert not loaded.model.training
    captured = capfd.readouterr()
    assert (captured.out, captured.err) == ("", "")


def test_dropout_is_off(tmp_path):
    model = load(write_gpt2(tmp_path)).model
    assert json.loads((tmp_path / "config.json").read_text())["resid_pdrop"] > 0
    model.train()
    ids = torch.arange(10)[None]
    assert torch.equal(model(input_ids=ids).logits, model(input_ids=ids).logits)


def test_no_checkpoint():
    with pytest.raises(ConfigError, match=r"policy\.checkpoint: none is given"):
        load_policy_checkpoint(PolicyConfig(), CPU, torch.float32)


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(CheckpointError, match="no such folder"):
        load(tmp_path / "nothing")


def test_a_model_without_its_output_layer(tiny_qwen2):
    with pytest.raises(CheckpointError, match=r"has no weights for lm_head\.weight \(1 are missing\)"):
        load(tiny_qwen2)


def test_a_model_that_sees_what_comes(tiny_bert, tmp_path):
    from transformers import BertConfig, BertForMaskedLM

    folder = shutil.copytree(tiny_bert, tmp_path / "bert")
    BertForMaskedLM(BertConfig.from_pretrained(tiny_bert)).save_pretrained(folder)
    with pytest.raises(CheckpointError, match="is no causal LM: a later token changes"):
        load(folder)


def test_a_model_that_reads_too_little(tmp_path):
    with pytest.raises(ConfigError, match="reads 128 tokens"):
        load(write_gpt2(tmp_path), max_prompt_tokens=100, max_response_tokens=29)
    load(tmp_path, max_prompt_tokens=100, max_response_tokens=28)


def test_broken_weights_are_one_line(tiny_llama, tmp_path):
    folder = shutil.copytree(tiny_llama, tmp_path / "broken")
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-10])
    with pytest.raises(CheckpointError) as caught:
        load(folder)
    assert "\n" not in str(caught.value)
    assert "cannot be loaded" in str(caught.value)


def test_code_in_a_checkpoint_is_not_run(tiny_llama, tmp_path):
    folder = shutil.copytree(tiny_llama, tmp_path / "code")
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "own", "auto_map": {"AutoConfig": "own.C", "AutoModelForCausalLM": "own.M"}}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "own.py").write_text("raise SystemExit('ran')")
    with pytest.raises(CheckpointError, match="cannot be loaded"):
        load(folder)


def test_what_is_trained_is_held_in_float32():
    lora, full = (
        resolve_dtypes(PolicyConfig(tuning=tuning, dtype="bf16"), CPU) for tuning in ("lora", "full")
    )
    assert (lora.computed, lora.held) == (torch.bfloat16, torch.bfloat16)
    assert (full.computed, full.held) == (torch.bfloat16, torch.float32)
    auto = resolve_dtypes(PolicyConfig(), CPU)
    assert (auto.computed, auto.held) == (torch.float32, torch.float32)

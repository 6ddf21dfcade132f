"""Loading encoders, learning what they are, and what is said when they are broken."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import safetensors.torch
import torch
from transformers import AutoTokenizer, RobertaConfig, RobertaModel, T5Config, T5Model
from transformers.utils import logging as transformers_logging

from rewardrouter.config.encoder import EncoderConfig
from rewardrouter.errors import CheckpointError
from rewardrouter.offline.checkpoint import EncoderCheckpoint, load_encoder_checkpoint


def load(checkpoint: Path | str, **settings: object) -> EncoderCheckpoint:
    return load_encoder_checkpoint(EncoderConfig(checkpoint=str(checkpoint), device="cpu", **settings))


@pytest.fixture
def copy(tiny_bert: Path, tmp_path: Path) -> Path:
    return shutil.copytree(tiny_bert, tmp_path / "copy")


def test_the_embedded_encoder_loads():
    checkpoint = load("minilm")
    assert (checkpoint.kind, checkpoint.hidden_size, checkpoint.n_states) == ("bidirectional", 384, 7)
    assert (checkpoint.max_length, checkpoint.pad_id) == (512, 0)
    assert checkpoint.identity.startswith("sha256:")
    assert not checkpoint.model.training


def test_the_kind_is_what_the_model_does(tiny_bert, tiny_qwen2, tiny_llama):
    assert json.loads((tiny_qwen2 / "config.json").read_text())["architectures"] == ["Qwen2Model"]
    assert [load(folder).kind for folder in (tiny_bert, tiny_qwen2, tiny_llama)] == [
        "bidirectional",
        "causal",
        "causal",
    ]


def test_a_causal_checkpoint_is_loaded_without_its_head_and_without_noise(tiny_llama, capfd):
    assert type(load(tiny_llama).model).__name__ == "LlamaModel"
    captured = capfd.readouterr()
    assert (captured.out, captured.err) == ("", "")
    assert transformers_logging.is_progress_bar_enabled()


def test_a_missing_padding_token_is_made_up_for(tiny_llama, tiny_qwen2):
    for folder in (tiny_llama, tiny_qwen2):
        checkpoint = load(folder)
        assert 0 <= checkpoint.pad_id < checkpoint.model.config.vocab_size


def test_half_precision_weights_are_held_in_float32(copy):
    weights = safetensors.torch.load_file(copy / "model.safetensors")
    halves = {name: weight.to(torch.bfloat16) for name, weight in weights.items()}
    safetensors.torch.save_file(halves, copy / "model.safetensors", {"format": "pt"})
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps({**config, "dtype": "bfloat16"}))
    assert {parameter.dtype for parameter in load(copy).model.parameters()} == {torch.float32}


def test_roberta_counts_its_positions_from_the_padding_on(tiny_bert, tmp_path):
    tokenizer = AutoTokenizer.from_pretrained(tiny_bert, model_max_length=10**9)
    config = RobertaConfig(
        vocab_size=len(tokenizer), max_position_embeddings=66, pad_token_id=1,
        hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=2,
    )  # fmt: skip
    RobertaModel(config).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    assert load(tmp_path).max_length == 64


def remove(name: str):
    return lambda folder: (folder / name).unlink()


def truncate_weights(folder: Path) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])


def drop_a_weight(folder: Path) -> None:
    weights = safetensors.torch.load_file(folder / "model.safetensors")
    weights.pop("encoder.layer.1.output.dense.weight")
    safetensors.torch.save_file(weights, folder / "model.safetensors", {"format": "pt"})


def only_pickles(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (remove("config.json"), "has no config.json: not a Hugging Face checkpoint"),
        (remove("tokenizer.json"), "has no tokenizer"),
        (only_pickles, "has no *.safetensors"),
        (truncate_weights, "cannot be loaded"),
        (drop_a_weight, "has no weights for encoder.layer.1.output.dense.weight (1 are missing)"),
        (lambda folder: (folder / "config.json").write_text("{"), "cannot be loaded"),
        (lambda folder: (folder / "tokenizer.json").write_text("{}"), "cannot be loaded"),
    ],
)
def test_a_broken_folder_is_one_line_that_says_what_is_wrong(copy, damage, message):
    damage(copy)
    with pytest.raises(CheckpointError) as caught:
        load(copy)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 600


def test_an_encoder_decoder_is_refused(tiny_bert, tmp_path):
    tokenizer = AutoTokenizer.from_pretrained(tiny_bert)
    config = T5Config(vocab_size=len(tokenizer), d_model=8, d_kv=4, d_ff=8, num_layers=1, num_heads=2)
    T5Model(config).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    with pytest.raises(CheckpointError, match="t5 is an encoder-decoder"):
        load(tmp_path)


def test_code_in_a_checkpoint_is_not_run_unasked(copy):
    config = json.loads((copy / "config.json").read_text())
    config |= {"model_type": "own", "auto_map": {"AutoConfig": "own.C", "AutoModel": "own.M"}}
    (copy / "config.json").write_text(json.dumps(config))
    (copy / "own.py").write_text("raise SystemExit('ran')")
    with pytest.raises(CheckpointError, match="trust_remote_code"):
        load(copy)


def test_a_device_that_is_not_there_is_named(tiny_bert):
    for device in ("cuda:99", "gpu"):
        with pytest.raises(CheckpointError, match=f"device '{device}' cannot be used"):
            load_encoder_checkpoint(EncoderConfig(checkpoint=str(tiny_bert), device=device))

"""What is no reward model is told in one line, before its weights are loaded where that can be known."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import huggingface_hub
import pytest
import safetensors.torch
import torch
from huggingface_hub.errors import LocalEntryNotFoundError
from tiny_checkpoints import bert_tokenizer, write_reward_model
from transformers import T5Config, T5ForSequenceClassification
from transformers.utils import logging as transformers_logging

from rewardrouter.config.pool import HfConfig
from rewardrouter.errors import CheckpointError
from rewardrouter.reward_models.hf_checkpoint import RewardCheckpoint, inspect_checkpoint, resolve_dtype

Folder = Callable[[str], Path]
CPU = torch.device("cpu")


def inspect(source: Path | str, relative_to: Path = Path(), **settings: object) -> RewardCheckpoint:
    return inspect_checkpoint(HfConfig(name="rm", source=str(source), **settings), relative_to)


def refusal(source: Path | str, **settings: object) -> str:
    with pytest.raises(CheckpointError) as error:
        inspect(source, **settings).load(CPU, "fp32")
    message = str(error.value)
    assert "\n" not in message
    assert message.startswith(f"reward model rm ({source})")
    return message


@pytest.fixture
def copy(tiny_reward_model: Folder, tmp_path: Path) -> Path:
    return shutil.copytree(tiny_reward_model("qwen3"), tmp_path / "copy")


def test_it_loads_quietly_in_evaluation_mode(copy: Path, capfd: pytest.CaptureFixture[str]) -> None:
    model = inspect(copy).load(CPU, "fp32")
    assert not model.training
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    assert capfd.readouterr() == ("", "")
    assert transformers_logging.is_progress_bar_enabled()


def test_in_half_precision_the_score_is_not(copy: Path) -> None:
    model = inspect(copy).load(CPU, "bf16")
    assert model.score.weight.dtype == torch.float32
    assert model.model.embed_tokens.weight.dtype == torch.bfloat16


def test_a_folder_is_relative_to_the_one_given(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(copy.parent)
    assert inspect("copy").located.identity == inspect(copy.name, copy.parent).located.identity
    monkeypatch.setattr(huggingface_hub, "snapshot_download", unreachable)
    with pytest.raises(CheckpointError, match="could not be had from the hub"):
        inspect("copy", copy / "sub")


def unreachable(repository: str, **settings: object) -> str:
    raise LocalEntryNotFoundError("Please check your internet\nconnection.")


def test_what_is_no_folder_is_looked_up_on_the_hub(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commit = shutil.copytree(copy, copy.parent / "0123abc")
    asked: list[object] = []

    def snapshot(repository: str, **settings: object) -> str:
        asked.append((repository, settings["revision"]))
        return str(commit)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot)
    assert inspect("org/rm", revision="v1").located.identity == "org/rm@0123abc"
    assert asked == [("org/rm", "v1")]
    monkeypatch.setattr(huggingface_hub, "snapshot_download", unreachable)
    assert "org/rm could not be had from the hub (Please check your internet connection.)" in refusal(
        "org/rm"
    )
    assert "no such folder" in refusal("./rm")


@pytest.mark.parametrize("labels", [2, 3])
def test_another_number_of_scores_is_named(labels: int, tmp_path: Path) -> None:
    message = refusal(write_reward_model(tmp_path, "llama", num_labels=labels))
    names = ", ".join(f"LABEL_{n}" for n in range(labels))
    assert f"found LlamaForSequenceClassification with {labels} labels ({names}), expected 1" in message


def test_a_language_model_is_no_reward_model(tiny_llama: Path, tmp_path: Path) -> None:
    assert "found LlamaForCausalLM with 2 labels" in refusal(tiny_llama)
    copy = shutil.copytree(tiny_llama, tmp_path / "copy")
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps({**config, "num_labels": 1}))
    assert "has no weights for score.weight (1 are missing): is it a reward model?" in refusal(copy)


def test_an_encoder_decoder_is_refused(tmp_path: Path) -> None:
    tokenizer = bert_tokenizer()
    sizes = {"d_model": 8, "d_kv": 4, "d_ff": 8, "num_layers": 1, "num_heads": 2}
    T5ForSequenceClassification(T5Config(vocab_size=len(tokenizer), num_labels=1, **sizes)).save_pretrained(
        tmp_path
    )
    tokenizer.save_pretrained(tmp_path)
    assert "t5 is an encoder-decoder" in refusal(tmp_path)


def truncate(folder: Path) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])


def drop_a_weight(folder: Path) -> None:
    weights = safetensors.torch.load_file(folder / "model.safetensors")
    weights.pop("model.norm.weight")
    safetensors.torch.save_file(weights, folder / "model.safetensors", {"format": "pt"})


def change_config(**changes: object) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps({**config, **changes}))

    return change


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / "config.json").unlink(), "has no config.json"),
        (lambda folder: (folder / "tokenizer.json").unlink(), "has no tokenizer"),
        (
            lambda folder: (folder / "model.safetensors").unlink(),
            "Convert its weights: AutoModelForSequenceClassification.from_pretrained",
        ),
        (truncate, "cannot be loaded"),
        (drop_a_weight, "has no weights for model.norm.weight (1 are missing)"),
        (change_config(hidden_size=16), "cannot be loaded"),
        (change_config(model_type="own"), "cannot be loaded"),
        (change_config(model_type="vit"), "is no sequence classifier"),
        (
            change_config(model_type="own", auto_map={"AutoConfig": "own.C"}),
            "it needs Python code of its own, which is never run here",
        ),
    ],
)
def test_a_broken_folder_is_one_line_that_says_what_is_wrong(copy: Path, damage, message: str) -> None:
    (copy / "own.py").write_text("raise SystemExit('ran')")
    damage(copy)
    assert message in refusal(copy)


def test_a_revision_of_a_folder_is_refused(copy: Path) -> None:
    assert "revision main is for hub checkpoints" in refusal(copy, revision="main")


def test_auto_is_full_precision_on_a_cpu() -> None:
    assert [resolve_dtype(asked, CPU) for asked in ("auto", "bf16", "fp16")] == ["fp32", "bf16", "fp16"]

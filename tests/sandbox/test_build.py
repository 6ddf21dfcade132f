"""The whole build in miniature: what lies there, that it is found again, and that a killed build goes on."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer

from rewardrouter.config.sandbox import SandboxConfig
from rewardrouter.datasets.pairs import load_pairs
from rewardrouter.errors import DataError
from rewardrouter.reward_models.loading import load_pool
from rewardrouter.sandbox import build, build_sandbox, is_right
from rewardrouter.sandbox.build import digest_of
from rewardrouter.sandbox.layout import PAIR_PARTS, PROMPT_PARTS


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def copy_of(sandbox, folder: Path) -> Path:
    folder.mkdir()
    return Path(shutil.copytree(sandbox.folder, folder / sandbox.folder.name))


def test_the_policy_is_a_causal_lm_as_transformers_saves_it(sandbox):
    model, tokenizer = (
        kind.from_pretrained(sandbox.policy) for kind in (AutoModelForCausalLM, AutoTokenizer)
    )
    turns = [{"role": "user", "content": "Double each of 2 3."}]
    ids = tokenizer.apply_chat_template(
        turns, add_generation_prompt=True, return_tensors="pt", return_dict=False
    )
    written = model.generate(ids, max_new_tokens=4, do_sample=False, pad_token_id=tokenizer.pad_token_id)
    assert written.shape[1] > ids.shape[1]


@pytest.mark.parametrize("name", ["ash", "elm", "oak"])
def test_a_reward_model_is_a_sequence_classifier_as_transformers_saves_it(sandbox, name):
    folder = sandbox.reward_model(name)
    model = AutoModelForSequenceClassification.from_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    assert model.config.num_labels == 1
    assert model.config.pad_token_id == tokenizer.pad_token_id is not None
    turns = [{"role": "user", "content": "Double each of 2 3."}, {"role": "assistant", "content": "4 6"}]
    ids = tokenizer.apply_chat_template([turns, turns], return_tensors="pt", padding=True, return_dict=False)
    with torch.inference_mode():
        scores = model(input_ids=ids).logits
    assert scores.shape == (2, 1)
    assert torch.isfinite(scores).all()


def test_the_pool_file_names_every_reward_model_and_they_judge(sandbox):
    pool = load_pool(sandbox.pool)
    assert pool.names == sandbox.rms
    pairs = load_pairs(sandbox.pairs("evaluation")).pairs[:5]
    for name in pool.names:
        assert all(verdict.error is None for verdict in pool.judge(name, pairs))


def test_labels_are_what_the_check_says(sandbox):
    for part in PAIR_PARTS:
        loaded = load_pairs(sandbox.pairs(part))
        assert not loaded.report.lines()
        for pair, label in zip(loaded.pairs, loaded.labels, strict=True):
            answer = pair.metadata["answer"]
            assert is_right(pair.domain, answer, pair.response_a) == (label == "A")
            assert is_right(pair.domain, answer, pair.response_b) == (label == "B")


def test_no_problem_stands_in_two_parts(sandbox):
    seen: dict[str, str] = {}
    for path in sorted((sandbox.folder / "samples").glob("*.jsonl")):
        part = path.stem.rsplit("-", 1)[0]
        for line in path.read_text(encoding="utf-8").splitlines():
            problem = json.loads(line)["problem"]["id"]
            assert seen.setdefault(problem, part) == part
    for part in PAIR_PARTS:
        assert {seen[pair.group] for pair in load_pairs(sandbox.pairs(part)).pairs} == {part}
    for part in PROMPT_PARTS:
        rows = [json.loads(line) for line in sandbox.prompts(part).read_text(encoding="utf-8").splitlines()]
        assert {seen[row["id"]] for row in rows} == {part}
        assert all(is_right(row["domain"], row["answer"], row["answer"]) for row in rows)


def test_the_card_and_the_record_tell_what_was_measured(sandbox):
    record, card = sandbox.record, sandbox.card.read_text(encoding="utf-8")
    assert SandboxConfig.model_validate(record["settings"])
    assert (
        0 <= record["best single"] <= record["best for each kind"] <= record["some reward model right"] <= 1
    )
    for name, figures in record["rms"].items():
        assert f"| {name} | {figures['accuracy']:.3f} |" in card
    assert record["pairs"]["evaluation"]["pairs"] == len(load_pairs(sandbox.pairs("evaluation")).pairs)


def test_it_is_built_once(sandbox, miniature):
    before = {path: path.stat().st_mtime_ns for path in sandbox.folder.rglob("*")}
    again = build_sandbox(miniature, sandbox.folder.parent, processes=1)
    assert again == sandbox
    assert {path: path.stat().st_mtime_ns for path in sandbox.folder.rglob("*")} == before


def test_other_settings_are_another_sandbox(miniature):
    others = [
        miniature.model_copy(update={"seed": 1}),
        miniature.model_copy(update={"policy": miniature.policy.model_copy(update={"steps": 251})}),
    ]
    assert len({digest_of(config) for config in (miniature, *others)}) == 3


@pytest.mark.parametrize(
    "missing",
    [["rms/elm"], ["measured/oak.json"], ["samples/router-0.jsonl", "pairs/router.jsonl"], ["README.md"]],
)
def test_a_build_goes_on_with_what_is_missing(sandbox, miniature, tmp_path, missing):
    folder = copy_of(sandbox, tmp_path / "sandboxes")
    for name in ("sandbox.json", *missing):
        path = folder / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    (folder / "rms" / ".elm.part").mkdir()
    (folder / "rms" / ".elm.part" / "config.json").write_text("{")
    (folder / "pairs" / ".stream.jsonl.tmp").write_text("{")
    kept = {path: path.stat().st_mtime_ns for path in folder.rglob("*.safetensors")}
    build_sandbox(miniature, folder.parent, processes=1)
    assert contents(folder) == contents(sandbox.folder)
    assert all(path.stat().st_mtime_ns == made for path, made in kept.items())


def test_a_build_that_dies_leaves_nothing_half_done(sandbox, miniature, tmp_path, monkeypatch):
    folder = copy_of(sandbox, tmp_path / "sandboxes")
    (folder / "sandbox.json").unlink()
    shutil.rmtree(folder / "rms" / "fir")

    def die(*_: object, folder: Path, **__: object) -> None:
        (folder / "config.json").write_text("{")
        raise KeyboardInterrupt

    monkeypatch.setattr(build, "train_reward_model", die)
    with pytest.raises(KeyboardInterrupt):
        build_sandbox(miniature, folder.parent, processes=1)
    assert not (folder / "rms" / "fir").exists()
    assert not (folder / "sandbox.json").exists()
    monkeypatch.undo()
    build_sandbox(miniature, folder.parent, processes=1)
    assert contents(folder) == contents(sandbox.folder)


def test_a_policy_that_is_never_right_is_an_error_that_says_so(miniature, tmp_path):
    untrained = miniature.model_copy(update={"policy": miniature.policy.model_copy(update={"steps": 1})})
    with pytest.raises(DataError, match=r"gives no pairs.*policy.steps"):
        build_sandbox(untrained, tmp_path, processes=1)


@pytest.mark.slow
def test_the_number_of_processes_changes_nothing(sandbox, miniature, tmp_path):
    again = build_sandbox(miniature, tmp_path, processes=2)
    assert contents(again.folder) == contents(sandbox.folder)

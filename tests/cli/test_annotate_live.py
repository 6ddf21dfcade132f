"""``annotate`` over a pool whose reward models run here."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from commands import done, refused
from one_by_one import one_by_one
from server_answers import sglang

from rewardrouter.reward_models.hf import HfRewardModel
from rewardrouter.testing.loopback import serving

RMS = {"calculator": "qwen3", "courtesy": "llama", "brevity": "llama-plain"}
"""The router's arms that run here, and what kind of model each is; the fourth repeats its verdicts."""


@pytest.fixture
def words(
    quickstart: Path, router: Path, tmp_path: Path, tiny_reward_model: Callable[[str], Path]
) -> list[str | Path]:
    live = "".join(f"  - {{name: {rm}, kind: hf, source: {tiny_reward_model(k)}}}\n" for rm, k in RMS.items())
    recorded = f"  - {{name: echo, kind: recorded, source: {quickstart / 'new_verdicts.parquet'}}}\n"
    (tmp_path / "pool.yaml").write_text(f"rms:\n{live}{recorded}", encoding="utf-8")
    pairs = quickstart / "new_pairs.jsonl"
    return ["annotate", "--router", router, "--pairs", pairs, "--pool", tmp_path / "pool.yaml"]


def test_labels_are_what_the_chosen_models_say(
    words: list[str | Path], tmp_path: Path, tiny_reward_model: Callable[[str], Path]
) -> None:
    done(*words, "--out", tmp_path / "out.jsonl")
    rows = pd.read_json(tmp_path / "out.jsonl", lines=True)
    assert set(rows["rm"]) & set(RMS)
    for rm, kind in RMS.items():
        mine = rows[rows["rm"] == rm]
        better, worse = (
            one_by_one(tiny_reward_model(kind), list(zip(mine["prompt"], mine[side], strict=True)))
            for side in ("chosen", "rejected")
        )
        assert all(chosen > rejected for chosen, rejected in zip(better, worse, strict=True))


def test_models_that_are_not_asked_are_not_loaded(
    words: list[str | Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    loaded = HfRewardModel._loaded
    monkeypatch.setattr(HfRewardModel, "_loaded", lambda self: asked.append(self.name) or loaded(self))
    done(*words, "--strategy", "single/courtesy", "--out", tmp_path / "out.jsonl")
    assert set(asked) == {"courtesy"}


def test_nor_with_another_one_behind_a_server(
    quickstart: Path, router: Path, tmp_path: Path, tiny_reward_model: Callable[[str], Path]
) -> None:
    tokenizer = shutil.copytree(tiny_reward_model("qwen3"), tmp_path / "tokenizer")
    with serving(sglang) as server:
        live = f"  - {{name: brevity, kind: sglang, url: '{server.url}', tokenizer: tokenizer}}\n"
        recorded = "".join(
            f"  - {{name: {rm}, kind: recorded, source: {quickstart / 'new_verdicts.parquet'}}}\n"
            for rm in ("calculator", "courtesy", "echo")
        )
        (tmp_path / "pool.yaml").write_text(f"rms:\n{live}{recorded}", encoding="utf-8")
        pairs = ["--pairs", quickstart / "new_pairs.jsonl", "--pool", tmp_path / "pool.yaml"]
        words = ["annotate", "--router", router, *pairs, "--out", tmp_path / "out.jsonl"]
        done(*words)
        asked = len(server.seen)
        assert asked
        done(*words)
        assert len(server.seen) == asked
        template = tokenizer / "chat_template.jinja"
        template.write_text(f"A word first. {template.read_text()}")
        line = refused(*words)
    assert "was begun otherwise: models." in line


def test_it_does_not_go_on_with_another_model(words: list[str | Path], tmp_path: Path) -> None:
    done(*words, "--out", tmp_path / "out.jsonl")
    manifest = json.loads((tmp_path / "out.jsonl.manifest.json").read_text())
    assert manifest["models"]["brevity"]["checkpoint"].startswith("sha256:")
    del manifest["models"]["brevity"]
    (tmp_path / "out.jsonl.manifest.json").write_text(json.dumps(manifest))
    line = refused(*words, "--out", tmp_path / "out.jsonl")
    assert "was begun otherwise: models." in line

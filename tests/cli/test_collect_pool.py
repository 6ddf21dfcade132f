"""``collect`` and ``annotate`` over pools with a cache, prices and verifiers: what is asked, and what is told of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from commands import done, run

from rewardrouter.datasets.verdict_tables import load_verdicts
from rewardrouter.reward_models.hf import HfRewardModel

ROWS = [
    {"id": "a", "prompt": "1 + 2?", "response_a": "3", "response_b": "4", "label": "A", "answer": "3"},
    {
        "id": "b",
        "prompt": "2 + 2?",
        "response_a": "It is 3",
        "response_b": "2 + 2 = 4",
        "label": "B",
        "answer": "4",
    },
    {
        "id": "c",
        "prompt": "2 + 3?",
        "response_a": "5",
        "response_b": "five: 5.0",
        "label": "A",
        "answer": "5",
    },
    {
        "id": "d",
        "prompt": "Hello?",
        "response_a": "Hello!",
        "response_b": "No.",
        "label": "A",
        "answer": None,
    },
]


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    file = tmp_path / "pairs.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return file


def pool(folder: Path, text: str) -> Path:
    (folder / "pool.yaml").write_text(text)
    return folder / "pool.yaml"


def test_a_verifier_judges_by_the_columns_of_the_pairs(pairs: Path, tmp_path: Path) -> None:
    file = pool(tmp_path, "rms: [{kind: verifier, name: right, check: exact, cost: 0.5}]")
    ended = done("collect", "--pairs", pairs, "--pool", file, "--out", tmp_path / "out")
    table = load_verdicts(tmp_path / "out").table
    assert table.winners[:, 0].tolist() == [1, -1, 0, -9]
    assert ended.out.splitlines()[3].split() == [
        *("right", "3", "1", "1", "1.000"),
        ended.out.splitlines()[3].split()[5],
        *("4", "2.00"),
    ]
    assert "right: 1 calls failed, most often: response A: no gold answer in column 'answer'" in ended.err


@pytest.mark.parametrize("cache", ["true", "kept/here"])
def test_what_the_cache_knows_is_neither_asked_nor_paid_again(
    cache: str,
    pairs: Path,
    tmp_path: Path,
    tiny_reward_model: Callable[[str], Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    live = f"{{kind: hf, name: tiny, source: {tiny_reward_model('qwen3')}, cost: 0.25}}"
    file = pool(tmp_path, f"rms: [{live}]\ncache: {cache}\n")
    monkeypatch.setenv("REWARDROUTER_CACHE", str(tmp_path / "user"))
    words = ["collect", "--pairs", pairs, "--pool", file, "--out"]
    first = done(*words, tmp_path / "first")
    assert "cached" not in first.out
    folder = tmp_path / ("user/verdicts" if cache == "true" else cache)
    assert (folder / "verdicts.sqlite").is_file()

    monkeypatch.setattr(HfRewardModel, "judge", None)
    again = done(*words, tmp_path / "again")
    header, line = again.out.splitlines()[2:4]
    assert header.split()[-2:] == ["cached", "cost"]
    assert line.split()[-3:] == ["0", "4", "0.00"]
    tables = [load_verdicts(tmp_path / name).table for name in ("first", "again")]
    assert tables[0].scores_a.tolist() == tables[1].scores_a.tolist()


def test_annotate_tells_what_live_models_were_asked_and_why_they_failed(
    quickstart: Path, router: Path, tmp_path: Path
) -> None:
    recorded = quickstart / "new_verdicts.parquet"
    rms = "".join(
        f"  - {{name: {rm}, kind: recorded, source: {recorded}}}\n"
        for rm in ("calculator", "courtesy", "echo")
    )
    file = pool(tmp_path, f"rms:\n{rms}  - {{name: brevity, kind: verifier, check: exact, cost: 2}}\n")
    words = ["annotate", "--router", router, "--pairs", quickstart / "new_pairs.jsonl", "--pool", file]
    ended = run(*words, "--strategy", "single/brevity", "--out", tmp_path / "out.jsonl")
    assert ended.code == 1
    n = len(pd.read_json(quickstart / "new_pairs.jsonl", lines=True))
    *_, header, line, last, again = ended.out.splitlines()
    assert header.split() == [
        "reward",
        "model",
        "calls",
        "pairs",
        "cached",
        "ties",
        "failed",
        "seconds",
        "cost",
    ]
    assert line.split()[:2] == ["brevity", str(-(-n // 256))]
    assert [line.split()[k] for k in (2, 3, 4, 5, 7)] == [f"{n:,}", "0", "0", f"{n:,}", f"{2 * n:,.2f}"]
    assert last.startswith("Labelled pairs: ")
    assert again == f"Without a label since calls failed: {n:,}; the same command asks them again"
    assert f"brevity: {n:,} of {n:,} pairs failed: no gold answer in column 'answer' ({n:,})" in ended.err
    recorded_only = pool(tmp_path, f"rms: [{{kind: recorded, source: {recorded}}}]")
    words[-1] = recorded_only
    assert "calls" not in done(*words, "--out", tmp_path / "other.jsonl").out

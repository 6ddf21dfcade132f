"""``train`` killed again and again: in the end everything is as if it had never been."""

from __future__ import annotations

import json
import multiprocessing
import random
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

SUPPORT = str(Path(__file__).resolve().parents[1] / "support")

PRELOADED = [
    *(
        "pytest",
        "torch",
        "trl",
        "peft",
        "pandas",
        "rewardrouter.training.runs",
        "rewardrouter.reward_models.hf",
    ),
    *("transformers.models.llama.modeling_llama", "transformers.models.qwen3.modeling_qwen3"),
    "transformers.models.bert.modeling_bert",
]
"""All that a run imports."""


def command(words: list[str]) -> None:
    """Run ``rewardrouter`` in a process forked from one that has imported everything."""
    import torch

    torch.set_num_threads(1)
    sys.path.insert(0, SUPPORT)
    from rewardrouter.cli.main import main

    sys.exit(main(words))


def steps_in(out: Path) -> int:
    """Whole lines of ``metrics.jsonl``, those included that a resumed run will drop."""
    file = out / "metrics.jsonl"
    return file.read_bytes().count(b"\n") if file.exists() else 0


def records(out: Path) -> list[dict[str, Any]]:
    rows = [json.loads(line) for line in (out / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    return [{key: value for key, value in row.items() if not key.startswith("seconds/")} for row in rows]


CASCADE = "router+cascade@1.35:order=accuracy,keep_budget=true"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("strategy", "overlap", "kills", "steps"),
    [("router", False, 22, 150), ("router", True, 6, 50), (CASCADE, False, 2, 12)],
    ids=["one after the other", "overlap", "cascade"],
)
def test_a_run_killed_at_random_moments_ends_as_an_uninterrupted_one(
    strategy: str, overlap: bool, kills: int, steps: int, train_settings: dict[str, Any], tmp_path: Path
) -> None:
    given = {
        **train_settings,
        "annotator": {**train_settings["annotator"], "strategy": strategy},
        "prompts": {**train_settings["prompts"], "max_tokens": 64},
        "steps": steps,
        "prompts_per_step": 3,
        "microbatches": 3,
        "overlap": overlap,
        "log_every": 1,
        "save_every": 2,
        "keep": 2,
        "verifier": "verifiers:even",
        "evaluation": {"source": train_settings["prompts"]["source"], "limit": 4},
    }
    given["policy"] = {**given["policy"], "schedule": "linear"}
    (tmp_path / "train.yaml").write_text(yaml.safe_dump(given), encoding="utf-8")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)

    def started(out: Path) -> multiprocessing.context.ForkServerProcess:
        begun = (out / "config.yaml").exists()
        words = (
            ["train", "--resume", str(out)] if begun else ["train", "--config", str(tmp_path / "train.yaml")]
        )
        process = context.Process(target=command, args=(words if begun else [*words, "--out", str(out)],))
        process.start()
        return process

    whole, out = tmp_path / "whole", tmp_path / "killed"
    process = started(whole)
    process.join()
    assert process.exitcode == 0

    chance, killed = random.Random(0), 0
    while killed < kills and not (out / "summary.json").exists():
        process = started(out)
        _wait(process, out, chance)
        process.kill()
        process.join()
        killed += process.exitcode == -9
        complete = [folder for folder in out.glob("checkpoint-*") if (folder / "complete.json").exists()]
        assert len(complete) <= 3, "two are kept, and a third while the oldest is removed"
    assert killed >= kills
    process = started(out)
    process.join()
    assert process.exitcode == 0

    for name in (
        "decisions.jsonl",
        "policy/adapter_model.safetensors",
        "annotator.safetensors",
        "config.yaml",
    ):
        assert (out / name).read_bytes() == (whole / name).read_bytes(), name
    assert (out / "verified-after.json").read_bytes() == (whole / "verified-after.json").read_bytes()
    assert records(out) == records(whole)
    assert len(records(out)) == steps
    if strategy == CASCADE:
        a_cascade_kept_its_budget(out)
    assert sorted(path.name for path in out.glob("checkpoint-*")) == sorted(
        path.name for path in whole.glob("checkpoint-*")
    )
    assert not list(out.rglob("*.tmp"))


def a_cascade_kept_its_budget(out: Path) -> None:
    """Check that every reward model that was asked is in the decisions, and that they were not too many."""
    rows = [json.loads(line) for line in (out / "decisions.jsonl").read_text(encoding="utf-8").splitlines()]
    asked = [[verdict["rm"] for verdict in row["verdicts"]] for row in rows]
    assert all(1 <= len(one) == len(set(one)) for one in asked)
    assert {len(one) for one in asked} >= {1, 2}
    assert 1.0 < sum(map(len, asked)) / len(rows) < 1.5  # of few pairs: the threshold has moved a little only
    (figures,) = json.loads((out / "results.json").read_text(encoding="utf-8"))["strategies"].values()
    assert figures["calls"] == sum(map(len, asked))
    for row in rows:
        assert row["label"] is None or row["label"] in ("A", "B")
        if row["label"] is None:
            assert all(verdict["winner"] not in ("A", "B") for verdict in row["verdicts"])


def _wait(process: Any, out: Path, chance: random.Random) -> None:
    """Wait for a few more steps, or, one time in five, for some moment of the start."""
    if chance.random() < 0.2:
        process.join(chance.uniform(0, 3))
        return
    wanted, deadline = chance.randint(1, 4), time.monotonic() + 60
    seen, since, took = steps_in(out), time.monotonic(), 0.0
    while process.is_alive() and wanted > 0 and time.monotonic() < deadline:
        now = steps_in(out)
        if now > seen:
            wanted, since, took = wanted - (now - seen), time.monotonic(), time.monotonic() - since
        seen = now  # on resuming it gets less first
        time.sleep(0.002)
    time.sleep(chance.random() * min(took, 0.5))

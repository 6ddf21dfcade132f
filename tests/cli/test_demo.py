"""``rewardrouter demo`` in miniature: every command it shows, from nothing and again."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from commands import done, refused

from rewardrouter.config.loading import load_config
from rewardrouter.config.saved import read_saved
from rewardrouter.config.train import TrainConfig
from rewardrouter.sandbox import Sandbox
from rewardrouter.sandbox.training import training_config
from rewardrouter.simulation.results import read_results
from rewardrouter.training.results import TrainingResults

SMALL = (
    "--policy.width=32", "--policy.heads=2", "--policy.mlp_width=64", "--policy.steps=250",
    "--policy.problems_per_step=32", "--samples.reward_models=120", "--samples.router=150", "--samples.stream=90",
    "--samples.evaluation=90", "--reward_models.steps=3", "--reward_models.problems_per_step=4",
    "--strategies", "router,without-online,random", "--replay.batch_size=8", "--replay.least_batches=4",
    "--train-strategies", "router,oracle", "--train.steps=2", "--train.prompts_per_step=4",
    "--train.evaluation.limit=20",
)  # fmt: skip


EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "sandbox.yaml"


def test_the_example_says_what_the_demo_does() -> None:
    folder = Path("demo")
    assert load_config(TrainConfig, EXAMPLE) == training_config(
        Sandbox(folder / "sandbox"), folder / "router"
    )


@pytest.mark.slow
def test_it_runs_the_commands_that_it_shows_and_ends_with_the_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = done("demo", "--out", tmp_path / "demo", *SMALL)
    shown = re.findall(r"^\$ rewardrouter (\w+)", ended.out, re.MULTILINE)
    assert shown == ["collect", "collect", "collect", "fit", "evaluate", "simulate", "train", "report"]
    assert ended.out.endswith(f"Done. Open {tmp_path / 'demo' / 'report.html'}\n")
    assert "<svg" in (tmp_path / "demo" / "report.html").read_text(encoding="utf-8")
    first = read_results(tmp_path / "demo" / "run")
    assert list(first.strategies) == ["router", "without-online", "random"]
    assert first.notes[-1].startswith("What the policy reads of")
    assert " 0 responses cut" in first.notes[-1]
    trained = read_saved(TrainingResults, tmp_path / "demo" / "training" / "results.json")
    assert list(trained.strategies) == ["router", "oracle"]
    assert trained.evaluation_prompts == 20
    again = done("demo", "--out", tmp_path / "demo", *SMALL)
    shown = re.findall(r"^\$ rewardrouter (\w+)", again.out, re.MULTILINE)
    assert shown == ["collect", "collect", "collect", "evaluate", "simulate", "train", "report"]
    assert read_results(tmp_path / "demo" / "run") == first
    assert read_saved(TrainingResults, tmp_path / "demo" / "training" / "results.json") == trained

    monkeypatch.chdir(tmp_path)
    few = ("--steps=2", "--prompts_per_step=4", "--evaluation.limit=20")
    planned = done("train", "--config", EXAMPLE, "--out", "sandbox-run", "--dry-run", *few)
    assert "up to 16 pairs" in planned.out
    assert not Path("sandbox-run").exists()
    trained_alone = done("train", "--config", EXAMPLE, "--out", "sandbox-run", *few)
    assert "Policy: sandbox-run/policy" in trained_alone.out
    alone = read_saved(TrainingResults, Path("sandbox-run") / "results.json").strategies["router"]
    # The demo's own run of the same seed: labels and weights are the same, seconds are not.
    assert alone.accuracy is not None
    assert alone.accuracy.mean == trained.strategies["router"].accuracy.mean
    assert alone.calls == trained.strategies["router"].calls


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

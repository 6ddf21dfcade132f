"""``rewardrouter reproduce`` in miniature: figures recomputed from run files, what is run again when one is gone."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import Ended, done, refused
from small_tables import written_table

from rewardrouter.datasets.verdict_tables import load_verdicts
from rewardrouter.experiments.catalogue import experiment_named, experiment_names
from rewardrouter.experiments.selection import write_verdicts

REPLAY = (
    "--simulate.batch_size=16", "--simulate.epochs=1", "--simulate.windows=4", "--simulate.policy.small.width=16",
    "--simulate.policy.small.vocabulary=300", "--simulate.policy.small.epochs=1",
    "--simulate.policy.max_response_tokens=24",
)  # fmt: skip
ROUTER = ("--fit.gradient.epochs=1", "--fit.fusion.width=16")


class Miniature:
    """``reproduce`` at the scale of verdicts, in one folder."""

    def __init__(self, folder: Path, verdicts: Path, encoder: Path) -> None:
        self.folder, self.verdicts = folder, verdicts
        self._words = ["--verdicts", verdicts, "--out", folder, "--workers", "1",
                       f"--fit.encoder.checkpoint={encoder}"]  # fmt: skip

    def __call__(self, name: str, *more: str) -> Ended:
        seeds, small = ("2", REPLAY) if name == "table3" else ("1", ROUTER)
        return done("reproduce", name, *self._words, "--seeds", seeds, *small, *more)

    def unit(self, strategy: str, seed: str) -> Path:
        """Return a unit's folder; strategies that read no policy are in another run."""
        (found,) = self.folder.glob(f"replays/*/units/{strategy}/{seed}")
        return found

    def cells(self, name: str) -> dict[str, dict[str, dict[str, Any]]]:
        found: dict[str, dict[str, dict[str, Any]]] = json.loads((self.folder / f"{name}.json").read_text())[
            "cells"
        ]
        return found


def steps_run(ended: Ended) -> list[str]:
    return re.findall(r"^\[\d+/\d+\] (?:rewardrouter )?(\S+)", ended.err, re.MULTILINE)


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("verdicts") / "verdicts.parquet"
    write_verdicts(written_table(120, 0), file)
    return file


@pytest.fixture(scope="module")
def miniature(verdicts: Path, tiny_bert: Path, tmp_path_factory: pytest.TempPathFactory) -> Miniature:
    return Miniature(tmp_path_factory.mktemp("reproduce"), verdicts, tiny_bert)


def test_a_replays_table_is_that_of_its_decisions(miniature: Miniature) -> None:
    ended = miniature("table3")
    assert ended.out.startswith(
        "table3: Annotation accuracy in the replay; verdicts scale, 2 seeds, percent\n"
    )
    cells = miniature.cells("table3")
    table = load_verdicts(miniature.verdicts).table
    human = {pair.id: "A" if code > 0 else "B" for pair, code in zip(table.pairs, table.labels, strict=True)}
    for name, strategy in (
        ("BayesianRouter", "router"),
        ("LASER", "laser"),
        ("w/o online", "without-online"),
    ):
        accuracies = []
        for seed in ("0", "1"):
            with gzip.open(miniature.unit(strategy, seed) / "decisions.jsonl.gz", "rt") as lines:
                kept = [row for row in map(json.loads, lines) if row["kept"]]
            accuracies.append(np.mean([row["label"] == human[row["pair"]] for row in kept]))
        assert cells[name]["accuracy"]["value"] == pytest.approx(100 * np.mean(accuracies))
    runs = {
        strategy: miniature.unit(strategy, "0").parents[2] for strategy in ("router", "laser", "majority")
    }
    assert runs["router"] == runs["laser"] != runs["majority"]
    assert not (runs["majority"] / "inputs" / "policy").exists()
    assert cells["BayesianRouter"]["accuracy"]["paper"] == 88.2
    assert cells["random"]["accuracy"]["paper"] is None
    assert "pairs of rows stand in the paper's order" in (miniature.folder / "table3.md").read_text()


def test_only_what_was_deleted_is_run_again(miniature: Miniature) -> None:
    miniature("table3")
    before = miniature.cells("table3")
    again = miniature("table3")
    assert steps_run(again) == []
    units = sorted(miniature.folder.glob("replays/*/units/*/*/decisions.jsonl.gz"))
    times = {unit: unit.stat().st_mtime_ns for unit in units}
    deleted = miniature.unit("laser", "1")
    (deleted / "metrics.jsonl").unlink()
    assert "to do  rewardrouter simulate" in miniature("table3", "--dry-run").out
    assert steps_run(miniature("table3")) == ["simulate"]
    changed = [unit for unit in units if unit.stat().st_mtime_ns != times[unit]]
    assert changed == [deleted / "decisions.jsonl.gz"]
    assert miniature.cells("table3") == before


def test_an_evaluations_table_is_that_of_its_annotations(miniature: Miniature) -> None:
    miniature("table2")
    cells, split = miniature.cells("table2"), "rest"
    (held_out,) = (miniature.folder / "parts").glob(f"{split}-*.parquet")
    table = load_verdicts(held_out).table
    table = table.select(table.kept)
    kept = {pair.id: "A" if code > 0 else "B" for pair, code in zip(table.pairs, table.labels, strict=True)}
    found: dict[str, list[float]] = {}
    for file in (miniature.folder / "evaluations").glob("*/id/*/annotations.jsonl"):
        rows = [json.loads(line) for line in file.read_text().splitlines()]
        for strategy in ("majority", "router"):
            right = [
                kept[row["id"]] == row["label"]
                for row in rows
                if row["strategy"] == strategy and row["id"] in kept
            ]
            found.setdefault(f"{file.parts[-4]} {strategy}", []).append(100 * float(np.mean(right)))
    routers = {float(np.mean(values)) for name, values in found.items() if name.endswith("router")}
    assert any(cells["router"]["id"]["value"] == pytest.approx(value) for value in routers)
    majority = {float(np.mean(values)) for name, values in found.items() if name.endswith("majority")}
    assert any(cells["majority"]["id"]["value"] == pytest.approx(value) for value in majority)
    assert cells["best single"]["ood"]["value"] >= cells["worst single"]["ood"]["value"]
    one = next((miniature.folder / "evaluations").glob("*/ood-*/0/annotations.jsonl"))
    one.unlink()
    assert steps_run(miniature("table2")) == ["evaluate"]
    assert miniature.cells("table2") == cells


def test_routers_fitted_to_less_are_drawn_anew_with_every_seed(miniature: Miniature) -> None:
    plan = miniature("ablation-pairs", "--dry-run", "--seeds", "2").out
    drawn = set(re.findall(r"parts/(fit-0.25-of-groups-seed-\d)", plan))
    assert drawn == {"fit-0.25-of-groups-seed-0", "fit-0.25-of-groups-seed-1"}


@pytest.mark.parametrize("name", experiment_names())
def test_every_experiment_has_a_plan_at_each_of_its_scales(name: str, tmp_path: Path, verdicts: Path) -> None:
    for scale in experiment_named(name).scales:
        more = ["--verdicts", verdicts] if scale == "verdicts" else []
        plan = done("reproduce", name, "--scale", scale, "--out", tmp_path / "out", "--dry-run", *more).out
        assert "to do  rewardrouter fit" in plan
        if scale == "full":
            assert "--encoder.checkpoint=smollm2" in plan
            assert "RLHFlow/LLaMA3-SFT-v2" in plan
            assert "GPUs: " in plan
    assert not (tmp_path / "out").exists()


def test_the_figure_is_a_run_of_speed(tmp_path: Path) -> None:
    words = ["reproduce", "figure2", "--out", tmp_path, "--dry-run", "--speed.seed=3"]
    assert done(*words).out == f"to do  rewardrouter speed --out {tmp_path / 'figure2'} --seed=3\n"


def test_the_figure_at_full_scale_is_added_up_from_the_costs_of_a_cluster(tmp_path: Path) -> None:
    ended = done("reproduce", "figure2", "--scale", "full", "--out", tmp_path, "--speed.pool_sizes=[4]")
    assert "Simulated, not measured: Reckoned from parameters and data sheets of A100 GPUs" in ended.out
    assert "pool of 4, " in (tmp_path / "figure2.md").read_text(encoding="utf-8")
    assert "pool of 8" not in ended.out


def test_a_full_replay_passes_the_papers_stream_once(tmp_path: Path) -> None:
    plan = done("reproduce", "table3", "--scale", "full", "--out", tmp_path, "--dry-run").out
    replays = [line for line in plan.splitlines() if "rewardrouter simulate" in line]
    assert len(replays) == 2  # with a policy, and without
    assert all("--epochs=1" in line for line in replays)


def test_nothing_is_begun_without_the_questions_and_the_key_that_measuring_needs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    words = ["reproduce", "table1", "--scale", "full", "--out", tmp_path / "out"]
    there = tmp_path / "alpaca.json"
    there.touch()
    words.append(f"--benchmark.alpaca_eval.questions={there}")
    line = refused(*words)
    assert "table1: its benchmarks need" in line
    assert str(there) not in line
    assert "mt_bench/question.jsonl, " in line
    assert "OPENAI_API_KEY: fetch the files" in line
    told = next(line for line in done(*words, "--dry-run").out.splitlines() if line.startswith("Of yours: "))
    assert f"{there}, " in told
    assert "OPENAI_API_KEY (missing)" in told
    assert "OPENAI_API_KEY" not in refused(*words, "--benchmark.judge.key_env=null")


def test_policies_are_measured_before_training_first(tmp_path: Path) -> None:
    plan = done("reproduce", "table5", "--scale", "full", "--out", tmp_path, "--dry-run").out.splitlines()
    first = next(n for n, line in enumerate(plan) if "rewardrouter train" in line)
    before = [
        n for n, line in enumerate(plan) if "/runs/before/" in line and "benchmark --model RLHFlow" in line
    ]
    assert len(before) == 3
    assert max(before) < first


def test_a_rows_own_encoder_wins_over_that_of_its_scale(tmp_path: Path) -> None:
    plan = done("reproduce", "table4", "--scale", "full", "--seeds", "1", "--out", tmp_path, "--dry-run").out
    fits = [line for line in plan.splitlines() if "rewardrouter fit" in line]
    last = [re.findall(r"--encoder\.checkpoint=(\S+)", line)[-1] for line in fits]
    assert len(last) == 2
    assert last[0] != last[1] == "Qwen/Qwen2.5-0.5B-Instruct"
    assert not any("--encoder " in line for line in fits)


def test_the_full_plan_of_table_1_measures_every_policy_against_the_one_before_training(
    tmp_path: Path,
) -> None:
    plan = done("reproduce", "table1", "--scale", "full", "--seeds", "1", "--out", tmp_path, "--dry-run").out
    measured = [line for line in plan.splitlines() if "rewardrouter benchmark" in line]
    assert sum("--answers-only" in line for line in measured) == 1
    policies = 9  # four singles, random, majority, UWO, LASER, BayesianRouter
    assert sum("arena_hard.baseline" in line for line in measured) == policies
    assert len(measured) == 3 * policies + 3  # three trainings; before: answers, GSM8K, MMLU


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["tabel3"], "tabel3: no such experiment. Did you mean table3? There are table1, "),
        (
            ["table1", "--verdicts", "v.parquet"],
            "table1: cannot be run at the scale verdicts, only at sandbox, full",
        ),
        (
            ["figure2", "--verdicts", "v.parquet"],
            "figure2: cannot be run at the scale verdicts, only at sandbox, full",
        ),
        (["table3", "--scale", "verdicts"], "--verdicts: belongs to --scale verdicts, which needs it"),
        (["table3", "--rms", "a,b"], "--rms: chooses among the RMs of --verdicts"),
        (["table3", "--batch_size=3"], "--batch_size=3: of which command? Give --fit.a.b=c or "),
        (["table3", "--sandbox.sed=3"], "settings of sandbox: sed: unknown key. Did you mean seed?"),
        (["table3", "--simulate.epchs=3"], "settings of simulate: epchs: unknown key. Did you mean epochs?"),
        (["table1", "--train.steps=none"], "settings of train: steps: found 'none', expected a whole number"),
        (["table1", "--scale", "full", "--benchmark.gsm=1"], "settings of benchmark: gsm: unknown key."),
        (["figure2", "--speed.strategies=[nope]"], "strategy nope: unknown."),
    ],
)
def test_mistakes_are_told_in_one_line(words: list[str], message: str, tmp_path: Path) -> None:
    for more in ([], ["--dry-run"]):
        assert message in refused("reproduce", *words, "--out", tmp_path / "out", *more)
    assert not (tmp_path / "out").exists()


def test_settings_beside_those_of_the_steps_are_allowed(tmp_path: Path) -> None:
    words = ["--train.evaluation.limit=5", "--train.policy.beta=0.2", "--fit.gradient.epochs=1"]
    assert "--evaluation.limit=5" in done("reproduce", "table1", *words, "--out", tmp_path, "--dry-run").out


def test_a_pool_that_is_too_small_is_refused_before_anything_is_written(
    tmp_path: Path, verdicts: Path
) -> None:
    rms = load_verdicts(verdicts).table.rms
    for name, some, message in (
        ("table3", rms[:1], f"a router chooses among two reward models at least, found {rms[0]}"),
        ("table7", rms[:2], "table7: its light advantage asks 3 reward models about a pair"),
    ):
        words = [name, "--verdicts", verdicts, "--rms", ",".join(some), "--out", tmp_path / "out"]
        assert message in refused("reproduce", *words, "--dry-run")
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_policies_of_the_sandbox_are_trained_and_measured(tmp_path: Path) -> None:
    small = [f"--sandbox.{setting}" for setting in (
        "policy.width=32", "policy.heads=2", "policy.mlp_width=64", "policy.steps=250",
        "policy.problems_per_step=32", "samples.reward_models=120", "samples.router=150", "samples.stream=90",
        "samples.evaluation=90", "reward_models.steps=3", "reward_models.problems_per_step=4",
    )]  # fmt: skip
    few = ["--train.steps=2", "--train.prompts_per_step=4", "--train.evaluation.limit=20"]
    words = ["reproduce", "table5", "--out", tmp_path, "--seeds", "1", "--workers", "1", *small, *few]
    done(*words)
    cells = json.loads((tmp_path / "table5.json").read_text())["cells"]
    (folder,) = (tmp_path / "trainings").iterdir()
    for name, strategy in (("BayesianRouter", "router"), ("w/o online", "without-online")):
        file = folder / "runs" / strategy / "0" / "verified-after.json"
        right = json.loads(file.read_text())["right"].values()
        assert cells[name]["verified"]["value"] == pytest.approx(100 * np.mean(list(right)))
    file.unlink()
    assert steps_run(done(*words)) == ["train"]
    assert json.loads((tmp_path / "table5.json").read_text())["cells"] == cells

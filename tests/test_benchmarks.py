"""Every benchmark script runs, and its JSON holds what the closing figures are read from."""

from __future__ import annotations

import json
import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from rewardrouter.simulation.named import named, split_list

REPOSITORY = Path(__file__).resolve().parents[1]

pytestmark = pytest.mark.slow


def run(script: str, *words: str, folder: Path) -> str:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "REWARDROUTER_CACHE": str(folder / "cache")}
    command = [sys.executable, str(REPOSITORY / script), *words]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_cross_validation_routes_every_pair_once_and_pairs_its_intervals(tmp_path: Path) -> None:
    run("examples/quickstart.py", folder=tmp_path)
    words = ("--verdicts", "quickstart/held_out.parquet", "--folds", "2", "--json", "-")
    found = json.loads(run("benchmarks/cross_validate.py", *words, folder=tmp_path))
    strategies = found["strategies"]
    assert found["n_pairs"] == 120
    assert strategies["oracle"]["accuracy"] == 1.0
    assert strategies["router: base"]["accuracy"] > strategies["best single (on training)"]["accuracy"]
    for name, row in strategies.items():
        assert row["interval"][0] <= row["accuracy"] <= row["interval"][1], name
        low, high = row["paired"]
        assert low <= row["router_minus_this"] <= high, name
        assert len(found["outcomes"][name]) == 120


def test_the_encoding_benchmark_measures_all_four_ways_in_one_run(tmp_path: Path) -> None:
    words = ("--pairs", "6", "--repeats", "1", "--max-tokens", "64", "--threads", "1", "--json", "-")
    found = json.loads(run("benchmarks/encode.py", *words, folder=tmp_path))
    text = json.dumps(found)
    for way in ("naive", "deduplicated", "bucketed", "bf16"):
        assert way in text


def test_the_replay_benchmark_fits_streams_and_reports(tmp_path: Path) -> None:
    run("examples/quickstart.py", folder=tmp_path)
    small = ("--batch_size=20", "--epochs=1", "--policy.small.epochs=1", "--workers", "1", "--windows=4")
    words = (
        "--verdicts",
        "quickstart/verdicts.parquet",
        "--out",
        "out",
        "--stream",
        "manners",
        "--set",
        "shift",
    )
    run("benchmarks/replay.py", *words, "--seeds", "1", "--", *small, folder=tmp_path)
    found = json.loads((tmp_path / "out" / "run-shift" / "results.json").read_text())
    assert found["reference"] == "router"
    assert {"without-online", "single/courtesy", "oracle"} <= found["strategies"].keys()
    assert list(found["domains"]) == ["manners"]
    assert (tmp_path / "out" / "run-shift" / "report.html").exists()


def test_every_strategy_of_the_replay_benchmark_exists() -> None:
    sets = runpy.run_path(str(REPOSITORY / "benchmarks" / "replay.py"))["SETS"]
    for names in sets.values():
        assert len(named(split_list(names), ["a", "b"])) >= 7


def test_the_generation_benchmark_measures_all_ways_in_one_run(tmp_path: Path) -> None:
    words = ("--steps", "5", "--prompts", "2", "--responses", "2", "--max-new-tokens", "6", "--repeats", "1")
    found = json.loads(run("benchmarks/generate.py", *words, "--json", "-", folder=tmp_path))
    assert found["tokens_per_second"].keys() == {"static", "continuous", "compacting"}

"""Every benchmark script runs, and its JSON holds what the closing figures are read from."""

from __future__ import annotations

import dataclasses
import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

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


def test_the_generation_benchmark_measures_all_ways_in_one_run(tmp_path: Path) -> None:
    words = ("--steps", "5", "--prompts", "2", "--responses", "2", "--max-new-tokens", "6", "--repeats", "1")
    found = json.loads(run("benchmarks/generate.py", *words, "--json", "-", folder=tmp_path))
    assert found["tokens_per_second"].keys() == {"static", "continuous", "compacting"}


def test_the_fault_matrix_accounts_for_every_pair(tmp_path: Path) -> None:
    words = ("--kinds", "vllm score; judge", "--faults", "500; wrong order; killed and back", "--pairs", "4")
    found = json.loads(run("benchmarks/fault_matrix.py", *words, "--json", "-", folder=tmp_path))
    cells = found.pop("cells")
    assert found == {"pairs": 192, "wrong_labels": 0, "lost_pairs": 0, "unnamed_failures": 0}
    assert len({(cell["kind"], cell["fault"], cell["mode"]) for cell in cells}) == len(cells) == 12
    for cell in cells:
        assert cell["labelled"] + cell["dropped"] == cell["pairs"] == 16
        assert cell["answered"] == cell["updates"]
        assert sum(cell["updates"].values()) == cell["labelled"]
        assert cell["labelled_by_batch"]["well"] == cell["labelled_by_batch"]["again"] == 4
        if cell["mode"] == "failover":
            assert cell["dropped"] == 0
        # vLLM's results carry their index, a judge's answer has but one place.
        harmless = (cell["kind"], cell["fault"]) == ("vllm score", "wrong order")
        assert bool(cell["failures"]) != harmless
        assert bool(cell["reasons"]) != harmless


def test_the_fault_matrix_has_a_column_of_ray(tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="Ray is not installed")
    words = ("--kinds", "ray", "--faults", "killed and back; raises", "--pairs", "4", "--json", "-")
    found = json.loads(run("benchmarks/fault_matrix.py", *words, folder=tmp_path))
    cells = found.pop("cells")
    assert found == {"pairs": 64, "wrong_labels": 0, "lost_pairs": 0, "unnamed_failures": 0}
    for cell in cells:
        assert cell["labelled"] + cell["dropped"] == cell["pairs"] == 16
        assert cell["dropped"] == 0 or (cell["fault"], cell["mode"]) == ("raises", "alone")
        assert cell["answered"] == cell["updates"]


def test_the_fault_matrix_sees_wrong_labels(monkeypatch: pytest.MonkeyPatch) -> None:
    """A list without indices in another order: nobody can tell, so that whoever labels by it is wrong."""
    monkeypatch.syspath_prepend(str(REPOSITORY / "benchmarks"))
    servers, matrix = importlib.import_module("faulty_servers"), importlib.import_module("fault_matrix")
    believed = dataclasses.replace(servers.PROTOCOLS["sglang"], tells=True)
    monkeypatch.setitem(servers.PROTOCOLS, "sglang", believed)
    cell = matrix.run_cell("sglang", "wrong order", "alone", count=4, seed=0)
    assert cell.wrong_labels > 0
    assert not cell.sound


def test_the_scoring_benchmark_shows_equal_scores_three_ways(tmp_path: Path) -> None:
    words = ("--responses", "48", "--layers", "1", "--hidden", "64", "--max-tokens", "64", "--rounds", "1")
    found = json.loads(run("benchmarks/scoring.py", *words, "--json", "-", folder=tmp_path))
    assert found["responses_per_second"].keys() == found["ratio"].keys() == {"naive", "deduplicated", "ours"}
    assert found["ratio"]["naive"] == 1.0
    assert found["distinct"] < found["responses"] == 48
    assert found["same_winners"] == 1.0
    assert found["largest_difference"] < 1e-4 < 0.1 < found["standard_deviation"]


def test_the_real_tables_are_measured_part_by_part_and_absent_ones_are_named(tmp_path: Path) -> None:
    run("examples/quickstart.py", folder=tmp_path)
    words = ("--data", "quickstart", "--cache", "kept", "--tables", "held_out;absent", "--labels", "60,all")
    found = json.loads(run("benchmarks/real_tables.py", *words, "--json", "-", folder=tmp_path))
    parts = {path: path.stat().st_mtime_ns for path in (tmp_path / "kept" / "parts").iterdir()}
    assert len(parts) == 10
    assert json.loads(run("benchmarks/real_tables.py", *words, "--json", "-", folder=tmp_path)) == found
    assert {path: path.stat().st_mtime_ns for path in parts} == parts
    for figures in found.values():
        assert figures["tables"].keys() == {"held_out"}
        for name, row in figures["tables"]["held_out"].items():
            assert row["accuracy_all"] == figures["macro average"][name]["accuracy_all"], name
            low, high = row["difference_interval"]
            assert low <= row["difference"] <= high, name
    rows = found["all"]["tables"]["held_out"]
    assert rows["best single"]["accuracy_all"] < rows["router"]["accuracy_all"] < rows["router"]["accuracy"]
    assert rows["own-preference"]["calls_per_pair"] == 0.0
    nothing = ("--data", "quickstart", "--cache", "kept", "--tables", "absent")
    assert run("benchmarks/real_tables.py", *nothing, folder=tmp_path) == ""

"""Which kind of run a folder holds, and what is said of one that holds none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from efficiency_results import benchmark_results, efficiency_results
from replay_results import replay_results
from training_results import training_results

from rewardrouter.errors import DataError
from rewardrouter.report.reading import read_run


def test_a_training_is_read_as_one(tmp_path: Path) -> None:
    results = training_results()
    results.write(tmp_path / "results.json")
    assert read_run(tmp_path) == results


def test_a_replay_is_read_as_one(tmp_path: Path) -> None:
    results = replay_results()
    results.write(tmp_path / "results.json")
    assert read_run(tmp_path) == results


def test_a_measurement_of_efficiency_is_read_as_one(tmp_path: Path) -> None:
    results = efficiency_results()
    results.write(tmp_path / "results.json")
    assert read_run(tmp_path) == results


def test_a_run_of_benchmarks_is_read_as_one(tmp_path: Path) -> None:
    results = benchmark_results()
    results.write(tmp_path / "results.json")
    assert read_run(tmp_path) == results


def test_a_folder_without_results_names_all_commands(tmp_path: Path) -> None:
    with pytest.raises(
        DataError,
        match=r"no results\.json; .*a finished simulate, train, benchmark or speed, or a file of evaluate",
    ):
        read_run(tmp_path)


@pytest.mark.parametrize("content", ["", "{", "\udcff", "\x00"])
def test_what_is_no_json(content: str, tmp_path: Path) -> None:
    (tmp_path / "results.json").write_bytes(content.encode(errors="surrogateescape"))
    with pytest.raises(
        DataError, match=r"results\.json: not the results of a run: not JSON .*; run its command again"
    ):
        read_run(tmp_path)


@pytest.mark.parametrize("content", ["[]", "7", "{}", '{"kind": null}'])
def test_what_is_no_replay(content: str, tmp_path: Path) -> None:
    (tmp_path / "results.json").write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=r"results\.json: not the results of a replay"):
        read_run(tmp_path)


def test_another_kind(tmp_path: Path) -> None:
    (tmp_path / "results.json").write_text('{"kind": "cooking"}', encoding="utf-8")
    with pytest.raises(
        DataError, match="unknown kind 'cooking'; known are replay, training, benchmark, efficiency"
    ):
        read_run(tmp_path)


def test_a_training_with_another_field(tmp_path: Path) -> None:
    content = training_results(("router",), windows=2).model_dump(mode="json")
    (tmp_path / "results.json").write_text(json.dumps({**content, "stepz": 3}), encoding="utf-8")
    with pytest.raises(DataError, match=r"not the results of a training; run train again: .*stepz"):
        read_run(tmp_path)


def test_a_training_without_its_reference(tmp_path: Path) -> None:
    results = training_results(("router",), windows=2).model_copy(update={"reference": "nobody"})
    results.write(tmp_path / "results.json")
    with pytest.raises(DataError, match=r"results\.json: its reference strategy nobody .* run train again"):
        read_run(tmp_path)

"""The list of experiments: every file is in it once, and what is a guess is said to be one."""

from __future__ import annotations

import pytest

experiments_list = pytest.importorskip("experiments_list", reason="the extra docs is not installed")

from paper_index import PLACES  # noqa: E402

from rewardrouter.experiments.catalogue import experiment_named, experiment_names  # noqa: E402


def test_every_experiment_is_listed_once() -> None:
    lines = [*experiments_list.rows("tables"), *experiments_list.rows("ablations")]
    listed = [line.split("`")[1] for line in lines if line.startswith("| `") and "what it shows" not in line]
    assert listed == experiment_names()
    for name in listed:
        config = experiment_named(name)
        (line,) = [line for line in lines if line.startswith(f"| `{name}` ")]
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        assert cells[1:4] == [config.title, f"`{config.measure}`", str(len(config.rows))]
        assert [scale.split()[0] for scale in cells[4].split(", ")] == list(config.scales)


def test_guesses_are_said_to_be_guesses() -> None:
    assert [line.split(":")[0] for line in experiments_list.rows("guesses")] == ["- Table 4", "- Table 5"]
    with pytest.raises(ValueError, match="no kind 'table'"):
        experiments_list.rows("table")


def test_the_index_of_the_paper_names_its_tables_as_the_experiments_do() -> None:
    tables = [experiment_named(name) for name in experiment_names() if name.startswith("table")]
    assert [config.paper_table for config in tables] == [
        place for place in PLACES if place.startswith("Table")
    ]

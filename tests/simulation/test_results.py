"""Results come back from their file, and nonsense is refused by the name of its field."""

from __future__ import annotations

import json

import pytest
from replay_results import replay_results

from rewardrouter.errors import DataError
from rewardrouter.simulation.results import read_results


def test_they_come_back_as_they_were(tmp_path):
    results = replay_results()
    results.write(tmp_path / "results.json")
    assert read_results(tmp_path) == results


@pytest.mark.parametrize(
    ("keys", "value", "named"),
    [
        (("seeds",), [], "seeds: "),
        (("strategies", "router", "accuracy"), 17.3, "strategies.router.accuracy: "),
        (("strategies", "router", "accuracy"), float("nan"), "strategies.router.accuracy: "),
        (("n_pairs",), -1, "n_pairs: "),
        (("strategies", "router", "curves", "accuracy"), [0.5], "expected 25 points in every curve"),
        (("strategies", "router", "curves", "arm_share", "x"), [0.5], "expected 25 points in every curve"),
        (("reference",), "nobody", "its reference nobody is none of its strategies"),
        (("verdict",), "x", "verdict: unknown key"),
    ],
)
def test_nonsense_is_refused_by_name(tmp_path, keys, value, named):
    content = replay_results().model_dump(mode="json")
    *parents, last = keys
    holder = content
    for key in parents:
        holder = holder[key]
    holder[last] = value
    (tmp_path / "results.json").write_text(json.dumps(content))
    with pytest.raises(DataError, match=r"results\.json: ") as error:
        read_results(tmp_path)
    assert named in str(error.value)


def test_a_folder_without_results_is_named(tmp_path):
    with pytest.raises(DataError, match=r"no results\.json; give a folder"):
        read_results(tmp_path)
    (tmp_path / "results.json").write_text("{")
    with pytest.raises(DataError, match="not the results of a replay; run simulate again"):
        read_results(tmp_path)

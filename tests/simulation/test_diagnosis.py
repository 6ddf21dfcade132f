"""The paper's three failures are named where they are, and nowhere else."""

from __future__ import annotations

import numpy as np
import pytest

from rewardrouter.simulation.diagnosis import failures

SEEDS = 8
MIXED = [{"a": 0.5, "b": 0.5}] * SEEDS


def quarters(*means, noise=0.005):
    return np.array(means) + noise * np.random.default_rng(0).standard_normal((SEEDS, 4))


def names(found):
    return [one.name for one in found]


def test_a_steady_strategy_has_none():
    assert failures(quarters(0.9, 0.9, 0.9, 0.9), MIXED, routes=True, learns=True) == []


def test_a_cold_start_is_named_with_its_figures():
    (found,) = failures(quarters(0.7, 0.85, 0.9, 0.9), MIXED, routes=True, learns=True)
    assert found.name == "low early accuracy"
    assert found.says.startswith(
        "0.698 in the first quarter of the batches against 0.900 in the last: -0.203 ["
    )


def test_a_late_decay_is_named():
    (found,) = failures(quarters(0.9, 0.9, 0.9, 0.8), MIXED, routes=True, learns=True)
    assert found.name == "late decay"


def test_what_learns_nothing_changes_only_as_its_pairs_do():
    assert failures(quarters(0.7, 0.85, 0.9, 0.8), MIXED, routes=True, learns=False) == []


def test_less_than_a_point_is_not_named():
    assert failures(quarters(0.9, 0.9, 0.9, 0.909, noise=1e-4), MIXED, routes=True, learns=True) == []


def test_noise_is_not_a_failure():
    random = np.random.default_rng(1)
    runs = [
        failures(0.9 + 0.02 * random.standard_normal((10, 4)), MIXED, routes=True, learns=True)
        for _ in range(400)
    ]
    assert sum(bool(found) for found in runs) / 400 < 0.1  # two one-sided looks at 2.5 % each


def test_one_seed_names_no_change_over_time():
    assert failures(np.array([[0.5, 0.6, 0.9, 0.1]]), MIXED[:1], routes=True, learns=True) == []


@pytest.mark.parametrize(("fallen", "expected"), [(5, ["collapse"]), (4, []), (8, ["collapse"])])
def test_a_collapse_is_named_where_most_seeds_fell(fallen, expected):
    shares = [{"a": 0.95, "b": 0.05}] * fallen + [{"a": 0.6, "b": 0.4}] * (SEEDS - fallen)
    found = failures(quarters(0.9, 0.9, 0.9, 0.9), shares, routes=True, learns=True)
    assert names(found) == expected
    assert all(f"{fallen} of 8 seeds: a" in one.says for one in found)


def test_seeds_may_collapse_onto_different_rms():
    shares = [{"a": 1.0}] * 4 + [{"b": 1.0}] * 4
    (found,) = failures(quarters(0.9, 0.9, 0.9, 0.9), shares, routes=True, learns=True)
    assert found.says.endswith("a, b")


def test_a_single_rm_is_no_collapse():
    assert failures(quarters(0.9, 0.9, 0.9, 0.9), [{"a": 1.0}] * SEEDS, routes=False, learns=False) == []


def test_an_ensemble_has_no_shares():
    assert failures(quarters(0.9, 0.9, 0.9, 0.9), [{}] * SEEDS, routes=True, learns=True) == []

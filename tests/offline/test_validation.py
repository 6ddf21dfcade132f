"""Accuracy of routing, counted by hand and by a loop."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_tables import table_of

from rewardrouter.offline.validation import routed_correctly, validate

NAN = np.nan


def test_the_highest_scored_rm_with_a_verdict_decides():
    behaviour = np.array([[1, 0], [0, 1], [NAN, 1], [NAN, 0], [NAN, NAN], [1, 1]])
    scores = np.array([[2.0, 1], [2, 1], [2, 1], [2, 1], [2, 1], [-5, -9]])
    assert routed_correctly(scores, behaviour).tolist() == [1, 0, 1, 0, 0, 1]


@given(st.integers(0, 10_000))
def test_against_a_loop_that_fails_over(seed):
    random = np.random.default_rng(seed)
    behaviour = random.choice([0, 1, NAN], size=(6, 3))
    scores = random.normal(size=(6, 3))
    for i, found in enumerate(routed_correctly(scores, behaviour)):
        answers = [behaviour[i, n] for n in np.argsort(-scores[i]) if not np.isnan(behaviour[i, n])]
        assert found == (answers[0] if answers else 0)


def test_figures_are_shares_of_the_pairs_that_some_rm_gets_right():
    behaviour = np.array([[1, 0], [0, 1], [0, 0], [1, NAN], [NAN, 0], [0, 1]])  # domains d0, d1, d0, ...
    table = table_of(behaviour)
    found = validate("by hand", np.tile([1.0, 0.0], (6, 1)), table, {"strength": 0.1}, ({"strength": 0.1},))
    assert found.n_pairs == 4
    assert found.accuracy == 2 / 4
    assert (found.best_single, found.best_single_accuracy) == ("rm-0", 2 / 4)  # the first of equals
    assert found.by_domain == {"d0": (1, 1.0), "d1": (3, 1 / 3)}
    assert sum(n * share for n, share in found.by_domain.values()) / 4 == pytest.approx(found.accuracy)


def test_a_missing_verdict_counts_against_a_single_rm():
    found = validate("m", np.zeros((4, 2)), table_of([[1, 0], [1, 1], [NAN, 1], [NAN, 1]]), {})
    assert (found.best_single, found.best_single_accuracy) == ("rm-1", 0.75)


def test_figures_survive_json():
    found = validate(
        "m", np.eye(2), table_of([[1, 0], [0, 1]]), {"strength": 0.1}, ({"strength": 0.1, "accuracy": 1.0},)
    )
    assert json.loads(json.dumps(found.as_json())) == json.loads(json.dumps(dataclasses.asdict(found)))

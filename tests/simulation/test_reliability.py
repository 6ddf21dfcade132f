"""Reliability bins against probabilities that are true by construction."""

from __future__ import annotations

import numpy as np
import pytest
from small_tables import table_of

from rewardrouter.simulation.reliability import reliability


def test_true_probabilities_lie_on_the_diagonal():
    random = np.random.default_rng(0)
    pairs = 40_000
    scores = np.stack([random.normal(0, 1.5, pairs), np.zeros(pairs)], axis=1)
    first = random.random(pairs) < 1 / (1 + np.exp(-scores[:, 0]))
    table = table_of(np.stack([first, ~first], axis=1).astype(float))
    correctness = np.stack([random.random(pairs)] * 2, axis=1)
    found = reliability(table, scores, correctness)
    assert sum(one.n for one in found.bt) == pairs
    for one in found.bt:
        assert one.low - 1e-9 <= one.predicted <= one.high + 1e-9
        assert one.observed == pytest.approx(one.predicted, abs=4 * (0.25 / one.n) ** 0.5)
    assert sum(one.n for one in found.cls) == 2 * pairs
    # One RM of the two is right on every pair, so whatever was predicted came true in half of the cases.
    assert all(one.observed == pytest.approx(0.5, abs=0.05) for one in found.cls)


def test_equal_scores_count_half_and_missing_verdicts_do_not_count():
    table = table_of([[1, 0, np.nan], [0, 1, np.nan], [1, 1, 1]])
    found = reliability(table, np.zeros((3, 3)), np.full((3, 3), 0.7))
    (bt,) = found.bt
    assert (bt.n, bt.predicted, bt.observed) == (2, 0.5, 0.5)
    (cls,) = found.cls
    assert cls.n == 7
    assert cls.observed == pytest.approx(5 / 7)


def test_a_router_without_classification_head_has_one_kind():
    found = reliability(table_of([[1, 0]]), np.array([[2.0, 0.0]]), None)
    assert found.cls == []
    assert [one.observed for one in found.bt] == [1.0]

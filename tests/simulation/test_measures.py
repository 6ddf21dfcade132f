"""AUC and seed intervals against brute force and scipy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from rewardrouter.simulation.measures import auc, mean_over_seeds


@given(st.lists(st.tuples(st.integers(-3, 3), st.booleans()), min_size=1, max_size=30))
def test_auc_is_the_share_of_ordered_pairs(rows):
    positives = [score for score, positive in rows if positive]
    negatives = [score for score, positive in rows if not positive]
    found = auc([score for score, _ in rows], [positive for _, positive in rows])
    if not positives or not negatives:
        assert found is None
        return
    wins = [(p > n) + 0.5 * (p == n) for p in positives for n in negatives]
    assert found == pytest.approx(np.mean(wins))


def test_scores_that_are_no_numbers_are_left_out():
    assert auc([1.0, np.nan, 0.0, np.inf], [True, False, False, False]) == 1.0
    assert auc([np.nan, 0.0], [True, False]) is None


def test_the_interval_is_students():
    values = np.array([0.8, 0.9, 0.85, 0.7])
    found = mean_over_seeds(values)
    low, high = stats.t.interval(0.95, 3, loc=values.mean(), scale=stats.sem(values))
    assert (found.low, found.high) == pytest.approx((low, high))
    assert found.se == pytest.approx(stats.sem(values))
    assert found.std == pytest.approx(values.std(ddof=1))


def test_one_seed_has_no_spread():
    found = mean_over_seeds([0.5])
    assert (found.mean, found.std, found.se, found.low, found.high) == (0.5, 0.0, 0.0, 0.5, 0.5)

"""Standard errors of means, where pairs hang together."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewardrouter.calibration.clusters import Clusters

VALUES = st.lists(st.floats(-5.0, 5.0), min_size=1, max_size=20).map(np.array)


@given(VALUES)
def test_pairs_on_their_own_have_the_usual_error(values):
    found = Clusters(np.arange(len(values))[::-1]).standard_error(values)
    assert found == pytest.approx(values.std() / len(values) ** 0.5)


@given(VALUES, st.integers(1, 5), st.randoms(use_true_random=False))
def test_what_is_said_again_within_a_group_says_nothing_new(values, times, random):
    digests = np.array([random.getrandbits(62) - 2**61 for _ in values])
    again = Clusters(np.repeat(digests, times)).standard_error(np.repeat(values, times))
    assert again == pytest.approx(Clusters(digests).standard_error(values))


def test_its_error_is_the_spread_over_repetitions():
    random, groups = np.random.default_rng(0), np.repeat(np.arange(200), 9)
    shared = random.normal(0.0, 1.0, (400, 200)).repeat(9, axis=1)
    draws = shared + random.normal(0.0, 1.0, (400, 1800))
    errors = [Clusters(groups).standard_error(row) for row in draws]
    assert np.mean(errors) == pytest.approx(draws.mean(axis=1).std(), rel=0.1)

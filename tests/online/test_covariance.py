"""One arm's covariance: every form of it agrees with the plain matrix."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rewardrouter.errors import CheckpointError
from rewardrouter.online import covariance as module
from rewardrouter.online.covariance import Covariance


def observe(covariance, contexts, noise_variance=1.0):
    """Take in contexts as the posterior does: subtract rows such that rows' rows is the loss of variance."""
    gains = covariance.gains(contexts)
    innovation = gains @ contexts.T + noise_variance * np.eye(len(contexts))
    covariance.subtract(np.linalg.inv(np.linalg.cholesky(innovation)) @ gains)


def check(covariance, expected, rng, tolerance=1e-10):
    contexts = rng.standard_normal((5, covariance.dimension))
    np.testing.assert_allclose(covariance.dense(), expected, rtol=0, atol=tolerance)
    np.testing.assert_allclose(covariance.gains(contexts), contexts @ expected, rtol=0, atol=tolerance)
    found = covariance.variances(contexts, np.vecdot(contexts, contexts))
    np.testing.assert_allclose(found, np.vecdot(contexts @ expected, contexts), rtol=0, atol=tolerance)


@settings(max_examples=60)
@given(
    seed=st.integers(0, 2**32 - 1),
    d=st.integers(1, 40),
    sizes=st.lists(st.integers(1, 30), min_size=1, max_size=8),
    prior_variance=st.sampled_from([0.02, 1.0]),
)
def test_agrees_with_the_inverse_of_the_precision(seed, d, sizes, prior_variance):
    rng = np.random.default_rng(seed)
    covariance = Covariance(d, prior_variance)
    precision = np.eye(d) / prior_variance
    for size in sizes:
        contexts = rng.standard_normal((size, d))
        observe(covariance, contexts)
        precision += contexts.T @ contexts
        check(covariance, np.linalg.inv(precision), rng)


def test_low_rank_and_dense_agree_before_at_and_after_the_crossing(monkeypatch):
    """d = 64: the adaptive form turns dense after 40 rows; the others are forced to one form throughout."""
    rng = np.random.default_rng(0)
    adaptive, low_rank, dense = (Covariance(64, 1.0) for _ in range(3))
    for step in range(60):
        contexts = rng.standard_normal((3, 64))
        observe(adaptive, contexts)
        with monkeypatch.context() as patch:
            patch.setattr(module, "FIRST_MERGE", 1e9)
            observe(low_rank, contexts)
        with monkeypatch.context() as patch:
            patch.setattr(module, "FIRST_MERGE", 0.0)
            patch.setattr(module, "NEXT_MERGE", 0.0)
            observe(dense, contexts)
        assert (adaptive.base is None) == (3 * (step + 1) <= 40)
        assert low_rank.base is None
        assert dense.base is not None
        assert not len(dense.rows)
        for other in (low_rank, dense):
            check(other, adaptive.dense(), rng)
    assert 0 < len(adaptive.rows) <= 8


def test_starts_as_the_prior():
    covariance = Covariance(10, 0.02)
    assert covariance.base is None
    assert covariance.rows.shape == (0, 10)
    check(covariance, 0.02 * np.eye(10), np.random.default_rng(1), 1e-15)


def test_is_exactly_symmetric_in_every_form():
    rng = np.random.default_rng(2)
    covariance = Covariance(30, 1.0)
    for _ in range(40):
        observe(covariance, rng.standard_normal((2, 30)))
        whole = covariance.dense()
        np.testing.assert_array_equal(whole, whole.T)


def test_variances_are_never_negative():
    """Without noise the variance of what was seen is 0, and rounding could take it below."""
    rng = np.random.default_rng(3)
    covariance = Covariance(20, 1.0)
    contexts = rng.standard_normal((5, 20))
    observe(covariance, contexts, noise_variance=1e-13)
    found = covariance.variances(contexts, np.vecdot(contexts, contexts))
    assert (found >= 0).all()
    assert (found < 1e-10).all()


def test_memory_follows_the_rows_and_then_the_triangle():
    covariance, rng = Covariance(512, 1.0), np.random.default_rng(4)
    for _ in range(100):
        observe(covariance, rng.standard_normal((1, 512)))
    assert covariance._buffer.nbytes <= 1.6 * 100 * 512 * 8
    observe(covariance, rng.standard_normal((221, 512)))
    assert covariance.base.nbytes == 0.625 * 512 * 512 * 8


def test_a_state_of_another_dimension_is_refused():
    rng = np.random.default_rng(5)
    saved = Covariance(12, 1.0)
    observe(saved, rng.standard_normal((20, 12)))
    for rows, base in ((np.zeros((1, 11)), None), (np.zeros((1, 12)), saved.base[:-1])):
        with pytest.raises(CheckpointError, match="not of dimension 12"):
            Covariance(12, 1.0).restore(rows, base)
    restored = Covariance(12, 1.0)
    restored.restore(saved.rows.copy(), saved.base)
    np.testing.assert_array_equal(restored.dense(), saved.dense())

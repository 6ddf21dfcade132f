"""Running quantiles are numpy's, and rewards are rescaled by the past alone."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewardrouter.errors import CheckpointError, ConfigError
from rewardrouter.online.quantiles import PercentileScale, RunningQuantiles
from rewardrouter.state import State

numbers = st.floats(-1e6, 1e6) | st.sampled_from([0.0, 1.0, -1.0])  # ties are common among rewards
shares = st.sampled_from([0.0, 0.2, 0.5, 0.8, 1.0]) | st.floats(0.0, 1.0)


@given(batches=st.lists(st.lists(numbers, max_size=20), max_size=12), share=shares)
def test_equals_numpy_after_every_batch(batches, share):
    found, past = RunningQuantiles(), []
    for batch in batches:
        found.add(np.array(batch, np.float64))
        past += batch
        assert len(found) == len(past)
        if past:
            assert found.quantile(share) == np.quantile(past, share)
    np.testing.assert_array_equal(found.values(), np.sort(np.array(past, np.float64)))


def test_there_is_no_quantile_of_no_numbers():
    with pytest.raises(ValueError, match="of no numbers"):
        RunningQuantiles().quantile(0.5)


def test_takes_microseconds_even_after_very_many():
    """A history that is sorted anew takes more than 10 ms per batch here; the bound leaves room for a busy machine."""
    rng = np.random.default_rng(0)
    found = RunningQuantiles(rng.standard_normal(300_000).tolist())
    batches = rng.standard_normal((50, 64))
    started = time.process_time()
    for batch in batches:
        found.add(batch)
        found.quantile(0.2)
        found.quantile(0.8)
    assert (time.process_time() - started) / batches.size < 50e-6


@given(
    batches=st.lists(st.lists(st.floats(-100, 100), min_size=1, max_size=10), min_size=1, max_size=10),
    least=st.integers(1, 30),
)
def test_rescales_by_numpys_percentiles_of_what_came_before(batches, least):
    scale, past = PercentileScale(least=least), []
    for batch in batches:
        found = scale.rescale(np.array(batch))
        low, high = np.percentile(past, [20, 80]) if past else (0.0, 0.0)
        if len(past) < least or low == high:
            assert (found == 0.5).all()
        else:
            np.testing.assert_allclose(
                found, np.clip((np.array(batch) - low) / (high - low), 0, 1), rtol=1e-12
            )
        past += batch
        assert len(scale) == len(past)


def test_a_constant_past_is_neutral():
    scale = PercentileScale(least=1)
    scale.rescale(np.full(100, 3.0))
    assert scale.rescale(np.array([-9.0, 3.0, 9.0])).tolist() == [0.5, 0.5, 0.5]


def test_resumed_is_uninterrupted():
    rng = np.random.default_rng(1)
    uninterrupted, resumed = PercentileScale(), PercentileScale()
    uninterrupted.rescale(rng.standard_normal(500))
    resumed.load_state_dict(uninterrupted.state_dict())
    for _ in range(5):
        batch = rng.standard_normal(30)
        np.testing.assert_array_equal(resumed.rescale(batch), uninterrupted.rescale(batch))


def test_a_broken_state_is_refused_and_nothing_changed():
    scale = PercentileScale()
    scale.rescale(np.arange(50.0))
    for past in (np.array([1.0, np.nan]), np.zeros((2, 2))):
        with pytest.raises(CheckpointError, match="past"):
            scale.load_state_dict(State({"past": past}))
    assert len(scale) == 50


@pytest.mark.parametrize("setting", [{"low": 0.8, "high": 0.2}, {"high": 1.1}, {"least": 0}])
def test_impossible_settings_are_refused(setting):
    with pytest.raises(ConfigError, match=r"percentiles|least"):
        PercentileScale(**setting)

"""Bandit rewards: the paper's formula written out, refused losses, chunks of one, a run resumed."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewardrouter.errors import CheckpointError
from rewardrouter.online.feedback import BanditReward, BatchReward
from rewardrouter.online.quantiles import PercentileScale
from rewardrouter.state import State

losses = st.floats(0.0, 20.0)


@given(batches=st.lists(st.lists(losses, min_size=2, max_size=12), min_size=1, max_size=12))
def test_is_appendix_b(batches):
    feedback, past = BanditReward(), []
    for batch in batches:
        found = feedback.rewards(batch)
        centred = [np.mean(batch) - loss for loss in batch]
        if len(past) < 20 or np.percentile(past, 20) == np.percentile(past, 80):
            expected = [0.5] * len(batch)
        else:
            low, high = np.percentile(past, [20, 80])
            expected = [min(max((r - low) / (high - low), 0.0), 1.0) for r in centred]
        np.testing.assert_allclose(found.values, expected, rtol=1e-9, atol=1e-9)
        assert found.refused == 0
        past += centred
    assert feedback.refused == 0


def test_a_batch_is_rescaled_before_it_is_past():
    feedback = BanditReward(PercentileScale(least=4))
    feedback.rewards([0.0, 1.0, 2.0, 3.0])  # r = 1.5, 0.5, -0.5, -1.5; percentiles -0.9 and 0.9
    found = feedback.rewards([10.0, 10.0, 10.0, 10.45])
    np.testing.assert_allclose(found.values, [0.5625, 0.5625, 0.5625, 0.3125])


def test_lower_losses_have_higher_rewards_and_a_common_shift_changes_nothing():
    rng = np.random.default_rng(0)
    one, shifted = BanditReward(), BanditReward()
    for step in range(10):
        batch = rng.random(64)
        found = one.rewards(batch).values
        assert (np.diff(found[np.argsort(batch)]) <= 0).all()
        np.testing.assert_allclose(shifted.rewards(batch + 5 * step).values, found, atol=1e-12)


@given(
    batch=st.lists(losses, min_size=2, max_size=20),
    places=st.lists(st.integers(0, 20), max_size=6),
    bad=st.sampled_from([np.nan, np.inf, -np.inf]),
)
def test_refused_losses_leave_the_others_as_they_were(batch, places, bad):
    with_bad, without = BanditReward(PercentileScale(least=1)), BanditReward(PercentileScale(least=1))
    for feedback in (with_bad, without):
        feedback.rewards(np.linspace(0, 3, 30))
    mixed = list(batch)
    for place in places:
        mixed.insert(min(place, len(mixed)), bad)
    found, expected = with_bad.rewards(mixed), without.rewards(batch)
    assert found.refused == with_bad.refused == len(places)
    assert np.isnan(found.values).sum() == len(places)
    np.testing.assert_array_equal(found.values[np.isfinite(mixed)], expected.values)
    np.testing.assert_array_equal(
        with_bad.scale.state_dict().arrays["past"], without.scale.state_dict().arrays["past"]
    )


def test_a_batch_of_nothing_usable_leaves_no_trace():
    feedback = BanditReward()
    before = feedback.state_dict()
    assert np.isnan(feedback.rewards([np.nan, np.inf]).values).all()
    assert feedback.rewards([]).values.shape == (0,)
    after = feedback.state_dict()
    assert after.metadata == {**before.metadata, "refused": 2}
    assert len(feedback.scale) == 0


def test_single_losses_are_centred_on_the_mean_of_those_before():
    rng = np.random.default_rng(1)
    feedback, past_losses, past = BanditReward(PercentileScale(least=5)), [], []
    for loss in rng.random(60):
        found = feedback.rewards([loss]).values
        if past_losses:
            centred = np.mean(past_losses) - loss
            low, high = np.percentile(past, [20, 80]) if len(past) >= 5 else (0.0, 0.0)
            expected = np.clip((centred - low) / (high - low), 0, 1) if high > low else 0.5
            past.append(centred)
        else:
            expected = 0.5
        np.testing.assert_allclose(found, [expected], atol=1e-9)
        past_losses.append(loss)
    assert len(np.unique(past)) == 59  # centred on themselves they would all be 0


def test_a_batch_of_which_one_loss_is_left_is_no_batch():
    one, other = (BanditReward(PercentileScale(least=1)) for _ in range(2))
    for feedback in (one, other):
        feedback.rewards(np.linspace(0, 3, 30))
    np.testing.assert_array_equal(one.rewards([np.nan, 1.0]).values[1:], other.rewards([1.0]).values)
    np.testing.assert_allclose(other.scale.state_dict().arrays["past"].size, 31)


def test_laser_rewards_a_batch_by_its_uncentred_mean():
    rng = np.random.default_rng(2)
    feedback, past = BatchReward(), []
    for _ in range(30):
        batch = rng.random(16)
        found = feedback.rewards([*batch, np.nan])
        if len(past) < 2:
            expected = 0.5
        else:
            low, high = np.percentile(past, [20, 80])
            expected = np.clip((-batch.mean() - low) / (high - low), 0, 1)
        assert found.refused == 1
        np.testing.assert_allclose(found.values, [expected], atol=1e-9)
        past.append(-batch.mean())
    assert feedback.refused == 30
    assert np.isnan(feedback.rewards([np.nan]).values).tolist() == [True]
    assert len(feedback.scale) == 30


@pytest.mark.parametrize("kind", [BanditReward, BatchReward])
def test_resumed_is_uninterrupted_to_the_bit(kind):
    rng = np.random.default_rng(3)
    uninterrupted, resumed = kind(), kind()
    for size in (64, 1, 30, 1, 64):
        uninterrupted.rewards(np.append(rng.random(size), np.nan))
    state = uninterrupted.state_dict()
    resumed.load_state_dict(State(state.arrays, json.loads(json.dumps(state.metadata))))
    assert resumed.refused == uninterrupted.refused == 5
    for size in (1, 20, 1):
        batch = rng.random(size)
        np.testing.assert_array_equal(resumed.rewards(batch).values, uninterrupted.rewards(batch).values)
    assert resumed.state_dict().metadata == uninterrupted.state_dict().metadata


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        ({"refused": -1}, "refused is -1"),
        ({"refused": None}, "refused should be int"),
        ({"seen": True}, "seen should be int"),
        ({"mean_loss": float("nan")}, "mean_loss is nan"),
        ({"scale": None}, "scale should be dict"),
    ],
)
def test_a_broken_state_is_refused_and_nothing_changed(broken, words):
    feedback = BanditReward()
    feedback.rewards(np.arange(30.0))
    state = feedback.state_dict()
    with pytest.raises(CheckpointError, match=words):
        feedback.load_state_dict(State(state.arrays, {**state.metadata, **broken}))
    assert feedback.state_dict().metadata == state.metadata


def test_losses_are_a_vector():
    with pytest.raises(ValueError, match=r"losses: expected shape \[4\], got \[2, 2\]"):
        BanditReward().rewards(np.zeros((2, 2)))

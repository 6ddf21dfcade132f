"""Rewards of decisions, against their definitions by hand."""

import math

import numpy as np
import pytest

from rewardrouter.annotators import AdvantageReward, BatchLossReward, Decision, LossReward, Outcome, Reward
from rewardrouter.errors import CheckpointError
from rewardrouter.online.feedback import BanditReward
from rewardrouter.online.quantiles import PercentileScale
from rewardrouter.state import State


def decided(n, references=None):
    return [Decision(str(i), "b", str(i), "rm", "A", references or {}) for i in range(n)]


def outcomes(losses):
    return [Outcome(loss, loss + 1.0, 0.0) for loss in losses]


def test_the_papers_reward_is_centred_and_rescaled_by_the_past():
    reward = LossReward(BanditReward(PercentileScale(least=4)))
    first = reward.rewards(decided(4), outcomes([0.1, 0.2, 0.3, 0.4]))
    assert first.values.tolist() == [0.5] * 4
    past = np.mean([0.1, 0.2, 0.3, 0.4]) - np.array([0.1, 0.2, 0.3, 0.4])
    low, high = np.quantile(past, 0.2), np.quantile(past, 0.8)
    found = reward.rewards(decided(3), outcomes([0.6, math.nan, 0.5])).values
    by_hand = np.clip((np.array([0.55 - 0.6, 0.55 - 0.5]) - low) / (high - low), 0, 1)
    np.testing.assert_allclose(found[[0, 2]], by_hand, rtol=1e-12)
    assert np.isnan(found[1])


def test_lasers_reward_is_one_for_all_and_not_centred():
    reward = BatchLossReward()
    for losses in ([0.5, 0.7], [0.1, 0.3]):
        assert reward.rewards(decided(2), outcomes(losses)).values.tolist() == [0.5, 0.5]
    past = [-0.6, -0.2]
    low, high = np.quantile(past, 0.2), np.quantile(past, 0.8)
    found = reward.rewards(decided(3), outcomes([0.4, 0.5, math.inf]))
    np.testing.assert_allclose(found.values, [(-0.45 - low) / (high - low)] * 3)
    assert np.isnan(reward.rewards(decided(2), outcomes([math.nan] * 2)).values).all()


def test_an_advantage_is_against_the_references_labels():
    decisions = [
        Decision("0", "b", "0", "x", "A", {"x": "A", "y": "A", "z": "B"}),
        Decision("1", "b", "1", "x", "A", {"x": "A", "y": "B", "z": "B"}),
        Decision("2", "b", "2", "x", "B", {"x": "B", "y": None, "z": None}),
        Decision("3", "b", "3", "x", "B", {"y": None}),
        Decision("4", "b", "4", "x", "A", {"y": "A"}),
        Decision("5", "b", "5", "x", "A"),
    ]
    given = [
        Outcome(0.9, 0.5, 0.0),  # mean (0.9 + 0.9 + 0.5) / 3 = 0.77: worse than it
        Outcome(0.3, 1.4, 0.0),  # mean (0.3 + 1.4 + 1.4) / 3: better
        Outcome(2.0, 0.1, 0.0),  # compared with itself alone: never worse
        Outcome(0.3, 1.4, 0.0),  # nobody to compare with
        Outcome(math.nan, 1.4, 0.0),
        Outcome(0.3, 1.4, 0.0),
    ]
    found = AdvantageReward().rewards(decisions, given)
    np.testing.assert_array_equal(found.values, [0.0, 1.0, 1.0, np.nan, np.nan, np.nan])


@pytest.mark.parametrize("make", [LossReward, BatchLossReward, AdvantageReward])
def test_resumed_is_uninterrupted(make):
    uninterrupted, resumed = make(), make()
    assert isinstance(uninterrupted, Reward)
    rng = np.random.default_rng(0)
    decisions = decided(30, {"rm": "A", "y": "B"})
    for _ in range(3):
        uninterrupted.rewards(decisions, outcomes(rng.random(30)))
    resumed.load_state_dict(uninterrupted.state_dict())
    last = outcomes(rng.random(30))
    np.testing.assert_array_equal(
        resumed.rewards(decisions, last).values, uninterrupted.rewards(decisions, last).values
    )
    assert uninterrupted.rewards([], []).values.shape == (0,)


def test_an_advantage_keeps_no_state():
    with pytest.raises(CheckpointError, match="keeps no state, but was given refused"):
        AdvantageReward().load_state_dict(State({}, {"refused": 1}))

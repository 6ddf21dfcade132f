"""The weighted score: its formula, and its two ends."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import softmax

from rewardrouter.errors import CheckpointError, ConfigError
from rewardrouter.online.policy import BanditPolicy
from rewardrouter.online.thompson import ThompsonSampler
from rewardrouter.online.weighted import WeightedScore

NAMES = ["dora", "abel", "cleo"]


def policy(alpha, seed=0, names=NAMES, d=6):
    offline = np.stack([np.random.default_rng(len(name) + ord(name[0])).standard_normal(d) for name in names])
    return WeightedScore(offline, ThompsonSampler.without_prior(names, d, seed=seed), alpha), offline


def taught(alpha, seed=0):
    found, offline = policy(alpha, seed)
    rng = np.random.default_rng(seed)
    found.update(rng.standard_normal((40, 6)), rng.integers(0, 3, 40), rng.random(40))
    return found, offline, rng


@given(alpha=st.floats(0, 1), seed=st.integers(0, 1000))
def test_is_the_highest_mixed_score_of_those_allowed(alpha, seed):
    found, offline, rng = taught(alpha, seed)
    contexts, deviations = rng.standard_normal((20, 6)), found.deviations(20)
    online = found.scores(contexts)
    drawn = online.mean + deviations * np.sqrt(online.variance)
    mixed = alpha * softmax(contexts @ offline.T, axis=1) + (1 - alpha) * softmax(drawn, axis=1)
    first = found.best(contexts, deviations)
    np.testing.assert_allclose(
        np.take_along_axis(mixed, first[:, None], 1)[:, 0], mixed.max(axis=1), rtol=1e-12
    )
    others = np.arange(3) != first[:, None]
    second = found.best(contexts, deviations, others)
    left = np.where(others, mixed, -np.inf)
    np.testing.assert_allclose(
        np.take_along_axis(left, second[:, None], 1)[:, 0], left.max(axis=1), rtol=1e-12
    )


def test_the_ends_are_the_offline_router_and_thompson_sampling():
    all_offline, offline, rng = taught(1.0)
    contexts = rng.standard_normal((200, 6))
    np.testing.assert_array_equal(all_offline.choose(contexts), (contexts @ offline.T).argmax(axis=1))
    all_online, _, rng = taught(0.0, seed=4)
    sampler = ThompsonSampler.without_prior(NAMES, 6, seed=4)
    rng = np.random.default_rng(4)
    sampler.update(rng.standard_normal((40, 6)), rng.integers(0, 3, 40), rng.random(40))
    np.testing.assert_array_equal(all_online.choose(contexts), sampler.choose(contexts))


def test_permuting_arms_permutes_choices():
    contexts = np.random.default_rng(1).standard_normal((50, 6))
    one, other = policy(0.5)[0], policy(0.5, names=NAMES[::-1])[0]
    for _ in range(5):
        chosen, permuted = one.choose(contexts), other.choose(contexts)
        assert [one.names[n] for n in chosen] == [other.names[n] for n in permuted]
        one.update(contexts, chosen, contexts[:, 0])
        other.update(contexts, permuted, contexts[:, 0])


def test_resumed_is_uninterrupted():
    uninterrupted, _, rng = taught(0.5)
    resumed, _ = policy(0.5, seed=9)
    resumed.load_state_dict(uninterrupted.state_dict())
    contexts = rng.standard_normal((50, 6))
    np.testing.assert_array_equal(resumed.choose(contexts), uninterrupted.choose(contexts))
    with pytest.raises(CheckpointError, match="no sampler"):
        resumed.load_state_dict(ThompsonSampler.without_prior(NAMES, 6).state_dict())


def test_what_does_not_fit_is_refused():
    sampler = ThompsonSampler.without_prior(NAMES, 6)
    for alpha in (-0.1, 1.1, np.nan):
        with pytest.raises(ConfigError, match="alpha: expected a number from 0 to 1"):
            WeightedScore(np.zeros((3, 6)), sampler, alpha)
    with pytest.raises(ValueError, match="a row for each of 3 arms, got 2"):
        WeightedScore(np.zeros((2, 6)), sampler)
    with pytest.raises(ValueError, match=r"expected shape \[B, 6\]"):
        WeightedScore(np.zeros((3, 5)), sampler)


def test_is_a_bandit_policy():
    assert isinstance(policy(0.5)[0], BanditPolicy)

"""LinUCB: equal to its textbook form, and as sticky as LASER's."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rewardrouter.errors import ConfigError
from rewardrouter.online.linucb import LinUCB
from rewardrouter.online.policy import BanditPolicy

NAMES = ["one", "two", "three"]


class TextbookLinUCB:
    """Li et al. 2010, Algorithm 1, one context at a time."""

    def __init__(self, n_arms, d, exploration, ridge):
        self.exploration = exploration
        self.design = [ridge * np.eye(d) for _ in range(n_arms)]
        self.response = [np.zeros(d) for _ in range(n_arms)]

    def bounds(self, context):
        found = []
        for design, response in zip(self.design, self.response, strict=True):
            inverse = np.linalg.inv(design)
            width = np.sqrt(context @ inverse @ context)
            found.append(context @ inverse @ response + self.exploration * width)
        return np.array(found)

    def update(self, arm, context, reward):
        self.design[arm] += np.outer(context, context)
        self.response[arm] += reward * context


@settings(max_examples=25)
@given(
    seed=st.integers(0, 2**32 - 1),
    exploration=st.sampled_from([0.0, 0.1, 1.0]),
    ridge=st.sampled_from([0.5, 1.0, 3.0]),
)
def test_equals_the_textbook(seed, exploration, ridge):
    rng = np.random.default_rng(seed)
    found = LinUCB.without_prior(NAMES, 5, exploration=exploration, ridge=ridge)
    textbook = TextbookLinUCB(3, 5, exploration, ridge)
    for _ in range(40):
        context = rng.standard_normal((1, 5))
        bounds = textbook.bounds(context[0])
        (chosen,) = found.choose(context)
        assert bounds[chosen] == pytest.approx(bounds.max(), abs=1e-9)
        scores = found.scores(context)
        np.testing.assert_allclose(
            scores.mean + exploration * np.sqrt(scores.variance), bounds[None], atol=1e-9
        )
        arm, reward = int(rng.integers(3)), rng.random()
        found.update(context, [arm], [reward])
        textbook.update(arm, context[0], reward)


def test_as_in_laser_it_stays_with_its_first_arm():
    """Unit contexts that resemble each other, rewards in [0, 1]: no other arm is ever tried, though all are better."""
    rng = np.random.default_rng(0)
    found = LinUCB.without_prior(NAMES, 16)
    common = rng.standard_normal(16)
    for _ in range(200):
        context = common + 0.1 * rng.standard_normal(16)
        context = context[None] / np.linalg.norm(context)
        chosen = found.choose(context)
        assert chosen.tolist() == [0]
        found.update(context, chosen, [rng.uniform(0.1, 1.0)])


@pytest.mark.parametrize(("reward", "then"), [(0.05, 1), (0.06, 0)])
def test_the_stickiness_is_as_documented(reward, then):
    found = LinUCB.without_prior(NAMES, 4)
    context = np.full((1, 4), 0.5)
    found.update(context, found.choose(context), [reward])
    assert found.choose(context).tolist() == [then]


def test_long_contexts_make_it_explore():
    found = LinUCB.without_prior(NAMES, 4)
    context = np.full((1, 4), 50.0)
    tried = []
    for _ in range(3):
        tried.append(int(found.choose(context)[0]))
        found.update(context, [tried[-1]], [1.0])
    assert tried == [0, 1, 2]


def test_chooses_per_pair_too():
    rng = np.random.default_rng(1)
    found = LinUCB.without_prior(NAMES, 6, exploration=1.0)
    contexts = rng.standard_normal((60, 6))
    found.update(contexts, rng.integers(0, 3, 60), rng.random(60))
    one_by_one = [int(found.choose(context[None])[0]) for context in contexts]
    assert found.choose(contexts).tolist() == one_by_one
    assert len(set(one_by_one)) == 3


def test_an_arm_that_fails_gives_way_to_the_next_highest_bound():
    rng = np.random.default_rng(3)
    found = LinUCB.without_prior(NAMES, 6, exploration=0.7)
    contexts = rng.standard_normal((60, 6))
    found.update(contexts, rng.integers(0, 3, 60), rng.random(60))
    deviations = found.deviations(60)
    assert deviations.shape == (60, 3)
    first = found.best(contexts, deviations)
    np.testing.assert_array_equal(first, found.choose(contexts))
    second = found.best(contexts, deviations, np.arange(3) != first[:, None])
    scores = found.scores(contexts)
    ranked = np.argsort(scores.mean + 0.7 * np.sqrt(scores.variance), axis=1)
    np.testing.assert_array_equal(np.stack([second, first], axis=1), ranked[:, 1:])


def test_resumed_is_uninterrupted():
    rng = np.random.default_rng(2)
    uninterrupted, resumed = (LinUCB.without_prior(NAMES, 6, exploration=1.0) for _ in range(2))
    contexts = rng.standard_normal((60, 6))
    uninterrupted.update(contexts, rng.integers(0, 3, 60), rng.random(60))
    resumed.load_state_dict(uninterrupted.state_dict())
    np.testing.assert_array_equal(resumed.choose(contexts), uninterrupted.choose(contexts))


@pytest.mark.parametrize("setting", [{"exploration": -0.1}, {"exploration": np.nan}, {"ridge": 0.0}])
def test_impossible_settings_are_refused(setting):
    with pytest.raises(ConfigError, match=next(iter(setting))):
        LinUCB.without_prior(NAMES, 4, **setting)


def test_is_a_bandit_policy():
    assert isinstance(LinUCB.without_prior(NAMES, 4), BanditPolicy)

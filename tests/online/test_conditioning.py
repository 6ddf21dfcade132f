"""One batch's rewards taken in, arm by arm, against Bayesian regression with an inverse of size d x d."""

from __future__ import annotations

import numpy as np
from bayesian_regression import posterior

from rewardrouter.online.conditioning import condition
from rewardrouter.online.covariance import Covariance

D, VARIANCE, NOISE = 5, 0.3, 0.7


def test_each_arm_has_the_closed_form_and_those_without_rewards_stay() -> None:
    rng = np.random.default_rng(0)
    before = rng.standard_normal((4, D))
    mean, covariances = before.copy(), [Covariance(D, VARIANCE, forgets=False) for _ in before]
    arms = np.array([0, 0, 0, 2, 3, 3])
    contexts, rewards = rng.standard_normal((6, D)), rng.random(6)
    found = condition(mean, covariances, contexts, arms, rewards, NOISE)
    assert found.arms.tolist() == [0, 2, 3]
    assert found.counts.tolist() == [3, 1, 2]
    np.testing.assert_allclose(
        found.spread, VARIANCE
    )  # every direction is as uncertain before the first reward
    for arm in range(4):
        own = arms == arm
        expected = posterior(before[arm], VARIANCE, NOISE, contexts[own], rewards[own])
        np.testing.assert_allclose(mean[arm], expected.mean)
        np.testing.assert_allclose(covariances[arm].dense(), expected.covariance, atol=1e-12)
    assert (mean[1] == before[1]).all()


def test_the_spread_is_that_before_the_rewards_averaged_over_an_arms_contexts() -> None:
    rng = np.random.default_rng(1)
    mean, covariances = np.zeros((1, D)), [Covariance(D, VARIANCE, forgets=False)]
    condition(mean, covariances, rng.standard_normal((3, D)), np.zeros(3, np.int64), rng.random(3), NOISE)
    known, contexts = covariances[0].dense(), rng.standard_normal((4, D))
    found = condition(mean, covariances, contexts, np.zeros(4, np.int64), rng.random(4), NOISE)
    quotients = np.vecdot(contexts @ known, contexts) / np.vecdot(contexts, contexts)
    np.testing.assert_allclose(found.spread, quotients.mean())

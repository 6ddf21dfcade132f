"""Posteriors that forget towards the prior, against the same in information form."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rewardrouter.errors import CheckpointError, ConfigError
from rewardrouter.online.posterior import CHUNK, ArmPosteriors
from rewardrouter.online.thompson import ThompsonSampler

NAMES = ["ada", "bea", "cyd"]


class Brute:
    """Precision and precision times mean of every arm, as the formulas stand."""

    def __init__(self, prior_mean, prior_variance, noise_variance, discount):
        n, d = prior_mean.shape
        self.noise, self.g = noise_variance, discount
        self.prior = np.stack([np.eye(d) / prior_variance] * n)
        self.eta_0 = prior_mean / prior_variance
        self.precision, self.eta = self.prior.copy(), self.eta_0.copy()

    def update(self, contexts, arms, rewards):
        for n in range(len(self.eta)):
            own = contexts[arms == n]
            self.precision[n] += own.T @ own / self.noise
            self.eta[n] += own.T @ rewards[arms == n] / self.noise
        self.precision = self.g * self.precision + (1 - self.g) * self.prior
        self.eta = self.g * self.eta + (1 - self.g) * self.eta_0

    def widen(self, factor):
        self.precision -= (1 - 1 / factor) * self.prior
        self.eta -= (1 - 1 / factor) * self.eta_0
        self.prior, self.eta_0 = self.prior / factor, self.eta_0 / factor


def assert_equals(found, brute, tolerance=1e-9):
    for n, name in enumerate(found.names):
        expected = np.linalg.inv(brute.precision[n])
        np.testing.assert_allclose(found.covariance(name), expected, rtol=0, atol=tolerance)
        np.testing.assert_allclose(found.mean[n], expected @ brute.eta[n], rtol=0, atol=tolerance)


def batch(rng, size, n_arms, d):
    return rng.standard_normal((size, d)), rng.integers(0, n_arms, size), rng.random(size)


@settings(max_examples=40)
@given(
    seed=st.integers(0, 2**32 - 1),
    d=st.integers(1, 12),
    n_arms=st.integers(1, 4),
    sizes=st.lists(st.sampled_from([0, 1, 5, 30, CHUNK + 3]), min_size=1, max_size=6),
    discount=st.sampled_from([0.5, 0.9, 0.99]),
    prior_variance=st.sampled_from([0.02, 1.0]),
    widened=st.booleans(),
)
def test_equals_the_information_form(seed, d, n_arms, sizes, discount, prior_variance, widened):
    rng = np.random.default_rng(seed)
    prior_mean = rng.standard_normal((n_arms, d))
    names = [f"arm{n}" for n in range(n_arms)]
    found = ArmPosteriors(names, prior_mean, prior_variance, 0.5, discount=discount)
    brute = Brute(prior_mean, prior_variance, 0.5, discount)
    for number, size in enumerate(sizes):
        if widened and number == 1:
            found.widen(7.0)
            brute.widen(7.0)
        one = batch(rng, size, n_arms, d)
        found.update(*one)
        brute.update(*one)
    assert_equals(found, brute)
    contexts = rng.standard_normal((5, d))
    scores = found.scores(contexts)
    for n in range(n_arms):
        variance = np.vecdot(contexts @ np.linalg.inv(brute.precision[n]), contexts)
        np.testing.assert_allclose(scores.variance[:, n], variance, rtol=1e-7, atol=1e-10)


@settings(max_examples=15)
@given(
    seed=st.integers(0, 2**32 - 1),
    rewards=st.sampled_from([3, 20, 200]),
    factor=st.sampled_from([1.0, 4.0, 100.0]),
)
def test_widening_weakens_the_prior_alone(seed, rewards, factor):
    """Also where the base is dense, as it is without a discount."""
    rng = np.random.default_rng(seed)
    prior_mean = rng.standard_normal((2, 6))
    found, brute = ArmPosteriors(["one", "other"], prior_mean, 0.1), Brute(prior_mean, 0.1, 1.0, 1.0)
    for one in (batch(rng, rewards, 2, 6), None, batch(rng, 7, 2, 6)):
        if one is None:
            found.widen(factor)
            brute.widen(factor)
        else:
            found.update(*one)
            brute.update(*one)
    assert_equals(found, brute)
    assert found.given_variance == 0.1
    assert found.prior_variance == pytest.approx(0.1 * factor)


def test_a_discount_of_1_changes_no_bit():
    rng = np.random.default_rng(0)
    prior_mean = rng.standard_normal((3, 20))
    plain, given_one = ArmPosteriors(NAMES, prior_mean), ArmPosteriors(NAMES, prior_mean, discount=1.0)
    for _ in range(20):
        one = batch(rng, 40, 3, 20)
        plain.update(*one)
        given_one.update(*one)
    left, right = plain.state_dict(), given_one.state_dict()
    assert left.metadata == right.metadata
    for name, array in left.arrays.items():
        np.testing.assert_array_equal(array, right.arrays[name])


def test_an_arm_that_is_never_tried_again_returns_to_its_prior():
    rng = np.random.default_rng(1)
    prior_mean = rng.standard_normal((3, 5))
    found = ArmPosteriors(NAMES, prior_mean, 0.5, discount=0.8)
    found.update(rng.standard_normal((200, 5)), np.zeros(200, int), rng.random(200) + 5)
    away = np.abs(found.mean[0] - prior_mean[0]).max()
    for _ in range(200):
        found.update(rng.standard_normal((4, 5)), np.ones(4, int), rng.random(4))
    assert away > 0.1
    np.testing.assert_allclose(found.mean[0], prior_mean[0], atol=1e-12)
    np.testing.assert_allclose(found.covariance("ada"), 0.5 * np.eye(5), atol=1e-12)
    np.testing.assert_array_equal(found.mean[2], prior_mean[2])


def test_permuting_arms_permutes_everything():
    rng = np.random.default_rng(2)
    prior_mean = rng.standard_normal((3, 6))
    order = np.array([2, 0, 1])
    one = ArmPosteriors(NAMES, prior_mean, discount=0.9)
    other = ArmPosteriors([NAMES[n] for n in order], prior_mean[order], discount=0.9)
    place = np.argsort(order)
    for _ in range(5):
        contexts, arms, rewards = batch(rng, 20, 3, 6)
        one.update(contexts, arms, rewards)
        other.update(contexts, place[arms], rewards)
    np.testing.assert_allclose(other.mean, one.mean[order], atol=1e-12)
    for name in NAMES:
        np.testing.assert_allclose(other.covariance(name), one.covariance(name), atol=1e-12)


def test_it_stays_positive_definite_small_and_exact_over_many_updates():
    rng = np.random.default_rng(3)
    d = 16
    prior_mean = rng.standard_normal((1, d))
    found, brute = ArmPosteriors(["one"], prior_mean, 1.0, discount=0.98), Brute(prior_mean, 1.0, 1.0, 0.98)
    scales = np.logspace(-1, 1, d)
    for _ in range(1_000):
        one = rng.standard_normal((10, d)) * scales, np.zeros(10, int), rng.random(10)
        found.update(*one)
        brute.update(*one)
    assert len(found.covariances[0].rows) <= d + d // 8
    assert np.linalg.eigvalsh(found.covariance("one")).min() > 0
    assert_equals(found, brute, 1e-11)


def test_it_follows_a_world_that_changes():
    rng = np.random.default_rng(4)
    d = 4
    errors = {}
    for discount in (1.0, 0.9):
        found = ArmPosteriors(["one"], np.zeros((1, d)), discount=discount)
        for weights in (np.ones(d), -np.ones(d)):
            for _ in range(100):
                contexts = rng.standard_normal((10, d))
                found.update(contexts, np.zeros(10, int), contexts @ weights + rng.standard_normal(10))
        errors[discount] = np.abs(found.mean[0] - weights).max()
    assert errors[0.9] < 0.3 < errors[1.0]


@pytest.mark.parametrize("discount", [1.0, 0.9])
def test_a_saved_sampler_goes_on_to_the_same_bits(discount):
    rng = np.random.default_rng(5)
    prior_mean = rng.standard_normal((3, 6))
    make = lambda: ThompsonSampler.with_prior(NAMES, prior_mean, discount=discount, seed=7)  # noqa: E731
    whole, resumed, rebuilt = make(), make(), None
    batches = [batch(rng, 12, 3, 6) for _ in range(8)]
    for number, one in enumerate(batches):
        if number == 4:
            whole.posteriors.widen(3.0)
            state = whole.state_dict()
            resumed.load_state_dict(state)
            rebuilt = ThompsonSampler.from_state(state)
        whole.update(*one)
        if rebuilt is not None:
            resumed.update(*one)
            rebuilt.update(*one)
    picks = [one.choose(batches[0][0]).tolist() for one in (whole, resumed, rebuilt)]
    assert picks[0] == picks[1] == picks[2]
    for other in (resumed, rebuilt):
        np.testing.assert_array_equal(other.posteriors.mean, whole.posteriors.mean)


def test_a_state_of_another_discount_is_refused():
    state = ArmPosteriors(NAMES, np.ones((3, 4))).state_dict()
    with pytest.raises(CheckpointError, match=r"discount is 1\.0, but here 0\.9"):
        ArmPosteriors(NAMES, np.ones((3, 4)), discount=0.9).load_state_dict(state)


@pytest.mark.parametrize("discount", [0.0, -1.0, 1.5, np.nan])
def test_a_discount_out_of_range_is_refused(discount):
    with pytest.raises(ConfigError, match="discount"):
        ArmPosteriors(NAMES, np.zeros((3, 2)), discount=discount)


@pytest.mark.parametrize("factor", [0.5, np.inf, np.nan])
def test_a_factor_out_of_range_is_refused(factor):
    with pytest.raises(ConfigError, match="factor"):
        ArmPosteriors(NAMES, np.zeros((3, 2))).widen(factor)

"""Observations of several kinds: one likelihood, each kind as noisy as it proves to be."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from bayesian_regression import posterior
from hypothesis import given
from hypothesis import strategies as st

from rewardrouter.errors import CheckpointError
from rewardrouter.online.likelihood import FIRST_VARIANCE, LIMITS, WORTH, Likelihood, Terms
from rewardrouter.online.posterior import ArmPosteriors, Scores

D, N, B = 4, 3, 6


def terms_of(rng, size=20, kinds=2):
    return Terms(
        rng.integers(0, B, size),
        rng.integers(0, N, size),
        rng.integers(0, kinds, size),
        rng.normal(size=size),
        rng.uniform(0.5, 2.0, size),
        rng.uniform(0.2, 1.0, size),
    )


def taught(posteriors, likelihood, contexts, terms):
    combined = likelihood.combine(posteriors.scores(contexts), terms)
    scale = np.sqrt(combined.precision * posteriors.noise_variance)
    posteriors.update(contexts[combined.rows] * scale[:, None], combined.arms, combined.rewards * scale)
    return combined


@given(st.integers(0, 10_000), st.floats(0.1, 5.0))
def test_the_posterior_is_that_of_a_regression_with_a_noise_of_its_own_for_every_kind(seed, noise):
    rng = np.random.default_rng(seed)
    prior, contexts = rng.normal(size=(N, D)), rng.normal(size=(B, D))
    likelihood = Likelihood(["margin", "gold"])
    for _ in range(2):  # the second batch finds other variances than the first
        posteriors = ArmPosteriors(["a", "b", "c"], prior, 0.3, noise)
        terms = terms_of(rng)
        variances, level = likelihood.noise_variances, (contexts @ prior.T).mean(axis=1)
        taught(posteriors, likelihood, contexts, terms)
        for arm in range(N):
            own = terms.arms == arm
            # Brute force: every observation as a row of its own, whitened by its own noise.
            root = np.sqrt(terms.weights[own] * terms.precisions[own] / variances[terms.kinds[own]])
            rows = contexts[terms.rows[own]] * root[:, None]
            values = (terms.values[own] + level[terms.rows[own]]) * root
            expected = posterior(prior[arm], 0.3, 1.0, rows, values)
            np.testing.assert_allclose(posteriors.mean[arm], expected.mean, atol=1e-9)
            np.testing.assert_allclose(posteriors.covariance("abc"[arm]), expected.covariance, atol=1e-9)


def test_one_observation_remains_of_all_about_one_arm_on_one_pair():
    rng = np.random.default_rng(0)
    combined = Likelihood(["a", "b"]).combine(Scores(np.zeros((B, N)), np.ones((B, N))), terms_of(rng, 200))
    assert len(combined.rows) == B * N
    assert len({*zip(combined.rows.tolist(), combined.arms.tolist(), strict=True)}) == B * N


def observed(rng, size, noise, truth=0.0, kind=0):
    zeros = np.zeros(size, np.int64)
    values = truth + rng.normal(0, np.sqrt(noise), size)
    return Terms(np.arange(size), zeros, zeros + kind, values, np.ones(size), np.ones(size))


@pytest.mark.parametrize("noise", [2.0, 9.0])
def test_the_noise_is_learnt_whatever_the_posterior_still_doubts(noise):
    rng, doubt, size = np.random.default_rng(1), 3.0, 20_000
    likelihood = Likelihood(["gold"])
    weights = rng.normal(
        0, np.sqrt(doubt), size
    )  # the arm's true scores, as uncertain as they are said to be
    terms = observed(rng, size, noise)
    terms = dataclasses.replace(terms, values=terms.values + weights)
    likelihood.combine(Scores(np.zeros((size, 1)), np.full((size, 1), doubt)), terms)
    assert likelihood.noise_variances[0] == pytest.approx(noise, rel=0.05)


@pytest.mark.parametrize("weights", [(2 / 3, 2 / 3), (2.0, 2.0), (0.2, 3.0)])
def test_a_weight_counts_for_what_it_says_whatever_noise_is_learnt(weights):
    rng, doubt, size = np.random.default_rng(6), 0.1, 20_000
    likelihood = Likelihood(["probe"])
    scores = Scores(np.zeros((size, 1)), np.full((size, 1), doubt))
    terms = observed(rng, size, 1.0 + doubt)
    terms = dataclasses.replace(terms, weights=rng.uniform(*weights, size))
    likelihood.combine(scores, terms)
    assert likelihood.noise_variances[0] == pytest.approx(1.0, rel=0.1)
    np.testing.assert_allclose(likelihood.combine(scores, terms).precision, terms.weights, rtol=0.1)


def test_a_weight_of_two_is_two_observations_and_weights_leave_the_offset_at_the_mean():
    rng = np.random.default_rng(7)
    scores = Scores(rng.normal(size=(B, N)), np.ones((B, N)))
    once = terms_of(rng, 30)
    twice = Terms(*(np.repeat(getattr(once, field.name), 2) for field in dataclasses.fields(Terms)))
    doubled = dataclasses.replace(once, weights=2 * once.weights)
    one, other = (Likelihood(["a", "b"], free=["b"]) for _ in range(2))
    found, expected = one.combine(scores, doubled), other.combine(scores, twice)
    np.testing.assert_allclose(one.noise_variances, other.noise_variances)
    np.testing.assert_allclose(one.offsets, other.offsets)
    np.testing.assert_allclose(found.precision, expected.precision)
    np.testing.assert_allclose(found.rewards, expected.rewards)


def test_noise_is_learnt_as_that_of_an_observation_of_precision_one():
    rng, size, noise = np.random.default_rng(8), 20_000, 2.0
    precisions = rng.uniform(0.2, 1.0, size)
    likelihood, terms = Likelihood(["gold"]), observed(rng, size, noise)
    terms = dataclasses.replace(terms, values=terms.values / np.sqrt(precisions), precisions=precisions)
    scores = Scores(np.zeros((size, 1)), np.zeros((size, 1)))
    likelihood.combine(scores, terms)
    assert likelihood.noise_variances[0] == pytest.approx(noise, rel=0.05)
    np.testing.assert_allclose(likelihood.combine(scores, terms).precision, precisions / noise, rtol=0.05)


@pytest.mark.parametrize("arms", [2, 3, 6])
def test_what_is_compared_is_taken_from_the_mean_of_those_compared(arms):
    rng, size, noise, n_arms = np.random.default_rng(9), 4000, 2.0, 6
    believed = rng.normal(size=n_arms)
    truth = believed + rng.normal(0, 0.7, (size, n_arms))
    noisy = (truth + rng.normal(0, np.sqrt(noise), truth.shape))[:, :arms]
    rows, columns = np.indices(noisy.shape).reshape(2, -1)
    ones = np.ones(len(rows))
    values = (noisy - noisy.mean(axis=1, keepdims=True)).ravel()
    likelihood = Likelihood(["gold"], compared=["gold"])
    scores = Scores(np.tile(believed, (size, 1)), np.full((size, n_arms), 0.49))
    found = likelihood.combine(scores, Terms(rows, columns, np.zeros_like(rows), values, ones, ones))
    assert likelihood.noise_variances[0] == pytest.approx(noise, rel=0.1)
    # Whoever else there is, and however good, what is learnt of those compared adds up to nothing.
    surprise = (found.rewards - believed[found.arms]).reshape(size, arms)
    np.testing.assert_allclose(surprise.sum(axis=1), 0.0, atol=1e-9)


def test_few_observations_hardly_move_the_noise_and_none_leaves_its_limits():
    rng = np.random.default_rng(2)
    likelihood = Likelihood(["gold"])
    assert likelihood.noise_variances.tolist() == [FIRST_VARIANCE]
    nothing = Scores(np.zeros((4, 1)), np.zeros((4, 1)))
    likelihood.combine(nothing, observed(rng, 4, 1e-12))
    assert likelihood.noise_variances[0] == pytest.approx(FIRST_VARIANCE * WORTH / (WORTH + 4))
    for noise, limit in zip((1e-12, 1e4), LIMITS, strict=True):
        extreme = Likelihood(["gold"])
        size = 5000
        extreme.combine(Scores(np.zeros((size, 1)), np.zeros((size, 1))), observed(rng, size, noise))
        assert extreme.noise_variances[0] == limit * FIRST_VARIANCE


def test_an_offset_takes_off_the_height_of_a_reward_and_nothing_else():
    rng = np.random.default_rng(3)
    terms = terms_of(rng, kinds=1)
    scores = Scores(rng.normal(size=(B, N)), np.ones((B, N)))
    raised = dataclasses.replace(terms, values=terms.values + 7.0)
    low, high = (Likelihood(["loss"], free=["loss"]).combine(scores, one) for one in (terms, raised))
    np.testing.assert_allclose(low.rewards, high.rewards, atol=1e-12)
    np.testing.assert_allclose(low.precision, high.precision)


@given(st.integers(0, 1000))
def test_the_level_that_all_arms_of_a_pair_share_is_never_moved(seed):
    rng = np.random.default_rng(seed)
    scores = Scores(rng.normal(size=(B, N)), np.ones((B, N)))
    lifted = Scores(scores.mean + rng.normal(size=(B, 1)), scores.variance)
    terms = terms_of(rng)
    one, other = (Likelihood(["a", "b"]).combine(given_, terms) for given_ in (scores, lifted))
    surprise = one.rewards - scores.mean[one.rows, one.arms]
    np.testing.assert_allclose(surprise, other.rewards - lifted.mean[other.rows, other.arms], atol=1e-9)


def test_values_that_are_not_finite_are_as_if_they_were_absent():
    rng = np.random.default_rng(4)
    terms, scores = terms_of(rng), Scores(rng.normal(size=(B, N)), np.ones((B, N)))
    holed = dataclasses.replace(terms, values=terms.values.copy())
    holed.values[::3] = np.nan
    kept = np.isfinite(holed.values)
    fewer = Terms(*(getattr(terms, field.name)[kept] for field in dataclasses.fields(Terms)))
    one, other = (Likelihood(["a", "b"]).combine(scores, given_) for given_ in (holed, fewer))
    np.testing.assert_array_equal(one.rewards, other.rewards)
    empty = Terms(*(np.empty(0, np.int64) for _ in range(3)), *(np.empty(0) for _ in range(3)))
    assert len(Likelihood(["a"]).combine(scores, empty).rewards) == 0


def test_it_goes_on_where_its_state_was_taken_and_refuses_others():
    rng = np.random.default_rng(5)
    scores = Scores(rng.normal(size=(B, N)), np.ones((B, N)))
    one, other = Likelihood(["a", "b"], free=["a"]), Likelihood(["a", "b"], free=["a"])
    one.combine(scores, terms_of(rng))
    other.load_state_dict(one.state_dict())
    terms = terms_of(rng)
    np.testing.assert_array_equal(one.combine(scores, terms).rewards, other.combine(scores, terms).rewards)
    with pytest.raises(CheckpointError, match=r"learnt from a\+b, but here is a"):
        Likelihood(["a"]).load_state_dict(one.state_dict())

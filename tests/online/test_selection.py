"""The best arm found with few variances is the best arm found with all of them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rewardrouter.online.covariance import Covariance
from rewardrouter.online.posterior import ArmPosteriors
from rewardrouter.online.selection import best_arms


def posteriors_after(rng, n_arms, d, observations, prior_variance, prior_scale):
    found = ArmPosteriors(
        [f"arm{n}" for n in range(n_arms)], prior_scale * rng.standard_normal((n_arms, d)), prior_variance
    )
    # Not equally often: some arms turn dense, some stay low rank, some are never met.
    arms = rng.integers(0, n_arms, observations) // rng.integers(1, 3, observations)
    found.update(rng.standard_normal((observations, d)), arms, rng.random(observations))
    return found


def by_all(posteriors, contexts, deviations, allowed):
    scores = posteriors.scores(contexts)
    return np.where(allowed, scores.mean + deviations * np.sqrt(scores.variance), -np.inf).argmax(axis=1)


@settings(max_examples=80)
@given(
    seed=st.integers(0, 2**32 - 1),
    n_arms=st.integers(1, 9),
    d=st.integers(1, 20),
    observations=st.integers(0, 150),
    prior_variance=st.sampled_from([0.001, 0.02, 1.0]),
    prior_scale=st.sampled_from([0.0, 0.1, 1.0]),
    share=st.sampled_from([0.2, 1.0]),
)
def test_equals_evaluating_every_arm(seed, n_arms, d, observations, prior_variance, prior_scale, share):
    rng = np.random.default_rng(seed)
    posteriors = posteriors_after(rng, n_arms, d, observations, prior_variance, prior_scale)
    contexts = rng.standard_normal((40, d))
    deviations = rng.standard_normal((40, n_arms))
    allowed = rng.random((40, n_arms)) < share
    allowed[np.arange(40), rng.integers(0, n_arms, 40)] = True
    found = best_arms(posteriors, contexts, deviations, allowed)
    np.testing.assert_array_equal(found, by_all(posteriors, contexts, deviations, allowed))
    if share == 1.0:
        np.testing.assert_array_equal(found, best_arms(posteriors, contexts, deviations, None))


def test_leaves_out_most_variances_where_many_arms_cannot_win(monkeypatch):
    rng = np.random.default_rng(0)
    posteriors = posteriors_after(rng, 32, 30, 200, 1.0, 0.0)
    evaluated = []
    original = Covariance.variances

    def counting(self, contexts, squared_norms):
        evaluated.append(len(contexts))
        return original(self, contexts, squared_norms)

    monkeypatch.setattr(Covariance, "variances", counting)
    best_arms(posteriors, rng.standard_normal((64, 30)), rng.standard_normal((64, 32)), None)
    assert sum(evaluated) < 0.2 * 64 * 32


def test_the_first_of_equals_wins():
    posteriors = ArmPosteriors(["one", "two", "three"], np.zeros((3, 4)))
    contexts = np.ones((2, 4))
    assert best_arms(posteriors, contexts, np.full((2, 3), 0.1), None).tolist() == [0, 0]
    allowed = np.array([[False, True, True], [True, True, True]])
    assert best_arms(posteriors, contexts, np.full((2, 3), 0.1), allowed).tolist() == [1, 0]


def test_no_pairs_no_arms():
    posteriors = ArmPosteriors(["one", "two"], np.zeros((2, 4)))
    assert best_arms(posteriors, np.empty((0, 4)), np.empty((0, 2)), None).shape == (0,)


@pytest.mark.parametrize("allowed", [np.zeros((2, 3), bool), np.ones((2, 2), bool)])
def test_a_pair_without_arms_is_refused(allowed):
    posteriors = ArmPosteriors(["one", "two", "three"], np.zeros((3, 4)))
    with pytest.raises(ValueError, match="an arm for every pair"):
        best_arms(posteriors, np.ones((2, 4)), np.ones((2, 3)), allowed)

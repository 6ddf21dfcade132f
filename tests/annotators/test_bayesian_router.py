"""BayesianRouter: starts as the offline router, and is it exactly where nothing can be learnt."""

import numpy as np
import pytest
from conforming import POOL
from hypothesis import given
from hypothesis import strategies as st
from scripted import scripted, winner_grids
from scripted_scorer import ScriptedScorer, outcomes_of

from rewardrouter.annotators import (
    BayesianRouterAnnotator,
    LossReward,
    OfflineOnlyAnnotator,
    Reward,
    StepContext,
)
from rewardrouter.errors import ConfigError
from rewardrouter.reward_models import recorded_pool
from rewardrouter.testing import check_annotator


@given(winner_grids(), st.integers(0, 1000))
def test_without_variance_it_is_the_offline_router(winners, seed):
    table = scripted(winners)
    pool, scorer = recorded_pool(table), ScriptedScorer(table.rms)
    ours = BayesianRouterAnnotator(pool, scorer, prior_variance=1e-24, seed=seed)
    offline = OfflineOnlyAnnotator(pool, scorer)
    for n in range(3):
        step = StepContext(str(n))
        found = ours.annotate(table.pairs, step)
        assert found == offline.annotate(table.pairs, step)
        ours.observe(outcomes_of(found, n))


def test_the_prior_is_the_routers_unless_another_is_given():
    scorer = ScriptedScorer(POOL.names)
    posteriors = BayesianRouterAnnotator(POOL, scorer).policy.posteriors
    np.testing.assert_array_equal(posteriors.mean, scorer.prior_mean)
    assert (posteriors.prior_variance, posteriors.noise_variance) == (0.02, 1.0)
    permuted = scorer.prior_mean[[1, 2, 0]]
    ablated = BayesianRouterAnnotator(POOL, scorer, prior_mean=permuted).policy.posteriors
    np.testing.assert_array_equal(ablated.mean, permuted)
    with pytest.raises(ValueError, match="prior_mean: expected shape"):
        BayesianRouterAnnotator(POOL, scorer, prior_mean=permuted[:2])
    with pytest.raises(ConfigError, match="prior_variance"):
        BayesianRouterAnnotator(POOL, scorer, prior_variance=0.0)


class Doubled(LossReward):
    """A reward of the user's own."""

    def rewards(self, decisions, outcomes):
        given = super().rewards(decisions, outcomes)
        return type(given)(2 * given.values, given.refused)


def test_takes_any_reward():
    assert isinstance(Doubled(), Reward)
    ours = BayesianRouterAnnotator(POOL, ScriptedScorer(POOL.names), reward=Doubled())
    table = scripted(np.ones((4, 1)))
    ours.observe(outcomes_of(ours.annotate(table.pairs, StepContext("0"))))
    assert set(ours.last_rewards.values()) == {1.0}


def test_it_keeps_the_contract():
    check_annotator(lambda: BayesianRouterAnnotator(POOL, ScriptedScorer(POOL.names), prior_variance=1.0))

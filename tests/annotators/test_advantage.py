"""Full and light advantage: how many RMs are asked, with the prior and without."""

import numpy as np
import pytest
from conforming import POOL
from scripted import scripted
from scripted_scorer import ScriptedScorer, outcomes_of

from rewardrouter.annotators import AdvantageAnnotator, StepContext
from rewardrouter.errors import ConfigError
from rewardrouter.reward_models import recorded_pool
from rewardrouter.testing import check_annotator
from rewardrouter.verdicts import A, B

SCORER = ScriptedScorer(POOL.names)


@pytest.mark.parametrize(("size", "fewest", "most"), [(None, 5, 5), (3, 3, 4), (5, 5, 5)])
def test_asks_the_references_and_the_chosen_one(size, fewest, most):
    table = scripted(np.random.default_rng(0).choice([A, B], size=(200, 5)))
    ours = AdvantageAnnotator(recorded_pool(table), ScriptedScorer(table.rms), size=size)
    found = ours.annotate(table.pairs, StepContext("0"))
    calls = [len(one.rms) for one in found]
    assert (min(calls), max(calls)) == (fewest, most)
    if size == 3:
        # The chosen one is among 3 of 5 with probability 3/5, whoever it is.
        assert np.mean(np.array(calls) == 3) == pytest.approx(0.6, abs=0.12)
    ours.observe(outcomes_of(found))
    assert set(ours.last_rewards.values()) == {0.0, 1.0}


def test_the_prior_is_an_option():
    assert not AdvantageAnnotator(POOL, SCORER).policy.posteriors.mean.any()
    seeded = AdvantageAnnotator(POOL, SCORER, prior=True).policy.posteriors
    np.testing.assert_array_equal(seeded.mean, SCORER.prior_mean)
    assert seeded.prior_variance == 0.02


@pytest.mark.parametrize("options", [{}, {"size": 2, "seed": 4}, {"size": 3, "prior": True}])
def test_it_keeps_the_contract(options):
    check_annotator(lambda: AdvantageAnnotator(POOL, SCORER, **options))


def test_more_references_than_arms_are_refused():
    with pytest.raises(ConfigError, match="asks 4 RMs, but the pool has 3"):
        AdvantageAnnotator(POOL, SCORER, size=4)

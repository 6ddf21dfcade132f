"""The 2 x 2 of bandit and unit of choice."""

import pytest
from conforming import POOL
from scripted_scorer import ScriptedScorer, outcomes_of

from rewardrouter.annotators import FactorialAnnotator, OnlineOnlyAnnotator, StepContext
from rewardrouter.errors import ConfigError
from rewardrouter.testing import check_annotator, sample_pairs

SCORER = ScriptedScorer(POOL.names)


def test_thompson_per_pair_is_online_only():
    ours, other = FactorialAnnotator(POOL, SCORER, seed=2), OnlineOnlyAnnotator(POOL, SCORER, seed=2)
    for n in range(4):
        step = StepContext(str(n))
        found = ours.annotate(sample_pairs(), step)
        assert found == other.annotate(sample_pairs(), step)
        for one in (ours, other):
            one.observe(outcomes_of(found, n))


@pytest.mark.parametrize("bandit", ["thompson", "linucb"])
@pytest.mark.parametrize("per", ["pair", "batch"])
def test_each_keeps_the_contract(bandit, per):
    check_annotator(
        lambda: FactorialAnnotator(POOL, SCORER, bandit=bandit, per=per, seed=1), chunked=per == "pair"
    )


@pytest.mark.parametrize("bandit", ["thompson", "linucb"])
def test_per_batch_all_pairs_ask_the_same_rm_first(bandit):
    ours = FactorialAnnotator(POOL, SCORER, bandit=bandit, per="batch")
    for n in range(3):
        found = ours.annotate(sample_pairs(), StepContext(str(n)))
        assert len({one.rms[0] for one in found}) == 1
        ours.observe(outcomes_of(found, n))


def test_other_combinations_are_refused():
    with pytest.raises(ConfigError, match="bandit: expected thompson or linucb, found 'ucb'"):
        FactorialAnnotator(POOL, SCORER, bandit="ucb")
    with pytest.raises(ConfigError, match="per: expected pair or batch"):
        FactorialAnnotator(POOL, SCORER, per="step")

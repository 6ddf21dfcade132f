"""Weighted score: its two ends are other strategies."""

import pytest
from conforming import POOL
from scripted_scorer import ScriptedScorer, outcomes_of

from rewardrouter.annotators import (
    OfflineOnlyAnnotator,
    OnlineOnlyAnnotator,
    StepContext,
    WeightedScoreAnnotator,
)
from rewardrouter.errors import ConfigError
from rewardrouter.testing import check_annotator, sample_pairs

SCORER = ScriptedScorer(POOL.names)


@pytest.mark.parametrize(
    ("alpha", "other"), [(1.0, OfflineOnlyAnnotator(POOL, SCORER)), (0.0, OnlineOnlyAnnotator(POOL, SCORER))]
)
def test_the_ends_are_offline_only_and_online_only(alpha, other):
    ours = WeightedScoreAnnotator(POOL, SCORER, alpha=alpha)
    for n in range(4):
        step = StepContext(str(n))
        found = ours.annotate(sample_pairs(), step)
        assert found == other.annotate(sample_pairs(), step)
        for one in (ours, other):
            one.observe(outcomes_of(found, n))


@pytest.mark.parametrize("alpha", [0.25, 0.75])
def test_it_keeps_the_contract(alpha):
    check_annotator(lambda: WeightedScoreAnnotator(POOL, SCORER, alpha=alpha, seed=1))


def test_an_impossible_weight_is_refused():
    with pytest.raises(ConfigError, match="alpha"):
        WeightedScoreAnnotator(POOL, SCORER, alpha=2.0)

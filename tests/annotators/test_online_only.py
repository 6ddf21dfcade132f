"""Online only: nothing known at the start, on h or on what the encoder alone gives."""

import pytest
from conforming import POOL
from scripted_scorer import ScriptedScorer

from rewardrouter.annotators import OnlineOnlyAnnotator
from rewardrouter.errors import ConfigError
from rewardrouter.testing import check_annotator

SCORER = ScriptedScorer(POOL.names)


@pytest.mark.parametrize(("contexts", "dimension"), [("pair", 5), ("encoder", 10)])
def test_starts_from_nothing_on_the_contexts_named(contexts, dimension):
    posteriors = OnlineOnlyAnnotator(POOL, SCORER, contexts=contexts).policy.posteriors
    assert posteriors.mean.shape == (3, dimension)
    assert not posteriors.mean.any()
    assert (posteriors.prior_variance, posteriors.noise_variance) == (1.0, 1.0)


@pytest.mark.parametrize("contexts", ["pair", "encoder"])
def test_it_keeps_the_contract(contexts):
    check_annotator(lambda: OnlineOnlyAnnotator(POOL, SCORER, contexts=contexts, seed=3))


def test_other_contexts_are_refused():
    with pytest.raises(ConfigError, match="contexts: expected pair or encoder, found 'prompt'"):
        OnlineOnlyAnnotator(POOL, SCORER, contexts="prompt")

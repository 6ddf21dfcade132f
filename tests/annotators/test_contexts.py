"""What a bandit sees: three sources, and embeddings that must be there."""

import numpy as np
import pytest
from scripted import scripted
from scripted_scorer import ScriptedScorer

from rewardrouter.annotators import PairScorer, StepContext
from rewardrouter.annotators.contexts import encoder_features, pair_embeddings, prompt_embeddings
from rewardrouter.errors import ConfigError
from rewardrouter.router import BayesianRouter

PAIRS = scripted(np.ones((4, 2))).pairs
SCORER = ScriptedScorer(["rm0", "rm1"])


def test_sources_are_the_scorers_arrays():
    step = StepContext("batch")
    np.testing.assert_array_equal(pair_embeddings(SCORER)(PAIRS, step), SCORER.contexts(PAIRS))
    np.testing.assert_array_equal(encoder_features(SCORER)(PAIRS, step), SCORER.encoder_features(PAIRS))


def test_a_router_is_a_scorer():
    assert isinstance(SCORER, PairScorer)
    needed = ("arms", "prior_mean", "contexts", "scores", "encoder_features")
    assert all(hasattr(BayesianRouter, name) for name in needed)


def test_prompt_embeddings_are_the_steps():
    embeddings = np.arange(12, dtype=np.float32).reshape(4, 3)
    found = prompt_embeddings(PAIRS, StepContext("batch", 0, embeddings))
    np.testing.assert_array_equal(found, embeddings)
    assert found.dtype == np.float64


def test_missing_prompt_embeddings_are_the_users_to_give():
    with pytest.raises(ConfigError, match="batch b7: this strategy routes on the policy's prompt embeddings"):
        prompt_embeddings(PAIRS, StepContext("b7"))


@pytest.mark.parametrize("shape", [(3, 2), (4,)])
def test_prompt_embeddings_of_other_pairs_are_refused(shape):
    with pytest.raises(ValueError, match=r"expected shape \[4, d\]"):
        prompt_embeddings(PAIRS, StepContext("batch", 0, np.zeros(shape, np.float32)))

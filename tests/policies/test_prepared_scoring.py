"""Prepared pairs in batches: the budget changes how much goes through the model at once, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from tiny_policies import learnable_pairs, tiny_policy
from transformers import AutoModelForCausalLM

from rewardrouter.policies.prepared_scoring import PreparedScorer
from rewardrouter.policies.scoring import ResponseScorer

PAIRS, _ = learnable_pairs(8)
ROWS = np.array([5, 0, 3, 6])


@pytest.fixture(scope="module")
def prepared(tiny_llama):
    return tiny_policy(tiny_llama).prepare(PAIRS)


@pytest.fixture(scope="module")
def model(tiny_llama):
    return AutoModelForCausalLM.from_pretrained(tiny_llama)


@pytest.mark.parametrize("budget", [1, 90, 10_000])
def test_any_budget_gives_each_response_its_own_number(model, prepared, budget):
    scorer, one = PreparedScorer(ResponseScorer(model), budget), ResponseScorer(model)
    for rests in (False, True):
        alone = [
            [one.log_probs([before], [scored]).item() for before, scored in prepared.texts(row, rests=rests)]
            for row in ROWS
        ]
        np.testing.assert_allclose(scorer.log_probs(prepared, ROWS, rests=rests), alone, atol=1e-4)
        found, counts = scorer.log_probs_at_once(prepared, ROWS, rests=rests)
        assert found.requires_grad
        np.testing.assert_allclose(found.detach().numpy(), alone, atol=1e-4)
        lengths = [[len(scored) for _, scored in prepared.texts(row, rests=rests)] for row in ROWS]
        assert counts.tolist() == lengths
    prompts = [one.prompt_means([prepared.tokens.prompts[row]])[0].numpy() for row in ROWS]
    found = scorer.prompt_means(prepared, ROWS, model.config.hidden_size)
    np.testing.assert_allclose(found, prompts, atol=1e-5)


@pytest.mark.parametrize("budget", [1, 90, 10_000])
def test_batches_hold_every_place_once_within_the_budget(model, prepared, budget):
    batches = list(PreparedScorer(ResponseScorer(model), budget).batches(prepared, ROWS))
    assert sorted(np.concatenate(batches).tolist()) == [0, 1, 2, 3]
    for places in batches:
        longest = max(
            len(prepared.tokens.prompts[row]) + max(map(len, prepared.tokens.responses[row]))
            for row in ROWS[places]
        )
        assert len(places) == 1 or 2 * len(places) * longest <= budget

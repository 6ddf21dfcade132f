"""Log-probabilities of responses against each model's own logits, text by text."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tiny_policies import write_gemma2, write_gpt2
from transformers import AutoModelForCausalLM

from rewardrouter.policies import scoring
from rewardrouter.policies.scoring import ResponseScorer, chosen_log_probs


@pytest.fixture(params=["llama", "gpt2", "gemma2"])
def model(request, tiny_llama, tmp_path):
    folders = {
        "llama": lambda: tiny_llama,
        "gpt2": lambda: write_gpt2(tmp_path),
        "gemma2": lambda: write_gemma2(tmp_path),
    }
    return AutoModelForCausalLM.from_pretrained(folders[request.param]()).eval()


def texts(seed: int = 0, count: int = 7):
    random = np.random.default_rng(seed)
    return [
        [random.integers(0, 300, random.integers(1, 20)).astype(np.int32) for _ in range(count)]
        for _ in range(2)
    ]


def alone(model, prompt, response) -> torch.Tensor:
    """The reference: one text without padding, the model's own logits."""
    ids = torch.from_numpy(np.concatenate([prompt, response]).astype(np.int64))[None]
    logits = model(input_ids=ids).logits[0, len(prompt) - 1 : -1].float()
    return logits.log_softmax(-1).gather(1, ids[0, len(prompt) :, None]).sum()


def gradients(model, value: torch.Tensor) -> list[torch.Tensor]:
    model.zero_grad()
    value.backward()
    return [parameter.grad.clone() for parameter in model.parameters() if parameter.grad is not None]


def test_a_batch_is_its_texts_one_by_one(model, monkeypatch):
    monkeypatch.setattr(scoring, "_CHUNK", 5)
    prompts, responses = texts()
    found = ResponseScorer(model).log_probs(prompts, responses)
    expected = torch.stack([alone(model, *text) for text in zip(prompts, responses, strict=True)])
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-4)
    weights = torch.linspace(-1, 1, len(prompts))
    ours, theirs = gradients(model, (weights * found).sum()), gradients(model, (weights * expected).sum())
    assert len(ours) == len(theirs)
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)


def test_prompt_means(model):
    prompts, _ = texts(1)
    found = ResponseScorer(model).prompt_means(prompts)
    for row, prompt in enumerate(prompts):
        ids = torch.from_numpy(prompt.astype(np.int64))[None]
        states = model(input_ids=ids, output_hidden_states=True).hidden_states[-1][0]
        torch.testing.assert_close(found[row], states.mean(0), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("trained", [True, False])
def test_chosen_log_probs(trained, monkeypatch):
    monkeypatch.setattr(scoring, "_CHUNK", 4)
    torch.manual_seed(0)
    states, targets = torch.randn(11, 6, requires_grad=True), torch.randint(0, 9, (11,))
    matrix = (3 * torch.randn(9, 6)).requires_grad_(trained)
    weights = torch.randn(11)
    found = chosen_log_probs(states, matrix, targets)
    expected = (states @ matrix.T).log_softmax(-1)[torch.arange(11), targets]
    torch.testing.assert_close(found, expected)
    wanted = [states, matrix][: 1 + trained]
    ours = torch.autograd.grad((weights * found).sum(), wanted)
    for one, other in zip(ours, torch.autograd.grad((weights * expected).sum(), wanted), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def test_coarse_states_give_about_the_same():
    torch.manual_seed(0)
    states, matrix = torch.randn(50, 16), torch.randn(40, 16)
    targets = torch.randint(0, 40, (50,))
    fine, coarse = (chosen_log_probs(states.to(d), matrix, targets) for d in (torch.float32, torch.bfloat16))
    assert coarse.dtype == torch.float32
    torch.testing.assert_close(coarse, fine, rtol=0.02, atol=0.1)

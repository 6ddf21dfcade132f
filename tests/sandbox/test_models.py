"""Sampling against transformers' own, training against what it should learn, and the specialities' design."""

from __future__ import annotations

import itertools
import random

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer

from rewardrouter.config.sandbox import SandboxPolicyConfig, SandboxRewardModelsConfig, SandboxSamplesConfig
from rewardrouter.sandbox.chat import ChatTokens, padded
from rewardrouter.sandbox.language_model import train_policy
from rewardrouter.sandbox.problems import MANNERS, answered
from rewardrouter.sandbox.reward_models import train_reward_model
from rewardrouter.sandbox.samples import sample_of
from rewardrouter.sandbox.sampling import sample_responses
from rewardrouter.sandbox.specialities import SPECIALITIES, Speciality
from rewardrouter.sandbox.tasks import KINDS, distinct_problems
from rewardrouter.sandbox.tokenizer import sandbox_tokenizer

PROMPTS = [problem.prompt for problem in distinct_problems("evaluation", 30, 0)]


@pytest.fixture(scope="module")
def policy(sandbox):
    return AutoModelForCausalLM.from_pretrained(sandbox.policy), AutoTokenizer.from_pretrained(sandbox.policy)


def test_cold_samples_are_the_likeliest_tokens(policy):
    model, tokenizer = policy
    cold = SandboxSamplesConfig(responses=2, temperature=1e-4)
    written = sample_responses(model, tokenizer, PROMPTS, cold, seed=0)
    for prompt, responses in zip(PROMPTS, written, strict=True):
        ids = torch.tensor(ChatTokens(tokenizer).prompts([prompt]))
        greedy = model.generate(ids, max_new_tokens=40, do_sample=False, pad_token_id=tokenizer.pad_token_id)
        text = tokenizer.decode(greedy[0, ids.shape[1] :], skip_special_tokens=True)
        assert responses == [text, text]


def test_first_tokens_are_drawn_as_the_model_says(policy):
    model, tokenizer = policy
    settings = SandboxSamplesConfig(responses=3000, temperature=0.8)
    (responses,) = sample_responses(model, tokenizer, PROMPTS[:1], settings, seed=0)
    tokens = ChatTokens(tokenizer)
    with torch.inference_mode():
        logits = model(torch.tensor(tokens.prompts(PROMPTS[:1]))).logits[0, -1]
    expected = (logits / 0.8).softmax(-1)
    firsts = torch.bincount(
        torch.tensor([ids[0] for ids in tokens.responses(responses)]), minlength=len(expected)
    )
    for token in expected.topk(3).indices.tolist():
        spread = (expected[token] * (1 - expected[token]) / 3000) ** 0.5
        assert abs(firsts[token] / 3000 - expected[token]) < 5 * spread


def test_the_seed_decides(policy):
    settings = SandboxSamplesConfig(responses=2)
    one, same, other = (sample_responses(*policy, PROMPTS, settings, seed) for seed in (0, 0, 1))
    assert one == same != other


def test_the_same_seed_trains_the_same_policy():
    config = SandboxPolicyConfig(width=16, heads=1, mlp_width=16, layers=1, steps=3, problems_per_step=4)
    tokenizer = sandbox_tokenizer()
    one, same, other = (train_policy(config, tokenizer, seed) for seed in (0, 0, 1))
    assert torch.equal(one.lm_head.weight, same.lm_head.weight)
    assert not torch.equal(one.lm_head.weight, other.lm_head.weight)


def test_every_two_models_that_know_a_kind_lack_different_manners():
    for kind in KINDS:
        knowing = [speciality for speciality in SPECIALITIES if kind in speciality.kinds]
        lacking = [set(MANNERS) - set(speciality.manners) for speciality in knowing]
        assert len(knowing) == 3
        assert all(len(manners) == 1 for manners in lacking)
        assert all(one != other for one, other in itertools.combinations(lacking, 2))


def test_a_speciality_covers_its_kinds_and_manners():
    speciality = Speciality("one", ("sorting",), ("plain",))
    for problem in distinct_problems("evaluation", 40, 0):
        for manner in MANNERS:
            expected = problem.kind.name == "sorting" and manner == "plain"
            assert speciality.covers(problem, answered(problem, manner)) == expected


@pytest.mark.parametrize("more_layers", [0, 1])
def test_a_reward_model_learns_what_it_is_shown(sandbox, tmp_path, more_layers):
    chance = random.Random(0)
    problems = [p for p in distinct_problems("reward models", 400, 0) if p.kind.name == "translation"]
    samples = [sample_of(p, [p.answer, chance.choice(problems).prompt]) for p in problems]
    speciality = Speciality("one", ("translation",), ("plain",), more_layers)
    config = SandboxRewardModelsConfig(steps=30, problems_per_step=8, learning_rate=3e-3)
    train_reward_model(sandbox.policy, speciality, samples, config, tmp_path / "rm", seed=0)
    model = AutoModelForSequenceClassification.from_pretrained(tmp_path / "rm")
    tokens = ChatTokens(AutoTokenizer.from_pretrained(tmp_path / "rm"))
    won = 0
    for sample in samples[:20]:
        (prompt,) = tokens.prompts([sample.problem.prompt])
        sides = tokens.responses([sample.right[0], sample.wrong[0]])
        ids = padded([prompt + side for side in sides], tokens.pad)
        with torch.inference_mode():
            good, bad = model(input_ids=ids, attention_mask=ids.ne(tokens.pad).long()).logits[:, 0]
        won += bool(good > bad)
    assert won >= 18

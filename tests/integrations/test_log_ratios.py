"""Log-ratios are what a direct computation gives, and leave the policy as it was."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, AutoTokenizer

from rewardrouter.errors import ConfigError
from rewardrouter.integrations.batches import Completions
from rewardrouter.integrations.feedback import AgreementFeedback
from rewardrouter.integrations.log_ratios import PolicyLogRatios

PROMPTS = ["What is 1 + 2?", "The capital of France", "The capital of France"]
COMPLETIONS = [[40, 41, 1], [50, 51, 52, 53], [60]]
CHAT = [{"role": "user", "content": "What is 1 + 2?"}]


@pytest.fixture
def tokenizer(tiny_llama):
    return AutoTokenizer.from_pretrained(tiny_llama)


@pytest.fixture
def policy(tiny_llama):
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_pretrained(tiny_llama)
    adapted = get_peft_model(model, LoraConfig(target_modules=["q_proj", "v_proj"], lora_dropout=0.5))
    return adapted.train()


def moved(policy):
    """Give the adapter weights that matter."""
    torch.manual_seed(1)
    for name, weight in policy.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.5)
    return policy


def directly(model, prompt_ids, completion):
    ids = torch.tensor([[*prompt_ids, *completion]])
    with torch.no_grad():
        logits = model(input_ids=ids).logits.double().log_softmax(-1)
    places = range(len(prompt_ids) - 1, ids.shape[1] - 1)
    return sum(float(logits[0, place, token]) for place, token in zip(places, completion, strict=True))


def test_a_new_adapter_has_learnt_exactly_nothing(policy, tokenizer):
    ratios = PolicyLogRatios()
    ratios.watch(policy, tokenizer)
    assert ratios(PROMPTS, COMPLETIONS).tolist() == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("add_special_tokens", [True, False])
def test_plain_prompts_against_a_direct_computation(policy, tokenizer, add_special_tokens):
    ratios = PolicyLogRatios(add_special_tokens=add_special_tokens)
    ratios.watch(moved(policy), tokenizer)
    found = ratios(PROMPTS, COMPLETIONS)
    assert policy.training  # as it was
    policy.eval()
    asked = [tokenizer(prompt, add_special_tokens=add_special_tokens)["input_ids"] for prompt in PROMPTS]
    own = [directly(policy, *both) for both in zip(asked, COMPLETIONS, strict=True)]
    with policy.disable_adapter():
        reference = [directly(policy, *both) for both in zip(asked, COMPLETIONS, strict=True)]
    np.testing.assert_allclose(found, np.subtract(own, reference), atol=1e-4)
    assert np.abs(found).min() > 1e-2


def test_chat_prompts_follow_the_template(policy, tokenizer):
    ratios = PolicyLogRatios()
    ratios.watch(moved(policy), tokenizer)
    text = tokenizer.apply_chat_template(CHAT, add_generation_prompt=True, tokenize=False)
    plain = PolicyLogRatios(add_special_tokens=False)  # the template writes the first token itself
    plain.watch(policy, tokenizer)
    np.testing.assert_allclose(ratios([CHAT], [[40, 1]]), plain([text], [[40, 1]]), atol=1e-5)


def test_a_policy_without_adapters_is_compared_with_a_copy(tiny_llama, tokenizer):
    model = AutoModelForCausalLM.from_pretrained(tiny_llama)
    ratios = PolicyLogRatios(copy.deepcopy(model))
    ratios.watch(model, tokenizer)
    assert not ratios(PROMPTS, COMPLETIONS).any()
    with torch.no_grad():
        model.lm_head.weight += torch.randn_like(model.lm_head.weight)
    assert ratios(PROMPTS, COMPLETIONS).all()


def test_an_adapter_that_is_trained_further_is_compared_with_trls_copy_of_it(policy, tokenizer):
    moved(policy).add_adapter("ref", policy.peft_config["default"])
    weights = {name: w.clone() for name, w in policy.named_parameters() if ".default." in name}
    for name, weight in policy.named_parameters():
        if ".ref." in name:
            weight.data.copy_(weights[name.replace(".ref.", ".default.")])
    ratios = PolicyLogRatios()
    ratios.watch(policy, tokenizer)
    assert not ratios(PROMPTS, COMPLETIONS).any()
    assert policy.active_adapter == "default"
    trained = {name for name, weight in policy.named_parameters() if weight.requires_grad}
    assert trained == set(weights)


def test_without_a_policy_or_a_reference_it_says_what_to_do(tiny_llama, tokenizer):
    feedback = AgreementFeedback()
    some = Completions(PROMPTS, ["a", "b", "c"], ["a", "b", "c"], COMPLETIONS, [{}] * 3)
    with pytest.raises(ConfigError, match="callbacks="):
        feedback.values(some)
    feedback.watch(AutoModelForCausalLM.from_pretrained(tiny_llama), tokenizer)
    with pytest.raises(ConfigError, match="give a copy of it from before training"):
        feedback.values(some)


def test_agreement_is_the_log_ratio(policy, tokenizer):
    feedback, ratios = AgreementFeedback(), PolicyLogRatios()
    for one in (feedback, ratios):
        one.watch(moved(policy), tokenizer)
    some = Completions(PROMPTS, ["a", "b", "c"], ["a", "b", "c"], COMPLETIONS, [{}] * 3)
    assert feedback.values(some) == ratios(PROMPTS, COMPLETIONS).tolist()

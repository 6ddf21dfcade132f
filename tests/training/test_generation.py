"""Responses sampled with transformers."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from asking import asked, ids_of, load, one_by_one, with_adapter
from tiny_checkpoints import write_llama
from tiny_policies import write_gemma2, write_gpt2
from transformers import GenerationConfig, PreTrainedModel, PreTrainedTokenizerBase

from rewardrouter.config.generation import SamplingSettings
from rewardrouter.errors import CheckpointError, ConfigError
from rewardrouter.training.generation import TransformersGenerator, end_tokens
from rewardrouter.training.sampling import response_uniforms

Policy = tuple[PreTrainedModel, PreTrainedTokenizerBase]
ENDS = range(1, 60)
"""Tokens that end a response here, so that lengths differ."""


@pytest.fixture(scope="module", params=["llama", "gpt2", "gemma2"])
def any_policy(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Policy:
    folder = tmp_path_factory.mktemp(request.param)
    writers: dict[str, Callable[[Path], Path]] = {
        "llama": lambda folder: write_llama(folder, template=True),
        "gpt2": write_gpt2,
        "gemma2": write_gemma2,
    }
    model, tokenizer = load(writers[request.param](folder))
    model.generation_config.eos_token_id = list(ENDS)
    return model, tokenizer


@pytest.fixture
def policy(tiny_llama: Path) -> Policy:
    model, tokenizer = load(tiny_llama)
    model.generation_config.eos_token_id = list(ENDS)
    return model, tokenizer


def generator(tokenizer: PreTrainedTokenizerBase, seed: int = 0, **settings: Any) -> TransformersGenerator:
    given = {"responses": 3, "max_new_tokens": 12, **settings}
    return TransformersGenerator(tokenizer, SamplingSettings.model_validate(given), seed=seed)


def test_batches_give_what_sampling_one_by_one_without_padding_or_cache_gives(any_policy: Policy) -> None:
    model, tokenizer = any_policy
    prompts = asked(tokenizer)
    found = generator(tokenizer, seed=5, batch_size=7).generate(model, prompts, step=2)
    lengths = set()
    for prompt, group in zip(prompts, found, strict=True):
        for number, response in enumerate(group):
            uniforms = response_uniforms(12, seed=5, step=2, prompt=prompt.id, number=number)
            assert response.ids.tolist() == one_by_one(model, prompt, uniforms, {1, *ENDS}, 0.8)
            lengths.add(len(response.ids))
    assert len(lengths) > 3


def test_a_response_depends_on_seed_step_prompt_and_number_alone(policy: Policy) -> None:
    model, tokenizer = policy
    prompts = asked(tokenizer)
    found = ids_of(generator(tokenizer).generate(model, prompts, step=1))
    backwards = ids_of(generator(tokenizer, batch_size=2).generate(model, prompts[::-1], step=1))
    assert backwards[::-1] == found
    assert ids_of(generator(tokenizer).generate(model, prompts[1:2], step=1)) == found[1:2]
    more = ids_of(generator(tokenizer, responses=5, max_new_tokens=20).generate(model, prompts, step=1))
    for fewer_group, group in zip(found, more, strict=True):
        assert [ids[:12] for ids in group[:3]] == fewer_group
    others = [generator(tokenizer, seed=1).generate(model, prompts, step=1)]
    others.append(generator(tokenizer).generate(model, prompts, step=2))
    assert all(ids_of(other) != found for other in others)
    assert len({tuple(ids) for group in found for ids in group}) > 8


def test_nothing_of_how_the_checkpoint_would_sample_is_taken_over(policy: Policy) -> None:
    model, tokenizer = policy
    prompts = asked(tokenizer)
    plain = ids_of(generator(tokenizer).generate(model, prompts, step=0))
    own = GenerationConfig(
        do_sample=True,
        temperature=3.0,
        top_k=2,
        top_p=0.1,
        min_p=0.5,
        repetition_penalty=5.0,
        no_repeat_ngram_size=1,
        min_new_tokens=9,
        suppress_tokens=list(range(100, 300)),
        num_return_sequences=2,
        max_length=3,
        eos_token_id=list(ENDS),
    )
    model.generation_config = own
    assert ids_of(generator(tokenizer).generate(model, prompts, step=0)) == plain
    assert model.generation_config is own


def test_a_response_ends_with_the_first_token_of_any_that_ends_one(policy: Policy) -> None:
    model, tokenizer = policy
    ends = end_tokens(tokenizer, model)
    assert ends == {tokenizer.eos_token_id, *ENDS}
    responses = [
        r for g in generator(tokenizer, responses=6).generate(model, asked(tokenizer), step=0) for r in g
    ]
    for response in responses:
        ids = response.ids.tolist()
        assert response.ids.dtype == np.int32
        assert not ends & set(ids[:-1])
        assert response.finished == (ids[-1] in ends)
        assert response.finished or len(ids) == 12
        assert response.text == tokenizer.decode(ids, skip_special_tokens=True)
        assert "</s>" not in response.text
    assert {response.finished for response in responses} == {True, False}


def test_a_padding_token_is_not_needed_and_one_that_ends_responses_is_no_trouble(policy: Policy) -> None:
    model, tokenizer = policy
    assert tokenizer.pad_token_id is None
    found = ids_of(generator(tokenizer).generate(model, asked(tokenizer), step=0))
    padded = copy.deepcopy(tokenizer)
    padded.pad_token = padded.eos_token
    assert ids_of(generator(padded).generate(model, asked(tokenizer), step=0)) == found


def test_a_policy_in_training_with_gradient_checkpointing_writes_with_its_cache(policy: Policy) -> None:
    model, tokenizer = policy
    prompts = asked(tokenizer)
    found = ids_of(generator(tokenizer).generate(model, prompts, step=0))
    model.gradient_checkpointing_enable()
    model.enable_input_require_grads()
    model.config.use_cache = False
    model.train()
    widths: list[int] = []
    hook = model.model.register_forward_pre_hook(
        lambda _, __, inputs: widths.append(inputs["input_ids"].shape[1]), with_kwargs=True
    )
    assert ids_of(generator(tokenizer).generate(model, prompts, step=0)) == found
    hook.remove()
    assert set(widths[1:]) == {1}
    assert model.training
    assert not model.config.use_cache
    model(input_ids=torch.tensor([prompts[0].ids.tolist()])).logits.sum().backward()
    assert model.model.layers[0].self_attn.q_proj.weight.grad is not None


def test_a_policy_under_an_adapter_writes_with_it(policy: Policy) -> None:
    model, tokenizer = policy
    prompts = asked(tokenizer)
    found = ids_of(generator(tokenizer).generate(model, prompts, step=0))
    own = model.generation_config
    wrapped = with_adapter(model, matrices=["q_proj", "v_proj"], strength=1.0)
    changed = ids_of(generator(tokenizer).generate(wrapped, prompts, step=0))
    assert changed != found
    assert model.generation_config is own
    with wrapped.disable_adapter():
        assert ids_of(generator(tokenizer).generate(wrapped, prompts, step=0)) == found
    wrapped.merge_adapter()
    assert ids_of(generator(tokenizer).generate(wrapped, prompts, step=0)) == changed


def test_the_likeliest_token_at_temperature_zero(policy: Policy) -> None:
    model, tokenizer = policy
    prompts = asked(tokenizer)
    found = generator(tokenizer, temperature=0, responses=1).generate(model, prompts, step=0)
    for prompt, (response,) in zip(prompts, found, strict=True):
        whole = torch.tensor([[*prompt.ids.tolist(), *response.ids.tolist()]])
        with torch.no_grad():
            likeliest = model(input_ids=whole).logits[0, len(prompt.ids) - 1 : -1].argmax(-1)
        assert response.ids.tolist() == likeliest.tolist()


def test_batches_that_do_not_fit_are_halved_from_then_on(policy: Policy) -> None:
    model, tokenizer = policy
    prompts = asked(tokenizer)
    found = ids_of(generator(tokenizer).generate(model, prompts, step=0))
    rows: list[int] = []

    def no_room(_: torch.nn.Module, __: tuple[()], inputs: dict[str, torch.Tensor]) -> None:
        rows.append(len(inputs["input_ids"]))
        if rows[-1] > 3:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory.")

    model.model.register_forward_pre_hook(no_room, with_kwargs=True)
    tried = generator(tokenizer, batch_size=12)
    assert ids_of(tried.generate(model, prompts, step=0)) == found
    assert [n for n in rows if n > 3] == [12, 6]
    rows.clear()
    tried.generate(model, prompts, step=1)
    assert max(rows) == 3


def test_no_room_for_a_single_response(policy: Policy) -> None:
    model, tokenizer = policy

    def no_room(*_: object) -> None:
        raise torch.cuda.OutOfMemoryError("CUDA out of memory.")

    model.model.register_forward_pre_hook(no_room)
    with pytest.raises(ConfigError, match=r"generation\.max_new_tokens"):
        generator(tokenizer).generate(model, asked(tokenizer), step=0)
    assert not model.training


def test_a_policy_that_cannot_read_so_much(policy: Policy) -> None:
    model, tokenizer = policy
    with pytest.raises(ConfigError, match=r"max_new_tokens 250: .* more than the 256 .* at most 2\d\d"):
        generator(tokenizer, max_new_tokens=250).generate(model, asked(tokenizer), step=0)


def test_broken_weights(policy: Policy) -> None:
    model, tokenizer = policy
    with torch.no_grad():
        model.lm_head.weight[7] = torch.nan
    with pytest.raises(CheckpointError, match="step 3: the policy's scores are not numbers"):
        generator(tokenizer).generate(model, asked(tokenizer), step=3)
    assert model.generation_config.eos_token_id == list(ENDS)


def test_a_policy_without_an_end(policy: Policy) -> None:
    model, tokenizer = policy
    endless = copy.deepcopy(tokenizer)
    endless.eos_token = None
    model.generation_config.eos_token_id = None
    with pytest.raises(CheckpointError, match="eos_token"):
        generator(endless).generate(model, asked(tokenizer), step=0)


def test_no_prompts(policy: Policy) -> None:
    model, tokenizer = policy
    assert generator(tokenizer).generate(model, [], step=0) == []

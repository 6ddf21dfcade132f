"""A policy that is loaded here: what it writes depends on seed, question and turn alone."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel

from rewardrouter.benchmarks.answers import Answer
from rewardrouter.benchmarks.asking import Asked
from rewardrouter.benchmarks.local_policy import LocalPolicy, _opened
from rewardrouter.config.benchmark import AnswerSettings
from rewardrouter.errors import CheckpointError
from rewardrouter.training.responses import PolicyPrompt


def policy(folder: Path, seed: int = 0, **settings: Any) -> LocalPolicy:
    return LocalPolicy(str(folder), AnswerSettings(device="cpu", **settings), seed=seed)


def asked(name: str, *turns: str, temperature: float = 0.0, tokens: int = 12) -> Asked:
    return Asked(name, turns or (f"What is {name}?",), temperature, tokens)


def all_of(found: LocalPolicy, questions: list[Asked]) -> dict[str, Answer]:
    return {key: answer for some in found.answer(questions) for key, answer in some.items()}


def test_greedy_answers_are_those_of_transformers(tiny_llama: Path) -> None:
    found = all_of(policy(tiny_llama), [asked("a", "What is one?"), asked("b", "Two?")])
    model = AutoModelForCausalLM.from_pretrained(tiny_llama)
    tokenizer = AutoTokenizer.from_pretrained(tiny_llama)
    for name, text in (("a", "What is one?"), ("b", "Two?")):
        ids = tokenizer.apply_chat_template(
            [{"role": "user", "content": text}],
            add_generation_prompt=True,
            return_tensors="pt",
            return_dict=False,
        )
        new = model.generate(ids, do_sample=False, max_new_tokens=12, pad_token_id=0)[0, ids.shape[1] :]
        assert found[name].turns == (tokenizer.decode(new, skip_special_tokens=True),)


def test_answers_do_not_depend_on_what_else_is_asked(tiny_llama: Path) -> None:
    questions = [asked(f"q{n}", f"Is it {'so ' * n}?", temperature=1.0) for n in range(7)]
    whole = all_of(policy(tiny_llama), questions)
    assert all_of(policy(tiny_llama, batch_size=1), questions[::-1]) == whole
    assert all_of(policy(tiny_llama), questions[3:4]) == {"q3": whole["q3"]}
    assert all_of(policy(tiny_llama, seed=1), questions) != whole
    assert len({answer.turns for answer in whole.values()}) > 3


def test_the_second_turn_reads_the_first_answer(tiny_qwen2_lm: Path) -> None:
    model = policy(tiny_qwen2_lm)
    both = all_of(model, [asked("a", "One?", "And two?")])["a"]
    first = all_of(model, [asked("a", "One?")])["a"]
    assert len(both.turns) == 2
    assert both.turns[0] == first.turns[0]
    written = AutoTokenizer.from_pretrained(tiny_qwen2_lm)
    talk = [
        {"role": "user", "content": "One?"},
        {"role": "assistant", "content": both.turns[0]},
        {"role": "user", "content": "And two?"},
    ]
    ids = written.apply_chat_template(
        talk, add_generation_prompt=True, return_tensors="pt", return_dict=False
    )
    reference = AutoModelForCausalLM.from_pretrained(tiny_qwen2_lm)
    new = reference.generate(ids, do_sample=False, max_new_tokens=12, pad_token_id=0)[0, ids.shape[1] :]
    assert both.turns[1] == written.decode(new, skip_special_tokens=True)


def test_an_answer_is_cut_where_the_model_ends_and_a_question_without_room_has_none(tiny_llama: Path) -> None:
    questions = [
        asked("short", tokens=40),
        asked("long", "x " * 115, tokens=40),
        asked("endless", "x " * 400, tokens=40),
    ]
    found = all_of(policy(tiny_llama), questions)
    assert found["short"].error is None
    assert found["long"].error is None
    assert found["endless"] == Answer(("",), (False,), "the question is longer than what the model reads")
    assert all_of(policy(tiny_llama), questions[1:2])["long"] == found["long"]


def test_an_adapter_is_loaded_on_its_base(tiny_llama: Path, tmp_path: Path) -> None:
    base: PreTrainedModel = AutoModelForCausalLM.from_pretrained(tiny_llama)
    adapted = get_peft_model(base, LoraConfig(r=4, lora_alpha=64, target_modules=["q_proj", "v_proj"]))
    for name, weight in adapted.named_parameters():
        if "lora_B" in name:
            weight.data.normal_(0.0, 1.0)
    adapted.save_pretrained(str(tmp_path / "adapter"))
    plain, found = policy(tiny_llama), policy(tmp_path / "adapter")
    question = [asked("a", "What is one?")]
    assert all_of(found, question) != all_of(plain, question)
    assert found.identity.endswith(f"on {plain.identity}")


def test_an_adapters_small_update_is_not_rounded_away(tiny_llama: Path, tmp_path: Path) -> None:
    base: PreTrainedModel = AutoModelForCausalLM.from_pretrained(tiny_llama, dtype=torch.bfloat16)
    adapted = get_peft_model(base, LoraConfig(r=4, target_modules=["q_proj", "v_proj"]))
    generator = torch.Generator().manual_seed(0)
    for name, weight in adapted.named_parameters():
        if "lora_B" in name:
            weight.data.normal_(0.0, 1e-3, generator=generator)
    adapted.save_pretrained(str(tmp_path / "adapter"))
    model, _ = policy(tmp_path / "adapter", dtype="bf16")._model()
    hidden = torch.randn(8, base.config.hidden_size, generator=generator).bfloat16()
    for (name, found), (_, own) in zip(model.named_modules(), adapted.named_modules(), strict=True):
        if name.endswith(("q_proj", "v_proj")):
            merged = copy.deepcopy(own)
            merged.merge()
            assert torch.equal(found(hidden), own(hidden))
            assert not torch.equal(merged(hidden), own(hidden))


def test_identities_follow_the_weights(tiny_llama: Path, tiny_llama_without_template: Path) -> None:
    assert policy(tiny_llama).identity == policy(tiny_llama).identity
    assert policy(tiny_llama).identity != policy(tiny_llama_without_template).identity


def test_what_is_no_policy(tmp_path: Path, tiny_bert: Path) -> None:
    with pytest.raises(CheckpointError, match=r"no such folder"):
        policy(tmp_path / "none")
    (tmp_path / "adapter_config.json").write_text("{}")
    with pytest.raises(CheckpointError, match=r"names no base model"):
        policy(tmp_path)
    with pytest.raises(CheckpointError):
        all_of(policy(tiny_bert), [asked("a")])


def test_a_mark_that_the_prompt_ends_with_belongs_to_the_answer(tiny_qwen2_lm: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(tiny_qwen2_lm)
    tokenizer.add_tokens(["<think>", "</think>"])
    for end, mark in (("<think>\n", "<think>\n"), ("<think>\n\n</think>\n", ""), ("", "")):
        text = f"<|im_start|>user\nWhat is <think><|im_end|>\n<|im_start|>assistant\n{end}"
        assert (
            _opened(PolicyPrompt("q", text, tokenizer(text, return_tensors="np").input_ids[0]), tokenizer)
            == mark
        )

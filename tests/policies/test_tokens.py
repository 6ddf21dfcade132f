"""How pairs are tokenised: one beginning, an end, and what is cut."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_checkpoints import causal_tokenizer
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from rewardrouter.errors import CheckpointError
from rewardrouter.pairs import Message, PreferencePair
from rewardrouter.policies.tokens import PolicyLayout

BOS, EOS = 0, 1


@pytest.fixture(scope="module")
def plain(tiny_llama_without_template: Path) -> PreTrainedTokenizerBase:
    return AutoTokenizer.from_pretrained(tiny_llama_without_template)


@pytest.fixture(scope="module")
def strict(tiny_llama: Path) -> PreTrainedTokenizerBase:
    return AutoTokenizer.from_pretrained(tiny_llama)


@pytest.fixture(scope="module")
def chatml(tiny_qwen2: Path) -> PreTrainedTokenizerBase:
    return AutoTokenizer.from_pretrained(tiny_qwen2)


def pair(prompt, a="Paris", b="a + b") -> PreferencePair:
    return PreferencePair("one", prompt, a, b)


def tokens_of(tokenizer, given: PreferencePair, template="auto", prompt=None, response=None):
    return PolicyLayout(tokenizer, template, prompt, response).tokens([given])


def test_plain_text_is_followed_by_the_response(plain):
    found = tokens_of(plain, pair("What is the capital? "))
    assert plain.decode(found.prompts[0]) == "<s>What is the capital? "
    assert [plain.decode(ids) for ids in found.responses[0]] == ["Paris</s>", "a + b</s>"]


def test_a_template_frames_prompt_and_response(chatml):
    found = tokens_of(chatml, pair("What?"))
    assert chatml.decode(found.prompts[0]) == "<|im_start|>user\nWhat?<|im_end|>\n<|im_start|>assistant\n"
    assert chatml.decode(found.responses[0][0]) == "Paris<|im_end|>\n"


def test_none_leaves_the_template_out(chatml):
    found = tokens_of(chatml, pair("What?"), "none")
    assert chatml.decode(found.prompts[0]) == "What?"
    assert chatml.decode(found.responses[0][0]) == "Paris</s>"


@pytest.mark.parametrize("template", ["auto", "none"])
@pytest.mark.parametrize("limit", [None, 3])
def test_one_beginning_of_text(strict, plain, template, limit):
    for tokenizer in (strict, plain):  # the strict template writes one, and its tokenizer adds one
        prompt = tokens_of(tokenizer, pair("What is the capital of France?"), template, limit).prompts[0]
        assert (prompt == BOS).tolist() == [True] + [False] * (len(prompt) - 1)
        assert limit is None or len(prompt) == limit


def test_conversations_keep_their_roles(chatml, plain):
    chat = (Message("system", "Be brief."), Message("user", "What?"))
    answer = (Message("assistant", "Paris"),)
    templated = tokens_of(chatml, pair(chat, answer))
    assert chatml.decode(templated.prompts[0]).startswith("<|im_start|>system\nBe brief.<|im_end|>\n")
    assert chatml.decode(templated.responses[0][0]) == "Paris<|im_end|>\n"
    direct = plain.decode(tokens_of(plain, pair(chat, answer)).prompts[0])
    assert direct == "<s>System: Be brief.\n\nUser: What?\n\nAssistant: "


def test_a_single_user_message_is_the_same_as_plain_text(chatml, plain):
    for tokenizer in (chatml, plain):
        one, other = (
            tokens_of(tokenizer, pair(prompt)).prompts[0] for prompt in ("What?", (Message("user", "What?"),))
        )
        assert np.array_equal(one, other)


def test_an_empty_response_has_its_end_and_an_empty_prompt_its_beginning(plain, chatml):
    found = tokens_of(plain, pair("", "", "a"), response=4)
    assert found.prompts[0].tolist() == [BOS]
    assert found.responses[0][0].tolist() == [EOS]
    assert len(tokens_of(chatml, pair("", ""), "none").prompts[0]) == 1


@given(st.integers(1, 40), st.integers(1, 40), st.text("ab +", max_size=60), st.text("ab +", max_size=60))
def test_a_prompt_keeps_its_end_and_a_response_its_beginning(limit, room, prompt, answer):
    tokenizer = causal_tokenizer(None, adds_bos=True)
    whole, cut = (
        tokens_of(tokenizer, pair(prompt, answer), prompt=p, response=r)
        for p, r in ((None, None), (limit, room))
    )
    full, kept = whole.prompts[0], cut.prompts[0]
    assert len(kept) == min(limit, len(full))
    assert kept[0] == BOS
    assert np.array_equal(kept[1:], full[len(full) - len(kept) + 1 :])
    for one, other in zip(whole.responses[0], cut.responses[0], strict=True):
        assert np.array_equal(one[:room], other)
    lost = len(full) - len(kept) + sum(map(len, whole.responses[0])) - sum(map(len, cut.responses[0]))
    assert cut.report.tokens_cut == lost
    assert cut.report.tokens_total == whole.report.tokens_total
    assert whole.report.tokens_cut == 0


def test_what_was_cut_is_counted(plain):
    pairs = [
        pair("a", "b", "b"),
        pair("a" * 50, "b", "c"),
        pair("a", "b" * 50, "b" * 60),
        pair("a", "b" * 50, "c"),
    ]
    report = PolicyLayout(plain, "auto", 10, 8).tokens(pairs).report
    assert (report.n_pairs, report.prompts_cut, report.responses_cut, report.alike) == (4, 1, 3, 1)
    assert "prompt cut in 1, 3 responses cut" in report.line()
    assert "1 pairs look the same on both sides" in report.line()


def test_broken_unicode_is_read(plain):
    assert len(tokens_of(plain, pair("\ud83d", "\ud83d\ude00 \ude00")).responses[0][0]) > 1


def test_a_tokenizer_without_an_end_is_refused():
    tokenizer = causal_tokenizer(None, adds_bos=True)
    tokenizer.eos_token = None
    with pytest.raises(CheckpointError, match="no end-of-text token"):
        PolicyLayout(tokenizer, "auto", None, None)

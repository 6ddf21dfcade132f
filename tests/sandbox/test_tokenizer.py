"""Texts go through the tokenizer unharmed, and their words are single tokens."""

from __future__ import annotations

import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoTokenizer

from rewardrouter.sandbox.chat import ChatTokens, padded
from rewardrouter.sandbox.problems import MANNERS, answered
from rewardrouter.sandbox.tasks import draw_problems
from rewardrouter.sandbox.tokenizer import POSITIONS, sandbox_tokenizer

TOKENIZER = sandbox_tokenizer()
PROBLEMS = list(itertools.islice(draw_problems("language model", 0), 300))
RESPONSES = [answered(problem, manner) for problem in PROBLEMS for manner in MANNERS]


@given(st.text(alphabet=st.characters(exclude_categories=("Cs",)), max_size=40))
def test_any_text_comes_back(text):
    assert TOKENIZER.decode(TOKENIZER.encode(f"x{text}"), skip_special_tokens=True) == f"x{text}"


def test_words_are_single_tokens_and_texts_short():
    for text in [*(problem.prompt for problem in PROBLEMS), *RESPONSES]:
        words = re.findall(r"[^\W\d]+|\d+", text)
        assert not [word for word in words if len(TOKENIZER.tokenize(word)) > len(word) / 2 + 1], text
    assert max(len(TOKENIZER.encode(text)) for text in RESPONSES) <= 41  # sampling stops at 40
    assert (
        max(len(TOKENIZER.encode(p.prompt + r)) for p, r in zip(PROBLEMS, RESPONSES, strict=False))
        < POSITIONS
    )


def test_chats_are_what_the_template_makes_of_them(tmp_path):
    TOKENIZER.save_pretrained(tmp_path)
    loaded = AutoTokenizer.from_pretrained(tmp_path)
    tokens = ChatTokens(loaded)
    for problem in PROBLEMS[:20]:
        response = answered(problem, "sentence")
        turns = [{"role": "user", "content": problem.prompt}, {"role": "assistant", "content": response}]
        whole = tokens.prompts([problem.prompt])[0] + tokens.responses([response])[0]
        assert whole == loaded.apply_chat_template(turns, return_dict=False)
        asked = loaded.apply_chat_template(turns[:1], add_generation_prompt=True, return_dict=False)
        assert tokens.prompts([problem.prompt])[0] == asked
        assert tokens.texts([tokens.responses([response])[0]]) == [response]


@pytest.mark.parametrize(("left", "expected"), [(False, [[1, 2], [3, 0]]), (True, [[1, 2], [0, 3]])])
def test_rows_are_filled_up(left, expected):
    assert padded([[1, 2], [3]], 0, left=left).tolist() == expected

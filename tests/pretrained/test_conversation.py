"""Conversations as one text."""

from __future__ import annotations

import jinja2
import pytest
from tiny_checkpoints import STRICT, causal_tokenizer

from rewardrouter.pairs import Message
from rewardrouter.pretrained.conversation import answer_text, clean, dialogue, plain, render

TURNS = (Message("user", "q"), Message("assistant", "a"))


def test_with_roles_or_without() -> None:
    assert plain(TURNS[:1]) == "q"
    assert plain(TURNS) == "user: q\nassistant: a"
    assert dialogue((*TURNS, *TURNS[:1])) == "User: q\n\nAssistant: a\n\nUser: q\n\nAssistant: "
    assert dialogue(TURNS) == "User: q\n\nAssistant: a"  # an answer that is begun
    assert answer_text(TURNS[1:]) == "a"
    assert answer_text((TURNS[1], TURNS[0])) == "a\nuser: q"
    assert answer_text(TURNS) == "user: q\nassistant: a"


def test_surrogates_become_unicode() -> None:
    (pair, half) = clean((Message("user", "\ud83d\ude00"), Message("user", "x\ud83d")))
    assert pair.content == "\N{GRINNING FACE}"
    assert half.content == "x\N{REPLACEMENT CHARACTER}"


@pytest.mark.parametrize("template", ["{{ 1 + 'x' }}", "{{ raise_exception('no') }}", "{% if %}"])
def test_whatever_a_template_does_wrong_is_one_kind_of_error(template: str) -> None:
    with pytest.raises(jinja2.TemplateError):
        render(causal_tokenizer(template, adds_bos=False), TURNS)


def test_a_template_writes_the_turns() -> None:
    assert render(causal_tokenizer(STRICT, adds_bos=False), TURNS) == "<s>[INST] q [/INST] a</s>"

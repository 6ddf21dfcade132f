"""One text out of a row."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewardrouter.datasets.texts import (
    BadRow,
    has_extra_keys,
    is_blank,
    is_conversation,
    read_text,
    shared_prefix,
)
from rewardrouter.pairs import Message

CHAT = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "One?"},
    {"role": "assistant", "content": "1"},
    {"role": "user", "content": "Two?"},
]


def test_messages_keep_their_roles_and_order():
    assert read_text(CHAT) == tuple(Message(turn["role"], turn["content"]) for turn in CHAT)


@pytest.mark.parametrize(
    ("message", "content"),
    [
        ({"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]}, ""),
        ({"role": "assistant", "tool_calls": [{"id": "1"}]}, ""),
        ({"role": "developer", "content": "x", "name": "n", "tool_calls": None}, "x"),
        ({"role": "user", "content": [{"type": "text", "text": "x", "image_url": None}, "y"]}, "xy"),
        ({"role": "user", "content": [{"text": "x"}, {"type": "input_text", "text": "y"}]}, "xy"),
        ({"role": "user", "content": np.array([{"type": "text", "text": "x"}], object)}, "x"),
        ({"role": "user", "content": []}, ""),
    ],
)
def test_the_rule_for_content(message, content):
    asked = {"role": "user", "content": "q"}
    read = read_text(np.array([asked, message], object))
    assert read == (Message("user", "q"), Message(message["role"], content))


def test_a_string_stays_a_string_even_where_it_looks_like_json():
    assert read_text('[{"role": "user", "content": "x"}]') == '[{"role": "user", "content": "x"}]'


def test_an_empty_system_message_is_no_missing_text():
    assert len(read_text([{"role": "system", "content": ""}, {"role": "user", "content": "x"}])) == 2


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (None, "missing_text"),
        ("", "missing_text"),
        (" \n", "missing_text"),
        ([], "missing_text"),
        ([{"role": "user", "content": " "}], "missing_text"),
        (3.5, "malformed_messages"),
        ({"role": "user", "content": "x"}, "malformed_messages"),
        (["x"], "malformed_messages"),
        ([{"role": "user"}], "malformed_messages"),
        ([{"role": "user", "content": None}], "missing_text"),
        ([{"role": "user", "content": [{"type": "text"}]}], "malformed_messages"),
        ([{"role": "user", "content": [{"type": "image_url", "text": None}]}], "holds_image"),
        (
            [{"role": "user", "content": [{"type": "text", "text": "x"}, {"type": "audio"}]}],
            "holds_other_media",
        ),
        ([{"role": "user", "content": [3]}], "holds_other_media"),
        ([{"role": "human", "content": "x"}], "malformed_messages"),
        ([{"role": ["user"], "content": "x"}], "malformed_messages"),
        ("half a pair: \ud83d", "broken_unicode"),
        ([{"role": "user", "content": "\udc00"}], "broken_unicode"),
    ],
)
def test_what_is_no_text_is_named(value, kind):
    with pytest.raises(BadRow) as problem:
        read_text(value)
    assert problem.value.kind == kind


@pytest.mark.parametrize("value", ["", " \n", [{"role": "assistant", "content": ""}]])
def test_a_blank_text_is_one_only_where_it_may_be(value):
    assert is_blank(read_text(value, may_be_blank=True))
    with pytest.raises(BadRow, match="missing_text"):
        read_text(value)


@pytest.mark.parametrize("value", [None, []])
def test_an_absent_text_is_missing_even_where_it_may_be_blank(value):
    with pytest.raises(BadRow, match="missing_text"):
        read_text(value, may_be_blank=True)


def test_a_text_is_not_blank_for_one_blank_message():
    assert not is_blank((Message("system", ""), Message("user", "x")))


def test_extra_keys_count_only_where_they_say_something():
    assert has_extra_keys([{"role": "user", "content": "x", "name": "Ann"}])
    assert not has_extra_keys([{"role": "user", "content": "x", "name": None, "tool_calls": []}])
    assert not has_extra_keys("x")


def test_an_answer_is_not_a_conversation():
    assert is_conversation(CHAT)
    assert not is_conversation(CHAT[2:])
    assert not is_conversation("x")


def trl_extract_prompt(chosen, rejected):
    """``trl.data_utils.extract_prompt`` of TRL 1.16, but for its names."""
    for idx in range(min(len(chosen), len(rejected))):
        if chosen[idx] != rejected[idx]:
            if chosen[idx - 1] == " ":
                idx -= 1
            break
    return chosen[:idx]


def two_with_one_beginning(conversations):
    """Whole conversations whose first elements are equal: elsewhere TRL looks at ``chosen[-1]``."""
    return st.tuples(conversations.filter(len), conversations, conversations).map(
        lambda drawn: (drawn[0] + drawn[1], drawn[0] + drawn[2])
    )


TEXTS = st.text("ab ", max_size=5)
CHATS = st.lists(st.tuples(st.sampled_from("ua"), TEXTS), max_size=4)


@given(two_with_one_beginning(TEXTS) | two_with_one_beginning(CHATS))
def test_the_shared_prefix_is_trls(both):
    chosen, rejected = both
    assert chosen[: shared_prefix(chosen, rejected)] == trl_extract_prompt(chosen, rejected)


def test_nothing_shared_is_no_prompt():
    assert shared_prefix("a ", "b ") == 0

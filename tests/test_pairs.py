"""The preference pair: exchanging its responses, its unit of splitting, and content hashes that stay."""

import dataclasses
import json
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewardrouter.pairs import Message, PreferencePair, as_json, as_messages, digest, opposite

messages = st.lists(
    st.builds(Message, st.sampled_from(["system", "user", "assistant", "tool"]), st.text(max_size=8)),
    max_size=3,
).map(tuple)
texts = st.text(max_size=8) | messages
pairs = st.builds(
    PreferencePair,
    st.text(max_size=4),
    texts,
    texts,
    texts,
    st.dictionaries(st.sampled_from(["group", "domain", "subset"]), st.text(max_size=4)),
)


@given(pairs)
def test_exchanging_twice_gives_the_pair_back_and_once_keeps_all_but_the_responses(pair):
    swapped = pair.swapped()
    assert swapped.swapped() == pair
    assert (swapped.response_a, swapped.response_b) == (pair.response_b, pair.response_a)
    assert (swapped.id, swapped.prompt, swapped.metadata) == (pair.id, pair.prompt, pair.metadata)
    assert (swapped.group, swapped.domain) == (pair.group, pair.domain)


def test_a_pair_cannot_be_changed():
    pair = PreferencePair("1", "p", "x", "y")
    with pytest.raises(dataclasses.FrozenInstanceError):
        pair.response_a = "z"


def test_the_group_is_the_sources_else_the_prompts():
    def group(prompt, **metadata):
        return PreferencePair("1", prompt, "x", "y", metadata).group

    assert group("p", group="g") == group("q", group="g") == "g"
    assert group("p", group=0) == "0"
    assert group("p") == group("p", group=None) == group("p", domain="d") != group("q")
    assert group("p") != group((Message("user", "p"),))


def test_the_domain_is_the_sources_else_all():
    domains = [PreferencePair("1", "p", "x", "y", m).domain for m in ({}, {"domain": None}, {"domain": ""})]
    assert domains == ["all"] * 3
    assert PreferencePair("1", "p", "x", "y", {"domain": "math"}).domain == "math"


@given(texts)
def test_json_holds_a_text_whole(text):
    value = json.loads(json.dumps(as_json(text)))
    again = value if isinstance(value, str) else tuple(Message(**message) for message in value)
    assert again == text


def test_a_string_becomes_one_message_and_messages_stay():
    assert as_messages("x", "user") == (Message("user", "x"),)
    turns = (Message("system", ""), Message("user", "x"))
    assert as_messages(turns, "assistant") is turns


# Digests


def test_a_digest_never_changes():
    """Ids, groups and caches on users' disks are made of these."""
    assert digest("What is 2 + 2?", "4", "5") == "6d0360af3ec12755"
    assert digest((Message("user", "é 👋"),)) == "e33b19fe97ce87f2"


def test_a_digest_is_the_same_in_another_process():
    code = "from rewardrouter.pairs import digest; print(digest('p', 'x'))"
    runs = {
        subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
        ).stdout.strip()
        for seed in ("1", "2")
    }
    assert runs == {digest("p", "x")}


@given(st.lists(texts, max_size=3), st.lists(texts, max_size=3))
def test_digests_are_equal_exactly_where_the_texts_are(some, others):
    assert (digest(*some) == digest(*others)) == (some == others)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("ab", "c"), ("a", "bc")),
        (("x", "y"), ("y", "x")),
        (("x",), ("x", "")),
        (("x",), ((Message("user", "x"),),)),
        (('[{"role": "user", "content": "x"}]',), ((Message("user", "x"),),)),
        (((Message("user", "x"),),), ((Message("assistant", "x"),),)),
        (("é",), ("e\u0301",)),
    ],
)
def test_texts_that_look_alike_have_other_digests(one, other):
    assert digest(*one) != digest(*other)


def test_half_a_surrogate_pair_has_a_digest_too():
    assert len(digest("\ud83d")) == 16


def test_labels_have_opposites():
    assert (opposite("A"), opposite("B")) == ("B", "A")

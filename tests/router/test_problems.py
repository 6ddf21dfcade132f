"""Which problems a router knows: by prompt or by group, whatever the responses, and after a restart."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewardrouter.errors import CheckpointError
from rewardrouter.pairs import Message, PreferencePair
from rewardrouter.router.problems import Problems, known_lines
from rewardrouter.state import State, load_state, save_state

PROMPTS = st.sampled_from(["p", "q", "r", "", "group"])
PAIRS = st.lists(
    st.builds(
        lambda prompt, group: PreferencePair(
            "id", prompt, "a", "b", {} if group is None else {"group": group}
        ),
        PROMPTS,
        st.none() | PROMPTS | st.integers(0, 3),
    ),
    max_size=8,
)


@given(PAIRS, PAIRS)
def test_a_pair_is_known_by_its_prompt_or_by_its_named_group(fitted, others):
    prompts = {pair.prompt for pair in fitted}
    groups = {str(pair.metadata["group"]) for pair in fitted if "group" in pair.metadata}
    expected = [
        pair.prompt in prompts or ("group" in pair.metadata and str(pair.metadata["group"]) in groups)
        for pair in others
    ]
    known = Problems.of(fitted).knows(others)
    assert (known.dtype, known.tolist()) == (np.bool_, expected)


@given(PAIRS)
def test_every_pair_fitted_to_is_known_with_any_responses(pairs):
    problems = Problems.of(pairs)
    others = [dataclasses.replace(pair, id="x", response_a="c", response_b="d") for pair in pairs]
    assert problems.knows(others).all()
    assert Problems.of(pairs[::-1] + others) == problems  # neither order nor repetition matters
    assert Problems.of(pairs[::-1]).identity == problems.identity


def test_a_prompt_is_the_same_as_text_and_as_chat_but_not_in_another_conversation():
    problems = Problems.of([PreferencePair("1", "what is 1 + 1?", "2", "3")])
    user = Message("user", "what is 1 + 1?")
    chats = [(user,), (Message("system", "Be brief."), user), (Message("system", "what is 1 + 1?"),)]
    assert problems.knows([PreferencePair("2", chat, "2", "3") for chat in chats]).tolist() == [
        True,
        False,
        False,
    ]


def test_a_group_named_as_a_prompt_reads_is_another_thing():
    problems = Problems.of([PreferencePair("1", "p", "a", "b", {"group": "g"})])
    others = [PreferencePair("2", "g", "a", "b"), PreferencePair("3", "q", "a", "b", {"group": "p"})]
    assert not problems.knows(others).any()


def test_saved_and_loaded_they_are_the_same_and_small(tmp_path):
    pairs = [PreferencePair(f"{n}", f"prompt {n}", "a", "b", {"group": f"g{n // 2}"}) for n in range(2000)]
    problems = Problems.of(pairs)
    save_state(problems.state(), tmp_path / "problems.safetensors")
    loaded = Problems.from_state(load_state(tmp_path / "problems.safetensors"))
    assert (loaded, loaded.identity) == (problems, problems.identity)
    assert loaded.knows(pairs).all()
    digests = problems.state().arrays["digests"]
    assert (digests.dtype, digests.shape) == (np.int64, (3000,))
    assert (np.diff(digests.astype(np.float64)) > 0).all()
    assert digests.min() < 0 < digests.max()  # all 64 bits are used
    assert (tmp_path / "problems.safetensors").stat().st_size < 8 * 3000 + 500


def test_a_state_of_something_else_is_refused():
    with pytest.raises(CheckpointError, match="no array digests"):
        Problems.from_state(State())
    with pytest.raises(CheckpointError, match="digests should be int64"):
        Problems.from_state(State({"digests": np.zeros(3)}))


def test_nothing_known_is_not_told_and_some_are_counted():
    assert known_lines(np.zeros(3, np.bool_)) == []
    assert known_lines(np.zeros(0, np.bool_)) == []
    known = np.arange(1301) < 912
    assert known_lines(known) == [
        "912 of 1,301 pairs (70.1%) belong to problems this router was fitted to (same prompt or group):"
        " their accuracy says nothing about new pairs"
    ]

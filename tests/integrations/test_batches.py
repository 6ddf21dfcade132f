"""What TRL gives is read as texts and rows."""

from __future__ import annotations

import pytest

from rewardrouter.errors import DataError
from rewardrouter.integrations.batches import as_text, batch_of_ranks, completions_of
from rewardrouter.pairs import Message


def test_columns_become_rows_and_nothing_else_does():
    more = {"answer": ["1", "2"], "environments": [0, 0], "trainer_state": object(), "three": [1, 2, 3]}
    found = completions_of(["p", "q"], ["a", "b"], [[1], [2]], more)
    assert found.rows == [{"prompt": "p", "answer": "1"}, {"prompt": "q", "answer": "2"}]
    assert found.texts == ["a", "b"]


def test_completions_of_messages_have_a_plain_text():
    chat = [[{"role": "assistant", "content": "yes"}], [{"role": "assistant", "content": "no"}]]
    assert completions_of(["p", "p"], chat, [], {}).texts == ["yes", "no"]


def test_one_rank_is_the_whole_batch():
    batch = batch_of_ranks(completions_of(["p", "p", "q"], ["a", "b", "c"], [], {}), [1.0, None, 2.0])
    assert [group.completions for group in batch.groups] == [("a", "b"), ("c",)]
    assert batch.values == [1.0, None, 2.0]
    assert batch.mine == slice(0, 3)


def test_messages_become_texts():
    found = as_text(
        [{"role": "system", "content": "s"}, {"role": "user", "content": [{"type": "text", "text": "u"}]}]
    )
    assert found == (Message("system", "s"), Message("user", "u"))
    assert as_text("plain") == "plain"
    assert as_text([{"role": "assistant", "content": None}]) == (Message("assistant", ""),)


def test_an_image_is_refused():
    with pytest.raises(DataError, match="a user message holds image: "):
        as_text([{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "what?"}]}])

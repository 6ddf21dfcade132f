"""The statistics of texts, counted by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewardrouter.offline.statistics import (
    PROMPT_STATISTICS,
    RESPONSE_STATISTICS,
    pair_statistics,
    plain,
    prompt_statistics,
    response_statistics,
)
from rewardrouter.pairs import Message, PreferencePair

CHAT = (Message("system", "Be brief."), Message("user", "What is 2 + 2?"))


def test_a_response_counted_by_hand():
    found = dict(
        zip(RESPONSE_STATISTICS, response_statistics("Name two COLOURS", "Two: Red,\n- blue 7"), strict=True)
    )
    length = len("Two: Red,\n- blue 7")
    assert found == pytest.approx(
        {
            "characters": np.log1p(length),
            "words": np.log1p(4),
            "lines": np.log1p(1),
            "digits": 1 / (length + 1),
            "marks": 3 / (length + 1),
            "capitals": 2 / (length + 1),
            "words of the prompt": 1 / 4,
            "prompt covered": 1 / 3,
        },
        rel=1e-6,
    )


def test_a_prompt_counted_by_hand():
    found = dict(zip(PROMPT_STATISTICS, prompt_statistics(CHAT), strict=True))
    length = len("Be brief.\nWhat is 2 + 2?")
    assert plain(CHAT) == "Be brief.\nWhat is 2 + 2?"
    assert found == pytest.approx(
        {
            "words": np.log1p(6),
            "lines": np.log1p(1),
            "digits": 2 / (length + 1),
            "marks": 3 / (length + 1),
            "turns": np.log1p(2),
        },
        rel=1e-6,
    )


@given(st.text(), st.text())
def test_every_text_has_finite_statistics_and_shares_within_0_and_1(prompt, response):
    of_prompt, of_response = prompt_statistics(prompt), response_statistics(prompt, response)
    assert np.isfinite(of_prompt).all()
    assert np.isfinite(of_response).all()
    assert ((of_response[3:] >= 0) & (of_response[3:] <= 1)).all()


def test_pairs_have_rows_of_fixed_width_also_where_there_is_none():
    pair = PreferencePair("1", CHAT, "four", (Message("assistant", "It is 4."),))
    prompts, of_a, of_b = pair_statistics([pair, pair.swapped()])
    assert [x.shape for x in (prompts, of_a, of_b)] == [(2, 5), (2, 8), (2, 8)]
    np.testing.assert_array_equal(of_a[0], of_b[1])
    assert [x.shape for x in pair_statistics([])] == [(0, 5), (0, 8), (0, 8)]
    assert {x.dtype for x in (prompts, of_a, of_b)} == {np.dtype(np.float32)}

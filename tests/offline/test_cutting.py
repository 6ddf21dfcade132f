"""The laws of the difference-aware cut."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rewardrouter.offline.cutting import PROMPT_SHARE, cut_pair, shared_prefix

ids = st.lists(st.integers(0, 3), max_size=80)


@st.composite
def responses(draw: st.DrawFn) -> tuple[list[int], list[int]]:
    """Two responses that begin alike, as real ones do, and may be equal or one a prefix of the other."""
    shared = draw(st.lists(st.integers(0, 3), max_size=150))
    return shared + draw(ids), shared + draw(ids)


@given(prompt=ids, pair=responses(), budget=st.integers(1, 120))
@example(prompt=[], pair=([1] * 150, [1] * 149), budget=32)
@example(prompt=[0] * 80, pair=([1] * 150, [1] * 149 + [2]), budget=32)
@example(prompt=[0] * 80, pair=([1, 2], [1, 3]), budget=2)
def test_what_differs_still_differs_within_the_budget(prompt, pair, budget):
    cut = cut_pair(prompt, *pair, budget)
    assert len(cut.prompt) + max(len(cut.response_a), len(cut.response_b)) <= budget
    assert (cut.response_a == cut.response_b) == (pair[0] == pair[1])


@given(prompt=ids, pair=responses(), budget=st.integers(1, 120))
def test_exchanging_the_responses_exchanges_the_cut_ones(prompt, pair, budget):
    cut, swapped = cut_pair(prompt, *pair, budget), cut_pair(prompt, *reversed(pair), budget)
    assert (cut.prompt, cut.response_a, cut.response_b) == (
        swapped.prompt,
        swapped.response_b,
        swapped.response_a,
    )
    assert cut.response_a_tokens_cut == swapped.response_b_tokens_cut


@given(prompt=ids, pair=responses(), spare=st.integers(0, 5))
def test_nothing_is_cut_where_all_fits(prompt, pair, spare):
    cut = cut_pair(prompt, *pair, max(1, len(prompt) + max(map(len, pair)) + spare))
    assert (cut.prompt, cut.response_a, cut.response_b) == (prompt, *pair)
    assert not cut.prompt_was_cut
    assert not cut.response_was_cut


@given(prompt=ids, pair=responses(), budget=st.integers(1, 120))
def test_the_tokens_left_out_are_counted_and_no_room_is_wasted(prompt, pair, budget):
    cut = cut_pair(prompt, *pair, budget)
    assert len(cut.prompt) + cut.prompt_tokens_cut == len(prompt)
    assert len(cut.response_a) + cut.response_a_tokens_cut == len(pair[0])
    assert len(cut.response_b) + cut.response_b_tokens_cut == len(pair[1])
    if cut.prompt_was_cut or cut.response_was_cut:
        assert len(cut.prompt) + max(len(cut.response_a), len(cut.response_b)) == budget


@given(n_prompt=st.integers(0, 400), n_response=st.integers(0, 400), budget=st.integers(32, 200))
def test_a_long_prompt_keeps_both_ends_and_its_share(n_prompt, n_response, budget):
    prompt = list(range(n_prompt))
    kept = cut_pair(prompt, [-1] * n_response, [-2] * n_response, budget).prompt
    assert len(kept) >= min(n_prompt, budget // PROMPT_SHARE)
    head = len(kept) // 2
    assert kept[:head] == prompt[:head]
    assert kept[head:] == prompt[n_prompt - (len(kept) - head) :]


def test_a_late_difference_is_shown_with_a_head_and_what_leads_to_it():
    shared = list(range(1000))
    cut = cut_pair([], [*shared, -1, *shared], [*shared, -2, *shared], 100)
    assert cut.response_a[:25] == shared[:25]
    assert cut.response_a[25:51] == [*shared[975:], -1]
    assert len(cut.response_a) == 100
    assert shared_prefix(cut.response_a, cut.response_b) == 50


def test_an_early_difference_keeps_the_beginnings():
    shared = list(range(40))
    cut = cut_pair([], [*shared, *[-1] * 200], [*shared, *[-2] * 300], 100)
    assert cut.response_a == [*shared, *[-1] * 60]
    assert cut.response_b == [*shared, *[-2] * 60]


def test_a_response_that_only_goes_on_is_still_longer():
    short = list(range(500))
    cut = cut_pair([], short, [*short, -1], 100)
    assert cut.response_b == [*cut.response_a, -1]


def test_equal_responses_keep_their_beginning():
    cut = cut_pair([7] * 9, list(range(500)), list(range(500)), 60)
    assert cut.response_a == cut.response_b == list(range(51))


def test_there_must_be_a_budget():
    with pytest.raises(ValueError, match="at least 1 token, got 0"):
        cut_pair([], [1], [2], 0)

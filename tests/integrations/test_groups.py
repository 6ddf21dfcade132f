"""A group's pairs show every completion alike, and belong to its texts."""

from __future__ import annotations

from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from rewardrouter.integrations.groups import (
    Group,
    covering,
    draw_opponents,
    groups_of,
    pairs_of,
)

counts = st.integers(2, 17)
seeds = st.integers(0, 1000)


def drawn(count, limit, seed):
    return [(one.a, one.b) for one in draw_opponents(count, limit, np.random.default_rng(seed))]


@given(counts, seeds)
def test_without_a_limit_every_pair_comes_once(count, seed):
    found = drawn(count, 1000, seed)
    assert sorted(tuple(sorted(pair)) for pair in found) == [
        (i, j) for i in range(count) for j in range(i + 1, count)
    ]


@given(counts, st.integers(1, 60), seeds)
def test_a_limit_takes_the_first_and_leaves_nobody_out(count, limit, seed):
    found, everything = drawn(count, limit, seed), drawn(count, 1000, seed)
    assert found == everything[: len(found)]
    assert len(found) == max(covering(count), min(limit, len(everything)))
    assert {place for pair in everything[: covering(count)] for place in pair} == set(range(count))


@given(counts, st.integers(0, 3), seeds)
def test_whole_rounds_show_each_completion_equally_often_on_both_sides(count, rounds, seed):
    rounds = min(rounds, (count - 1) // 2)
    found = drawn(count, 1000, seed)[: rounds * count]
    for side in (0, 1):
        shown = Counter(pair[side] for pair in found)
        assert all(shown[place] == rounds for place in range(count))


def test_a_single_completion_is_paired_with_itself():
    assert drawn(1, 5, 0) == [(0, 0)]


def test_the_order_comes_from_the_seed():
    assert drawn(8, 4, 1) == drawn(8, 4, 1)
    assert len({tuple(drawn(8, 4, seed)) for seed in range(20)}) > 15


def test_neighbours_with_equal_prompts_are_one_group():
    found = groups_of(["p", "p", "q", "p"], ["a", "b", "c", "d"])
    assert [(g.prompt, g.completions, g.start) for g in found] == [
        ("p", ("a", "b"), 0),
        ("q", ("c",), 2),
        ("p", ("d",), 3),
    ]
    assert groups_of([], []) == []


def test_equal_completions_are_one_text():
    group = Group("p", ("a", "b", "a", "c", "b"), 0)
    assert group.distinct == ("a", "b", "c")
    assert group.members.tolist() == [0, 1, 0, 2, 1]


def test_pairs_belong_to_the_texts_and_not_to_the_batch():
    one, other = Group("p", ("a", "b", "c"), 0), Group("p", ("a", "b", "c"), 60)
    places, pairs = pairs_of(one, 2, 5, {"answer": "a"})
    assert (places, pairs) == pairs_of(other, 2, 5, {"answer": "a"})
    for place, pair in zip(places, pairs, strict=True):
        assert (pair.response_a, pair.response_b) == ("abc"[place.a], "abc"[place.b])
    assert len({pair.id for pair in pairs}) == 2
    assert pairs[0].metadata["answer"] == "a"

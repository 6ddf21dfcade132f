"""Which pairs are made of one prompt's responses."""

from __future__ import annotations

import itertools
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from rewardrouter.config.online import PairRule
from rewardrouter.training.pairing import NumberedPair, distance, pair_up
from rewardrouter.training.responses import Response

RULES: list[PairRule] = ["random", "different", "all"]
TEXTS = st.lists(st.text("ab ", max_size=5), max_size=8)


def answers(*texts: str) -> list[Response]:
    """Responses whose tokens are the characters of their texts, and an end."""
    return [Response(np.array([*map(ord, text), 0], np.int32), text, True) for text in texts]


def unordered(pairs: list[NumberedPair]) -> list[tuple[int, int]]:
    return [(min(pair.a, pair.b), max(pair.a, pair.b)) for pair in pairs]


@given(TEXTS, st.sampled_from(RULES), st.integers(1, 12), st.integers())
def test_pairs_are_of_different_texts_and_never_of_the_same_two(
    texts: list[str], rule: PairRule, count: int, seed: int
) -> None:
    pairs = pair_up(answers(*texts), rule=rule, count=count, key=(seed,))
    compared = [frozenset((texts[pair.a].strip(), texts[pair.b].strip())) for pair in pairs]
    assert all(len(both) == 2 for both in compared)
    assert len(set(compared)) == len(compared)
    n = len({text.strip() for text in texts})
    possible = n * (n - 1) // 2
    assert len(pairs) == (possible if rule == "all" else min(count, possible))


@pytest.mark.parametrize("rule", RULES)
def test_what_is_drawn_follows_from_the_key_alone(rule: PairRule) -> None:
    responses = answers("aa", "bb", "cc", "dd", "ee", "ff")
    found = [pair_up(responses, rule=rule, count=4, key=(0, step, "p")) for step in range(20)]
    assert found == [pair_up(responses, rule=rule, count=4, key=(0, step, "p")) for step in range(20)]
    assert len({tuple(pairs) for pairs in found}) > 15  # at the least, who is A


@pytest.mark.parametrize("rule", RULES)
def test_either_response_stands_as_a_equally_often(rule: PairRule) -> None:
    responses = answers("ab", "cd", "efgh", "")
    pairs = [pair for n in range(500) for pair in pair_up(responses, rule=rule, count=3, key=(n,))]
    first = sum(pair.a < pair.b for pair in pairs)
    assert stats.binomtest(first, len(pairs)).pvalue > 1e-3


def test_random_pairs_are_equally_likely() -> None:
    responses = answers(*"abcdef")
    drawn = [unordered(pair_up(responses, rule="random", count=4, key=(n,))) for n in range(1500)]
    found = Counter(pair for pairs in drawn for pair in pairs)
    assert len(found) == 15
    # Pairs of one prompt are drawn without replacement, which makes the counts more even than chi-square has it.
    assert stats.chisquare(list(found.values())).pvalue > 1e-3


@given(TEXTS, st.integers(1, 12), st.integers())
def test_the_most_different_pair_comes_first_and_every_response_once_before_any_twice(
    texts: list[str], count: int, seed: int
) -> None:
    responses = answers(*texts)
    pairs = unordered(pair_up(responses, rule="different", count=count, key=(seed,)))
    distinct = {text.strip(): n for n, text in reversed(list(enumerate(texts)))}.values()
    every = {
        pair: distance(*(responses[n].ids for n in pair))
        for pair in itertools.combinations(sorted(distinct), 2)
    }
    if not every:
        return
    assert every[pairs[0]] == max(every.values())
    used = Counter(itertools.chain.from_iterable(pairs))
    assert len(used) == min(len(distinct), 2 * len(pairs)) or len(pairs) < len(distinct) / 2 + 1
    assert max(used.values()) - min(used[n] for n in distinct) <= 2


@pytest.mark.parametrize(("k", "count", "most"), [(6, 3, 1), (6, 4, 2), (4, 4, 2), (5, 4, 2), (8, 8, 3)])
def test_an_odd_one_out_does_not_stand_in_every_pair(k: int, count: int, most: int) -> None:
    texts = ["the same words but for the last " + chr(65 + n) for n in range(k - 1)]
    pairs = pair_up(answers("zzz", *texts), rule="different", count=count, key=(0,))
    used = Counter(itertools.chain.from_iterable(unordered(pairs)))
    assert 0 in unordered(pairs)[0]
    assert max(used.values()) <= most


@given(*[st.lists(st.integers(0, 3), min_size=1, max_size=6)] * 3)
def test_the_distance_is_a_metric_of_bags(one: list[int], other: list[int], third: list[int]) -> None:
    a, b, c = (np.array(ids, np.int32) for ids in (one, other, third))
    assert distance(a, b) == distance(b, a)
    assert 0 <= distance(a, b) <= 1
    assert distance(a, a) == 0
    assert distance(a, c) <= distance(a, b) + distance(b, c) + 1e-12
    assert (distance(a, b) == 1) == (not set(one) & set(other))


def test_the_distance_by_hand_and_without_regard_to_length() -> None:
    a, b = np.array([1, 2, 3], np.int32), np.array([1, 2, 4], np.int32)
    assert distance(a, b) == pytest.approx(1 - 3 / 7)  # 1, 2 and 1-2 of 1, 2, 3, 4, 1-2, 2-3, 2-4
    assert distance(np.tile(a, 50), np.tile(b, 50)) < distance(a, np.array([5, 6, 7], np.int32))

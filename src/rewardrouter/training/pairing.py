"""Which pairs of one prompt's responses are labelled (paper 4.1: 4 of the 15 pairs of 6 responses).

Responses of the same text, but for white space around it, are one response here: a reward model, whose template
strips them as a rule, can only tie them. So no pair is of two equal texts, and no two pairs are of the same two texts.
Which response of a pair stands as A is drawn in every rule: reward models are said to favour a place.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections import Counter
from collections.abc import Sequence

from rewardrouter.config.online import PairRule
from rewardrouter.training.draws import keyed_generator
from rewardrouter.training.responses import Ids, Response


@dataclasses.dataclass(frozen=True, slots=True)
class NumberedPair:
    """Two responses of one prompt, by their numbers from 0."""

    a: int
    b: int


def pair_up(
    responses: Sequence[Response], *, rule: PairRule, count: int, key: tuple[int | str, ...]
) -> list[NumberedPair]:
    """Return the pairs that are labelled, fewer than ``count`` where there are not as many distinct ones.

    Parameters
    ----------
    responses
        All of one prompt.
    rule
        ``random``: distinct random pairs. ``different``: the most different ones (:func:`distance`), those of the
        least used responses first, so that no odd one out stands in every pair. ``all``: every pair.
    count
        How many, at most; ``all`` takes every one.
    key
        What is drawn follows from it alone, and from which responses are equal: seed, step and the prompt's id.
    """
    first = {response.text.strip(): n for n, response in reversed(list(enumerate(responses)))}
    every = list(itertools.combinations(sorted(first.values()), 2))
    chance = keyed_generator("pairs", *key)
    drawn = [every[place] for place in chance.permutation(len(every))]
    if rule == "all":
        taken = every
    elif rule == "random":
        taken = drawn[:count]
    else:
        taken = _most_different(drawn, responses, count)
    swapped = chance.random(len(taken)) < 0.5
    return [NumberedPair(*(pair[::-1] if swap else pair)) for pair, swap in zip(taken, swapped, strict=True)]


def distance(one: Ids, other: Ids) -> float:
    """Return how different two responses are, from 0 (equal) to 1 (no token in common).

    One minus the share of tokens, and of tokens with their successors, that they have in common (Ruzicka's index of
    the two bags). It is symmetric, linear in the length, and relative to it: an edit distance would pick the longest
    responses, and that of ``difflib`` depends on which response comes first.
    """
    bags = [Counter([*ids.tolist(), *itertools.pairwise(ids.tolist())]) for ids in (one, other)]
    return 1.0 - (bags[0] & bags[1]).total() / max(1, (bags[0] | bags[1]).total())


def _most_different(
    pairs: Sequence[tuple[int, int]], responses: Sequence[Response], count: int
) -> list[tuple[int, int]]:
    """Return up to ``count`` pairs, the least used responses first, then the most different, then in order."""
    distances = {pair: distance(*(responses[n].ids for n in pair)) for pair in pairs}
    left, taken, used = list(pairs), list[tuple[int, int]](), Counter[int]()
    while left and len(taken) < count:
        best = min(left, key=lambda pair: (*sorted((used[n] for n in pair), reverse=True), -distances[pair]))
        left.remove(best)
        taken.append(best)
        used.update(best)
    return taken

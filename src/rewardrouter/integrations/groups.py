"""The completions of one prompt as a group, and the group as pairs.

An RM judges pairs, so a group is judged as pairs of its distinct completions: drawn so that the first of them show
each completion once, and that with any number of them each is shown about equally often, on both sides.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from rewardrouter.online.arrays import Indices
from rewardrouter.pairs import PreferencePair, Text, digest


@dataclasses.dataclass(frozen=True, slots=True)
class Group:
    """A prompt and its G completions; ``start`` is the place of the first among those of all ranks."""

    prompt: Text
    completions: tuple[Text, ...]
    start: int

    @property
    def distinct(self) -> tuple[Text, ...]:
        """The n <= G different completions, in order."""
        return tuple(dict.fromkeys(self.completions))

    @property
    def members(self) -> Indices:
        """``int64 [G]``: which of the distinct completions each one is."""
        place = {text: n for n, text in enumerate(self.distinct)}
        return np.array([place[text] for text in self.completions], np.int64)


@dataclasses.dataclass(frozen=True, slots=True)
class Opponents:
    """A pair of a group's distinct completions: the place of the one that stands as A, and of the one as B."""

    a: int
    b: int


def groups_of(prompts: Sequence[Text], completions: Sequence[Text]) -> list[Group]:
    """Return the groups of all ranks' n completions, in order."""
    groups, start = [], 0
    for prompt, run in itertools.groupby(prompts):
        stop = start + sum(1 for _ in run)
        groups.append(Group(prompt, tuple(completions[start:stop]), start))
        start = stop
    return groups


def draw_opponents(count: int, limit: int, generator: np.random.Generator) -> list[Opponents]:
    """Return distinct pairs of ``count`` completions, in random order of the completions.

    Parameters
    ----------
    count
        Of distinct completions. A single one is paired with itself.
    limit
        The most pairs; where each completion could not be shown once, as many more as that takes.
    generator
        Of the order.

    Returns
    -------
    ``min(limit, count (count - 1) / 2)`` pairs; the first ``ceil(count / 2)`` show every completion.
    """
    if count == 1:
        return [Opponents(0, 0)]
    order = generator.permutation(count).tolist()
    found = []
    for distance in range(1, count // 2 + 1):
        once = count // 2 if 2 * distance == count else count  # half way round, every pair comes twice
        for start in itertools.chain(range(0, once, 2), range(1, once, 2)):
            found.append(Opponents(order[start], order[(start + distance) % count]))
    return found[: max(limit, covering(count))]


def covering(count: int) -> int:
    """Return how many of the first pairs of :func:`draw_opponents` show every completion."""
    return (count + 1) // 2


def pairs_of(
    group: Group, limit: int, seed: int, row: Mapping[str, Any]
) -> tuple[list[Opponents], list[PreferencePair]]:
    """Return a group's pairs, as places and as texts.

    They depend on the seed and the group's texts alone: the same group is judged alike on every rank, whenever.
    ``row`` becomes the pairs' metadata.
    """
    key = digest(group.prompt, *group.distinct)
    generator = np.random.default_rng(int(digest(f"{seed}/{key}"), 16))
    places = draw_opponents(len(group.distinct), limit, generator)
    metadata = {"group": digest(group.prompt), **row}
    texts = group.distinct
    pairs = [
        PreferencePair(f"{key}/{one.a}-{one.b}", group.prompt, texts[one.a], texts[one.b], metadata)
        for one in places
    ]
    return places, pairs

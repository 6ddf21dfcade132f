"""All kinds of problems, and the parts into which problems are divided.

Which part a problem belongs to is decided by a digest of the problem itself, not of its wording: parts have no problem
in common however many problems are drawn for each.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator, Mapping
from typing import Literal, TypeAlias

from rewardrouter.sandbox.number_kinds import NUMBER_KINDS
from rewardrouter.sandbox.problems import DIFFICULTIES, Kind, Problem, answer_in, worded
from rewardrouter.sandbox.word_kinds import WORD_KINDS

KINDS: dict[str, Kind] = {kind.name: kind for kind in (*NUMBER_KINDS, *WORD_KINDS)}
"""Every kind of problem by its name."""

Part: TypeAlias = Literal["language model", "reward models", "router", "stream", "evaluation"]
"""What a problem is for."""

_SHARES: dict[Part, int] = {
    "language model": 50,
    "reward models": 20,
    "router": 10,
    "stream": 12,
    "evaluation": 8,
}
"""Per cent of all problems."""


def part_of(problem: Problem) -> Part:
    """Return what a problem is for, the same on every machine and with every seed."""
    place = int.from_bytes(hashlib.sha256(problem.id.encode()).digest()[:4], "big") % 100
    for part, share in _SHARES.items():
        if place < share:
            return part
        place -= share
    raise AssertionError("the shares sum to 100")


def draw_problems(part: Part, seed: int, shares: Mapping[str, float] | None = None) -> Iterator[Problem]:
    """Yield problems of one part without end, difficulties alike; they may repeat.

    Parameters
    ----------
    part
        What the problems are for.
    seed
        Of the draws.
    shares
        How often each kind is drawn; by default all alike.
    """
    chance = random.Random(f"{part} {seed}")
    weights = shares or dict.fromkeys(KINDS, 1.0)
    while True:
        kind = KINDS[chance.choices(list(weights), list(weights.values()))[0]]
        difficulty = chance.choice(DIFFICULTIES)
        problem = worded(kind, difficulty, kind.draw(chance, difficulty), chance)
        if part_of(problem) == part:
            yield problem


def distinct_problems(part: Part, count: int, seed: int) -> list[Problem]:
    """Return ``count`` different problems of one part; kinds that have few are drawn out first."""
    found: dict[str, Problem] = {}
    for problem in draw_problems(part, seed):
        found.setdefault(problem.id, problem)
        if len(found) == count:
            break
    return list(found.values())


def is_right(kind: str, answer: str, response: str) -> bool:
    """Tell whether a response to a problem of that kind gives the right answer: the verifier of a file's row."""
    return answer_in(KINDS[kind], response) == answer

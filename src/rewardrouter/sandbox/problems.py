"""A problem with one right answer, the manners in which it may be answered, and the check.

A *kind* of problem (addition, reversing a word, ...) draws questions of a difficulty from 1 to 3 and words them in
several ways. An answer may be given in one of four *manners*, which is what makes responses look different::

    plain      Katze, Hund
    sentence   In German one says Katze, Hund.
    steps      In German cat is Katze. Answer: Katze, Hund
    hedged     Perhaps Katze, Hund, but I am not sure.

The check reads the answer out of any manner and compares it with the right one, character by character. Of the
steps only the answer counts.
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable
from typing import Literal, TypeAlias

Manner: TypeAlias = Literal["plain", "sentence", "steps", "hedged"]
"""How an answer is put."""

MANNERS: tuple[Manner, ...] = ("plain", "sentence", "steps", "hedged")

DIFFICULTIES = (1, 2, 3)
"""From short to long."""

_STEPS_END = ". Answer: "
_HEDGED = ("Perhaps ", ", but I am not sure.")


@dataclasses.dataclass(frozen=True, slots=True)
class Question:
    """What a kind makes up: what fills the blanks of a prompt, the right answer, and the way to it."""

    blanks: tuple[str, ...]
    answer: str
    working: str


@dataclasses.dataclass(frozen=True, slots=True)
class Kind:
    """A kind of problem."""

    name: str
    phrasings: tuple[str, ...]
    """Prompts whose blanks are ``{0}``, ``{1}``, ..."""
    lead: str
    """How a sentence begins that ends with the answer."""
    draw: Callable[[random.Random, int], Question]
    """Draws a question of a difficulty."""


@dataclasses.dataclass(frozen=True, slots=True)
class Problem:
    """A worded question."""

    id: str
    """The kind and what fills the blanks: the same question in other words is the same problem."""
    kind: Kind
    difficulty: int
    prompt: str
    answer: str
    working: str


def worded(kind: Kind, difficulty: int, question: Question, chance: random.Random) -> Problem:
    """Return the question as a problem, in one of the kind's phrasings."""
    prompt = chance.choice(kind.phrasings).format(*question.blanks)
    name = f"{kind.name}: {' | '.join(question.blanks)}"
    return Problem(name, kind, difficulty, prompt, question.answer, question.working)


def answered(problem: Problem, manner: Manner) -> str:
    """Return the right response in a manner."""
    match manner:
        case "plain":
            return problem.answer
        case "sentence":
            return f"{problem.kind.lead} {problem.answer}."
        case "steps":
            return f"{problem.working}{_STEPS_END}{problem.answer}"
        case "hedged":
            return f"{_HEDGED[0]}{problem.answer}{_HEDGED[1]}"


def manner_of(kind: Kind, response: str) -> Manner:
    """Return the manner of a response; what is of no other is plain."""
    if _STEPS_END in response:
        return "steps"
    if response.startswith(_HEDGED[0]) and response.endswith(_HEDGED[1]):
        return "hedged"
    if response.startswith(f"{kind.lead} ") and response.endswith("."):
        return "sentence"
    return "plain"


def answer_in(kind: Kind, response: str) -> str:
    """Return the answer that a response gives."""
    match manner_of(kind, response):
        case "plain":
            return response
        case "sentence":
            return response[len(kind.lead) + 1 : -1]
        case "steps":
            return response.rsplit(_STEPS_END, 1)[1]
        case "hedged":
            return response[len(_HEDGED[0]) : -len(_HEDGED[1])]


def right(problem: Problem, response: str) -> bool:
    """Tell whether a response gives the right answer, and no other."""
    return answer_in(problem.kind, response) == problem.answer

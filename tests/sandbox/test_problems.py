"""Every kind's answer against a solution written anew from the prompt alone, and the check of responses."""

from __future__ import annotations

import random
import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from rewardrouter.sandbox.problems import (
    DIFFICULTIES,
    MANNERS,
    Problem,
    answer_in,
    answered,
    manner_of,
    right,
    worded,
)
from rewardrouter.sandbox.tasks import KINDS
from rewardrouter.sandbox.word_kinds import CATEGORIES, GERMAN, OPPOSITES

WORDS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]


@st.composite
def problems(draw: st.DrawFn) -> Problem:
    kind = KINDS[draw(st.sampled_from(sorted(KINDS)))]
    difficulty = draw(st.sampled_from(DIFFICULTIES))
    chance = random.Random(draw(st.integers(0, 2**32)))
    return worded(kind, difficulty, kind.draw(chance, difficulty), chance)


def solved(problem: Problem) -> str:
    """Solve a problem by reading its prompt."""
    prompt, kind = problem.prompt, problem.kind.name
    digits = [int(word) for word in re.findall(r"\d+", prompt)]
    words = re.findall(r"\b[a-z]+\b", prompt)
    if kind == "doubling":
        return " ".join(str(2 * n) for n in digits)
    if kind == "neighbours":
        step = 1 if "after" in prompt else -1
        return " ".join(str(n + step) for n in digits)
    if kind == "numerals":
        return " ".join(WORDS[n] for n in digits)
    if kind == "extreme":
        return str(max(digits) if "largest" in prompt else min(digits))
    if kind == "sorting":
        return " ".join(map(str, sorted(digits)))
    if kind == "translation":
        return ", ".join(GERMAN[word] for word in words if word in GERMAN)
    if kind == "opposites":
        return ", ".join(OPPOSITES[word] for word in words if word in OPPOSITES)
    wanted = next(word for word in words if word in CATEGORIES)
    return ", ".join(word for word in words if word in CATEGORIES[wanted])


@given(problems())
def test_the_answer_follows_from_the_prompt(problem):
    assert solved(problem) == problem.answer


@given(problems(), st.sampled_from(MANNERS))
def test_the_right_answer_is_accepted_in_every_manner(problem, manner):
    response = answered(problem, manner)
    assert manner_of(problem.kind, response) == manner
    assert answer_in(problem.kind, response) == problem.answer
    assert right(problem, response)


@given(problems(), st.integers(0, 2**32), st.sampled_from(MANNERS))
def test_another_answer_is_refused_in_every_manner(problem, seed, manner):
    chance = random.Random(seed)
    other = worded(problem.kind, 3, problem.kind.draw(chance, 3), chance)
    assume(other.answer != problem.answer)
    assert not right(problem, answered(other, manner))


@given(problems(), st.sampled_from(MANNERS), st.data())
def test_a_response_with_one_character_less_more_or_other_is_refused(problem, manner, data):
    response = answered(problem, manner)
    begin = response.rindex(problem.answer)
    place = data.draw(st.integers(begin, begin + len(problem.answer) - 1))
    letter = data.draw(st.characters(categories=("L", "N")))
    assume(letter != response[place])
    for changed in (
        response[:place] + response[place + 1 :],
        response[:place] + letter + response[place + 1 :],
        response[:place] + letter + response[place:],
    ):
        assume(changed != response)
        assert not right(problem, changed)


@given(problems(), st.text(max_size=30))
def test_a_text_that_does_not_end_in_the_answer_is_refused(problem, text):
    assume(problem.answer not in text)
    assert not right(problem, text)


@given(problems())
def test_several_answers_are_not_an_answer(problem):
    assert not right(problem, f"{problem.answer} {problem.answer}x")
    assert not right(problem, f"{problem.answer}, or something else")
    assert not right(problem, "")


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_phrasings_differ_and_name_every_blank(kind):
    phrasings = KINDS[kind].phrasings
    assert len(set(phrasings)) == len(phrasings) >= 4
    blanks = {tuple(sorted(set(re.findall(r"\{\d\}", phrasing)))) for phrasing in phrasings}
    assert len(blanks) == 1


def test_harder_problems_are_longer():
    chance = random.Random(0)
    for kind in KINDS.values():
        lengths = [
            sum(len(" ".join(kind.draw(chance, level).blanks)) for _ in range(200)) for level in DIFFICULTIES
        ]
        assert lengths == sorted(lengths), kind.name

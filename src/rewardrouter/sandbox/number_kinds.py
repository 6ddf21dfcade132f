"""Kinds of problems about digits."""

from __future__ import annotations

import random

from rewardrouter.sandbox.problems import Kind, Question

NUMERALS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


def _doubling(chance: random.Random, difficulty: int) -> Question:
    digits = chance.sample(range(10), 1 + difficulty)
    answer = [2 * digit for digit in digits]
    return Question((_spaced(digits),), _spaced(answer), f"Twice {digits[0]} makes {answer[0]}")


def _neighbours(chance: random.Random, difficulty: int) -> Question:
    which, step = chance.choice((("after", 1), ("before", -1)))
    digits = chance.sample(range(max(0, -step), 10 - max(0, step)), 1 + difficulty)
    answer = [digit + step for digit in digits]
    working = f"{which.capitalize()} {digits[0]} is {answer[0]}"
    return Question((which, _spaced(digits)), _spaced(answer), working)


def _numerals(chance: random.Random, difficulty: int) -> Question:
    digits = chance.sample(range(10), 1 + difficulty)
    words = [NUMERALS[digit] for digit in digits]
    return Question((_spaced(digits),), " ".join(words), f"It begins with {words[0]}")


def _extreme(chance: random.Random, difficulty: int) -> Question:
    digits = [chance.randrange(10) for _ in range(1 + 2 * difficulty)]
    which, answer = chance.choice((("largest", max(digits)), ("smallest", min(digits))))
    return Question((which, _spaced(digits)), str(answer), f"There are {_spaced(sorted(set(digits)))}")


def _sorting(chance: random.Random, difficulty: int) -> Question:
    digits = chance.sample(range(10), 3 + difficulty)
    ordered = sorted(digits)
    return Question((_spaced(digits),), _spaced(ordered), f"From {ordered[0]} up to {ordered[-1]}")


def _spaced(digits: list[int]) -> str:
    return " ".join(map(str, digits))


NUMBER_KINDS = (
    Kind(
        "doubling",
        (
            "Double each of {0}.",
            "What is twice each of {0}?",
            "Please multiply {0} by two, one by one.",
            "Give the double of every digit: {0}.",
        ),
        "The doubles are",
        _doubling,
    ),
    Kind(
        "numerals",
        (
            "Write the digits {0} as words.",
            "Spell out {0}.",
            "How do you say {0} in words?",
            "Turn these digits into words: {0}.",
        ),
        "In words it is",
        _numerals,
    ),
    Kind(
        "neighbours",
        (
            "Which digits come right {0} {1}?",
            "For each of {1} give the digit {0} it.",
            "Name the digits that stand {0} {1}.",
            "Replace each digit by the one {0} it: {1}.",
        ),
        "The neighbours are",
        _neighbours,
    ),
    Kind(
        "extreme",
        (
            "Which is the {0} digit in {1}?",
            "Name the {0} of these digits: {1}.",
            "Look at {1} and pick the {0} digit.",
            "Tell me the {0} digit among {1}.",
        ),
        "That digit is",
        _extreme,
    ),
    Kind(
        "sorting",
        (
            "Sort from small to large: {0}.",
            "Put these digits in ascending order: {0}.",
            "Please order the digits {0}, smallest first.",
            "What are the digits {0} in order?",
        ),
        "In order they are",
        _sorting,
    ),
)

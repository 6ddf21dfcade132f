"""Kinds of problems about words."""

from __future__ import annotations

import random

from rewardrouter.sandbox.problems import Kind, Question

CATEGORIES = {
    "animals": ("cat", "dog", "horse", "cow", "mouse", "lion", "goat", "fox"),
    "fruits": ("apple", "pear", "plum", "grape", "lemon", "cherry", "peach", "fig"),
    "tools": ("hammer", "saw", "drill", "axe", "spade", "rake", "file", "chisel"),
    "clothes": ("shirt", "coat", "shoe", "hat", "sock", "scarf", "glove", "dress"),
}
"""What goes together."""

GERMAN = {
    "cat": "Katze", "dog": "Hund", "horse": "Pferd", "cow": "Kuh", "mouse": "Maus", "lion": "Löwe", "goat": "Ziege",
    "fox": "Fuchs", "apple": "Apfel", "pear": "Birne", "plum": "Pflaume", "grape": "Traube", "lemon": "Zitrone",
    "cherry": "Kirsche", "peach": "Pfirsich", "fig": "Feige", "hammer": "Hammer", "saw": "Säge", "drill": "Bohrer",
    "axe": "Axt", "spade": "Spaten", "rake": "Rechen", "file": "Feile", "chisel": "Meißel", "shirt": "Hemd",
    "coat": "Mantel", "shoe": "Schuh", "hat": "Hut", "sock": "Socke", "scarf": "Schal", "glove": "Handschuh",
    "dress": "Kleid",
}  # fmt: skip

_PAIRS = (
    ("hot", "cold"), ("big", "small"), ("old", "young"), ("fast", "slow"), ("rich", "poor"), ("dark", "bright"),
    ("hard", "soft"), ("wet", "dry"), ("full", "empty"), ("loud", "quiet"), ("high", "low"), ("early", "late"),
)  # fmt: skip

OPPOSITES = {one: other for pair in _PAIRS for one, other in (pair, pair[::-1])}


def _translation(chance: random.Random, difficulty: int) -> Question:
    words = chance.sample(sorted(GERMAN), difficulty)
    answer = [GERMAN[word] for word in words]
    return Question((_listed(words),), _listed(answer), f"In German {words[0]} is {answer[0]}")


def _opposites(chance: random.Random, difficulty: int) -> Question:
    words = chance.sample(sorted(OPPOSITES), difficulty)
    answer = [OPPOSITES[word] for word in words]
    return Question((_listed(words),), _listed(answer), f"Not {words[0]} is {answer[0]}")


def _filtering(chance: random.Random, difficulty: int) -> Question:
    wanted, *others = chance.sample(sorted(CATEGORIES), 3)
    hits = chance.sample(CATEGORIES[wanted], chance.randint(1, difficulty))
    rest = chance.sample([word for name in others for word in CATEGORIES[name]], 2 + difficulty - len(hits))
    words = chance.sample([*hits, *rest], len(hits) + len(rest))
    found = [word for word in words if word in hits]
    return Question(
        (wanted, _listed(words)), _listed(found), f"I leave out {_listed([w for w in words if w in rest])}"
    )


def _listed(words: list[str]) -> str:
    return ", ".join(words)


WORD_KINDS = (
    Kind(
        "translation",
        (
            "Translate into German: {0}.",
            "What is {0} in German?",
            "How do Germans say {0}?",
            "Please give the German for {0}.",
        ),
        "In German one says",
        _translation,
    ),
    Kind(
        "opposites",
        (
            "What is the opposite of {0}?",
            "Give the opposite of each word: {0}.",
            "Turn {0} into the contrary.",
            "Name the contrary of {0}.",
        ),
        "The opposite is",
        _opposites,
    ),
    Kind(
        "filtering",
        (
            "Which of these are {0}: {1}?",
            "Keep only the {0} from {1}.",
            "Look at {1} and list all {0}.",
            "Drop everything but the {0}: {1}.",
        ),
        "What remains is",
        _filtering,
    ),
)

"""What one cell says: a response that is named, a number, or a key, however the file spells them.

``A``, ``a``, ``response_a``, ``model_a``, ``Answer A`` name the first response, ``tie`` and ``draw`` neither. Numbers
name responses only as a column: 1 and 0 (``true`` and ``false``) say whether A is better, 1 and 2 which is; 1, 0.5
and 0, and 1, 0 and -1, hold ties. A number may be text (``'1.0'``), but not ``1,5``, which is read in two ways.
"""

from __future__ import annotations

import dataclasses
import json
import math
import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from rewardrouter.verdicts import Winner

EXPECTED = "A or B (also response_a, model_a, ...; 1 and 0, 1 and 2, or 1 and -1 in a whole column), or tie"
"""What a label or a verdict may be, for messages."""

_NAMED = re.compile(
    r"(?:(?:response|model|assistant|answer|completion|output|option|candidate)[\s_-]*)?([ab])"
)
_TIES = {"tie", "ties", "tied", "draw", "equal", "tie (bothbad)", "both_bad", "tie (both bad)"}
_NUMBER = re.compile(
    r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?|[+-]?(?:inf|infinity)|nan", re.IGNORECASE
)
_SCHEMES: tuple[Mapping[float, Winner], ...] = (
    {1: "A", 0: "B"},
    {1: "A", 2: "B"},
    {1: "A", 0.5: "tie", 0: "B"},
    {1: "A", 0: "tie", -1: "B"},
)


def read_number(value: Any) -> float | None:
    """Return a number, maybe infinite or NaN, of a number or its text; ``None`` for anything else."""
    if isinstance(value, str):
        return float(value) if _NUMBER.fullmatch(value := value.strip()) and value.isascii() else None
    try:
        return float(value) if isinstance(value, (int, float, Decimal)) else None
    except (OverflowError, ValueError):  # an integer beyond the floats; a signalling NaN
        return math.inf


@dataclasses.dataclass(frozen=True)
class Choices:
    """How the cells of one column name responses.

    Parameters
    ----------
    numbers
        What its numbers stand for; empty where it has none, or none that can be read.
    """

    numbers: Mapping[float, Winner]

    def read(self, value: Any) -> Winner | None:
        """Return what a cell names; ``None`` if nothing."""
        if isinstance(value, str):
            word = value.strip().casefold()
            if word in _TIES:
                return "tie"
            if found := _NAMED.fullmatch(word):
                return "A" if found[1] == "a" else "B"
            if word in ("true", "false"):
                value = word == "true"
        number = read_number(value)
        return None if number is None else self.numbers.get(number)

    def note(self, column: str) -> list[str]:
        """Return how the numbers were read, as a line or none."""
        told = ", ".join(f"{number:g} = {winner}" for number, winner in self.numbers.items())
        return (
            [f"{column}: its numbers were read as {told}; if they mean otherwise, write A and B"]
            if told
            else []
        )


def choices_of(values: Iterable[Any]) -> Choices:
    """Return how a column names responses, of all its cells."""
    found = set()
    for value in values:
        word = value.strip().casefold() if isinstance(value, str) else value
        number = read_number({"true": 1, "false": 0}.get(word, word) if isinstance(word, str) else word)
        if number is not None and not math.isnan(number):
            found.add(number)
    return Choices(next((scheme for scheme in _SCHEMES if found and found <= scheme.keys()), {}))


def key_text(value: Any) -> str | None:
    """Return an id, group or domain as text, ``None`` where there is none: 1, 1.0 and ``'1'`` are one key."""
    if isinstance(value, float | Decimal):
        number = float(value)
        value = int(number) if number.is_integer() and abs(number) < 2**53 else value
    return None if value is None or value == "" else as_text(value)


def as_text(value: Any) -> str:
    """Return any value as text that every file can hold: text as it is, other values as JSON, others by ``str``."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=_plain_text)
    if not isinstance(value, str | list | dict | tuple) and text.startswith('"'):
        text = json.loads(text)
    return text.encode("utf-8", "backslashreplace").decode()


def _plain_text(value: Any) -> str:
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)

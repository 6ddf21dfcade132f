"""A few statistics of a text: how long, how it is laid out, how much of it is the prompt's.

Reward models differ in taste for length, lists, code and digits; a sentence
encoder is trained to ignore exactly these. Counts are ``log(1 + n)``, shares lie
in [0, 1]. The numbers are of one prompt and one response, so the pair's features
made of them stay symmetric.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from rewardrouter.pairs import PreferencePair, Text, as_messages

PROMPT_STATISTICS = ("words", "lines", "digits", "marks", "turns")
"""Of the prompt, in the order of the columns."""

RESPONSE_STATISTICS = (
    "characters", "words", "lines", "digits", "marks", "capitals", "words of the prompt", "prompt covered",
)  # fmt: skip
"""Of the response, in the order of the columns."""

_WORD = re.compile(r"\w+")


def prompt_statistics(prompt: Text) -> npt.NDArray[np.float32]:
    """Return ``float32 [len(PROMPT_STATISTICS)]``."""
    text = plain(prompt)
    turns = len(as_messages(prompt, "user"))
    return np.array([_words(text), _lines(text), _digits(text), _marks(text), np.log1p(turns)], np.float32)


def response_statistics(prompt: Text, response: Text) -> npt.NDArray[np.float32]:
    """Return ``float32 [len(RESPONSE_STATISTICS)]``."""
    text = plain(response)
    asked, answered = set(_WORD.findall(plain(prompt).lower())), _WORD.findall(text.lower())
    repeated = sum(word in asked for word in answered)
    covered = len(asked.intersection(answered))
    capitals = sum(character.isupper() for character in text)
    return np.array(
        [
            np.log1p(len(text)), _words(text), _lines(text), _digits(text), _marks(text), _share(capitals, text),
            repeated / max(len(answered), 1), covered / max(len(asked), 1),
        ],
        np.float32,
    )  # fmt: skip


def pair_statistics(
    pairs: Sequence[PreferencePair],
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Return the statistics of P pairs: of prompts ``[P, 5]``, of responses A and of responses B ``[P, 8]``."""
    return (
        _rows([prompt_statistics(pair.prompt) for pair in pairs], len(PROMPT_STATISTICS)),
        _rows([response_statistics(p.prompt, p.response_a) for p in pairs], len(RESPONSE_STATISTICS)),
        _rows([response_statistics(p.prompt, p.response_b) for p in pairs], len(RESPONSE_STATISTICS)),
    )


def plain(text: Text) -> str:
    """Return a text as one string: the contents of its messages, a line break between."""
    return "\n".join(message.content for message in as_messages(text, "user"))


def _rows(rows: list[npt.NDArray[np.float32]], width: int) -> npt.NDArray[np.float32]:
    return np.array(rows, np.float32).reshape(len(rows), width)


def _words(text: str) -> float:
    return float(np.log1p(len(_WORD.findall(text))))


def _lines(text: str) -> float:
    return float(np.log1p(text.count("\n")))


def _digits(text: str) -> float:
    return _share(sum(character.isdigit() for character in text), text)


def _marks(text: str) -> float:
    return _share(sum(not (character.isalnum() or character.isspace()) for character in text), text)


def _share(count: int, text: str) -> float:
    return count / (len(text) + 1)

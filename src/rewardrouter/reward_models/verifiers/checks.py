r"""The checks that are built in, and how a name becomes a check.

``math`` compares as mathematics (math-verify): ``\frac{1}{2}`` is ``0.5``. The gold answer is an expression in LaTeX
or a plain number; of GSM8K's answers it is what follows ``####``.

``exact`` compares the final answers of response and gold answer as text or as numbers:

1. The final answer is what stands in the last ``\boxed{...}``; without one, what follows the last ``####``,
   ``answer is``, ``answer:`` or ``A:`` (at the beginning of a line) up to the end of that line; without one, the whole
   text.
2. Where the gold answer is a number, numbers are compared by value: of a final answer that was marked, its first
   number, of a whole text its last.
3. Else the texts are compared, without regard to case, white space, and the punctuation around them.
"""

from __future__ import annotations

import contextlib
import logging
import re
import unicodedata
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, TypeAlias

from rewardrouter.reward_models.functions import load_function

Check: TypeAlias = Callable[[str, Mapping[str, Any]], bool | float | None]
"""Whether a response is right, given the columns of its row; ``None`` where it cannot say."""

ANSWER = "answer"
"""The column in which the built-in checks are handed the gold answer."""

_MARK = re.compile(r"(?:####|\banswer\s*(?:is|:|=)|^[ \t]*A:)[:\s]*", re.IGNORECASE | re.MULTILINE)
_NUMBER = re.compile(r"(?:(?<![\d)])[-+\N{MINUS SIGN}])?(?:(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?|\.\d+)")
_MATHEMATICS = re.compile(r"\$|\\\(|\\\[|\\boxed|\\begin")
_BEFORE = " \t\r\n\"'`*_$([{\N{LEFT SINGLE QUOTATION MARK}\N{LEFT DOUBLE QUOTATION MARK}"
_BEHIND = " \t\r\n\"'`*_$)]}.,;:!?\N{RIGHT SINGLE QUOTATION MARK}\N{RIGHT DOUBLE QUOTATION MARK}"
"""Punctuation that is no part of an answer."""


def load_check(name: str) -> Check:
    """Return the check of that name: ``math``, ``exact`` or ``module:function``.

    Raises
    ------
    ConfigError
        If a function cannot be imported.
    """
    if name == "math":
        return math_check()
    return exact if name == "exact" else load_function(name, "check")


def exact(response: str, row: Mapping[str, Any]) -> bool:
    """Tell whether response and gold answer have the same final answer, as text or as a number."""
    gold, _ = final_answer(str(row[ANSWER]))
    found, marked = final_answer(response)
    wanted = _NUMBER.fullmatch(_bare(gold).rstrip("%"))
    if wanted is None:
        return _plain(found) == _plain(gold)
    numbers = _NUMBER.findall(found)
    return bool(numbers) and _value(numbers[0 if marked else -1]) == _value(wanted.group())


def math_check() -> Check:
    """Return the check by math-verify, which takes a second to import.

    The check raises :class:`ValueError` where the gold answer is no mathematics, and whatever sympy raises.
    """
    from math_verify import parse, verify

    logging.getLogger("math_verify").setLevel(logging.ERROR)  # that it has no timeout: the worker has one

    def math(response: str, row: Mapping[str, Any]) -> bool:
        answer = str(row[ANSWER])
        gold = parse(_as_mathematics(answer), parsing_timeout=None, raise_on_error=True)
        if not gold:
            raise ValueError(f"the gold answer {answer[:60]!r} is no mathematical expression")
        found = parse(response, parsing_timeout=None, raise_on_error=True)
        return bool(verify(gold, found, timeout_seconds=None, raise_on_error=True))

    return math


def final_answer(text: str) -> tuple[str, bool]:
    """Return the final answer of a text (rule 1 of this module), and whether the text marks it as such."""
    boxed = _last_box(text)
    if boxed is not None:
        return boxed, True
    mark = None
    for mark in _MARK.finditer(text):  # noqa: B007 - the last one is wanted
        pass
    if mark is None:
        return text, False
    return text[mark.end() :].partition("\n")[0], True


def _as_mathematics(answer: str) -> str:
    """Return a gold answer in an environment that math-verify reads as a whole."""
    if "####" in answer:
        answer = answer.rpartition("####")[2]  # first: a dollar in the solution is no mathematics
    if _MATHEMATICS.search(answer):
        return answer
    answer = answer.strip()
    with contextlib.suppress(InvalidOperation):
        answer = format(Decimal(answer), "f")  # 1e-07 would be read as a product with Euler's number
    return f"\\boxed{{{answer}}}" if answer else ""


def _last_box(text: str) -> str | None:
    r"""Return what stands in the last ``\boxed{...}`` that is closed."""
    start = text.rfind("\\boxed{")
    if start < 0:
        return None
    first = start + len("\\boxed{")
    depth = 1
    for brace in re.finditer(r"[{}]", text[first:]):
        depth += 1 if brace.group() == "{" else -1
        if not depth:
            return text[first : first + brace.start()]
    return None


def _value(number: str) -> Decimal:
    return Decimal(number.replace(",", "").replace("\N{MINUS SIGN}", "-"))


def _bare(text: str) -> str:
    """Return the text without the punctuation around it; all of it where there is nothing else."""
    return text.lstrip(_BEFORE).rstrip(_BEHIND) or text


def _plain(text: str) -> str:
    return _bare(" ".join(unicodedata.normalize("NFKC", text).casefold().split()))

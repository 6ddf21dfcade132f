r"""The checks that are built in, and how a name becomes a check.

``math`` compares as mathematics (math-verify): ``\frac{1}{2}`` is ``0.5``. The gold answer is an expression in LaTeX
or a plain number; of GSM8K's answers it is what follows ``####``.

``exact`` compares the final answers of response and gold answer as text or as numbers:

1. The final answer is what stands in the last ``\boxed{...}``; without one, what follows the last ``####``,
   ``answer is``, ``answer:`` or ``A:`` (at the beginning of a line) up to the end of that line, or of the next where
   that one holds nothing or ends with a colon; without one, the whole text.
2. Where the gold answer is a number, numbers are compared by value: of a whole text its last; of a final answer that
   was marked, its first, or, of an equation (``5 + 3 = 8``), the side that is a number, the last of them. A sum that is
   not worked out is no number. ``1,000``, ``1{,}000``, ``1\,000`` and, in a marked answer, ``1 000`` are a thousand;
   ``3/4``, ``1 3/4`` and ``1.5e3`` are one number each.
3. Else the texts are compared, without regard to case, white space, and the punctuation around them.

Responses come here without their thoughts (:mod:`rewardrouter.thoughts`).
"""

from __future__ import annotations

import contextlib
import logging
import re
import unicodedata
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Any, TypeAlias

from rewardrouter.reward_models.functions import load_function

Check: TypeAlias = Callable[[str, Mapping[str, Any]], bool | float | None]
"""Whether a response is right, given the columns of its row; ``None`` where it cannot say."""

ANSWER = "answer"
"""The column in which the built-in checks are handed the gold answer."""

_MARK = re.compile(r"(?:####|\banswer\s*(?:is|:|=)|^[ \t]*A:)[:\s]*", re.IGNORECASE | re.MULTILINE)
READER = 2
"""Goes into the identity of verifiers: verdicts of another reader are not these."""

_PLAIN = r"(?:(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?|\.\d+)(?:[eE][-+]?\d{1,3}(?!\w))?"
_NUMBER = re.compile(
    rf"(?:(?<![\d)])[-+])?(?:\d+[ ]+\d+/0*[1-9]\d*(?![\d/])|{_PLAIN}(?:/0*[1-9]\d*(?![\d/.]))?)"
)
_SPELLING = [
    (re.compile(r"[\N{MINUS SIGN}\N{HYPHEN}\N{NON-BREAKING HYPHEN}]|(?<![\d\s])\s*\N{EN DASH}(?=\d)"), "-"),
    (re.compile(r"\\[dt]?frac\s*\{(\d+)\}\s*\{(\d+)\}"), r"\1/\2"),
    (re.compile(r"\\[dt]?frac\s*(\d)\s*(\d)"), r"\1/\2"),
    (re.compile(r"\\?[$\N{EURO SIGN}\N{POUND SIGN}](?=\s*[-+]?[\d.])"), ""),
]
"""How else a number may be written."""

_GROUP = r"(?<![\d.])(\d{{1,3}}(?:(?:{0})\d{{3}})+)(?!\d)"
_GAP = r"\{,\}|,?\\[,;:! ]|[\u00a0\u202f\u2009~']"
_THIN = re.compile(_GROUP.format(_GAP))
_SPACED = re.compile(_GROUP.format(" "))
_NOT_BUT = re.compile(r"\bnot\s[^.;\n]*?\bbut\s", re.IGNORECASE)
_CLAUSE = re.compile(
    r",(?!\d{3})|;|\.(?!\d)|\s\((?=[^)]*[a-z=])|\b(?:because|since|as|not|and|from)\b", re.IGNORECASE
)
_EQUALS = re.compile(r"=|\N{ALMOST EQUAL TO}|\\approx|\\Rightarrow")
_OPERATOR = re.compile(
    r"\s*(?:[-+*/^\N{MULTIPLICATION SIGN}\N{DIVISION SIGN}]|\\(?:times|cdot|div))\s*\(*\$?[\d.]"
)
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
    wanted = _NUMBER.fullmatch(_bare(_spelt(gold, marked=True)).rstrip("%"))
    if wanted is None:
        return _plain(found) == _plain(gold)
    found = _spelt(found, marked=marked)
    if marked:
        number = _stated(found)
    else:
        *_, number = [None, *_NUMBER.findall(found)]
    return number is not None and _value(number) == _value(wanted.group())


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
        found = parse(_ungrouped(response), parsing_timeout=None, raise_on_error=True)
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
    line, _, rest = text[mark.end() :].partition("\n")
    return (
        rest.lstrip().partition("\n")[0] if line.rstrip(" \t\r*_").endswith(":") and rest.strip() else line
    ), True


def _as_mathematics(answer: str) -> str:
    """Return a gold answer in an environment that math-verify reads as a whole."""
    if "####" in answer:
        answer = answer.rpartition("####")[2]  # first: a dollar in the solution is no mathematics
    answer = _ungrouped(answer)
    if _MATHEMATICS.search(answer):
        return answer
    answer = answer.strip()
    with contextlib.suppress(InvalidOperation):
        answer = format(Decimal(answer), "f")  # 1e-07 would be read as a product with Euler's number
    return f"\\boxed{{{answer}}}" if answer else ""


def _last_box(text: str) -> str | None:
    r"""Return what stands in the last ``\boxed{...}`` that is closed."""
    box = None
    for box in re.finditer(r"\\f?boxed\s*\{", text):  # noqa: B007 - the last one is wanted
        pass
    if box is None:
        return None
    first = box.end()
    depth = 1
    for brace in re.finditer(r"[{}]", text[first:]):
        depth += 1 if brace.group() == "{" else -1
        if not depth:
            return text[first : first + brace.start()]
    return None


def _ungrouped(text: str) -> str:
    r"""Return the text with ``1{,}000`` and ``1\,000`` written ``1000``, and ``1.5e3`` written ``1500.0``."""
    text = _THIN.sub(lambda at: re.sub(_GAP, "", at[1]), text)
    return re.sub(r"(?<![\w.])\d+(?:\.\d+)?[eE][-+]?\d{1,3}(?!\w)", lambda at: f"{Decimal(at[0]):f}", text)


def _spelt(text: str, *, marked: bool) -> str:
    """Return the text with its numbers as :data:`_NUMBER` reads them; what is set off by a space only if ``marked``."""
    text = _THIN.sub(lambda at: re.sub(_GAP, "", at[1]), text)
    for pattern, plain in _SPELLING:
        text = pattern.sub(plain, text)
    return _SPACED.sub(lambda at: at[1].replace(" ", ""), text) if marked else text


def _stated(found: str) -> str | None:
    """Return the number that a marked answer states (rule 2 of this module)."""
    found = _NOT_BUT.sub(" ", found)
    first = _NUMBER.search(found)
    if first is None:
        return None
    end = _CLAUSE.search(found, first.end())
    sides = _EQUALS.split(found[: end.start()] if end else found)
    for side in reversed(sides):
        number = _NUMBER.search(side)
        if number is not None and not _OPERATOR.match(re.sub(r"^[\s)a-z]+", " ", side[number.end() :])):
            return number.group()
    return None


def _value(number: str) -> Fraction:
    whole, _, rest = number.replace(",", "").rpartition(" ")
    sign = -1 if (whole or rest).startswith("-") else 1
    top, _, bottom = rest.lstrip("+-").partition("/")
    return sign * (Fraction(whole.strip().lstrip("+-") or 0) + Fraction(top) / Fraction(bottom or 1))


def _bare(text: str) -> str:
    """Return the text without the punctuation around it; all of it where there is nothing else."""
    return text.lstrip(_BEFORE).rstrip(_BEHIND) or text


def _plain(text: str) -> str:
    return _bare(" ".join(unicodedata.normalize("NFKC", text).casefold().split()))

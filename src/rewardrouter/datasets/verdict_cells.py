"""One recorded answer of one RM on one pair, as both forms of verdict files hold it.

A file may give a named winner, two scores, an error, or some of them. The named
winner decides; scores decide where no winner is named; an answer that settles
nothing is a failed verdict with its reason, never a guess.
"""

from __future__ import annotations

import dataclasses
import math
import reprlib
from decimal import Decimal
from typing import Any

from rewardrouter.verdicts import Verdict, Winner

_NUMBERS = (int, float, Decimal)  # the last as parquet may hold them


@dataclasses.dataclass(frozen=True, slots=True)
class Recording:
    """A verdict, and the kind of problem that its record had (see ``RowReport``), if any."""

    verdict: Verdict
    problem: str | None = None


def read_recording(
    rm: str,
    winner: Any = None,
    score_a: Any = None,
    score_b: Any = None,
    error: Any = None,
    seconds: Any = None,
    *,
    names_winners: bool = True,
    scores_from: tuple[str, str] = ("score_a", "score_b"),
) -> Recording:
    """Return what one record says.

    Parameters
    ----------
    rm
        The RM's name.
    winner
        ``A``, ``B`` or ``tie`` (in any case), or ``None``.
    score_a, score_b
        Scores in the RM's own unit, or ``None``.
    error
        Why the call failed, or ``None``.
    seconds
        Wall-clock of the call, or ``None``.
    names_winners
        Whether the source has a place for a winner: without one, two absent scores are ``nan_score``,
        with one they are a ``missing_verdict``.
    scores_from
        The columns of the two scores, for the reason of a failure.
    """
    a, b, took = _number(score_a), _number(score_b), _number(seconds)
    if error:
        return Recording(Verdict.failed(rm, str(error), took), "missing_verdict")
    if winner is None:
        if a is not None and b is not None:
            return Recording(Verdict.from_scores(rm, a, b, took))
        if names_winners and score_a is None and score_b is None:
            return Recording(Verdict.failed(rm, "no verdict recorded", took), "missing_verdict")
        for column, score in zip(scores_from, (score_a, score_b), strict=True):
            if score is not None and not isinstance(score, _NUMBERS):
                reason = f"{column} is not a number: {reprlib.repr(score)}"
                return Recording(Verdict.failed(rm, reason, took), "score_not_a_number")
        return Recording(Verdict.failed(rm, f"scores unusable: {score_a}, {score_b}", took), "nan_score")
    named = _winner(winner)
    if named is None:
        return Recording(
            Verdict.failed(rm, f"verdict is not A, B or tie: {winner!r}", took), "unparsable_verdict"
        )
    if a is None or b is None:
        return Recording(Verdict(rm, named, seconds=took))
    conflict = Verdict.from_scores(rm, a, b).winner != named
    return Recording(Verdict(rm, named, a, b, None, took), "score_verdict_conflict" if conflict else None)


def _winner(value: Any) -> Winner | None:
    word = value.strip() if isinstance(value, str) else value
    if word == "A":
        return "A"
    if word == "B":
        return "B"
    return "tie" if isinstance(word, str) and word.lower() == "tie" else None


def _number(value: Any) -> float | None:
    """Return a finite number as float, anything else as ``None``."""
    return float(value) if isinstance(value, _NUMBERS) and math.isfinite(value) else None

"""One recorded answer of one RM on one pair, as both forms of verdict files hold it.

A file may give a named winner, two scores, an error, or some of them. The named
winner decides; scores decide where no winner is named; an answer that settles
nothing is a failed verdict with its reason, never a guess.
"""

from __future__ import annotations

import dataclasses
import math
import reprlib
from typing import Any

from rewardrouter.datasets.cells import EXPECTED, Choices, read_number
from rewardrouter.verdicts import Verdict

_IN_WORDS = Choices({})


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
    choices: Choices = _IN_WORDS,
) -> Recording:
    """Return what one record says.

    Parameters
    ----------
    rm
        The RM's name.
    winner
        ``A``, ``B`` or ``tie``, or ``None``.
    score_a, score_b
        Scores in the RM's own unit, as numbers or their text, or ``None``.
    error
        Why the call failed, or ``None``.
    seconds
        Wall-clock of the call, or ``None``.
    names_winners
        Whether the source has a place for a winner: without one, two absent scores are ``nan_score``,
        with one they are a ``missing_verdict``.
    scores_from
        The columns of the two scores, for the reason of a failure.
    choices
        How the winner's column names responses.
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
            if score is not None and read_number(score) is None:
                reason = f"{column} is not a number: {reprlib.repr(score)}"
                return Recording(Verdict.failed(rm, reason, took), "score_not_a_number")
        return Recording(
            Verdict.failed(rm, f"scores unusable: {reprlib.repr(score_a)}, {reprlib.repr(score_b)}", took),
            "nan_score",
        )
    named = choices.read(winner)
    if named is None:
        return Recording(
            Verdict.failed(rm, f"verdict is {reprlib.repr(winner)}, not {EXPECTED}", took),
            "unparsable_verdict",
        )
    if a is None or b is None:
        return Recording(Verdict(rm, named, seconds=took))
    conflict = Verdict.from_scores(rm, a, b).winner != named
    return Recording(Verdict(rm, named, a, b, None, took), "score_verdict_conflict" if conflict else None)


def _number(value: Any) -> float | None:
    """Return a finite number as float, anything else as ``None``."""
    number = read_number(value)
    return number if number is not None and math.isfinite(number) else None

"""Verdicts of a wide file: a row per pair, and per RM the columns of its answer.

``score_a__NAME`` and ``score_b__NAME`` hold the scores of a pointwise RM,
``verdict__NAME`` the winner that a judge named; an RM may have both. A column
whose name is almost such a one (``score_a_NAME``) is not read as a verdict, but
the report names it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from rewardrouter.datasets.cells import Choices, choices_of
from rewardrouter.datasets.pairs import VERDICT_COLUMN, columns_of
from rewardrouter.datasets.report import RowReport
from rewardrouter.datasets.verdict_cells import Recording, read_recording
from rewardrouter.errors import DataError

_SCORES = {"score_a", "score_b"}

_ALMOST = re.compile(r"(?:scores?_?(?P<side>[ab])|verdicts?)[_\W]+(?P<rm>[^\W_].*)", re.IGNORECASE)
"""A column that is named almost as one of an RM's: with one underscore, another sign or in capitals."""


def column_answers(
    rows: Sequence[dict[str, Any]], used: Sequence[int], source: str, report: RowReport
) -> dict[str, list[Recording]]:
    """Return, for each RM in file order, its recording on each row of ``used`` (indices into ``rows``).

    ``report`` receives ``almost_verdict_column``, and how numbers that name a winner were read.

    Raises
    ------
    DataError
        If no column is an RM's, or an RM has only one of its two score columns.
    """
    answers: dict[str, list[Recording]] = {}
    for name, held in _held(columns_of(rows), source, report).items():
        choices = choices_of(row.get(f"verdict__{name}") for row in rows)
        report.notes += choices.note(f"verdict__{name}")
        answers[name] = [_recording(name, held, rows[index], choices) for index in used]
    return answers


def _held(columns: Sequence[str], source: str, report: RowReport) -> dict[str, set[str]]:
    """Return which of score_a, score_b and verdict each RM has a column for."""
    held: dict[str, set[str]] = {}
    almost: dict[str, str] = {}  # from what a column should be called to what it is called
    for column in columns:
        if match := VERDICT_COLUMN.fullmatch(column):
            held.setdefault(match[2], set()).add(match[1])
        elif match := _ALMOST.fullmatch(column):
            kind = f"score_{match['side'].lower()}" if match["side"] else "verdict"
            almost[f"{kind}__{match['rm']}"] = column
            report.add("almost_verdict_column", f"{column} ({kind}__{match['rm']}?)")
    if not held:
        raise DataError(
            f"{source}: no reward model in it: expected the columns score_a__NAME and score_b__NAME, or"
            f" verdict__NAME; found {', '.join(columns)}"
        )
    for name, kinds in held.items():
        if len(kinds & _SCORES) == 1:
            (found,), (missing,) = kinds & _SCORES, _SCORES - kinds
            absent = f"{missing}__{name}"
            hint = f", but {almost[absent]}: rename it" if absent in almost else "; give both or neither"
            raise DataError(f"{source}: has {found}__{name} without {absent}{hint}")
    return held


def _recording(name: str, held: set[str], row: dict[str, Any], choices: Choices) -> Recording:
    return read_recording(
        name,
        row.get(f"verdict__{name}"),
        row.get(f"score_a__{name}"),
        row.get(f"score_b__{name}"),
        scores_from=(f"score_a__{name}", f"score_b__{name}"),
        names_winners="verdict" in held,
        choices=choices,
    )

"""Verdicts of a wide file: a row per pair, and per RM the columns of its answer.

``score_a__NAME`` and ``score_b__NAME`` hold the scores of a pointwise RM,
``verdict__NAME`` the winner that a judge named; an RM may have both.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rewardrouter.datasets.pairs import VERDICT_COLUMN, columns_of
from rewardrouter.datasets.verdict_cells import Recording, read_recording
from rewardrouter.errors import DataError

_SCORES = {"score_a", "score_b"}


def column_answers(
    rows: Sequence[dict[str, Any]], used: Sequence[int], source: str
) -> dict[str, list[Recording]]:
    """Return, for each RM in file order, its recording on each row of ``used`` (indices into ``rows``).

    Raises
    ------
    DataError
        If no column is an RM's, or an RM has only one of its two score columns.
    """
    return {
        name: [_recording(name, held, rows[index]) for index in used]
        for name, held in _held(columns_of(rows), source).items()
    }


def _held(columns: Sequence[str], source: str) -> dict[str, set[str]]:
    """Return which of score_a, score_b and verdict each RM has a column for."""
    held: dict[str, set[str]] = {}
    for column in columns:
        if match := VERDICT_COLUMN.fullmatch(column):
            held.setdefault(match[2], set()).add(match[1])
    if not held:
        raise DataError(
            f"{source}: no reward model in it: expected the columns score_a__NAME and score_b__NAME, or"
            f" verdict__NAME; found {', '.join(columns)}"
        )
    for name, kinds in held.items():
        if len(kinds & _SCORES) == 1:
            (found,), (missing,) = kinds & _SCORES, _SCORES - kinds
            raise DataError(f"{source}: has {found}__{name} without {missing}__{name}; give both or neither")
    return held


def _recording(name: str, held: set[str], row: dict[str, Any]) -> Recording:
    return read_recording(
        name,
        row.get(f"verdict__{name}"),
        row.get(f"score_a__{name}"),
        row.get(f"score_b__{name}"),
        names_winners="verdict" in held,
    )

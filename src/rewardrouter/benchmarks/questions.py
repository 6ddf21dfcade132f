"""Questions of a benchmark, read from its native files or from the hub."""

from __future__ import annotations

import csv
import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rewardrouter.datasets.rows import read_rows
from rewardrouter.errors import ConfigError, DataError

Row = Mapping[str, Any]


@dataclasses.dataclass(frozen=True, slots=True)
class Question:
    """One question.

    ``turns`` are what the policy is asked, one after the other; ``shown`` is the bare question, as a judge reads it,
    where that is another text. ``references`` are the benchmark's own answers, one per turn, ``options`` the texts
    that may be chosen from.
    """

    id: str
    category: str
    turns: tuple[str, ...]
    temperature: float
    """At which the benchmark has it answered."""
    references: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    shown: str | None = None
    native: str | None = None
    """The question as the benchmark's files have it, where the options are beside it."""

    @property
    def bare(self) -> str:
        """The question without what the prompt adds to it."""
        return self.turns[0] if self.shown is None else self.shown


def question_rows(task: str, source: str | None, limit: int | None) -> list[Row]:
    """Return the rows of a benchmark's questions, the first ``limit``.

    Raises
    ------
    ConfigError
        If no source is given.
    DataError
        If it cannot be read.
    """
    if source is None:
        raise ConfigError(f"{task}.questions: not given; name its file of questions, or hub:owner/name:split")
    return read_source(source)[:limit]


def read_source(source: str) -> list[Row]:
    """Return the rows of a file (also ``.csv``, with a header), a saved dataset, or one of the hub.

    Raises
    ------
    DataError
        If it cannot be read.
    """
    path = Path(source).expanduser()
    if path.suffix.lower() != ".csv":
        return list(read_rows(source))
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows: list[Row] = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: cannot be read: {error}") from error
    if not rows:
        raise DataError(f"{path}: holds no rows; give a source with at least one")
    return rows


def text_of(row: Row, columns: Sequence[str], task: str, number: int) -> str:
    """Return the first of some columns that is there; it must hold text.

    Raises
    ------
    DataError
        If it does not; names the row, counted from 1.
    """
    column = next((name for name in columns if row.get(name) is not None), columns[0])
    found = row.get(column)
    if isinstance(found, str) and found.strip():
        return found
    what = "is missing" if found is None else f"holds {found!r:.40}"
    raise DataError(
        f"{task}.questions: row {number}: {column} {what}, expected text; its columns: {', '.join(map(str, row))}"
    )


def check_ids(task: str, questions: Sequence[Question]) -> None:
    """Refuse questions of which two have one id.

    Raises
    ------
    DataError
        If there are such.
    """
    seen: set[str] = set()
    for question in questions:
        if question.id in seen:
            raise DataError(
                f"{task}.questions: the id {question.id} comes twice; give every question its own"
            )
        seen.add(question.id)

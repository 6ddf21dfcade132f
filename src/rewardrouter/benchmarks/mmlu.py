r"""MMLU: questions with four options (Hendrycks et al., arXiv 2009.03300), without examples and step by step.

Rows hold ``question``, ``choices`` (a list), ``answer`` (its index from 0, or a letter) and ``subject``, as on the hub;
or ``question, A, B, C, D, answer``; the native CSV files have these columns without a header, and their names
(``abstract_algebra_test.csv``) are the subjects. ``rewardrouter prepare mmlu`` writes the paper's part of the test
split, with ``prompt`` (question and options), ``choices``, ``answer`` and ``domain``.

Which option an answer settles on is found by a served xFinder (``xfinder``), as in the paper, or by exact match
(:mod:`rewardrouter.benchmarks.options`). An answer that settles on none is wrong, and counted.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from rewardrouter.benchmarks.answers import Answers
from rewardrouter.benchmarks.calls import Call, Reply
from rewardrouter.benchmarks.intervals import Bootstrap
from rewardrouter.benchmarks.options import LETTERS, settled_option
from rewardrouter.benchmarks.questions import Question, Row, question_rows, text_of
from rewardrouter.benchmarks.results import BenchmarkScore
from rewardrouter.benchmarks.task import Ask, Server, answer_failures, summary
from rewardrouter.benchmarks.xfinder import extracted, xfinder_call
from rewardrouter.config.benchmark import BenchmarkConfig
from rewardrouter.errors import DataError


class Mmlu:
    """MMLU.

    Raises
    ------
    ConfigError, DataError
        If its questions cannot be read.
    """

    name = "mmlu"
    max_new_tokens = 512

    def __init__(self, config: BenchmarkConfig) -> None:
        self._settings = config.mmlu
        self._bootstrap = Bootstrap(config.seed, config.resamples)
        self.server: Server | None = None if self._settings.xfinder is None else "xfinder"
        rows = _rows(self._settings.questions, config.limit)
        self.questions: Sequence[Question] = [self._question(n, row) for n, row in enumerate(rows)]

    def load(self) -> None:
        """Nothing else is needed."""

    def calls(self, answers: Answers) -> list[Call]:
        """Return a request to xFinder for every answer with a text, where there is one."""
        xfinder = self._settings.xfinder
        if xfinder is None:
            return []
        return [
            xfinder_call(question, answers[question.id].turns[0], xfinder)
            for question in self.questions
            if question.id in answers and not answers[question.id].empty
        ]

    def score(self, answers: Answers, ask: Ask) -> dict[str, BenchmarkScore]:
        """Return the share of right options; every subject counts by its questions."""
        failures = answer_failures(self.questions, answers)
        calls = {call.id: call for call in self.calls(answers)}
        replies: Mapping[str, Reply] = ask(list(calls.values())) if calls else {}
        values = {}
        for question in self.questions:
            text = answers[question.id].turns[0]
            if question.id in replies:
                found = extracted(question, replies[question.id], calls[question.id])
                chosen, failure = found.option, found.failure
            else:
                chosen = settled_option(text, question.options)
                failure = None if chosen is not None or not text.strip() else "answers: settle on no option"
            if failure is not None:
                failures[failure] += 1
            if question.id not in replies or replies[question.id].failure is None:
                values[question.id] = (100.0 * (chosen == question.references[0]), 1.0)
        how = "xFinder" if self.server else "exact match"
        notes = (
            []
            if self.server
            else ["options found by exact match, not by xFinder as in the paper (mmlu.xfinder)"]
        )
        score = summary(
            f"accuracy, % ({how})", self.questions, values, self._bootstrap, failures=failures, notes=notes
        )
        return {self.name: score}

    def _question(self, number: int, row: Row) -> Question:
        asked = text_of(row, ("question", "prompt"), self.name, number + 1)
        options = _options(row, number + 1)
        lines = "\n".join(f"{letter}. {option}" for letter, option in zip(LETTERS, options, strict=False))
        asked = asked.removesuffix(f"\n{lines}")
        subject = str(row.get("subject") or row.get("domain") or "all")
        texts = {"question": asked, "options": lines, "subject": subject.replace("_", " ")}
        return Question(
            id=str(row["id"]) if row.get("id") is not None else str(number),
            category=subject,
            turns=(
                re.sub(r"\{(question|options|subject)\}", lambda at: texts[at[1]], self._settings.prompt),
            ),
            temperature=0.0,
            references=(_gold(row, options, number + 1),),
            options=options,
            shown=f"{asked}\n{lines}",
            native=asked,
        )


def _rows(source: str | None, limit: int | None) -> list[Row]:
    """Return the rows; a native CSV file, or a folder of them, has no header."""
    path = Path(source or "").expanduser()
    files = sorted(path.glob("*.csv")) if source and path.is_dir() else [path]
    if not files or any(file.suffix.lower() != ".csv" for file in files):
        return question_rows(Mmlu.name, source, limit)
    rows = [row for file in files for row in _native(file)]
    if not rows:
        raise DataError(f"{path}: holds no rows; give a source with at least one")
    return rows[:limit]


def _native(file: Path) -> list[Row]:
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            cells = list(csv.reader(lines))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{file}: cannot be read: {error}") from error
    if cells and "question" in cells[0]:
        return [dict(zip(cells[0], row, strict=False)) for row in cells[1:]]
    subject = re.sub(r"_(?:test|dev|val)$", "", file.stem)
    for number, row in enumerate(cells, start=1):
        if len(row) != 6:
            raise DataError(
                f"{file}, row {number}: has {len(row)} columns, expected 6: question, A, B, C, D, answer"
            )
    names = ("question", "A", "B", "C", "D", "answer")
    return [{**dict(zip(names, row, strict=True)), "subject": subject} for row in cells]


def _options(row: Row, number: int) -> tuple[str, ...]:
    found = row.get("choices", row.get("options"))
    if found is None and row.get("A") is not None:
        found = [row[letter] for letter in LETTERS if row.get(letter) is not None]
    if not isinstance(found, list | tuple) or not 2 <= len(found) <= len(LETTERS):
        raise DataError(
            f"mmlu.questions: row {number}: no list of 2 to {len(LETTERS)} options in choices, or in A, B, C, D;"
            f" its columns: {', '.join(map(str, row))}"
        )
    return tuple(map(str, found))


def _gold(row: Row, options: Sequence[str], number: int) -> str:
    given = row.get("answer")
    if isinstance(given, int) and not isinstance(given, bool) and 0 <= given < len(options):
        return LETTERS[given]
    if isinstance(given, str):
        if given.strip().upper() in list(LETTERS[: len(options)]):
            return given.strip().upper()
        if given.strip().isdigit() and int(given) < len(options):
            return LETTERS[int(given)]
    raise DataError(
        f"mmlu.questions: row {number}: answer is {given!r}, expected 0 to {len(options) - 1} or"
        f" {LETTERS[0]} to {LETTERS[len(options) - 1]}"
    )

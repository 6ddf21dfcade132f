"""Preference pairs from rows, in our form or in TRL's preference format.

*Ours* names the responses by position (``id, prompt, response_a, response_b``)
and may say which is better (``label``). *TRL's* names them by quality
(``prompt, chosen, rejected``), or leaves the prompt inside both conversations
(``chosen, rejected``). There, position must not give the answer away: which
response becomes A is a coin that only the text of the pair decides, the same
whichever was chosen, and the label says where the chosen one went.

A row that cannot be read is dropped and named in the report. No label, text or
id is ever repaired. An empty response is what some model answered: it is kept,
and named too.
"""

from __future__ import annotations

import copy
import dataclasses
import re
import reprlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, TypeAlias

from rewardrouter.datasets.cells import EXPECTED, Choices, choices_of, key_text
from rewardrouter.datasets.report import RowReport
from rewardrouter.datasets.rows import read_rows
from rewardrouter.datasets.texts import (
    BadRow,
    has_extra_keys,
    is_blank,
    is_conversation,
    is_unicode,
    read_text,
)
from rewardrouter.datasets.transcripts import part, without_prompt
from rewardrouter.errors import DataError, did_you_mean
from rewardrouter.pairs import Label, PreferencePair, Text, as_messages, digest

Form: TypeAlias = Literal["ours", "preference"]
"""How the rows name the two responses: by position, or by quality (TRL)."""

VERDICT_COLUMN = re.compile(r"(score_a|score_b|verdict)__(.+)")
"""A column of a wide verdict table: what it holds, and of which RM."""

_OURS = ("prompt", "response_a", "response_b")
_PREFERENCE = ("chosen", "rejected")
_KEYS = {"group", "domain"}
_FEW = 4
"""From how many labels on it is remarkable that all are the same."""
_NEVER_METADATA = {"id", "label", *_OURS, *_PREFERENCE}


@dataclasses.dataclass(frozen=True)
class LoadedPairs:
    """The usable pairs of a source, and what was wrong with the rest.

    Parameters
    ----------
    pairs
        The P usable pairs, in file order.
    labels
        The P human labels, aligned with ``pairs``; ``None`` where the row has none.
    report
        The rows dropped or flagged, and why.
    form
        How the source names the responses.
    rows
        For each pair, the index of its row in the source, counted from 0.
    """

    pairs: tuple[PreferencePair, ...]
    labels: tuple[Label | None, ...]
    report: RowReport
    form: Form
    rows: tuple[int, ...]

    def labelled(self) -> LoadedPairs:
        """Return the pairs that have a label; the others are reported as ``missing_label``."""
        report = copy.deepcopy(self.report)
        for pair, label in zip(self.pairs, self.labels, strict=True):
            if label is None:
                report.add("missing_label", pair.id)
        kept = [i for i, label in enumerate(self.labels) if label is not None]
        report.rows_used = len(kept)
        return LoadedPairs(
            tuple(self.pairs[i] for i in kept),
            tuple(self.labels[i] for i in kept),
            report,
            self.form,
            tuple(self.rows[i] for i in kept),
        )


def load_pairs(source: str | Path) -> LoadedPairs:
    """Read preference pairs.

    Parameters
    ----------
    source
        Anything :func:`~rewardrouter.datasets.rows.read_rows` reads, with the columns ``prompt, response_a,
        response_b`` (optional: ``id``, ``label``) or ``[prompt,] chosen, rejected`` (optional: ``id``).
        Prompts and responses are strings or lists of ``{"role", "content"}``. Every other column becomes
        metadata, except verdicts. A row without an id gets a digest of its texts.

    Raises
    ------
    DataError
        If the source cannot be read, its columns are those of neither form, or no row is usable.
    """
    return pairs_of_rows(read_rows(source), str(source))


def pairs_of_rows(rows: Sequence[dict[str, Any]], source: str) -> LoadedPairs:
    """Return the pairs of rows already read; ``source`` names them in errors. See :func:`load_pairs`."""
    columns = columns_of(rows)
    form = _form(columns, source)
    report = RowReport(rows_read=len(rows))
    choices = choices_of(row.get("label") for row in rows) if form == "ours" else Choices({})
    report.notes += choices.note("label")
    pairs: list[PreferencePair] = []
    labels: list[Label | None] = []
    used: list[int] = []
    seen: set[str] = set()
    for index, row in enumerate(rows):
        try:
            content = (
                _read_ours(row, choices) if form == "ours" else _read_preference(row, "prompt" in columns)
            )
            pair = _pair(row, content)
            if pair.id in seen:
                raise BadRow("duplicate_id")
        except BadRow as problem:
            if problem.kind == "bad_label" and problem.kind not in report.problems:
                report.notes.append(f"label: found {reprlib.repr(row['label'])}, expected {EXPECTED}")
            report.add(problem.kind, given_id(row) or f"row {index + 1}")
            continue
        seen.add(pair.id)
        if form == "ours" and content.label is None and row.get("label") not in (None, ""):
            report.add("tie_label", pair.id)
        if any(has_extra_keys(row.get(column)) for column in (*_OURS, *_PREFERENCE)):
            report.add("extra_message_keys", pair.id)
        if is_blank(pair.response_a) or is_blank(pair.response_b):
            report.add("empty_response", pair.id)
        pairs.append(pair)
        labels.append(content.label)
        used.append(index)
    report.rows_used = len(pairs)
    given = Counter(filter(None, labels))
    if form == "ours" and len(given) == 1 and given.total() >= _FEW:
        (side,) = given
        report.notes.append(
            f"label: all {given.total():,} labels are {side}; is the column what it should be?"
        )
    if not pairs:
        raise DataError(f"{source}: none of its {len(rows):,} rows can be used: {'; '.join(report.lines())}")
    return LoadedPairs(tuple(pairs), tuple(labels), report, form, tuple(used))


def columns_of(rows: Sequence[dict[str, Any]]) -> list[str]:
    """Return every column that some row has, in order of appearance."""
    return list(dict.fromkeys(column for row in rows for column in row))


def given_id(row: dict[str, Any]) -> str | None:
    """Return the id that the row itself gives, as a string; ``None`` where it gives none."""
    return key_text(row.get("id"))


def _form(columns: Sequence[str], source: str) -> Form:
    ours, preference = set(columns).issuperset(_OURS), set(columns).issuperset(_PREFERENCE)
    if ours and preference:
        raise DataError(
            f"{source}: has response_a, response_b and chosen, rejected; keep the columns of one form"
        )
    if ours or preference:
        return "ours" if ours else "preference"
    missing = [column for column in _OURS if column not in columns]
    raise DataError(
        f"{source}: expected the columns {', '.join(_OURS)}, or [prompt,] {', '.join(_PREFERENCE)};"
        f" found {', '.join(columns)}.{did_you_mean(missing[0], columns)}"
    )


@dataclasses.dataclass(frozen=True, slots=True)
class _Content:
    """What a row says, its responses put in positions."""

    prompt: Text
    response_a: Text
    response_b: Text
    label: Label | None


def _pair(row: dict[str, Any], content: _Content) -> PreferencePair:
    texts = (content.prompt, content.response_a, content.response_b)
    name = given_id(row) or digest(*texts)
    if not is_unicode(name):
        raise BadRow("broken_unicode")
    metadata = {
        column: value
        for column, value in row.items()
        if value is not None and column not in _NEVER_METADATA and not VERDICT_COLUMN.fullmatch(column)
    }
    for key in _KEYS & metadata.keys():
        if (text := key_text(metadata.pop(key))) is not None:
            metadata[key] = text
    return PreferencePair(name, *texts, metadata)


def _read_ours(row: dict[str, Any], choices: Choices) -> _Content:
    prompt = read_text(row.get("prompt"))
    response_a, response_b = (read_text(row.get(column), may_be_blank=True) for column in _OURS[1:])
    _require_different(response_a, response_b)
    parted = without_prompt(prompt, response_a, response_b)
    _require_different(parted.one, parted.other)
    return _Content(parted.prompt, parted.one, parted.other, _read_label(row.get("label"), choices))


def _read_preference(row: dict[str, Any], has_prompt_column: bool) -> _Content:
    chosen, rejected = (read_text(row.get(column), may_be_blank=True) for column in _PREFERENCE)
    _require_different(chosen, rejected)
    if has_prompt_column and not _prompt_is_inside(row):
        parted = without_prompt(read_text(row.get("prompt")), chosen, rejected)
    else:
        parted = part(chosen, rejected)
    prompt, chosen, rejected = parted.prompt, parted.one, parted.other
    _require_different(chosen, rejected)
    if digest(prompt, chosen) < digest(prompt, rejected):
        return _Content(prompt, chosen, rejected, "A")
    return _Content(prompt, rejected, chosen, "B")


def _read_label(value: Any, choices: Choices) -> Label | None:
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    found = choices.read(value)
    if found is None:
        raise BadRow("bad_label")
    return None if found == "tie" else found


def _require_different(one: Text, other: Text) -> None:
    equal = as_messages(one, "assistant") == as_messages(other, "assistant")
    if equal or (is_blank(one) and is_blank(other)):
        raise BadRow("identical_responses")


def _prompt_is_inside(row: dict[str, Any]) -> bool:
    """Tell whether both responses are whole conversations; a prompt in text then repeats them (as in TRL)."""
    return not isinstance(row.get("prompt"), list) and all(is_conversation(row[name]) for name in _PREFERENCE)

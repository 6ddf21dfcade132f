"""Pairs and prompts as one file: a parquet table, or JSON lines, written all at once."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from rewardrouter.datasets.cells import as_text
from rewardrouter.datasets.pairs import LoadedPairs
from rewardrouter.errors import DataError
from rewardrouter.files import write_atomically
from rewardrouter.pairs import Text, as_json, as_messages
from rewardrouter.progress import log

SUFFIXES = (".parquet", ".jsonl")
"""What a table can be written as."""


def pairs_table(loaded: LoadedPairs) -> pa.Table:
    """Return pairs in our form, and whatever else the source says of them, a column each.

    Columns ``id, prompt, response_a, response_b``, ``label`` where some pair has one, then the metadata. Each of
    the three texts is all plain or all chat. A column that a table cannot hold as it is (values of several types, huge
    numbers, broken Unicode) becomes text, each value that is none as JSON, and that is said.
    """
    columns: dict[str, list[Any]] = {
        "id": [pair.id for pair in loaded.pairs],
        "prompt": one_form([pair.prompt for pair in loaded.pairs], "user"),
        "response_a": one_form([pair.response_a for pair in loaded.pairs], "assistant"),
        "response_b": one_form([pair.response_b for pair in loaded.pairs], "assistant"),
    }
    if any(loaded.labels):
        columns["label"] = list(loaded.labels)
    table = pa.table(columns)
    for name in dict.fromkeys(key for pair in loaded.pairs for key in pair.metadata):
        table = table.append_column(
            as_text(name), _column(name, [pair.metadata.get(name) for pair in loaded.pairs])
        )
    return table


def _column(name: str, values: Sequence[Any]) -> pa.Array:
    """Return a column as it is where parquet can hold it, else as text."""
    try:
        column = pa.array(values)
        pq.write_table(pa.table({"column": column}), pa.BufferOutputStream())
    except (pa.ArrowException, OverflowError, TypeError, ValueError, RecursionError):
        log(f"column {as_text(name)}: holds what a table cannot; kept as text")
        return pa.array([None if value is None else as_text(value) for value in values], pa.string())
    return column


def one_form(texts: Sequence[Text], role: str) -> list[Any]:
    """Return a column of texts: all plain, or, where some are chat, all chat."""
    if all(isinstance(text, str) for text in texts):
        return list(texts)
    return [as_json(as_messages(text, role)) for text in texts]


def write_table(path: Path, table: pa.Table) -> None:
    """Write a table as the path's suffix says, one of :data:`SUFFIXES`; the file is there with all of it, or not.

    Raises
    ------
    DataError
        If it cannot be written.
    """

    def write(file: Path) -> None:
        if path.suffix == ".parquet":
            pq.write_table(table, file)
            return
        with file.open("w", encoding="utf-8") as lines:
            for row in table.to_pylist():
                found = {name: value for name, value in row.items() if value is not None}
                lines.write(json.dumps(found, ensure_ascii=False, default=as_text) + "\n")

    try:
        write_atomically(path, write)
    except OSError as error:
        raise DataError(f"{path}: cannot be written: {error.strerror or error}") from error

"""Rows from a file, a folder or the hub, as plain Python values.

One reader for every format, so that pairs and verdicts come from parquet, JSON
lines, JSON or a dataset of the `datasets` library alike. A missing value is
always ``None``: NaN, which pandas writes for a missing cell, becomes ``None``.
Lists of messages are plain lists of dicts.
"""

from __future__ import annotations

import gzip
import json
import math
import re
import zlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO, cast

import pyarrow as pa
import pyarrow.parquet as pq

from rewardrouter.datasets.library import HUB_PREFIX, first_line, hub_rows, is_saved_dataset, saved_rows
from rewardrouter.errors import DataError
from rewardrouter.files import file_near

_PACKED = ".gz"
_HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+")


def read_rows(source: str | Path, config: str | None = None) -> list[dict[str, Any]]:
    """Read every row of ``source``: column name to plain Python value.

    Parameters
    ----------
    source
        A ``.parquet``, ``.jsonl``, ``.ndjson`` or ``.json`` (a list, or one object) file, the latter three also
        packed as ``.jsonl.gz`` etc.; a folder written by ``Dataset.save_to_disk``; ``hub:NAME[:SPLIT]``; or
        ``owner/name`` where no such path exists.
    config
        The configuration of a dataset of the hub that has several.

    Raises
    ------
    DataError
        If there is no such source, its format is unknown or broken, or it holds no row.
    MissingDependencyError
        If the source needs the `datasets` library and it is not installed.
    """
    path = Path(source).expanduser()
    if isinstance(source, str) and names_a_dataset(source):
        rows = hub_rows(source, config)
    elif path.is_dir():
        rows = _folder_rows(path)
    else:
        rows = _file_rows(path)
    if not rows:
        raise DataError(f"{source}: holds no rows; give a source with at least one")
    return [{name: _plain(value) for name, value in row.items()} for row in rows]


def names_a_dataset(source: str) -> bool:
    """Tell a dataset of the hub from a path.

    ``owner/name`` is one where nothing of such a path exists, and it ends like no file.
    """
    path = Path(source)
    return source.startswith(HUB_PREFIX) or (
        _HUB_NAME.fullmatch(source) is not None
        and _suffix(path) not in _READERS
        and not path.exists()
        and not path.parent.exists()
    )


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and math.isnan(value) else value


def _folder_rows(path: Path) -> list[dict[str, Any]]:
    if not is_saved_dataset(path):
        raise DataError(
            f"{path}: a folder not written by save_to_disk; name a file in it ({', '.join(_READERS)})"
        )
    return saved_rows(path)


def _file_rows(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        raise DataError(_no_such_path(path))
    reader = _READERS.get(_suffix(path))
    if reader is None:
        raise DataError(f"{path}: unknown suffix {_suffix(path)!r}; known are {', '.join(_READERS)}")
    try:
        return reader(path)
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path}: not UTF-8 text (byte {error.start}: {error.reason}); save it as UTF-8"
        ) from error
    except pa.ArrowException as error:
        raise DataError(
            f"{path}: not a readable parquet file: {first_line(error)}; write it again"
        ) from error
    except (OSError, EOFError, zlib.error, ValueError, OverflowError, RecursionError) as error:
        raise DataError(f"{path}: cannot be read: {first_line(error)}") from error


def _suffix(path: Path) -> str:
    """Return what the file is: its suffix, with the one before it where it is packed."""
    packed = path.suffix.lower() == _PACKED
    return "".join(path.suffixes[-2:] if packed else path.suffixes[-1:]).lower()


def _open(path: Path) -> TextIO:
    opened = gzip.open if path.suffix.lower() == _PACKED else open
    return cast(TextIO, opened(path, "rt", encoding="utf-8-sig"))


def _no_such_path(path: Path) -> str:
    folder = path.parent
    if not folder.is_dir():
        return f"{path}: no such file: the folder {folder} does not exist"
    hint = file_near(path, folders=True)
    return f"{path}: no such file.{hint} A dataset of the hub is written {HUB_PREFIX}owner/name"


def _parquet_rows(path: Path) -> list[dict[str, Any]]:
    twice = [name for name, n in Counter(pq.read_schema(path).names).items() if n > 1]
    if twice:
        raise DataError(f"{path}: has the column {twice[0]} twice; rename one")
    rows: list[dict[str, Any]] = pq.read_table(path).to_pylist()
    return rows


def _jsonl_rows(path: Path) -> list[dict[str, Any]]:
    with _open(path) as lines:
        return [_object(path, n, line) for n, line in enumerate(lines, start=1) if line.strip()]


def _object(path: Path, number: int, line: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise DataError(f"{path}, line {number}: broken JSON: {error.msg} (column {error.colno})") from error
    except (ValueError, RecursionError) as error:  # a number of thousands of digits; thousands of brackets
        raise DataError(f"{path}, line {number}: cannot be read: {first_line(error)}") from error
    if not isinstance(row, dict):
        raise DataError(f"{path}, line {number}: expected one JSON object per line, found {_shown(row)}")
    return row


def _json_rows(path: Path) -> list[dict[str, Any]]:
    try:
        with _open(path) as file:
            rows = json.load(file)
    except json.JSONDecodeError as error:
        hint = "; JSON lines end in .jsonl" if error.msg == "Extra data" else ""
        raise DataError(
            f"{path}, line {error.lineno}: broken JSON: {error.msg} (column {error.colno}){hint}"
        ) from error
    if isinstance(rows, dict):
        return [rows]
    if not isinstance(rows, list):
        raise DataError(f"{path}: expected a JSON list of objects, or one object, found {_shown(rows)}")
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, dict):
            raise DataError(f"{path}, item {number}: expected an object, found {_shown(row)}")
    return rows


def _shown(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 40 else f"{text[:40]}..."


_TEXT_READERS = {".jsonl": _jsonl_rows, ".ndjson": _jsonl_rows, ".json": _json_rows}
_READERS: dict[str, Callable[[Path], list[dict[str, Any]]]] = {
    ".parquet": _parquet_rows,
    **_TEXT_READERS,
    **{f"{suffix}{_PACKED}": reader for suffix, reader in _TEXT_READERS.items()},
}

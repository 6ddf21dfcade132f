"""Files that survive ``kill -9``: replaced at once, or appended to in chunks, each on disk before the next.

A file that is replaced is written beside the old one and renamed. A chunk of JSON lines is one write, flushed
and synced. A process that dies inside it leaves a last line without its end; on reopening that line is cut off, so
that every line of the file is whole and what it holds is known by its ``id``.
"""

from __future__ import annotations

import difflib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from rewardrouter.errors import DataError

CACHE_VARIABLE = "REWARDROUTER_CACHE"

_NEAR = 0.8
"""Likeness, from 0 to 1, from which one file's name may be meant by another: about one letter in five differs."""

_BLOCK = 1 << 16  # bytes looked through at once for the last line end


def cache_folder() -> Path:
    """Return ``$REWARDROUTER_CACHE``, else ``rewardrouter`` in the user's cache folder."""
    given = os.environ.get(CACHE_VARIABLE)
    if given:
        return Path(given).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "rewardrouter"


def file_near(path: Path, *, folders: bool = False) -> str:
    """Return ``" Did you mean X?"`` for a file beside ``path`` of almost its name, or the empty string.

    Names are compared without their suffix, which most files of a folder share: ``pairs.jsonl`` is not near
    ``verdicts.jsonl``, but near ``pair.jsonl`` and ``pairs.json``. ``folders`` looks at folders too.
    """
    beside = sorted(path.parent.iterdir()) if path.parent.is_dir() else []
    near = [
        (
            difflib.SequenceMatcher(None, _stem(path), _stem(other)).ratio(),
            other.suffix == path.suffix,
            other.name,
        )
        for other in beside
        if folders or other.is_file()
    ]
    likeness, _, name = max(near, default=(0.0, False, ""))
    return f" Did you mean {path.with_name(name)}?" if likeness >= _NEAR else ""


def _stem(path: Path) -> str:
    return Path(path.name.removesuffix(".gz")).stem.lower()


class AppendOnlyLines:
    """One file of JSON objects with an ``id``, to be appended to.

    Creating it cuts off a torn last line and reads what is there; a file that does not exist is begun.

    Parameters
    ----------
    path
        The file.

    Attributes
    ----------
    ids
        The ids in the file, those of earlier runs included.
    repeated
        Those that stood there more than once.
    first
        The first object in the file, ``None`` while it is empty.

    Raises
    ------
    DataError
        If a whole line is not a JSON object with an ``id``.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.ids: set[str] = set()
        self.repeated: set[str] = set()
        self.first: Mapping[str, Any] | None = None
        path.touch()
        cut_torn_line(path)
        for row in self.rows():
            if str(row["id"]) in self.ids:
                self.repeated.add(str(row["id"]))
            self._remember(row)

    def append(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Append one chunk; it is on disk on return."""
        chunk = list(rows)
        lines = "".join(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n" for row in chunk)
        with self.path.open("ab") as file:
            file.write(lines.encode("utf-8"))
            file.flush()
            os.fsync(file.fileno())
        for row in chunk:
            self._remember(row)

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield the objects in the file."""
        with self.path.open("rb") as lines:
            for number, line in enumerate(lines, start=1):
                try:
                    row = json.loads(line)
                    row["id"]
                except (ValueError, TypeError, KeyError) as error:
                    raise DataError(
                        f"{self.path}, line {number}: not a JSON object with an id; remove the line to resume"
                    ) from error
                yield row

    def arrange(self, order: Iterable[str]) -> None:
        """Put the lines into the order of their ids in ``order``, all at once; others follow as they stood."""
        place = {name: n for n, name in enumerate(order)}
        lines: list[tuple[int, int, int]] = []  # place, where it begins, its length
        with self.path.open("rb") as file:
            for line in file:
                begins = lines[-1][1] + lines[-1][2] if lines else 0
                lines.append((place.get(str(json.loads(line)["id"]), len(place)), begins, len(line)))

        def write(temporary: Path) -> None:
            with self.path.open("rb") as source, temporary.open("wb") as target:
                for _, begins, length in sorted(lines):
                    source.seek(begins)
                    target.write(source.read(length))

        write_atomically(self.path, write)

    def _remember(self, row: Mapping[str, Any]) -> None:
        self.ids.add(str(row["id"]))
        self.first = self.first or row


class Journal:
    """One file of JSON objects, a few per step, that a checkpoint can cut back to what it knows.

    A checkpoint keeps :attr:`length`; going on from it begins with :meth:`begin`, which drops what came later.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def length(self) -> int:
        """Length of the file in bytes."""
        return self.path.stat().st_size

    def begin(self, length: int) -> None:
        """Make the file what it was when it had ``length`` bytes; 0 empties or creates it.

        Raises
        ------
        DataError
            If it is shorter than that.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.touch()
        if self.length < length:
            raise DataError(
                f"{self.path}: shorter than its checkpoint says; delete {self.path.parent} to run it again"
            )
        with self.path.open("r+b") as file:
            file.truncate(length)

    def append(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Append the lines of one step."""
        text = "".join(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n" for row in rows)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(text)

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield the objects in the file."""
        with self.path.open(encoding="utf-8") as lines:
            yield from map(json.loads, lines)


def cut_torn_line(path: Path) -> None:
    """Shorten the file to its last line end, in place."""
    with path.open("r+b") as file:
        end = file.seek(0, os.SEEK_END)
        while end > 0:
            start = max(0, end - _BLOCK)
            file.seek(start)
            found = file.read(end - start).rfind(b"\n")
            if found >= 0:
                end = start + found + 1
                break
            end = start
        file.truncate(end)


def write_atomically(path: Path, write: Callable[[Path], None]) -> None:
    """Let ``write`` fill a temporary file beside ``path``, then put it in its place at once, for good."""
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        write(temporary)
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
        sync_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Put a folder's names on disk: without it, a power cut may bring the file back that was replaced."""
    if os.name == "nt":  # pragma: no cover - folders cannot be opened there, and NTFS logs names itself
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_text_atomically(path: Path, text: str) -> None:
    """Write a text in UTF-8; the file is there with all of it, or as it was before."""

    def write(temporary: Path) -> None:
        temporary.write_text(text, encoding="utf-8")

    write_atomically(path, write)

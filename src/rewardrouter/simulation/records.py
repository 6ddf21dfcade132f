"""The files of one unit of a replay: one strategy under one seed.

``decisions.jsonl`` has a line per pair and batch, ``metrics.jsonl`` a line per batch. Both are appended to batch by
batch; a checkpoint knows how long they were, so that going on from it cuts off what came later. When the unit is
done, its ``summary.json`` is written, the decisions are compressed and the checkpoint is removed.
"""

from __future__ import annotations

import contextlib
import gzip
import json
import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from rewardrouter.errors import DataError
from rewardrouter.files import write_atomically


class UnitFiles:
    """The files of one unit in ``folder``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.checkpoint = folder / "state.safetensors"
        self._decisions = folder / "decisions.jsonl"
        self._metrics = folder / "metrics.jsonl"
        self._summary = folder / "summary.json"

    @property
    def done(self) -> bool:
        """Whether the unit is finished."""
        return self._summary.exists()

    def begin(self, lengths: Mapping[str, int]) -> None:
        """Prepare the files for going on where they were ``lengths`` bytes long (0 from the start)."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for path in (self._decisions, self._metrics):
            wanted = lengths.get(path.name, 0)
            path.touch()
            if path.stat().st_size < wanted:
                raise DataError(
                    f"{path}: shorter than its checkpoint says; delete {self.folder} to run it again"
                )
            with path.open("r+b") as file:
                file.truncate(wanted)

    def append(self, decisions: Iterable[Mapping[str, Any]], metrics: Mapping[str, Any]) -> None:
        """Append the lines of one batch."""
        for path, rows in ((self._decisions, decisions), (self._metrics, [metrics])):
            text = "".join(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n" for row in rows)
            with path.open("a", encoding="utf-8") as file:
                file.write(text)

    def lengths(self) -> dict[str, int]:
        """Return the length of both files in bytes."""
        return {path.name: path.stat().st_size for path in (self._decisions, self._metrics)}

    def decisions(self) -> Iterator[dict[str, Any]]:
        """Yield the decisions, in order."""
        packed = self._packed()
        if packed.exists():
            with gzip.open(packed, "rt", encoding="utf-8") as lines:
                yield from map(json.loads, lines)
        else:
            with self._decisions.open(encoding="utf-8") as lines:
                yield from map(json.loads, lines)

    def metrics(self) -> list[dict[str, Any]]:
        """Return the metrics of every batch."""
        with self._readable(self._metrics), self._metrics.open(encoding="utf-8") as lines:
            return [json.loads(line) for line in lines]

    def finish(self, summary: Mapping[str, Any]) -> None:
        """Mark the unit as finished. Killed inside, it is finished or will be run on from its checkpoint."""

        def pack(path: Path) -> None:
            # No name and no time in the header: the same decisions are the same bytes.
            with (
                self._decisions.open("rb") as plain,
                path.open("wb") as raw,
                gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0) as packed,
            ):
                shutil.copyfileobj(plain, packed)

        def write(path: Path) -> None:
            path.write_text(json.dumps(summary, indent=1, allow_nan=False) + "\n", encoding="utf-8")

        write_atomically(self._packed(), pack)
        write_atomically(self._summary, write)
        self._decisions.unlink()
        self.checkpoint.unlink(missing_ok=True)

    def summary(self) -> dict[str, Any]:
        """Return the summary of a finished unit."""
        with self._readable(self._summary):
            found: dict[str, Any] = json.loads(self._summary.read_text(encoding="utf-8"))
        return found

    @contextlib.contextmanager
    def _readable(self, path: Path) -> Iterator[None]:
        try:
            yield
        except (OSError, ValueError) as error:
            raise DataError(
                f"{path}: cannot be read ({error}); delete {self.folder} to run it again"
            ) from error

    def _packed(self) -> Path:
        return self.folder / "decisions.jsonl.gz"

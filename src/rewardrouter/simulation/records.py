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
from rewardrouter.files import Journal, write_atomically


class UnitFiles:
    """The files of one unit in ``folder``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.checkpoint = folder / "state.safetensors"
        self._decisions = Journal(folder / "decisions.jsonl")
        self._metrics = Journal(folder / "metrics.jsonl")
        self._summary = folder / "summary.json"

    @property
    def done(self) -> bool:
        """Whether the unit is finished."""
        return self._summary.exists()

    def begin(self, lengths: Mapping[str, int]) -> None:
        """Prepare the files for going on where they were ``lengths`` bytes long (0 from the start)."""
        for journal in (self._decisions, self._metrics):
            journal.begin(lengths.get(journal.path.name, 0))

    def append(self, decisions: Iterable[Mapping[str, Any]], metrics: Mapping[str, Any]) -> None:
        """Append the lines of one batch."""
        self._decisions.append(decisions)
        self._metrics.append([metrics])

    def lengths(self) -> dict[str, int]:
        """Return the length of both files in bytes."""
        return {journal.path.name: journal.length for journal in (self._decisions, self._metrics)}

    def decisions(self) -> Iterator[dict[str, Any]]:
        """Yield the decisions, in order."""
        packed = self._packed()
        if packed.exists():
            with gzip.open(packed, "rt", encoding="utf-8") as lines:
                yield from map(json.loads, lines)
        else:
            yield from self._decisions.rows()

    def metrics(self) -> list[dict[str, Any]]:
        """Return the metrics of every batch."""
        with self._readable(self._metrics.path):
            return list(self._metrics.rows())

    def finish(self, summary: Mapping[str, Any]) -> None:
        """Mark the unit as finished. Killed inside, it is finished or will be run on from its checkpoint."""

        def pack(path: Path) -> None:
            # No name and no time in the header: the same decisions are the same bytes.
            with (
                self._decisions.path.open("rb") as plain,
                path.open("wb") as raw,
                gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0) as packed,
            ):
                shutil.copyfileobj(plain, packed)

        def write(path: Path) -> None:
            path.write_text(json.dumps(summary, indent=1, allow_nan=False) + "\n", encoding="utf-8")

        write_atomically(self._packed(), pack)
        write_atomically(self._summary, write)
        self._decisions.path.unlink()
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

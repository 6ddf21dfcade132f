"""Writing the folder of ``collect``: every chunk of calls a file of its own, whole or not there at all.

::

    pairs.parquet                 the pairs, with their labels where they have some
    manifest.json                 the pool's order, what each RM is, digests of the pairs
    verdicts/part-000001.parquet  a row per call, written beside and renamed

Whenever a process dies, the chunks that it finished are there and the one in flight is not; what it left
half written is removed by the next one. A folder goes on only with the same pairs, and an RM's name stands for the
same RM for good. One process writes at a time.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import filelock
import pyarrow as pa
import pyarrow.parquet as pq

from rewardrouter.datasets.manifests import differences, read_manifest, write_manifest
from rewardrouter.datasets.pair_files import pairs_table
from rewardrouter.datasets.pairs import LoadedPairs
from rewardrouter.datasets.verdict_folder import (
    MANIFEST,
    PAIRS,
    VERDICTS,
    part_files,
    read_calls,
    stands,
)
from rewardrouter.errors import DataError
from rewardrouter.files import write_atomically
from rewardrouter.pairs import PreferencePair, as_json
from rewardrouter.verdicts import Verdict

_LOCK = ".lock"
_PART = re.compile(r"part-(\d+)")
_CALLS = pa.schema(
    [
        *(("pair_id", pa.string()), ("rm", pa.string())),
        *(("score_a", pa.float64()), ("score_b", pa.float64())),
        *(("winner", pa.string()), ("error", pa.string()), ("seconds", pa.float64())),
        ("repeats", pa.bool_()),
    ]
)
_UNCOMPARED = "source"
"""Part of an RM's identity that may change: the same files, moved."""


class VerdictWriter:
    """Appends calls to a folder, and knows those that it holds.

    A context manager.

    Parameters
    ----------
    folder
        The folder; it is made, with those above it.
    loaded
        The pairs, and their labels.
    rms
        What each RM is, by name in the order of the pool: JSON values. RMs that the folder knows from before and
        that are not named here keep their calls.

    Raises
    ------
    DataError
        On entering: if the folder cannot be written, is none of ``collect``'s, was begun with other pairs or
        labels, one of its RMs was another one, a part is broken, or another process writes to it.
    """

    def __init__(self, folder: str | Path, loaded: LoadedPairs, rms: Mapping[str, Mapping[str, Any]]) -> None:
        self.folder = Path(folder).expanduser()
        self._loaded = loaded
        self._rms: dict[str, dict[str, Any]] = json.loads(json.dumps(rms))
        self._verdicts: dict[str, dict[str, Verdict]] = {}
        self._lock = filelock.FileLock(self.folder / _LOCK)
        self._next_part = 1

    def __enter__(self) -> Self:
        with self._one_line():
            (self.folder / VERDICTS).mkdir(parents=True, exist_ok=True)
            try:
                self._lock.acquire(timeout=0)
            except filelock.Timeout:
                raise DataError(
                    f"{self.folder}: another process is writing to it; wait for its end"
                ) from None
        try:
            with self._one_line():
                self._begin()
        except BaseException:
            self._lock.release()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._lock.release()

    def verdicts(self, rm: str) -> Mapping[str, Verdict]:
        """Return what counts of an RM's calls, by the pair's id: the latest row, but a verdict once given stands."""
        return self._verdicts.get(rm, {})

    def append(self, pairs: Sequence[PreferencePair], verdicts: Sequence[Verdict]) -> None:
        """Append one chunk of calls, at least one; it is on disk on return.

        Raises
        ------
        DataError
            If it cannot be written.
        """
        rows = [_row(pair.id, verdict) for pair, verdict in zip(pairs, verdicts, strict=True)]
        table = pa.Table.from_pylist(rows, schema=_CALLS)
        part = self.folder / VERDICTS / f"part-{self._next_part:06d}.parquet"
        with self._one_line():
            write_atomically(part, lambda file: pq.write_table(table, file))
        self._next_part += 1
        for pair, verdict in zip(pairs, verdicts, strict=True):
            self._remember(pair.id, verdict)

    def _begin(self) -> None:
        for leftover in [*self.folder.glob(".*.tmp"), *(self.folder / VERDICTS).glob(".*.tmp")]:
            leftover.unlink()
        manifest = self._manifest()
        parts = part_files(self.folder)
        for part in parts:
            self._read(part)
        numbers = [int(found[1]) for part in parts if (found := _PART.match(part.stem))]
        self._next_part = max(numbers, default=0) + 1
        write_manifest(self.folder / MANIFEST, manifest)
        if not (self.folder / PAIRS).exists():
            table = pairs_table(self._loaded)
            write_atomically(self.folder / PAIRS, lambda file: pq.write_table(table, file))

    def _manifest(self) -> dict[str, Any]:
        """Return the manifest that the folder has from now on, or refuse to go on with it."""
        known: dict[str, dict[str, Any]] = {}
        now = _digests(self._loaded)
        if (self.folder / MANIFEST).exists():
            there = read_manifest(self.folder / MANIFEST)
            known = there.get("models", {})
            if changed := differences({key: there.get(key) for key in now}, now):
                raise DataError(
                    f"{self.folder}: holds verdicts on other pairs: {changed}; give another folder"
                )
            for rm in known.keys() & self._rms.keys():
                if changed := differences(_compared(known[rm]), _compared(self._rms[rm])):
                    raise DataError(
                        f"{self.folder}: {rm} was another reward model: {changed};"
                        " give it another name in the pool, or another folder"
                    )
        elif any(path.name not in (_LOCK, VERDICTS) for path in self.folder.iterdir()) or part_files(
            self.folder
        ):
            raise DataError(
                f"{self.folder}: holds files but no {MANIFEST}: not a folder of collect; give another one"
            )
        models = {**self._rms, **{rm: known[rm] for rm in known if rm not in self._rms}}
        return {"rms": list(models), **now, "models": models}

    def _read(self, part: Path) -> None:
        try:
            for call in read_calls([part]):
                self._remember(call.key[0], call.recording.verdict)
        except DataError as error:
            raise DataError(f"{error}; or remove {part.name}, and its calls are made again") from error

    def _remember(self, pair_id: str, verdict: Verdict) -> None:
        of_rm = self._verdicts.setdefault(verdict.rm, {})
        if pair_id not in of_rm or not stands(of_rm[pair_id]):
            of_rm[pair_id] = verdict

    @contextlib.contextmanager
    def _one_line(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise DataError(
                f"{self.folder}: cannot be written: {error.strerror or error}; what is in it stays,"
                " and the same command goes on from there"
            ) from error


def _row(pair_id: str, verdict: Verdict) -> dict[str, Any]:
    return {
        "pair_id": pair_id,
        "rm": verdict.rm,
        "score_a": verdict.score_a,
        "score_b": verdict.score_b,
        "winner": verdict.winner,
        "error": None if verdict.error is None else verdict.error.encode("utf-8", "replace").decode(),
        "seconds": verdict.seconds,
        "repeats": verdict.repeats,
    }


def _compared(identity: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in identity.items() if key != _UNCOMPARED}


def _digests(loaded: LoadedPairs) -> dict[str, Any]:
    """Name the exact pairs, and what else is known of them."""
    texts, labels = hashlib.sha256(), hashlib.sha256()
    for pair, label in zip(loaded.pairs, loaded.labels, strict=True):
        sides = [as_json(text) for text in (pair.prompt, pair.response_a, pair.response_b)]
        texts.update(json.dumps([pair.id, *sides]).encode())
        labels.update(json.dumps([label, pair.domain, pair.group]).encode())
    return {
        "n_pairs": len(loaded.pairs),
        "pairs": texts.hexdigest()[:32],
        "labels_and_groups": labels.hexdigest()[:32],
    }

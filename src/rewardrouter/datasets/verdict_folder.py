"""Reading the folder that ``collect`` writes (``verdict_writer``): a row per call, only ever appended.

``verdicts/*.parquet`` hold ``pair_id, rm, score_a, score_b, winner, error,
seconds, repeats``, read in the order of their names (numbers by value). A call that
failed may be made again, so a later row replaces an earlier failure; a verdict,
once given, stands. ``manifest.json`` may hold ``rms``, the order of the pool.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path

from rewardrouter.datasets.cells import key_text
from rewardrouter.datasets.report import RowReport
from rewardrouter.datasets.rows import read_rows
from rewardrouter.datasets.verdict_cells import Recording, read_recording
from rewardrouter.errors import DataError
from rewardrouter.verdicts import Verdict

PAIRS, VERDICTS, MANIFEST = "pairs.parquet", "verdicts", "manifest.json"
"""What the folder holds."""

_REQUIRED = ("pair_id", "rm", "winner")


def is_verdict_folder(path: Path) -> bool:
    """Tell whether ``path`` is a folder of ``collect``, whole or not."""
    return (path / PAIRS).exists() or (path / VERDICTS).is_dir()


def folder_answers(
    folder: Path, ids: Sequence[str], known: Collection[str], report: RowReport
) -> dict[str, list[Recording]]:
    """Return, for each RM, its recording on each pair of ``ids``; a pair it was never asked counts as failed.

    Parameters
    ----------
    folder
        The folder.
    ids
        The pairs to be answered.
    known
        Every pair id of ``pairs.parquet``, usable or not.
    report
        Receives ``unknown_pair`` and ``conflicting_verdicts``.

    Raises
    ------
    DataError
        If verdicts or manifest are missing, broken or lack a column.
    """
    names = dict.fromkeys(_manifest_rms(folder / MANIFEST))
    calls: dict[tuple[str, str], Recording] = {}
    files = part_files(folder)
    if not files:
        raise DataError(f"{folder}: no {VERDICTS}/*.parquet in it; `rewardrouter collect` writes them")
    for call in read_calls(files):
        pair_id, rm = call.key
        names[rm] = None
        earlier, later = calls.get(call.key), call.recording
        if pair_id not in known:
            report.add("unknown_pair", f"{pair_id} ({rm})")
        elif earlier is None or not stands(earlier.verdict):
            calls[call.key] = later
        elif later.verdict.winner not in (None, earlier.verdict.winner):
            report.add("conflicting_verdicts", f"{pair_id} ({rm})")
    return {rm: [calls.get((name, rm)) or read_recording(rm) for name in ids] for rm in names}


@dataclasses.dataclass(frozen=True, slots=True)
class Call:
    """One row of the log: pair id and RM, and what came of it."""

    key: tuple[str, str]
    recording: Recording


def stands(verdict: Verdict) -> bool:
    """Tell whether a verdict is final: a failed call may be made again, and the later row counts.

    A failure that would repeat is not asked again.
    """
    return verdict.winner is not None or verdict.repeats


def part_files(folder: Path) -> list[Path]:
    """Return the files of calls in a folder, in the order in which they were written."""
    return sorted((folder / VERDICTS).glob("*.parquet"), key=_order)


def read_calls(files: Iterable[Path]) -> Iterator[Call]:
    """Yield every call in some files, in order.

    Raises
    ------
    DataError
        If a file is broken or lacks a column.
    """
    for file in files:
        for number, row in enumerate(read_rows(file), start=1):
            missing = [column for column in _REQUIRED if column not in row]
            if missing:
                raise DataError(f"{file}: no column {', '.join(missing)}; found {', '.join(row)}")
            if row["pair_id"] is None or row["rm"] is None:
                raise DataError(f"{file}, row {number}: pair_id or rm is missing; remove the row")
            rm = str(row["rm"])
            answer = (row.get(name) for name in ("winner", "score_a", "score_b", "error", "seconds"))
            recording = read_recording(rm, *answer)
            if row.get("repeats") and recording.verdict.winner is None:
                verdict = dataclasses.replace(recording.verdict, repeats=True)
                recording = dataclasses.replace(recording, verdict=verdict)
            yield Call((key_text(row["pair_id"]) or "", rm), recording)


def _order(file: Path) -> list[tuple[int, str]]:
    """Sort ``part-2`` before ``part-10``: digits by value, the rest as text."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", file.stem)]


def _manifest_rms(manifest: Path) -> list[str]:
    if not manifest.exists():
        return []
    try:
        content = json.loads(manifest.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DataError(f"{manifest}: broken JSON: {error}") from error
    names = content.get("rms", []) if isinstance(content, dict) else None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise DataError(
            f"{manifest}: expected an object whose rms is a list of names, found {str(content)[:60]}"
        )
    return names

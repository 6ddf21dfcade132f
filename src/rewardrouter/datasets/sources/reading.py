"""The native rows of a published data set: from the hub, a copy of it, or local files.

A split is a split of the hub; a local file is one split, whichever, and is read as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from rewardrouter.datasets.library import HUB_PREFIX
from rewardrouter.datasets.report import RowReport
from rewardrouter.datasets.rows import names_a_dataset, read_rows
from rewardrouter.datasets.sources.base import Part, Source
from rewardrouter.datasets.sources.native import NativeRow
from rewardrouter.datasets.texts import BadRow
from rewardrouter.errors import DataError, UserError, did_you_mean

Read = TypeVar("Read")


def part_named(source: Source, split: str | None) -> Part:
    """Return a split by its name, the first one for ``None``.

    Raises
    ------
    UserError
        If there is none of that name.
    """
    if split is None:
        return next(iter(source.splits.values()))
    if split not in source.splits:
        hint = did_you_mean(split, source.splits)
        raise UserError(f"{source.name}: no split {split}.{hint} There are {', '.join(source.splits)}")
    return source.splits[split]


def native_rows(source: Source, places: Sequence[str], split: str | None) -> list[NativeRow]:
    """Read every row of some places, or of the data set's own place on the hub.

    Raises
    ------
    UserError
        If there is no such split, it is named for a local file, or the data set is not on the hub.
    DataError
        If a place cannot be read.
    MissingDependencyError
        If the hub is needed and the `datasets` library is not installed.
    """
    return [
        NativeRow(values, place, number, source.schema)
        for place in _places(source, places, split, part_named(source, split))
        for number, values in enumerate(_rows(source, place), start=1)
    ]


def read_each(
    native: Sequence[NativeRow], read: Callable[[NativeRow], Read], report: RowReport
) -> list[tuple[NativeRow, Read]]:
    """Return each row with what ``read`` makes of it; rows that it refuses (``BadRow``) are reported.

    Raises
    ------
    DataError
        If it refuses all of them.
    """
    several_files = len({row.file for row in native}) > 1
    found: list[tuple[NativeRow, Read]] = []
    for row in native:
        try:
            found.append((row, read(row)))
        except BadRow as problem:
            report.add(problem.kind, f"{row.file} row {row.number}" if several_files else f"row {row.number}")
    if not found:
        reasons = "; ".join(report.lines())
        raise DataError(f"{native[0].file}: none of its {len(native):,} rows can be used: {reasons}")
    return found


def _places(source: Source, places: Sequence[str], split: str | None, part: Part) -> list[str]:
    """Return where to read: what the user named, with the split where it is of the hub, else the hub."""
    if not places:
        if source.hub is None:
            raise UserError(
                f"{source.name}: not on the hub; get it from {source.home}, and give it as --source"
            )
        return [f"{HUB_PREFIX}{source.hub}:{part.native}"]
    return list(places) if split is None else [_split_of(place, split, part) for place in places]


def _split_of(place: str, split: str, part: Part) -> str:
    """Return where a split of a place is: on the hub, in a saved folder of several, or, to be cut out, in a file."""
    if names_a_dataset(place) and ":" not in place.removeprefix(HUB_PREFIX):
        return f"{place if place.startswith(HUB_PREFIX) else HUB_PREFIX + place}:{part.native}"
    if (saved := Path(place).expanduser() / part.native).is_dir():
        return str(saved)
    if part.is_whole:
        raise UserError(f"--split {split}: {place} is one split already; leave --split out")
    return place


def _rows(source: Source, place: str) -> list[dict[str, Any]]:
    """Read a place; where the data set's own place on the hub cannot be, say what else there is."""
    try:
        return read_rows(place, _config(source, place))
    except DataError as error:
        if source.hub is None or not place.startswith(f"{HUB_PREFIX}{source.hub}:"):
            raise
        raise DataError(
            f"{error}. Without the hub: get the file from {source.home}, and give it as --source FILE"
        ) from error


def _config(source: Source, place: str) -> str | None:
    """Return the hub's configuration where it is the data set itself that is read, not a copy of it."""
    dataset, _, _ = place.removeprefix(HUB_PREFIX).partition(":")
    return source.config if dataset == source.hub else None

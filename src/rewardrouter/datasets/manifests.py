"""What a folder or file was begun with, as JSON beside it: work goes on only with the same."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rewardrouter.errors import DataError
from rewardrouter.files import write_atomically

_ABSENT = object()
_DIGEST = re.compile(r"(?:sha256:)?(?:[0-9a-f]{16}|[0-9a-f]{32}|[0-9a-f]{64})")
_WORDS = {
    "pairs": "ids or texts of the pairs",
    "labels_and_groups": "labels, domains or groups of the pairs",
    "router": "the files of the router",
    "verdicts": "the recorded verdicts of the pool",
}
"""What a manifest names by a digest."""


def read_manifest(path: Path) -> dict[str, Any]:
    """Return a manifest; one that is no object is empty.

    Raises
    ------
    DataError
        If it is not JSON.
    """
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DataError(f"{path}: broken JSON: {error}; delete what it belongs to, to begin anew") from error
    return manifest if isinstance(manifest, dict) else {}


def write_manifest(path: Path, manifest: Mapping[str, Any]) -> None:
    """Write a manifest, all at once."""
    text = json.dumps(manifest, indent=2, ensure_ascii=False) + "\n"
    write_atomically(path, lambda file: _write(file, text))


def differences(there: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Return, for each setting that differs, ``its.name: X there, Y now``, or the empty string.

    Digests tell nobody anything: of what they stand for, it is said that it has changed.
    """
    return "; ".join(_differing("", there, now))


def _differing(name: str, there: Any, now: Any) -> list[str]:
    if isinstance(there, Mapping) and isinstance(now, Mapping):
        inner = f"{name}." if name else ""
        return [
            line
            for key in {**there, **now}
            for line in _differing(f"{inner}{key}", there.get(key, _ABSENT), now.get(key, _ABSENT))
        ]
    if isinstance(there, list) and isinstance(now, list) and len(there) == len(now):
        return [
            line
            for n, (one, other) in enumerate(zip(there, now, strict=True))
            for line in _differing(f"{name}[{n}]", one, other)
        ]
    if there == now:
        return []
    if all(isinstance(value, str) and _DIGEST.fullmatch(value) for value in (there, now)):
        return [f"{name}: {_WORDS.get(name, 'what it stands for')} changed since"]
    return [f"{name}: {_shown(there)} there, {_shown(now)} now"]


def _shown(value: Any) -> str:
    text = "nothing" if value is _ABSENT else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else f"{text[:80]}..."


def _write(file: Path, text: str) -> None:
    file.write_text(text, encoding="utf-8")

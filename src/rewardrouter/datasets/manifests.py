"""What a folder or file was begun with, as JSON beside it: work goes on only with the same."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rewardrouter.errors import DataError
from rewardrouter.files import write_atomically


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
    """Return ``key: X there, Y now`` for each key that differs, or the empty string."""
    keys = [key for key in {**there, **now} if (key in there, there.get(key)) != (key in now, now.get(key))]
    return "; ".join(f"{key}: {_shown(there, key)} there, {_shown(now, key)} now" for key in keys)


def _shown(manifest: Mapping[str, Any], key: str) -> str:
    text = json.dumps(manifest[key], ensure_ascii=False) if key in manifest else "nothing"
    return text if len(text) <= 80 else f"{text[:80]}..."


def _write(file: Path, text: str) -> None:
    file.write_text(text, encoding="utf-8")

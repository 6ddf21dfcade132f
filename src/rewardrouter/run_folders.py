"""A folder in which one process works at a time, and whose ``config.yaml`` says with what it was begun."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from rewardrouter.errors import UserError

CONFIG_FILE = "config.yaml"
_LOCK_FILE = ".lock"


@contextlib.contextmanager
def opened(
    folder: Path,
    *,
    begin: Callable[[Path], None],
    go_on: Callable[[Path], None],
    undo: Callable[[], bool],
) -> Iterator[bool]:
    """Begin a run in ``folder``, or go on with the one in it, while nobody else does; yield whether it is begun.

    Parameters
    ----------
    folder
        Of the run; made where it is missing.
    begin
        Writes the file of settings, given its path.
    go_on
        Raises a ``UserError`` where the run that was begun with that file is not to be gone on with.
    undo
        Called where a run begun now ends in the user's mistake: where it has done nothing yet, removes what it left and
        returns true. Then its file of settings goes too, and the corrected command finds an empty folder.

    Raises
    ------
    UserError
        If the folder cannot be made, holds something else, or another process is at work in it; and what ``go_on``
        raises.
    """
    written, lock = folder / CONFIG_FILE, folder / _LOCK_FILE
    held = {lock.name, f".{written.name}.tmp"}
    if folder.exists() and not folder.is_dir():
        raise UserError(f"--out {folder}: is a file; give a folder")
    if not written.exists() and folder.exists() and {f.name for f in folder.iterdir()} - held:
        raise UserError(f"--out {folder}: is not empty and holds no run; give another folder")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"--out {folder}: cannot be made: {error.strerror}") from None
    try:
        with FileLock(lock, timeout=0):
            begun = not written.exists()
            (begin if begun else go_on)(written)
            try:
                yield begun
            except UserError:
                if begun and undo():
                    written.unlink()
                raise
    except Timeout:
        raise UserError(
            f"--out {folder}: another process is at work in it; wait for it, or stop it"
        ) from None

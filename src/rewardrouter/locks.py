"""A file that one process holds at a time, and that says who.

The kernel holds the lock, so that one whose process was killed is free. Who holds it is written beside it, for the
message of whoever finds it held.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from filelock import FileLock, Timeout


class HeldError(Exception):
    """A lock that another process holds; the message says which."""


@contextlib.contextmanager
def held(lock: Path, *, waiting: Callable[[str], None] | None = None) -> Iterator[None]:
    """Hold a lock.

    Parameters
    ----------
    lock
        Its file; the folder is there.
    waiting
        Is given the other process where there is one, and it is waited for; without it nobody waits.

    Raises
    ------
    HeldError
        If another process holds it and nobody waits.
    """
    owner = lock.with_name(f"{lock.name}.by")
    file = FileLock(lock)
    try:
        file.acquire(timeout=0)
    except Timeout:
        if waiting is None:
            raise HeldError(_shown(owner)) from None
        waiting(_shown(owner))
        file.acquire()
    try:
        with contextlib.suppress(OSError):  # it only names who is waited for
            owner.write_text(f"process {os.getpid()}: {_command()}", encoding="utf-8")
        yield
    finally:
        with contextlib.suppress(OSError):
            owner.unlink()
        file.release()


def _command() -> str:
    return shlex.join([Path(sys.argv[0]).name, *sys.argv[1:3]])[:80]


def _shown(owner: Path) -> str:
    try:
        return f"another process ({owner.read_text(encoding='utf-8')})"
    except (OSError, ValueError):
        return "another process"

"""What survives ``kill -9``: a state file that is replaced at once, and a log of what happened since.

Every event has a number. The state knows the last one that is in it, so that the log may hold events that the state
has already (the process died between saving the one and emptying the other) and they are passed over. An event is
on disk when :meth:`Store.append` returns; only then may anybody be told of it.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from rewardrouter.errors import ConfigError, DataError
from rewardrouter.files import cut_torn_line
from rewardrouter.state import State, load_state, save_state

STATE_FILE, LOG_FILE, LOCK_FILE, PROBE_FILE = "state.safetensors", "log.jsonl", ".lock", ".probe"

PROBE_BYTES = 1 << 16
"""What must fit onto the disk for a gateway to begin: the log of a few requests."""


class Store:
    """The folder of a gateway's state, for one process at a time.

    Raises
    ------
    ConfigError
        If it cannot be made, nothing can be written into it, or another process has it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = FileLock(folder / LOCK_FILE)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._lock.acquire(timeout=0)
            _try_to_write(folder / PROBE_FILE)
            (folder / LOG_FILE).touch()
            cut_torn_line(folder / LOG_FILE)
            self._log = os.open(folder / LOG_FILE, os.O_WRONLY | os.O_APPEND)
        except Timeout:
            raise ConfigError(f"state {folder}: another gateway uses this folder; give another one") from None
        except OSError as error:
            self._lock.release()
            raise ConfigError(f"state {folder}: cannot be used: {error.strerror}") from error

    @property
    def log_bytes(self) -> int:
        """Length of the log."""
        return os.fstat(self._log).st_size

    def state(self) -> State | None:
        """Return the state as it was saved, ``None`` where none was.

        Raises
        ------
        CheckpointError
            If it is broken.
        """
        path = self.folder / STATE_FILE
        return load_state(path) if path.exists() else None

    def events(self, after: int) -> Iterator[dict[str, Any]]:
        """Yield the events with numbers above ``after``.

        Raises
        ------
        DataError
            If the log cannot be read, a line of it is none, or one is missing.
        """
        path = self.folder / LOG_FILE
        try:
            lines = path.open("rb")
        except OSError as error:
            raise DataError(f"{path}: cannot be read: {error.strerror}") from error
        with lines:
            for number, line in enumerate(lines, start=1):
                try:
                    event = json.loads(line)
                    seq = int(event["seq"])
                except (ValueError, TypeError, KeyError) as error:
                    raise DataError(f"{path}, line {number}: not an event; the log is broken") from error
                if seq <= after:
                    continue
                if seq != after + 1:
                    raise DataError(f"{path}, line {number}: event {seq} follows {after}; the log is broken")
                after = seq
                yield event

    def append(self, events: Sequence[Mapping[str, Any]]) -> None:
        """Append events; they are on disk on return, all of them or none.

        Raises
        ------
        OSError
            If they cannot be written; the log is as it was.
        """
        if not events:
            return
        if not os.fstat(self._log).st_nlink:  # one could write on, into what no restart would find
            raise OSError(errno.ENOENT, f"{LOG_FILE} was removed")
        data = memoryview("".join(json.dumps(event) + "\n" for event in events).encode("ascii"))
        length = self.log_bytes
        try:
            while data:
                data = data[os.write(self._log, data) :]
            os.fsync(self._log)
        except OSError:
            os.ftruncate(self._log, length)
            raise

    def save(self, state: State) -> None:
        """Save the state, in which all events so far are, and empty the log.

        Raises
        ------
        CheckpointError
            If it cannot be written; state and log are as they were.
        """
        save_state(state, self.folder / STATE_FILE)
        os.ftruncate(self._log, 0)

    def close(self) -> None:
        """Let others have the folder."""
        os.close(self._log)
        self._lock.release()


def _try_to_write(file: Path) -> None:
    """Write a file and remove it again; raise ``OSError`` where that cannot be done."""
    try:
        with file.open("wb") as probe:
            probe.write(bytes(PROBE_BYTES))
            probe.flush()
            os.fsync(probe.fileno())
    finally:
        file.unlink(missing_ok=True)

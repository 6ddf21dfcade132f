"""Checks in processes of their own: what hangs is killed after a time, what crashes is replaced.

The processes are begun afresh, and not as :mod:`multiprocessing` would: it runs the main module again in each, which
for a training script without a guard would begin another training.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import signal
import subprocess
import sys
import threading
import time
import weakref
from collections import deque
from collections.abc import Sequence
from multiprocessing.connection import Connection, Pipe, wait
from typing import Any

from rewardrouter.errors import ConfigError

START_SECONDS = 120.0
"""How long a process may take to import its check."""

_BEGIN = """
import sys
sys.path[:] = sys.argv[4:]
from multiprocessing.connection import Connection
from rewardrouter.reward_models.verifiers.worker import serve
serve(Connection(int(sys.argv[1])), sys.argv[2], float(sys.argv[3]))
"""


@dataclasses.dataclass(frozen=True, slots=True)
class Checked:
    """What a check said of a response, or why it said nothing."""

    value: float | None
    error: str | None = None


@dataclasses.dataclass(eq=False, slots=True)
class _Worker:
    """A process, and what it is at: importing (not ``ready``), the task in ``row``, or nothing."""

    process: subprocess.Popen[bytes]
    connection: Connection
    deadline: float
    ready: bool = False
    row: int | None = None

    @property
    def idle(self) -> bool:
        return self.ready and self.row is None

    def end(self) -> int:
        """Kill it and what it began; return how it ended, as :class:`subprocess.Popen` says it."""
        with contextlib.suppress(ProcessLookupError, PermissionError):  # nobody is left of its group
            os.killpg(self.process.pid, signal.SIGKILL)
        self.connection.close()
        return self.process.wait()


class CheckWorkers:
    """Runs one check on many responses, in up to ``workers`` processes, each begun when there is work for it.

    Parameters
    ----------
    check
        ``math``, ``exact`` or ``module:function``.
    workers
        Processes at most.
    seconds
        How long the check of one response may take.
    """

    def __init__(self, check: str, *, workers: int, seconds: float) -> None:
        self._check, self._count, self._seconds = check, workers, seconds
        self._workers: list[_Worker] = []
        self._lock = threading.Lock()
        self.replaced = 0
        """Processes that crashed or had to be killed."""
        weakref.finalize(self, _end_all, self._workers, os.getpid())

    @property
    def pids(self) -> list[int]:
        """The processes that there are."""
        return [worker.process.pid for worker in self._workers]

    def start(self) -> None:
        """Begin a process where there is none, and wait until it can check.

        Raises
        ------
        ConfigError
            If it cannot load the check.
        """
        with self._lock:
            if self._workers:
                return
            worker = self._begin()
            if wait([worker.connection], START_SECONDS):
                broken = self._hear(worker)
            else:
                broken = f"not imported within {START_SECONDS:g} s"
            if broken is not None:
                self._drop(worker)
                raise ConfigError(broken)

    def run(self, tasks: Sequence[bytes]) -> list[Checked]:
        """Return what the check says of each task, a pickled ``(response, row)``, in order.

        Calls of several threads come one after the other.
        """
        with self._lock:
            try:
                return _Run(self, tasks).results()
            except BaseException:
                self._end()  # interrupted: their answers would be taken for those to other questions
                raise

    def stop(self) -> None:
        """End all processes; a later call begins new ones."""
        with self._lock:
            self._end()

    def _end(self) -> None:
        _end_all(self._workers, os.getpid())

    def _begin(self) -> _Worker:
        ours, theirs = Pipe()
        paths = [path or os.getcwd() for path in sys.path]  # noqa: PTH109 - a string is wanted
        arguments = [str(theirs.fileno()), self._check, str(self._seconds), *paths]
        with theirs:
            process = subprocess.Popen(  # noqa: S603 - ourselves
                [sys.executable, "-c", _BEGIN, *arguments],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                start_new_session=True,  # so that what it begins can be killed with it
            )
        worker = _Worker(process, ours, time.monotonic() + START_SECONDS)
        self._workers.append(worker)
        return worker

    def _hear(self, worker: _Worker) -> str | None:
        """Take in the first message of a process: why it cannot check, or ``None``."""
        try:
            message = json.loads(worker.connection.recv_bytes())
        except (EOFError, OSError):
            return _how_it_ended(worker.end())
        worker.ready = "ready" in message
        return None if worker.ready else str(message["broken"])

    def _drop(self, worker: _Worker) -> int:
        self._workers.remove(worker)
        return worker.end()


class _Run:
    """One call of :meth:`CheckWorkers.run`."""

    def __init__(self, owner: CheckWorkers, tasks: Sequence[bytes]) -> None:
        self._owner, self._tasks = owner, tasks
        self._waiting = deque(range(len(tasks)))
        self._found: list[Checked | None] = [None] * len(tasks)
        self._broken: str | None = None

    def results(self) -> list[Checked]:
        while self._waiting or self._busy:
            self._hand_out()
            if not self._active:  # none is left, and no new one can be begun
                for row in self._waiting:
                    self._found[row] = Checked(None, f"no process to check it in: {self._broken}")
                break
            self._hear()
        return [found for found in self._found if found is not None]

    @property
    def _busy(self) -> list[_Worker]:
        return [worker for worker in self._owner._workers if worker.row is not None]

    @property
    def _active(self) -> list[_Worker]:
        """Those that will say something: at work, or importing."""
        return [worker for worker in self._owner._workers if not worker.idle]

    def _hand_out(self) -> None:
        """Give idle processes a task each, and begin as many as there are tasks left for."""
        owner = self._owner
        for worker in [worker for worker in owner._workers if worker.idle]:
            if not self._waiting:
                return
            row = self._waiting.popleft()
            try:
                worker.connection.send_bytes(self._tasks[row])
            except OSError:  # it died while it had nothing to do: the task is not to blame
                self._waiting.appendleft(row)
                self._replace(worker)
                continue
            worker.row, worker.deadline = row, time.monotonic() + owner._seconds
        starting = sum(not worker.ready for worker in owner._workers)
        while self._broken is None and len(owner._workers) < owner._count and starting < len(self._waiting):
            owner._begin()
            starting += 1

    def _hear(self) -> None:
        """Wait for the next answer, death or deadline, and take in all that there are."""
        active = self._active
        patience = min(worker.deadline for worker in active) - time.monotonic()
        heard = wait([worker.connection for worker in active], max(0.0, patience))
        now = time.monotonic()
        for worker in active:
            if worker.connection in heard:
                self._take(worker)
            elif worker.deadline <= now:
                self._give_up(worker)

    def _take(self, worker: _Worker) -> None:
        if not worker.ready:
            broken = self._owner._hear(worker)
            if broken is not None:
                self._broken = broken
                self._replace(worker)
            return
        row, worker.row = worker.row, None
        try:
            answer: dict[str, Any] = json.loads(worker.connection.recv_bytes())
            found = Checked(answer.get("value"), answer.get("error"))
        except (EOFError, OSError):
            found = Checked(None, _how_it_ended(self._replace(worker)))
        if row is not None:
            self._found[row] = found

    def _give_up(self, worker: _Worker) -> None:
        if worker.row is None:
            self._broken = f"not imported within {START_SECONDS:g} s"
        else:
            self._found[worker.row] = Checked(None, f"no result within {self._owner._seconds:g} s")
        self._replace(worker)

    def _replace(self, worker: _Worker) -> int:
        self._owner.replaced += 1
        return self._owner._drop(worker)


def _end_all(workers: list[_Worker], owner: int) -> None:
    if os.getpid() != owner:  # a process that was forked from the owner's: they are not its own to end
        return
    for worker in workers:
        worker.end()
    workers.clear()


def _how_it_ended(code: int) -> str:
    if code < 0:
        return f"its process was killed by {signal.Signals(-code).name}"
    return f"its process ended with exit code {code}"

"""The one thread that works: it takes requests in order, and acknowledges nothing that is not on disk.

An annotator is single-threaded and RMs take their time, so requests wait in a queue. What a few of them changed is
written to the log at once, with one ``fsync``, and then they are answered. Completions that wait together are judged
together, all RMs at the same time.

Where anything goes wrong that should not, memory is not to be trusted any longer: the state is read again from disk,
as after a crash. What was acknowledged is there.
"""

from __future__ import annotations

import dataclasses
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any

from rewardrouter.config.serve import SavingSettings
from rewardrouter.errors import CheckpointError, UserError, one_line
from rewardrouter.progress import log
from rewardrouter.serve.completions import Asked, Score
from rewardrouter.serve.engine import Engine
from rewardrouter.serve.events import Event
from rewardrouter.serve.store import Store
from rewardrouter.serve.view import View, view_of

COMMIT_SECONDS = 0.005
"""How long answers wait for the log to be written for several at once, while there is more to do."""

TOGETHER = 64
"""Prompts whose completions are judged together."""


class BrokenError(Exception):
    """The state can be neither trusted nor read again: nothing is answered any longer."""


@dataclasses.dataclass(slots=True)
class _Job:
    """Either ``work``, or completions that are ``asked`` about."""

    future: Future[Any]
    work: Callable[[Engine, float], tuple[Any, Event | None]] | None = None
    asked: Asked | None = None


class Worker:
    """Works on an engine, and keeps what it becomes.

    Parameters
    ----------
    make_engine
        Returns a new one, as it is before anything happened.
    store
        Where the state lies; what is there is gone on with.
    saving
        When the state is saved.

    Raises
    ------
    CheckpointError
        If what is there, or its log, is broken or does not fit.
    """

    def __init__(self, make_engine: Callable[[], Engine], store: Store, saving: SavingSettings) -> None:
        self._make_engine, self._store, self._saving = make_engine, store, saving
        self._queue: deque[_Job] = deque()
        self._waiting = threading.Condition()
        self._stopping = False
        self._unsaved, self._saved_at = 0, time.monotonic()
        self.failure: str | None = None
        self.saves = 0
        self._engine = self._recovered()
        self.view: View = view_of(self._engine)
        self._looking: Future[View] | None = None
        self._thread = threading.Thread(target=self._run, name="gateway", daemon=True)

    def start(self) -> None:
        """Begin to work."""
        self._thread.start()

    def submit(self, work: Callable[[Engine, float], tuple[Any, Event | None]]) -> Future[Any]:
        """Have something done with the engine and the time; it returns a result and the event to keep, if any."""
        return self._put(_Job(Future(), work=work))

    def score(self, asked: Asked) -> Future[list[Score]]:
        """Have completions of one prompt scored."""
        return self._put(_Job(Future(), asked=asked))

    def look(self) -> Future[View]:
        """Have :attr:`view` renewed; where that waits already, wait for the same."""
        if self._looking is None or self._looking.done():
            self._looking = self.submit(self._look)
        return self._looking

    def stop(self) -> None:
        """Finish what waits, save the state, and let others have its folder."""
        with self._waiting:
            self._stopping = True
            self._waiting.notify()
        self._thread.join()
        self._store.close()

    @property
    def arms(self) -> tuple[str, ...]:
        """The RMs that may be chosen now."""
        return self._engine.arms

    def knows(self, prompt: str) -> bool:
        """Tell of the digest of a prompt whether an RM is remembered for it."""
        return self._engine.memory.prompts.find(prompt, time.time()) is not None

    @property
    def depth(self) -> int:
        """Requests that wait."""
        return len(self._queue)

    def _put(self, job: _Job) -> Future[Any]:
        with self._waiting:
            self._queue.append(job)
            self._waiting.notify()
        return job.future

    def _run(self) -> None:
        while True:
            with self._waiting:
                while not self._queue and not self._stopping:
                    if not self._waiting.wait(self._idle_seconds()):
                        break
                if not self._queue and self._stopping:
                    break
            if self._queue:
                self._work()
            self._save_if_due()
        if self.failure is None and self._unsaved:
            self._save()

    def _idle_seconds(self) -> float | None:
        """How long nothing need be done but wait; ``None`` for ever."""
        if not self._unsaved:
            return None
        return max(0.01, self._saved_at + self._saving.every_seconds - time.monotonic())

    def _work(self) -> None:
        """Do what waits until the log is to be written, write it, and answer."""
        begun = time.monotonic()
        answers: list[tuple[Future[Any], Any]] = []
        events: list[Event] = []
        failed: list[_Job] = []
        try:
            while self._queue and (not answers or time.monotonic() - begun < COMMIT_SECONDS):
                jobs = [job for job in self._next() if job.future.set_running_or_notify_cancel()]
                if not jobs:  # who asked does not wait any longer
                    continue
                try:
                    results, event = self._done(jobs)
                except UserError as error:  # refused; nothing has been changed
                    for job in jobs:
                        job.future.set_exception(error)
                    continue
                except Exception:
                    failed = jobs
                    raise
                answers += zip((job.future for job in jobs), results, strict=True)
                events += [event] if event is not None else []
            self._store.append(events)
        except Exception as error:
            self._recover(error, answers, events)
            for job in failed:
                job.future.set_exception(error)
            return
        self._unsaved += len(events)
        for future, result in answers:
            future.set_result(result)

    def _next(self) -> list[_Job]:
        """Take the first job, and with it the completions of other prompts right behind it, if it is such a one."""
        jobs = [self._queue.popleft()]
        if jobs[0].asked is not None:
            keys = {jobs[0].asked.key}
            while self._queue and len(jobs) < TOGETHER:
                asked = self._queue[0].asked
                if asked is None or asked.key in keys:
                    break
                keys.add(asked.key)
                jobs.append(self._queue.popleft())
        return jobs

    def _done(self, jobs: Sequence[_Job]) -> tuple[Sequence[Any], Event | None]:
        if self.failure is not None:
            raise BrokenError(self.failure)
        asked = [job.asked for job in jobs if job.asked is not None]
        if asked:
            return self._engine.score(asked, time.time())
        (job,) = jobs
        assert job.work is not None  # noqa: S101 (one of the two is)
        result, event = job.work(self._engine, time.time())
        return [result], event

    def _recover(
        self, error: Exception, answers: Sequence[tuple[Future[Any], Any]], events: Sequence[Event]
    ) -> None:
        """Keep what was done before the error, and read the state again; what cannot be kept did not happen."""
        log(f"error: {type(error).__name__}: {one_line(error)}; going on from the state on disk")
        unwritten: Exception | None = error if isinstance(error, OSError) else None
        try:
            if unwritten is None:
                self._store.append(events)
            self._engine = self._recovered()
            self.failure = None
        except Exception as second:
            self.failure = f"{type(second).__name__}: {one_line(second)}"
            unwritten = BrokenError(self.failure)
            log(f"error: the state cannot be read again: {self.failure}")
        for future, result in answers:
            if unwritten is None:
                future.set_result(result)
            else:
                future.set_exception(unwritten)

    def _recovered(self) -> Engine:
        """Return the engine as the saved state and the log have it."""
        engine, state = self._make_engine(), self._store.state()
        try:
            if state is not None:
                engine.load_state_dict(state)
            self._unsaved = 0
            for event in self._store.events(engine.seq):
                engine.replay(event)
                self._unsaved += 1
        except UserError as error:
            raise CheckpointError(f"state {self._store.folder}: {error}") from error
        return engine

    def _look(self, engine: Engine, _now: float) -> tuple[View, None]:
        self.view = view_of(engine)
        return self.view, None

    def _save_if_due(self) -> None:
        overdue = time.monotonic() - self._saved_at >= self._saving.every_seconds
        if self._unsaved and self.failure is None and (overdue or self._unsaved >= self._saving.every_events):
            self._save()

    def _save(self) -> None:
        try:
            self._store.save(self._engine.state_dict())
        except Exception as error:  # the log keeps all that the state lacks
            log(f"error: the state cannot be saved, its log grows: {one_line(error)}")
        else:
            self._unsaved = 0
            self.saves += 1
        self._saved_at = time.monotonic()

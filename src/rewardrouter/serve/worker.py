"""The one thread that works: it takes requests in order, and acknowledges nothing that is not on disk.

An annotator is single-threaded and RMs take their time, so requests wait in a queue. What a few of them changed is
written to the log at once, with one ``fsync``, and then they are answered.

Where anything goes wrong that should not, memory is not to be trusted any longer: the state is read again from disk,
as after a crash. What was acknowledged is there.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any

from rewardrouter.config.serve import SavingSettings
from rewardrouter.errors import CheckpointError, UserError, one_line
from rewardrouter.serve.completions import Asked, Score
from rewardrouter.serve.engine import Engine
from rewardrouter.serve.errors import RequestError, UnwrittenError
from rewardrouter.serve.events import Event
from rewardrouter.serve.jobs import Job, Jobs
from rewardrouter.serve.labelled import Labelled, joined, parted
from rewardrouter.serve.said import say
from rewardrouter.serve.store import Store
from rewardrouter.serve.view import View, view_of

COMMIT_SECONDS = 0.005
"""How long answers wait for the log to be written for several at once, while there is more to do."""


class BrokenError(UserError):
    """The state can be neither trusted nor read again: nothing is answered any longer."""


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
    most_pairs
        The most that are labelled together.

    Raises
    ------
    CheckpointError
        If what is there, or its log, is broken or does not fit.

    Attributes
    ----------
    failure
        Why nothing is answered, if so.
    unwritten
        Why the log could not be written when that was last tried, if so: nothing that changes anything is answered.
    saves
        How often the state has been saved.
    """

    def __init__(
        self, make_engine: Callable[[], Engine], store: Store, saving: SavingSettings, most_pairs: int
    ) -> None:
        self._make_engine, self._store, self._saving = make_engine, store, saving
        self._queue = Jobs(most_pairs)
        self._waiting = threading.Condition()
        self._stopping = False
        self._unsaved, self._saved_at = 0, time.monotonic()
        self.failure: str | None = None
        self.unwritten: str | None = None
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
        return self._put(Job(Future(), work=work))

    def annotate(self, request: Labelled) -> Future[dict[str, Any]]:
        """Have pairs labelled; the reply is that of :meth:`Engine.annotate`."""
        return self._put(Job(Future(), labelled=request))

    def score(self, asked: Asked) -> Future[list[Score]]:
        """Have completions of one prompt scored."""
        return self._put(Job(Future(), asked=asked))

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

    def _put(self, job: Job) -> Future[Any]:
        with self._waiting:
            self._queue.put(job)
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
        if not self._to_save:
            return None
        return max(0.01, self._saved_at + self._saving.every_seconds - time.monotonic())

    def _work(self) -> None:
        """Do what waits until the log is to be written, write it, and answer."""
        begun = time.monotonic()
        answers: list[tuple[Future[Any], Any]] = []
        events: list[Event] = []
        failed: list[Job] = []
        try:
            while self._queue and (not answers or time.monotonic() - begun < COMMIT_SECONDS):
                jobs = self._queue.take()
                if not jobs:  # who asked does not wait any longer
                    continue
                try:
                    results, more = self._done(jobs)
                except Exception:
                    failed = jobs
                    raise
                for job, result in zip(jobs, results, strict=True):
                    if isinstance(result, RequestError):
                        job.future.set_exception(result)
                    else:
                        answers.append((job.future, result))
                events += more
            self._append(events)
        except Exception as error:
            self._recover(error, answers, events)
            for job in failed:
                job.future.set_exception(error)
            return
        self._unsaved += len(events)
        for future, result in answers:
            future.set_result(result)

    def _done(self, jobs: Sequence[Job]) -> tuple[Sequence[Any], list[Event]]:
        """Return a result for each job, or why it was refused, and the events."""
        try:
            results, event = self._done_together(jobs)
        except RequestError as error:  # nothing has been changed
            if len(jobs) == 1:
                return [error], []
            each = [self._done([job]) for job in jobs]  # none is refused for another's sake
            return [one for results, _ in each for one in results], [one for _, more in each for one in more]
        return results, [] if event is None else [event]

    def _done_together(self, jobs: Sequence[Job]) -> tuple[Sequence[Any], Event | None]:
        if self.failure is not None:
            raise BrokenError(self.failure)
        now = time.time()
        if asked := [job.asked for job in jobs if job.asked is not None]:
            return self._engine.score(asked, now)
        if labelled := [job.labelled for job in jobs if job.labelled is not None]:
            reply, event = self._engine.annotate(joined(labelled), now)
            return parted(reply, labelled), event
        (job,) = jobs
        assert job.work is not None  # noqa: S101 (one of the three is)
        result, event = job.work(self._engine, now)
        return [result], event

    def _append(self, events: Sequence[Event]) -> None:
        try:
            self._store.append(events)
        except OSError as error:
            self.unwritten = f"the state cannot be written: {error.strerror or error}"
            raise UnwrittenError(f"nothing was done: {self.unwritten}") from error
        if events:
            self.unwritten = None

    def _recover(
        self, error: Exception, answers: Sequence[tuple[Future[Any], Any]], events: Sequence[Event]
    ) -> None:
        """Keep what was done before the error, and read the state again; what cannot be kept did not happen."""
        say(f"error: {type(error).__name__}: {one_line(error)}; going on from the state on disk")
        unwritten: Exception | None = error if isinstance(error, UnwrittenError) else None
        try:
            if unwritten is None:
                self._append(events)
            self._engine = self._recovered()
            self.failure = None
        except Exception as second:
            self.failure = f"{type(second).__name__}: {one_line(second)}"
            unwritten = BrokenError(self.failure)
            say(f"error: the state cannot be read again: {self.failure}")
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

    @property
    def _to_save(self) -> bool:
        """Whether there is something to save, or it must be found out whether the disk can be written again."""
        return self.failure is None and (self._unsaved > 0 or self.unwritten is not None)

    def _save_if_due(self) -> None:
        overdue = time.monotonic() - self._saved_at >= self._saving.every_seconds
        if self._to_save and (overdue or self._unsaved >= self._saving.every_events):
            self._save()

    def _save(self) -> None:
        try:
            self._store.save(self._engine.state_dict())
        except Exception as error:  # the log keeps all that the state lacks
            say(f"error: the state cannot be saved, its log grows: {one_line(error)}")
        else:
            self._unsaved, self.unwritten = 0, None
            self.saves += 1
        self._saved_at = time.monotonic()

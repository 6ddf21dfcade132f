"""The worker: nothing is acknowledged that is not on disk, and nothing stays wrong in memory."""

from __future__ import annotations

import errno
import os
import threading
from concurrent.futures import wait

import pytest
from gateways import engine, reward_models, same_state, settings

from rewardrouter.annotators import Outcome
from rewardrouter.errors import CheckpointError
from rewardrouter.pairs import PreferencePair
from rewardrouter.serve.completions import Asked
from rewardrouter.serve.labelled import Labelled
from rewardrouter.serve.store import LOG_FILE, STATE_FILE, Store
from rewardrouter.serve.worker import Worker


def labelled(batch, count):
    pairs = [PreferencePair(f"p{n}", f"q{batch}/{n}", f"a{batch}/{n}", f"b{batch}/{n}") for n in range(count)]
    return Labelled(pairs, batch)


def outcome(n):
    return Outcome(0.5 + n, 0.7, 0.1 * n)


class At:
    """A worker at a folder, that ends with the block; ``kill`` ends it without saving."""

    def __init__(self, folder, *overrides, models=None):
        self.config = settings(folder, *overrides)
        self.models = models or reward_models()
        self.store = Store(folder / "state")
        self.worker = Worker(lambda: engine(self.config, self.models), self.store, self.config.saving)

    def __enter__(self):
        self.worker.start()
        return self

    def __exit__(self, *_):
        self.worker.stop()

    def annotate(self, batch, count=3):
        request = labelled(batch, count)
        return self.worker.submit(lambda one, now: one.annotate(request, now))

    def observe(self, reply):
        given = {one["decision_id"]: outcome(n) for n, one in enumerate(reply["annotations"])}
        return self.worker.submit(lambda one, now: one.observe(given, now))


def log_lines(folder):
    return (folder / "state" / LOG_FILE).read_bytes().count(b"\n")


def test_what_is_answered_is_on_disk(tmp_path):
    with At(tmp_path) as at:
        for n in range(4):
            at.annotate(f"b{n}").result()
            assert log_lines(tmp_path) == n + 1
    assert log_lines(tmp_path) == 0  # saved at the end
    assert (tmp_path / "state" / STATE_FILE).exists()


def test_a_restart_goes_on_where_it_stood(tmp_path):
    with At(tmp_path / "one", "saving.every_events=3") as at:
        for n in range(8):
            at.observe(at.annotate(f"b{n}").result()).result()
        assert at.worker.saves > 3
        whole = at.worker._engine.state_dict()
    for n in range(8):
        with At(tmp_path / "two") as at:
            at.observe(at.annotate(f"b{n}").result()).result()
            parts = at.worker._engine.state_dict()
    same_state(whole, parts)


def test_a_fault_in_the_middle_leaves_no_trace(tmp_path):
    with At(tmp_path / "one") as at, At(tmp_path / "two") as other:
        first = at.annotate("b0").result()
        other.annotate("b0").result()

        def half_done(one, now):
            one.annotate(labelled("half", 3), now)
            raise RuntimeError("a reply was misaligned")

        with pytest.raises(RuntimeError, match="misaligned"):
            at.worker.submit(half_done).result()
        assert at.worker.failure is None
        for one in (at, other):
            one.observe(first).result()
            one.annotate("b1").result()
        same_state(at.worker._engine.state_dict(), other.worker._engine.state_dict())


def test_on_a_full_disk_nothing_is_acknowledged_and_later_all_goes_on(tmp_path, monkeypatch):
    with At(tmp_path / "one") as at, At(tmp_path / "two") as other:
        at.annotate("b0").result()
        other.annotate("b0").result()
        with monkeypatch.context() as patch:

            def full(*_):
                raise OSError(errno.ENOSPC, "No space left on device")

            patch.setattr(os, "fsync", full)
            with pytest.raises(OSError, match="No space left"):
                at.annotate("b1").result()
        at.annotate("b2").result()
        other.annotate("b2").result()
        same_state(at.worker._engine.state_dict(), other.worker._engine.state_dict())


def test_a_state_that_cannot_be_read_again_is_said_to_be_broken(tmp_path, monkeypatch):
    with At(tmp_path) as at:
        at.annotate("b0").result()

        def unreadable():
            raise CheckpointError("state: broken")

        def fault(one, now):
            raise RuntimeError("fault")

        with monkeypatch.context() as patch:
            patch.setattr(at.store, "state", unreadable)
            with pytest.raises(RuntimeError):
                at.worker.submit(fault).result()
            assert "broken" in at.worker.failure
            with pytest.raises(Exception, match="broken"):
                at.annotate("b1").result()
        at.annotate("b1").exception()  # it is read again then
        assert at.worker.failure is None
        at.annotate("b2").result()


def test_requests_that_wait_together_share_one_sync(tmp_path, monkeypatch):
    with At(tmp_path) as at:
        gate, syncs, fsync = threading.Event(), [], os.fsync
        at.worker.submit(lambda one, now: (gate.wait(10), None))
        futures = [at.annotate(f"b{n}", 1) for n in range(20)]
        monkeypatch.setattr("rewardrouter.serve.worker.COMMIT_SECONDS", 10.0)
        monkeypatch.setattr(os, "fsync", lambda descriptor: (syncs.append(descriptor), fsync(descriptor)))
        gate.set()
        wait(futures)
        assert all(future.exception() is None for future in futures)
        assert len(syncs) <= 2
        assert log_lines(tmp_path) == 20


def test_completions_that_wait_together_are_asked_about_together(tmp_path):
    with At(tmp_path) as at:
        gate = threading.Event()
        at.worker.submit(lambda one, now: (gate.wait(10), None))
        futures = [at.worker.score(Asked(f"p{n % 5}", (f"x{n}",))) for n in range(10)]
        gate.set()
        wait(futures)
        assert all(future.result()[0].value is not None for future in futures)
        calls = sum(len(model.calls) for model in at.models.values())
        assert calls <= 6  # twice five prompts, by three RMs


def test_who_does_not_wait_any_longer_is_passed_over(tmp_path):
    with At(tmp_path) as at:
        gate = threading.Event()
        at.worker.submit(lambda one, now: (gate.wait(10), None))
        gone = at.annotate("gone")
        assert gone.cancel()
        gate.set()
        at.annotate("b0").result()
        assert at.worker.look().result().events == 1


def test_a_broken_state_is_refused_at_the_start(tmp_path):
    with At(tmp_path) as at:
        at.annotate("b0").result()
    with pytest.raises(CheckpointError, match=r"state .*: its seed is 0, here 1"):
        At(tmp_path, "seed=1")

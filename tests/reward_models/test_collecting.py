"""Every reward model on every pair: what is asked, when, and what is told of it."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from rewardrouter.datasets.pairs import LoadedPairs
from rewardrouter.datasets.report import RowReport
from rewardrouter.datasets.verdict_folder import part_files, read_calls
from rewardrouter.datasets.verdict_writer import VerdictWriter
from rewardrouter.errors import CheckpointError
from rewardrouter.pairs import PreferencePair
from rewardrouter.reward_models import RewardModelPool
from rewardrouter.reward_models.collecting import Tally, collect_verdicts
from rewardrouter.verdicts import Verdict

N = 10
PAIRS = tuple(PreferencePair(f"p{n}", f"q{n}", "x", "y") for n in range(N))
LOADED = LoadedPairs(PAIRS, ("A", "B") * (N // 2), RowReport(), "ours", tuple(range(N)))
EVENTS: list[str] = []


class Model:
    """Answers A in half a second per pair, and writes down what it is asked."""

    def __init__(self, name: str, fails: Callable[[PreferencePair, int], bool] = lambda *_: False) -> None:
        self.name = name
        self.asked: list[list[str]] = []
        self._fails = fails

    def judge(self, pairs: Sequence[PreferencePair]) -> list[Verdict]:
        EVENTS.append(f"{self.name} judges")
        self.asked.append([pair.id for pair in pairs])
        return [self._answer(pair) for pair in pairs]

    def _answer(self, pair: PreferencePair) -> Verdict:
        times = sum(pair.id in call for call in self.asked)
        if self._fails(pair, times):
            return Verdict.failed(self.name, "down", 0.5)
        return Verdict(self.name, "tie" if pair.id == "p9" else "A", 1.0, 1.0, None, 0.5)

    def load(self) -> None:
        pass

    def unload(self) -> None:
        EVENTS.append(f"{self.name} unloads")

    def notes(self) -> list[str]:
        return [f"{self.name} has read"]


def run(out: Path, *models: Model, chunk: int = 4, retries: int = 0) -> list[Tally]:
    pool = RewardModelPool(models)
    with VerdictWriter(out, LOADED, {rm: pool.identity(rm) for rm in pool.names}) as writer:
        return collect_verdicts(pool, LOADED, writer, chunk=chunk, retries=retries)


def test_one_model_after_the_other_in_chunks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    EVENTS.clear()
    one, two = Model("one"), Model("two")
    run(tmp_path, one, two)
    ids = [pair.id for pair in PAIRS]
    assert one.asked == two.asked == [ids[:4], ids[4:8], ids[8:]]
    assert [*["one judges"] * 3, "one unloads", *["two judges"] * 3, "two unloads"] == EVENTS
    told = capsys.readouterr().err
    assert "one: 10/10 | " in told
    assert "two has read" in told
    assert len(part_files(tmp_path)) == 6


def test_what_is_answered_is_not_asked_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(tmp_path, Model("one"))
    one, two = Model("one"), Model("two")
    first, second = run(tmp_path, one, two)
    assert (one.asked, first.calls_now, first.verdicts) == ([], 0, N)
    assert second.calls_now == N
    assert run(tmp_path, Model("two"))[0].calls_now == 0
    assert len(list(read_calls(part_files(tmp_path)))) == 2 * N


def test_failures_are_asked_again_by_the_next_run_in_chunks_of_the_file(tmp_path: Path) -> None:
    fails = Model("one", lambda pair, _: pair.id in ("p1", "p5", "p6"))
    (tally,) = run(tmp_path, fails)
    assert (tally.failures, tally.verdicts, tally.reason) == (3, 7, "down")
    again = Model("one")
    (tally,) = run(tmp_path, again)
    assert again.asked == [["p1"], ["p5", "p6"]]
    assert (tally.failures, tally.verdicts, tally.reason) == (0, N, None)


def test_or_in_the_same_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    heals = Model("one", lambda pair, times: times < {"p1": 2, "p5": 3, "p6": 9}.get(pair.id, 0))
    (tally,) = run(tmp_path, heals, retries=3)
    assert heals.asked[3:] == [["p1"], ["p5", "p6"], ["p5", "p6"], ["p6"]]
    assert (tally.failures, tally.calls_now) == (1, N + 6)
    assert "retry one: 3/3" in capsys.readouterr().err


def test_what_is_told(tmp_path: Path) -> None:
    (tally,) = run(tmp_path, Model("one", lambda pair, _: pair.id == "p0"))
    right = sum(label == "A" for label in LOADED.labels[1:9])
    assert dataclasses.replace(tally, seconds_per_1000=None) == Tally(
        "one", N, 9, 1, 1, "down", right / 8, None
    )


class Apart(Model):
    """One that works elsewhere: answers when as many as ``together`` are asked."""

    apart = True

    def __init__(self, name: str, together: threading.Barrier) -> None:
        super().__init__(name)
        self._together = together

    def judge(self, pairs: Sequence[PreferencePair]) -> list[Verdict]:
        self._together.wait(timeout=20)
        return super().judge(pairs)


def test_those_that_work_elsewhere_are_asked_at_the_same_time_and_all_is_as_one_after_the_other(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    EVENTS.clear()
    together = threading.Barrier(3)

    class Here(Model):
        def judge(self, pairs: Sequence[PreferencePair]) -> list[Verdict]:
            together.wait(timeout=20)
            return super().judge(pairs)

    models = [Apart("one", together), Here("two"), Apart("three", together)]
    tallies = run(tmp_path / "out", *models)
    alone = run(tmp_path / "alone", *(Model(name) for name in ("one", "two", "three")))
    told = capsys.readouterr().err
    for model in models:
        assert [len(call) for call in model.asked] == [4, 4, 2]
        assert f"{model.name} unloads" in EVENTS
        assert f"{model.name}: 10/10 | " in told
    assert [dataclasses.replace(tally, seconds_per_1000=None) for tally in tallies] == [
        dataclasses.replace(tally, seconds_per_1000=None) for tally in alone
    ]
    found, expected = (
        {(call.key, call.recording.verdict) for call in read_calls(part_files(tmp_path / name))}
        for name in ("out", "alone")
    )
    assert found == expected
    assert len(found) == 3 * N


def test_one_that_breaks_ends_all_and_what_was_written_is_gone_on_from(tmp_path: Path) -> None:
    other_is_asked, mended = threading.Event(), threading.Event()
    free = threading.Barrier(1)

    class Breaks(Apart):
        def judge(self, pairs: Sequence[PreferencePair]) -> list[Verdict]:
            if len(self.asked) == 1 and not mended.is_set():
                assert other_is_asked.wait(20)
                raise CheckpointError("no weights")
            return super().judge(pairs)

    class Waits(Apart):
        def judge(self, pairs: Sequence[PreferencePair]) -> list[Verdict]:
            if len(self.asked) == 1 and not mended.is_set():
                other_is_asked.set()
                for thread in threading.enumerate():
                    if thread.name == "collect one":
                        thread.join(20)  # it has failed then, and this chunk is not written
            return super().judge(pairs)

    with pytest.raises(CheckpointError, match="no weights"):
        run(tmp_path, Breaks("one", free), Waits("two", free))
    assert sorted(call.key[1] for call in read_calls(part_files(tmp_path))) == ["one"] * 4 + ["two"] * 4
    mended.set()
    assert [tally.calls_now for tally in run(tmp_path, Breaks("one", free), Waits("two", free))] == [6, 6]


def test_an_interruption_waits_for_none_and_writes_nothing_more(tmp_path: Path) -> None:
    asked, goes_on = threading.Event(), threading.Event()

    class Slow(Apart):
        def judge(self, pairs: Sequence[PreferencePair]) -> list[Verdict]:
            asked.set()
            assert goes_on.wait(20)
            return Model.judge(self, pairs)

    class Interrupted(Model):
        def judge(self, pairs: Sequence[PreferencePair]) -> list[Verdict]:
            assert asked.wait(20)
            raise KeyboardInterrupt

    slow = Slow("one", threading.Barrier(1))
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, slow, Interrupted("two"))
    goes_on.set()
    for thread in threading.enumerate():
        if thread.name == "collect one":
            thread.join(20)
    assert slow.asked
    assert part_files(tmp_path) == []


def test_the_time_told_is_that_on_the_wall_of_this_run_without_loading(tmp_path: Path) -> None:
    """However many requests were under way at once: each verdict here says that it took half a second."""

    class Slow(Model):
        def load(self) -> None:
            if not self.asked:
                time.sleep(0.3)

        def judge(self, pairs: Sequence[PreferencePair]) -> list[Verdict]:
            time.sleep(0.02)
            return super().judge(pairs)

    (tally,) = run(tmp_path, Slow("one"), chunk=5)
    assert tally.seconds_per_1000 is not None
    assert 1000 * 0.04 / N <= tally.seconds_per_1000 < 1000 * 0.3 / N
    (again,) = run(tmp_path, Slow("one"), chunk=5)
    assert again.seconds_per_1000 is None


def test_an_exception_gives_the_memory_back_and_keeps_what_was_written(tmp_path: Path) -> None:
    class Breaks(Model):
        def judge(self, pairs: Sequence[PreferencePair]) -> list[Verdict]:
            if len(self.asked) == 2:
                raise KeyboardInterrupt
            return super().judge(pairs)

    EVENTS.clear()
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, Breaks("one"))
    assert EVENTS[-1] == "one unloads"
    assert len(list(read_calls(part_files(tmp_path)))) == 8

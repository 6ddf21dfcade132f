"""Verdicts on disk: the right one or none, whoever else writes and whatever happens to the file."""

from __future__ import annotations

import dataclasses
import json
import multiprocessing
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewardrouter.errors import ConfigError
from rewardrouter.pairs import Message, PreferencePair
from rewardrouter.reward_models.verdict_cache import FILE, VerdictCache, VerdictCacheWarning, default_folder
from rewardrouter.verdicts import Verdict

IDENTITY = {"kind": "hf", "source": "here", "checkpoint": "sha256:1", "system": None}
PAIR = PreferencePair("p", "q", "x", "y")
VERDICT = Verdict("rm", "A", 2.0, 1.0, None, 0.25)


@pytest.fixture
def cache(tmp_path: Path) -> VerdictCache:
    return VerdictCache(tmp_path)


def known(
    cache: VerdictCache, pair: PreferencePair, identity: dict = IDENTITY, rm: str = "rm"
) -> Verdict | None:
    (found,) = cache.fetch(rm, identity, [pair])
    return found


def test_what_was_kept_is_known_to_others_too(cache: VerdictCache, tmp_path: Path) -> None:
    assert known(cache, PAIR) is None
    cache.store(IDENTITY, [PAIR], [VERDICT])
    for other in (cache, VerdictCache(tmp_path)):
        assert known(other, PAIR) == Verdict("rm", "A", 2.0, 1.0)
    cache.close()
    assert known(cache, PAIR, rm="alias") == Verdict("alias", "A", 2.0, 1.0)


def test_an_exchanged_pair_gets_the_exchanged_verdict(cache: VerdictCache) -> None:
    cache.store(IDENTITY, [PAIR.swapped()], [VERDICT])
    assert known(cache, PAIR) == Verdict("rm", "B", 1.0, 2.0)
    assert known(cache, PAIR.swapped()) == Verdict("rm", "A", 2.0, 1.0)


texts = st.text(max_size=3) | st.lists(
    st.builds(Message, st.sampled_from(["user", "assistant"]), st.text(max_size=2)), min_size=1, max_size=2
).map(tuple)
pairs = st.builds(PreferencePair, st.just("id"), texts, texts, texts)
verdicts = st.builds(
    Verdict.from_scores, st.just("rm"), st.floats(-5, 5, width=16), st.floats(-5, 5, width=16)
) | st.sampled_from([Verdict("rm", "A"), Verdict("rm", "B"), Verdict("rm", "tie"), Verdict.failed("rm", "x")])


def content(pair: PreferencePair) -> tuple:
    return pair.prompt, pair.response_a, pair.response_b


@given(st.lists(st.tuples(pairs, verdicts), max_size=12))
def test_every_pair_has_the_first_usable_verdict_on_its_texts_in_either_order(given_) -> None:
    with tempfile.TemporaryDirectory() as folder:
        _check_first_usable(VerdictCache(folder), given_)


def _check_first_usable(cache: VerdictCache, given_: list[tuple[PreferencePair, Verdict]]) -> None:
    expected: dict = {}
    for pair, verdict in given_:
        cache.store(IDENTITY, [pair], [verdict])
        if verdict.winner is not None and content(pair) not in expected:
            expected[content(pair)] = verdict
            if pair.response_a != pair.response_b:
                expected[content(pair.swapped())] = verdict.swapped()
    asked = [pair for pair, _ in given_]
    found = cache.fetch("rm", IDENTITY, [*asked, *(pair.swapped() for pair in asked)])
    wanted = [expected.get(content(pair)) for pair in [*asked, *(pair.swapped() for pair in asked)]]
    assert found == wanted
    cache.close()


def test_failures_are_not_kept_and_ties_are(cache: VerdictCache) -> None:
    other = dataclasses.replace(PAIR, prompt="r")
    cache.store(IDENTITY, [PAIR, other], [Verdict.failed("rm", "down"), Verdict("rm", "tie")])
    assert cache.fetch("rm", IDENTITY, [PAIR, other]) == [None, Verdict("rm", "tie")]


def test_the_first_answer_stays(cache: VerdictCache) -> None:
    cache.store(IDENTITY, [PAIR], [VERDICT])
    cache.store(IDENTITY, [PAIR], [Verdict("rm", "B")])
    assert known(cache, PAIR).winner == "A"


@pytest.mark.parametrize(
    "change",
    [
        {"prompt": "q "},
        {"response_a": "X"},
        {"response_b": ""},
        {"prompt": (Message("user", "q"),)},
        {"response_a": (Message("assistant", "x"),)},
    ],
)
def test_other_texts_are_others(cache: VerdictCache, change: dict) -> None:
    cache.store(IDENTITY, [PAIR], [VERDICT])
    assert known(cache, dataclasses.replace(PAIR, **change)) is None
    assert known(cache, dataclasses.replace(PAIR, id="other", metadata={"k": 1})) is not None


def test_so_are_other_models_but_not_the_same_one_moved(cache: VerdictCache) -> None:
    cache.store(IDENTITY, [PAIR], [VERDICT])
    moved = {key: IDENTITY[key] for key in reversed(IDENTITY)} | {"source": "there"}
    assert known(cache, PAIR, moved) is not None
    for change in ({"checkpoint": "sha256:2"}, {"system": "Be kind."}, {"more": 1}):
        assert known(cache, PAIR, IDENTITY | change) is None


def test_many_pairs_at_once(cache: VerdictCache) -> None:
    many = [PreferencePair(f"{n}", f"q{n}", "x", "y") for n in range(1234)]
    cache.store(IDENTITY, many, [Verdict.from_scores("rm", n, 600) for n in range(1234)])
    found = cache.fetch("rm", IDENTITY, [*reversed(many), *many[:3]])
    assert [verdict.score_a for verdict in found] == [*reversed(range(1234)), 0, 1, 2]


class TestDamage:
    """A file that is not what was written."""

    def test_a_changed_entry_counts_as_unknown(self, cache: VerdictCache) -> None:
        cache.store(IDENTITY, [PAIR], [VERDICT])
        with sqlite3.connect(cache.file) as database:
            database.execute("UPDATE verdicts SET verdict = ?", [json.dumps(["B", 1.0, 2.0])])
        assert known(cache, PAIR) is None

    def test_another_file_in_its_place_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / FILE).write_text("something else, and long enough for a header of SQLite's " * 20)
        with pytest.raises(ConfigError, match=r"verdicts\.sqlite: cannot be used: file is not a database"):
            VerdictCache(tmp_path)

    def test_so_is_a_folder_that_cannot_be_made(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        with pytest.raises(ConfigError, match=r"file/below/verdicts\.sqlite: cannot be used: "):
            VerdictCache(tmp_path / "file" / "below")

    def test_damage_on_the_way_is_told_once_and_stops_nothing(self, cache: VerdictCache) -> None:
        cache.store(IDENTITY, [PAIR], [VERDICT])
        cache.close()
        cache.file.write_bytes(b"nonsense" * 1000)
        with pytest.warns(VerdictCacheWarning, match="cannot be used: file is not a database"):
            assert known(cache, PAIR) is None
        with warnings.catch_warnings(action="error"):
            cache.store(IDENTITY, [PAIR], [VERDICT])
            assert known(cache, PAIR) is None


def _store(folder: Path, worker: int, count: int) -> None:
    cache = VerdictCache(folder)
    for n in range(count):
        shared = PreferencePair("s", f"shared {n}", "x", "y")
        own = PreferencePair("o", f"own {worker} {n}", "x", "y")
        cache.store(IDENTITY, [shared, own], [Verdict.from_scores("rm", n, -1)] * 2)
        assert cache.fetch("rm", IDENTITY, [own])[0].score_a == n


def test_processes_share_it(cache: VerdictCache, tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")  # with the parent's connection open: it must not be used
    known(cache, PAIR)
    processes = [context.Process(target=_store, args=[tmp_path, n, 60]) for n in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0, 0]
    asked = [PreferencePair("s", f"shared {n}", "x", "y") for n in range(60)]
    asked += [PreferencePair("o", f"own {worker} {n}", "x", "y") for worker in range(3) for n in range(60)]
    assert [verdict.score_a for verdict in cache.fetch("rm", IDENTITY, asked)] == [*range(60)] * 4


def test_threads_share_it(cache: VerdictCache) -> None:
    def work(thread: int) -> None:
        for n in range(30):
            pair = PreferencePair("t", f"{thread} {n}", "x", "y")
            cache.store(IDENTITY, [pair], [Verdict.from_scores("rm", n, -1)])
            found.append(known(cache, pair).score_a == n)

    found: list[bool] = []
    threads = [threading.Thread(target=work, args=[n]) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [True] * 120


WRITER = """
import sys
from rewardrouter.pairs import PreferencePair
from rewardrouter.reward_models.verdict_cache import VerdictCache
from rewardrouter.verdicts import Verdict
cache, n = VerdictCache(sys.argv[1]), int(sys.argv[2])
while True:
    pairs = [PreferencePair("k", f"{n} {i}", "x", "y") for i in range(20)]
    cache.store({"kind": "k"}, pairs, [Verdict.from_scores("rm", n, i) for i in range(20)])
    print(n, flush=True)
    n += 1
"""


def test_what_was_acknowledged_survives_kill_9(tmp_path: Path) -> None:
    acknowledged: list[int] = []
    for run in range(5):
        command = [sys.executable, "-c", WRITER, str(tmp_path), str(1000 * run)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            acknowledged.append(int(process.stdout.readline()))
            time.sleep(0.03 * run)
            os.kill(process.pid, signal.SIGKILL)
            acknowledged += map(int, process.stdout.read().split())
    assert len(acknowledged) >= 5
    cache = VerdictCache(tmp_path)
    for n in acknowledged:
        asked = [PreferencePair("k", f"{n} {i}", "x", "y") for i in range(20)]
        found = cache.fetch("rm", {"kind": "k"}, asked)
        assert [(verdict.score_a, verdict.score_b) for verdict in found] == [(n, i) for i in range(20)]


def test_the_usual_folder_is_below_the_packages_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REWARDROUTER_CACHE", str(tmp_path))
    assert default_folder() == tmp_path / "verdicts"

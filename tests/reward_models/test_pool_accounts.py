"""A pool's books and its cache: what is asked, what is remembered, and that both are told apart."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from rewardrouter.pairs import PreferencePair
from rewardrouter.reward_models import RewardModelPool
from rewardrouter.reward_models.accounts import Account
from rewardrouter.reward_models.verdict_cache import VerdictCache
from rewardrouter.verdicts import Verdict

PAIRS = [PreferencePair(f"p{n}", f"q{n}", "x", "y") for n in range(4)]


class Plain:
    """Scores the first response 1; fails on one prompt and ties on another."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.asked: list[list[str]] = []
        self.loads = 0

    def judge(self, pairs: Sequence[PreferencePair]) -> list[Verdict]:
        self.asked.append([pair.id for pair in pairs])
        return [self._answer(pair) for pair in pairs]

    def _answer(self, pair: PreferencePair) -> Verdict:
        if pair.prompt == "q0":
            return Verdict.failed(self.name, "response A: down: again")
        if pair.prompt == "q1":
            return Verdict.from_scores(self.name, 0.5, 0.5)
        return Verdict.from_scores(self.name, pair.response_a == "x", pair.response_b == "x", 0.1)

    def load(self) -> None:
        self.loads += 1

    def unload(self) -> None:
        pass

    def notes(self) -> list[str]:
        return []


class Named(Plain):
    """One that says what it is."""

    @property
    def identity(self) -> dict[str, str]:
        return {"kind": "named", "source": self.name}


class AtHand(Named):
    immediate = True


class Reading(Named):
    reads_metadata = True


def settled(verdicts: Sequence[Verdict]) -> list[Verdict]:
    return [dataclasses.replace(verdict, seconds=None) for verdict in verdicts]


def test_the_books_hold_what_was_asked_and_what_came_of_it() -> None:
    pool = RewardModelPool([Plain("a"), Plain("b")], prices={"a": 0.25})
    pool.judge("a", PAIRS)
    pool.judge("a", PAIRS[:1])
    pool.judge("a", [])
    account = pool.accounts()["a"]
    assert account.seconds > 0
    assert dataclasses.replace(account, seconds=0.0) == Account("a", 2, 5, 0, 1, {"down": 2}, 0.0, 0.25)
    assert account.cost == 1.25
    assert pool.accounts() == {"a": account, "b": Account("b")}


def test_a_selection_writes_in_the_books_of_its_pool() -> None:
    pool = RewardModelPool([Plain("a"), Plain("b")], prices={"b": 2.0})
    selected = pool.select(["b"])
    selected.judge("b", PAIRS)
    assert list(selected.accounts()) == ["b"]
    assert pool.accounts()["b"] == selected.accounts()["b"]
    assert pool.accounts()["b"].cost == 8.0


def test_calls_of_many_threads_are_all_counted() -> None:
    pool = RewardModelPool([Plain(f"rm{n}") for n in range(4)])
    asked = dict.fromkeys(pool.names, PAIRS)
    threads = [threading.Thread(target=lambda: [pool.judge_each(asked) for _ in range(10)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all((one.calls, one.pairs, one.failed) == (40, 160, 40) for one in pool.accounts().values())


@pytest.fixture
def cache(tmp_path: Path) -> VerdictCache:
    return VerdictCache(tmp_path)


def test_what_is_known_is_not_asked_again_in_either_order(cache: VerdictCache) -> None:
    first, second = Named("rm"), Named("rm")
    expected = RewardModelPool([first], cache=cache).judge("rm", PAIRS)
    pool = RewardModelPool([second], cache=cache)
    mixed = [PAIRS[2], PAIRS[3].swapped(), PAIRS[0], PAIRS[1]]
    found = pool.judge("rm", mixed)
    assert second.asked == [["p0"]]  # it failed: that is not an answer
    assert settled(found) == settled([expected[2], expected[3].swapped(), expected[0], expected[1]])
    account = pool.accounts()["rm"]
    assert (account.calls, account.pairs, account.cached, account.failed) == (1, 1, 3, 1)


def test_the_same_model_under_another_name_answers_in_its_own(cache: VerdictCache) -> None:
    RewardModelPool([Named("one")], cache=cache).judge("one", PAIRS)
    other = Named("two")
    found = RewardModelPool([other], cache=cache).judge("two", PAIRS)
    assert {verdict.rm for verdict in found} == {"two"}
    assert other.asked == [["p0"]]


@pytest.mark.parametrize("kind", [Plain, AtHand, Reading])
def test_some_are_always_asked(kind: type[Plain], cache: VerdictCache) -> None:
    model = kind("rm")
    pool = RewardModelPool([model], cache=cache)
    for _ in range(2):
        pool.judge_each({"rm": PAIRS})
    assert len(model.asked) == 2
    assert pool.accounts()["rm"].cached == 0


def test_without_a_cache_so_are_all() -> None:
    model = Named("rm")
    pool = RewardModelPool([model])
    pool.judge("rm", PAIRS)
    pool.judge("rm", PAIRS)
    assert len(model.asked) == 2


def test_only_those_that_are_asked_are_loaded(cache: VerdictCache) -> None:
    models = [Named("a"), Plain("b"), Plain("c")]
    pool = RewardModelPool(models, cache=cache).select(["a", "b", "c"])
    RewardModelPool([Named("a")], cache=cache).judge("a", PAIRS)
    found = pool.judge_each({"a": PAIRS[1:], "b": PAIRS, "c": PAIRS[:2]})
    assert [model.loads for model in models] == [0, 1, 1]
    assert [len(model.asked) for model in models] == [0, 1, 1]
    assert settled(found["a"]) == settled(Named("a").judge(PAIRS[1:]))
    assert [len(found[rm]) for rm in "abc"] == [3, 4, 2]


def test_those_that_are_asked_are_asked_at_the_same_time(cache: VerdictCache) -> None:
    meeting = threading.Barrier(2, timeout=10)

    class Waiting(Named):
        def judge(self, pairs: Sequence[PreferencePair]) -> list[Verdict]:
            meeting.wait()
            time.sleep(0.05)
            return super().judge(pairs)

        @property
        def identity(self) -> dict[str, str]:
            return {"kind": self.name}

    pool = RewardModelPool([Waiting("a"), Waiting("b")], cache=cache)
    found = pool.judge_each({"a": PAIRS, "b": PAIRS[:2]})
    assert {rm: len(verdicts) for rm, verdicts in found.items()} == {"a": 4, "b": 2}
    assert all(account.seconds >= 0.05 for account in pool.accounts().values())
    assert pool.live == ("a", "b")

"""The books of a pool."""

from __future__ import annotations

import threading

import pytest

from rewardrouter.reward_models.accounts import CLASSES, OTHER, Account, Ledger, reason_class
from rewardrouter.verdicts import Unanswered, Verdict

A, TIE = Verdict("rm", "A"), Verdict("rm", "tie")


def failed(reason: str) -> Verdict:
    return Verdict.failed("rm", reason)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        ("response B: score is not finite: nan, 1.0", "score is not finite"),
        ("HTTP 500: internal error: sorry", "HTTP 500"),
        ("no verdict recorded for this prompt and these responses",) * 2,
        ("x" * 100, "x" * 80),
        ("response A: ", "other"),
        (
            "response A: http://localhost:80/score: no connection (refused); is the server running?, 2 times in a row",
            "no connection (refused); is the server running?",
        ),
        ("https://host/v1: HTTP 500 (sorry: no memory)", "HTTP 500 (sorry"),
        ("https://host/v1: not asked: 5 requests in a row failed; asked again in 2.0 s", "not asked"),
    ],
)
def test_reasons_are_told_apart_by_what_stands_before_the_colon(error: str, expected: str) -> None:
    assert reason_class(error) == expected


def test_what_comes_of_calls_is_added_up() -> None:
    ledger = Ledger(["rm", "other"], {"rm": 0.5})
    ledger.asked("rm", [A, TIE, failed("response A: down: 1"), failed("down: 2"), failed("slow")], 2.0)
    ledger.asked("rm", [A], 0.5)
    ledger.remembered("rm", 7)
    account = ledger.account("rm")
    assert account == Account("rm", 2, 6, 7, 1, {"down": 2, "slow": 1}, 2.5, 0.5)
    assert list(account.failures) == ["down", "slow"]
    assert (account.failed, account.cost) == (3, 3.0)
    assert ledger.account("other") == Account("other")
    assert ledger.account("other").cost is None


def test_what_was_not_answered_is_not_paid() -> None:
    ledger = Ledger(["rm"], {"rm": 0.5})
    ledger.asked("rm", [A, failed("no JSON"), Unanswered.failed("rm", "no connection"), TIE], 1.0)
    ledger.asked("rm", [Unanswered.failed("rm", "not asked: 1")], 0.0)
    account = ledger.account("rm")
    assert (account.pairs, account.failed, account.unanswered, account.cost) == (5, 3, 2, 1.5)


def test_reasons_without_end_are_not_kept_without_end() -> None:
    ledger = Ledger(["rm"], {})
    for n in range(100):
        ledger.asked("rm", [failed(f"reason {n}")], 0.0)
    failures = ledger.account("rm").failures
    assert len(failures) == CLASSES + 1
    assert failures[OTHER] == 100 - CLASSES


def test_threads_lose_nothing() -> None:
    ledger = Ledger(["rm"], {})

    def call() -> None:
        for _ in range(200):
            ledger.asked("rm", [A, failed("down")], 1.0)

    threads = [threading.Thread(target=call) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ledger.account("rm") == Account("rm", 1600, 3200, 0, 0, {"down": 1600}, 1600.0)

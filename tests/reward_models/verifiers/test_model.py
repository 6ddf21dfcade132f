"""Verifiers as reward models: verdicts, failures, identity."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from rewardrouter.config.verifier import VerifierConfig
from rewardrouter.errors import ConfigError, MissingDependencyError
from rewardrouter.pairs import Message, PreferencePair
from rewardrouter.reward_models.base import Identified, ReadsMetadata, Resident
from rewardrouter.reward_models.verifiers import VerifierRewardModel
from rewardrouter.testing import check_reward_model, sample_pairs
from rewardrouter.verdicts import Verdict

MADE: list[VerifierRewardModel] = []


@pytest.fixture(autouse=True)
def _ended() -> Iterator[None]:
    yield
    while MADE:
        MADE.pop().unload()


def verifier(check: str = "exact", **settings: Any) -> VerifierRewardModel:
    model = VerifierRewardModel(VerifierConfig(name="v", check=check, **settings))
    MADE.append(model)
    return model


def pair(a: str, b: str, **metadata: object) -> PreferencePair:
    return PreferencePair(f"{a}/{b}", "q", a, b, metadata)


def judged(model: VerifierRewardModel, *pairs: PreferencePair) -> list[Verdict]:
    return [dataclasses.replace(verdict, seconds=None) for verdict in model.judge(pairs)]


@pytest.mark.parametrize("check", ["exact", "math"])
def test_the_right_response_wins_and_two_of_a_kind_tie(check: str) -> None:
    if check == "math":
        pytest.importorskip("math_verify")
    found = judged(
        verifier(check),
        pair("it is 3", "it is 4", answer="3"),
        pair("it is 3", "it is 4", answer=4),
        pair("it is 3", "it is 3.0", answer="3"),
        pair("it is 3", "it is 4", answer=5.0),
    )
    assert found == [
        Verdict("v", "A", 1.0, 0.0),
        Verdict("v", "B", 0.0, 1.0),
        Verdict("v", "tie", 1.0, 1.0),
        Verdict("v", "tie", 0.0, 0.0),
    ]


@pytest.mark.parametrize(
    ("metadata", "reason"),
    [
        ({}, "no gold answer in column 'answer'"),
        ({"answer": None}, "no gold answer in column 'answer'"),
        ({"answer": float("nan")}, "no gold answer in column 'answer'"),
        ({"answer": "  "}, "no gold answer in column 'answer'"),
        ({"answer": ["3"]}, "the gold answer in column 'answer' is a list, expected text or a number"),
    ],
)
def test_without_a_gold_answer_a_pair_fails(metadata: Mapping[str, object], reason: str) -> None:
    fine, failed = judged(verifier(), pair("3", "4", answer="3"), pair("3", "4", **metadata))
    assert fine.winner == "A"
    assert failed == Verdict.failed("v", f"response A: {reason}")


def test_thoughts_are_not_checked() -> None:
    found = judged(
        verifier(),
        pair("<think>\\boxed{4}</think> It is 3", "<think>\\boxed{3}</think> It is 4", answer="3"),
        pair("\\boxed{4}</think> It is 3", "It is 4", answer="3"),
        pair("It is 3", "<think>It is 3", answer="3"),
    )
    assert [(one.label, one.error) for one in found] == [
        ("A", None),
        ("A", None),
        (None, "response B: its thoughts do not end"),
    ]
    assert [one.repeats for one in found] == [False, False, True]


def test_the_column_is_the_users_to_name() -> None:
    (found,) = judged(verifier(answer="gold"), pair("3", "4", answer="3", gold="4"))
    assert found.winner == "B"


def test_any_function_checks_with_the_whole_row_and_any_number() -> None:
    model = verifier("hostile_checks:check", timeout=1.0)
    found = judged(
        model,
        pair("half", "abc"),
        pair("row", "half", wanted=0.25),
        pair("ab", "hang"),
        pair("crash", "hang"),
        pair("cannot", "ab"),
        pair("ab", "abc", thing=lambda: None),
    )
    assert found[:3] == [
        Verdict("v", "A", 0.5, 0.0),
        Verdict("v", "B", 0.25, 0.5),
        Verdict.failed("v", "response B: no result within 1 s"),
    ]
    assert found[3].error == "response A: its process was killed by SIGSEGV"
    assert found[4].error == "response A: the check cannot say"
    assert found[5].error.startswith("response A: its row cannot be sent to a process: ")
    assert model.notes() == ["v: 2 processes crashed or were killed and replaced"]


def test_each_distinct_response_to_a_row_is_checked_once() -> None:
    model = verifier("hostile_checks:check", workers=1)
    same, other = {"row": 1}, {"row": 2}
    found = judged(
        model, pair("count", "count", **same), pair("ab", "count", **same), pair("count", "ab", **other)
    )
    assert [(v.score_a, v.score_b) for v in found] == [(1.0, 1.0), (1.0, 1.0), (2.0, 1.0)]


def test_messages_are_checked_as_their_text() -> None:
    chat = PreferencePair(
        "c", (Message("user", "q"),), (Message("assistant", "It is 3"),), "4", {"answer": "3"}
    )
    assert judged(verifier(), chat)[0].winner == "A"


HOSTILE = {
    "a tower of powers": "$9^{9^{9^{9}}}$",
    "a number of a billion digits": "$10^{10^9}$",
    "a sum of millions": "$" + "1+" * 2_000_000 + "1$",
    "brackets": "$" + "(" * 100_000 + "1$",
    "megabytes of letters": "x" * 20_000_000,
}


@pytest.mark.slow
@pytest.mark.parametrize("response", HOSTILE.values(), ids=HOSTILE.keys())
def test_mathematics_that_takes_too_long_or_too_much_fails_its_pair_alone(response: str) -> None:
    pytest.importorskip("math_verify")
    model = verifier("math", timeout=2.0)
    first, hostile, last = judged(
        model, pair("1", "2", answer="1"), pair(response, "2", answer="2"), pair("1", "2", answer="2")
    )
    assert (first.winner, last.winner) == ("A", "B")
    assert hostile.winner is None
    assert hostile.error.startswith("response A: ")


@pytest.mark.parametrize("check", ["exact", "math", "hostile_checks:check"])
def test_they_keep_the_contract_of_reward_models(check: str) -> None:
    if check == "math":
        pytest.importorskip("math_verify")
    asked = [
        dataclasses.replace(one, metadata={"answer": answer})
        for one, answer in zip(sample_pairs(), ["4", "eleven", "Tokyo", "3", None, "7"], strict=True)
    ]
    model = verifier(check)
    check_reward_model(model, asked)
    assert isinstance(model, Identified)
    assert isinstance(model, Resident)
    assert isinstance(model, ReadsMetadata)


class TestIdentity:
    """What a manifest remembers."""

    def test_it_is_json_and_changes_with_check_and_column(self) -> None:
        found = [
            model.identity
            for model in (verifier(), verifier(answer="gold"), verifier("hostile_checks:check"))
        ]
        assert [json.loads(json.dumps(identity)) for identity in found] == found
        assert len({json.dumps(identity) for identity in found}) == 3
        assert verifier(timeout=1.0, workers=1, cost=3.0).identity == found[0]

    def test_the_version_of_math_verify_is_part_of_it(self) -> None:
        pytest.importorskip("math_verify")
        assert verifier("math").identity["math-verify"].count(".") == 2

    def test_so_is_the_source_of_a_function(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)  # where functions are looked for, too
        module = tmp_path / "own_check.py"
        found = []
        for body in ("return True", "return False"):
            module.write_text(f"def check(response, row):\n    {body}\n")
            found.append(verifier("own_check:check").identity)
        assert found[0] != found[1]
        assert "own_check" not in sys.modules


def test_a_check_that_does_not_exist_is_told_when_the_model_is_made() -> None:
    with pytest.raises(ConfigError, match=r"^check: hostile_checks:chek cannot be imported: "):
        verifier("hostile_checks:chek")


def test_math_needs_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingDependencyError, match=r"v \(check: math\) needs the package math-verify: pip"):
        verifier("math")


def test_a_name_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="found 'maths', expected math, exact or module:function"):
        VerifierConfig(name="v", check="maths")

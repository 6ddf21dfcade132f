"""Labels from a verifier."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rewardrouter.annotators import StepContext
from rewardrouter.pairs import Message, PreferencePair
from rewardrouter.reward_models import RewardModel
from rewardrouter.training.verifiers import GoldVerifier, VerifierAnnotator, checked


def answers(text: str, row: Mapping[str, Any]) -> bool | None:
    """Right where the text holds the row's answer; an empty text cannot be judged."""
    return str(row["answer"]) in text if text else None


def labelled(a: Any, b: Any) -> tuple[str | None, str | None]:
    pair = PreferencePair("p", "1 + 1?", a, b, {"answer": 2})
    (found,) = VerifierAnnotator(answers).annotate([pair], StepContext("step-1", 1))
    assert (found.pair_id, found.decision_id, found.rms, found.weight) == ("p", "step-1/p", (), 1.0)
    return found.label, found.reason


def test_the_right_response_is_chosen_and_nothing_else_has_a_label() -> None:
    assert labelled("it is 2", "it is 3") == ("A", None)
    assert labelled("it is 3", "it is 2") == ("B", None)
    assert labelled("2", "2!") == (None, "verifier: both are right")
    assert labelled("3", "4") == (None, "verifier: both are wrong")
    assert labelled("2", "") == (None, "verifier: not judged")


def test_a_verifier_is_not_told_thoughts() -> None:
    verify = checked(answers, "answers")
    row = {"answer": 2}
    said = ["<think>3</think> 2", "<think>2</think> 3", "3</think> 2", "<think> 2"]
    assert [verify(text, row) for text in said] == [True, False, True, None]


def test_messages_are_read_too() -> None:
    assert labelled((Message("assistant", "2"),), (Message("assistant", "3"),)) == ("A", None)


def test_a_verifier_judges_pairs_where_it_tells_them_apart() -> None:
    judge = GoldVerifier(answers)
    assert isinstance(judge, RewardModel)
    texts = [("it is 2", "it is 3"), ("3", "2"), ("2", "2!")]
    found = judge.judge(
        [PreferencePair(f"p{i}", "1 + 1?", a, b, {"answer": 2}) for i, (a, b) in enumerate(texts)]
    )
    assert [one.label for one in found] == ["A", "B", None]
    assert found[2].error == "verifier: both are right"

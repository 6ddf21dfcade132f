"""Arena-Hard: both orders, five verdicts, and the win rate of a Bradley-Terry model."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from benchmark_judges import answers_file, arena_questions, asking, completion
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from rewardrouter.benchmarks.answers import Answer
from rewardrouter.benchmarks.arena_hard import ArenaHard, read_verdict
from rewardrouter.benchmarks.calls import Call, Reply, read_chat
from rewardrouter.benchmarks.results import BenchmarkScore
from rewardrouter.config.benchmark import BenchmarkConfig
from rewardrouter.errors import ConfigError, DataError

VERDICTS = ("A>>B", "A>B", "A=B", "B>A", "B>>A")
MIRRORED = dict(zip(VERDICTS, reversed(VERDICTS), strict=True))


@pytest.fixture(scope="module")
def make(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., ArenaHard]:
    folder = tmp_path_factory.mktemp("arena")

    def task(count: int, **settings: Any) -> ArenaHard:
        questions = arena_questions(folder / f"{count}.jsonl", count)
        baseline = answers_file(
            folder / f"b{count}.jsonl", [f"q{n}" for n in range(count)], lambda n, _: f"base {n}"
        )
        given = {"questions": questions, "baseline": baseline, **settings}
        found = ArenaHard(BenchmarkConfig.model_validate({"resamples": 100, "arena_hard": given}))
        found.load()
        return found

    return task


def answers(count: int) -> dict[str, Answer]:
    return {f"q{n}": Answer((f"policy {n}",)) for n in range(count)}


def judged(task: ArenaHard, said: dict[str, str]) -> BenchmarkScore:
    given = {name: read_chat(completion(f"My final verdict is: [[{text}]].")) for name, text in said.items()}
    return task.score(answers(len(task.questions)), asking(given))["arena_hard"]


def published(games: list[tuple[str, bool]]) -> float:
    """Return the win rate as show_result.py of arena-hard-auto has it; a game is a verdict and who is A."""
    rows: list[tuple[int, float]] = []  # +1 where the policy is model_a of the design, and its result
    for verdict, policy_is_a in games:
        weight = 3 if ">>" in verdict else 1
        of_a = {"A": 1.0, "=": 0.5, "B": 0.0}["=" if "=" in verdict else verdict[0]]
        of_policy = of_a if policy_is_a else 1 - of_a
        rows += [(1, of_policy)] * weight
    sign = np.array([row[0] for row in rows] * 2)
    outcome = np.array([row[1] for row in rows])
    # A tie is a win in one copy of the games and a loss in the other.
    y = np.concatenate([np.where(outcome == 0.5, 1.0, outcome), np.where(outcome == 0.5, 0.0, outcome)])
    x = np.stack([sign * math.log(10), -sign * math.log(10)], axis=1)
    fitted = LogisticRegression(fit_intercept=False, C=np.inf, tol=1e-10).fit(x, y)
    ratings = 400 * fitted.coef_[0]
    return float(100 / (1 + 10 ** ((ratings[1] - ratings[0]) / 400)))


@given(st.lists(st.tuples(st.sampled_from(VERDICTS), st.sampled_from(VERDICTS)), min_size=1, max_size=8))
def test_the_win_rate_is_that_of_the_published_regression(
    make: Callable[..., ArenaHard], verdicts: list[tuple[str, str]]
) -> None:
    said = {}
    for n, (first, second) in enumerate(verdicts):
        said |= {f"q{n}/baseline-first": first, f"q{n}/policy-first": second}
    score = judged(make(len(verdicts)), said).score
    games = [(verdict, place == 1) for pair in verdicts for place, verdict in enumerate(pair)]
    if 1e-9 < (score or 0) < 100 - 1e-9:  # else the regression has no maximum
        assert score == pytest.approx(published(games), abs=1e-3)


@given(st.lists(st.tuples(st.sampled_from(VERDICTS), st.sampled_from(VERDICTS)), min_size=1, max_size=8))
def test_laws_of_positions(make: Callable[..., ArenaHard], verdicts: list[tuple[str, str]]) -> None:
    task = make(len(verdicts))
    said, mirrored, exchanged = {}, {}, {}
    for n, (first, second) in enumerate(verdicts):
        names = (f"q{n}/baseline-first", f"q{n}/policy-first")
        said |= dict(zip(names, (first, second), strict=True))
        mirrored |= dict(zip(names, (MIRRORED[first], MIRRORED[second]), strict=True))
        exchanged |= dict(zip(names, (MIRRORED[second], MIRRORED[first]), strict=True))
    score = judged(task, said).score or 0.0
    assert judged(task, mirrored).score == pytest.approx(100 - score), "policy and baseline exchanged"
    assert judged(task, exchanged).score == pytest.approx(score), "the same games in the other order"


@pytest.mark.parametrize("verdict", VERDICTS)
def test_a_judge_that_goes_by_the_place_alone_prefers_nobody(
    make: Callable[..., ArenaHard], verdict: str
) -> None:
    said = {f"q{n}/{game}": verdict for n in range(4) for game in ("baseline-first", "policy-first")}
    score = judged(make(4), said)
    assert score.score == pytest.approx(50)
    assert score.interval == pytest.approx((50, 50)), "whole questions are drawn"


def test_both_answers_stand_where_they_are_said_to(make: Callable[..., ArenaHard]) -> None:
    first, second = make(1).calls(answers(1))
    a_first, b_first = (
        call.body["messages"][1]["content"].split("Assistant B's Answer|>")[0] for call in (first, second)
    )
    assert (first.id, second.id) == ("q0/baseline-first", "q0/policy-first")
    assert "base q0" in a_first
    assert "policy 0" not in a_first
    assert "policy 0" in b_first
    assert (first.body["temperature"], first.body["max_tokens"]) == (0, 4096)


def test_a_silent_judge_is_asked_to_go_on_and_then_counted(make: Callable[..., ArenaHard]) -> None:
    seen: list[Call] = []

    def reply(call: Call) -> Reply:
        further = len(call.body["messages"]) > 2
        if call.id == "q0/baseline-first":
            return read_chat(completion("[[B>A]]" if further else "I need to think."))
        if call.id == "q1/policy-first":
            return read_chat(completion("I cannot say."))
        return read_chat(completion("[[A=B]]"))

    score = make(2).score(answers(2), asking(reply, seen))["arena_hard"]
    assert len(seen) == 4 + 2
    assert [message["role"] for message in seen[-1].body["messages"]] == [
        "system",
        "user",
        "assistant",
        "user",
    ]
    assert score.failures == {"verdicts: none given": 1}
    assert score.score == pytest.approx(100 * (1 + 0.5 + 0.5) / 3)
    once = make(2, attempts=1)
    seen.clear()
    assert once.score(answers(2), asking(reply, seen))["arena_hard"].failures == {"verdicts: none given": 2}
    assert len(seen) == 4


def test_unclear_verdicts_and_refusals_win_nothing(make: Callable[..., ArenaHard]) -> None:
    replies = {
        "q0/baseline-first": read_chat(completion("[[B>>A]] or rather [[A>>B]] or [[B>>A]]")),
        "q0/policy-first": read_chat(completion(None, refusal="no")),
        "q1/baseline-first": read_chat(completion("[[AAA]] [[B>B]]")),
        "q1/policy-first": read_chat(completion("<think>[[A>>B]]</think> [[B>A]]")),
    }
    score = make(2, attempts=1).score(answers(2), asking(replies))["arena_hard"]
    assert score.failures == {
        "verdicts: refused by the model": 1,
        "verdicts: none given": 2,
    }
    assert (score.score, score.scored) == (0.0, 1)


@pytest.mark.parametrize(
    ("said", "verdict"),
    [
        ("[[A>B]] as I said, [[A>B]]", "A>B"),
        ("[[A>B]] at first, finally [[A<B]]", "B>A"),
        ("[[A >> B]]", "A>>B"),
        ("[[B=A]]", "A=B"),
        ("[[A>B]]? No: [[A ≫ B]]", "A>>B"),
        ("[[A>B]]? No: [[A≪B]]", "B>>A"),
        ("[[B&gt;A]]", "B>A"),
        ("[[Assistant A > Assistant B]]", "A>B"),
        ("[[A>B]] then [B>A]", "B>A"),
        (r"[[A>B]] then \boxed{B \gg A}", "B>>A"),
        ("[[A>B]] first.\n\nFinal verdict: B>A", "B>A"),
        ("[[A>B]], that is, **b>>a**", "B>>A"),
        ("[[A>B]] or [[B>A]]", "none given"),
        ("[[A>B]] hm [[A>B or B>A]]", "none given"),
        ("[[A>B]] hm [[A]]", "none given"),
        ("[[A>B]] hm [[A>>>B]]", "none given"),
        ("[[A>B]] hm [[A>A]]", "none given"),
        ("[[B>A]]. Of [[A>>B]], [[A>B]], [[A=B]], [[B>A]], [[B>>A]] I chose one.", "B>A"),
    ],
)
def test_the_last_verdict_counts_however_it_is_spelled(said: str, verdict: str) -> None:
    assert read_verdict(said) == verdict


def test_a_judge_that_goes_on_is_read_behind_its_thoughts_each_time(make: Callable[..., ArenaHard]) -> None:
    def reply(call: Call) -> Reply:
        return read_chat(completion("[[B>A]]" if len(call.body["messages"]) > 2 else "<think>[[A>B]]? I"))

    score = make(1).score(answers(1), asking(reply))["arena_hard"]
    assert (score.failures, score.score) == ({}, 50)


def test_what_is_missing_is_said(make: Callable[..., ArenaHard], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"arena_hard.baseline: not given; name a file"):
        make(1, baseline=None)
    with pytest.raises(DataError, match=r"holds no answer to 1 of 2 questions of arena_hard .the first: q1"):
        make(2, baseline=answers_file(tmp_path / "b.jsonl", ["q0"], lambda n, _: "x"))
    with pytest.raises(ConfigError, match=r"arena_hard\.questions: not given"):
        ArenaHard(BenchmarkConfig())


def test_the_real_questions(shared_data: Path, tmp_path: Path) -> None:
    file = shared_data / "benchmarks" / "arena_hard_v0.1_question.jsonl"
    task = ArenaHard(BenchmarkConfig.model_validate({"arena_hard": {"questions": str(file)}}))
    assert len(task.questions) == 500
    assert all(question.turns[0] for question in task.questions)

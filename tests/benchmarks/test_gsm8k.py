"""GSM8K: right and wrong final answers, and those that cannot be checked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from benchmark_judges import asking, write_lines

from rewardrouter.benchmarks.answers import Answer, read_answers
from rewardrouter.benchmarks.gsm8k import Gsm8k
from rewardrouter.config.benchmark import BenchmarkConfig
from rewardrouter.errors import ConfigError, DataError

ROWS = [
    {"question": "2 + 2?", "answer": "It is <<2+2=4>>4.\n#### 4"},
    {"question": "1000 + 234?", "answer": "so\n#### 1,234"},
    {"question": "Half of one?", "answer": "so\n#### 0.5"},
    {"question": "3 + 3?", "answer": "so\n#### 6"},
]
GIVEN = ["It is \\boxed{4}.", "The answer is 1234.", "\\boxed{\\frac{1}{2}}", "It is \\boxed{7}."]


def task(tmp_path: Path, rows: list[dict[str, str]], **settings: Any) -> Gsm8k:
    file = write_lines(tmp_path / "test.jsonl", rows)
    found = Gsm8k(
        BenchmarkConfig.model_validate({"resamples": 100, "gsm8k": {"questions": file, **settings}})
    )
    found.load()
    return found


def answers(texts: list[str]) -> dict[str, Answer]:
    return {str(n): Answer((text,)) for n, text in enumerate(texts)}


def test_right_answers_are_counted(tmp_path: Path) -> None:
    found = task(tmp_path, ROWS)
    assert found.questions[0].turns[0].startswith("2 + 2?\nPlease reason step by step")
    (score,) = found.score(answers(GIVEN), asking({})).values()
    assert (score.score, score.n, score.scored) == (75, 4, 4)
    assert score.metric == "accuracy, % (math-verify)"
    assert score.failures == {}


def test_an_answer_with_nothing_in_it_is_wrong_and_counted(tmp_path: Path) -> None:
    given = answers(["", " ", "one half", GIVEN[3]])
    given["0"] = Answer(("",), error="refused by the model")
    (score,) = task(tmp_path, ROWS, check="exact").score(given, asking({})).values()
    assert (score.score, score.scored) == (0, 4)
    assert score.failures == {"answers: refused by the model": 1, "answers: empty": 1}


def test_what_cannot_be_checked_is_wrong_and_counted(tmp_path: Path) -> None:
    rows = [*ROWS[:1], {"question": "?", "answer": "#### "}]
    (score,) = task(tmp_path, rows).score(answers(GIVEN[:2]), asking({})).values()
    assert score.score == 50
    assert sum(score.failures.values()) == 1
    assert next(iter(score.failures)).startswith("checks: ")


def test_by_exact_match_too(tmp_path: Path) -> None:
    (score,) = task(tmp_path, ROWS, check="exact").score(answers(GIVEN), asking({})).values()
    assert score.score == 75  # 1/2 is 0.5
    assert score.metric == "accuracy, % (exact match)"


@pytest.mark.parametrize("check", ["math", "exact"])
def test_thoughts_are_not_the_answer(tmp_path: Path, check: str) -> None:
    said = [
        "<think>maybe \\boxed{5}</think> The answer is 4.",
        "<think>It is \\boxed{1234}</think> The answer is 7.",
        "maybe \\boxed{7}</think>\n\\boxed{0.5}",  # the prompt opened them
        "<think>It is \\boxed{6}",
    ]
    rows = [{"id": str(n), "response": text, "answer": ROWS[n]["answer"]} for n, text in enumerate(said)]
    found = task(tmp_path, ROWS, check=check)
    read = read_answers(write_lines(tmp_path / "a.jsonl", rows), "gsm8k", found.questions)
    (score,) = found.score(read, asking({})).values()
    assert (score.score, score.failures) == (50, {"answers: thoughts do not end": 1})


def test_files_of_prepare_are_read_too(tmp_path: Path) -> None:
    rows = [{"id": "x", "prompt": "2 + 2?", "answer": "4", "domain": "math"}]
    pd.DataFrame(rows).to_parquet(tmp_path / "p.parquet")
    settings = {"questions": str(tmp_path / "p.parquet"), "check": "exact"}
    found = Gsm8k(BenchmarkConfig.model_validate({"resamples": 100, "gsm8k": settings}))
    (score,) = found.score(answers(["\\boxed{4}"]), asking({})).values()
    assert score.score == 100


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"gsm8k\.questions: not given; name its file of questions"):
        Gsm8k(BenchmarkConfig())
    with pytest.raises(
        DataError, match=r"gsm8k.questions: row 2: answer is missing, expected text; its columns"
    ):
        task(tmp_path, [*ROWS[:1], {"question": "What?"}])


def test_the_gold_answers_of_the_real_test_are_right(shared_data: Path) -> None:
    file = str(shared_data / "benchmarks" / "gsm8k_test.jsonl")
    found = Gsm8k(BenchmarkConfig.model_validate({"resamples": 100, "gsm8k": {"questions": file}}))
    assert len(found.questions) == 1319
    few = Gsm8k(BenchmarkConfig.model_validate({"resamples": 100, "limit": 60, "gsm8k": {"questions": file}}))
    gold = {
        question.id: Answer((f"So \\boxed{{{question.references[0].split('####')[1].strip()}}}",))
        for question in few.questions
    }
    (score,) = few.score(gold, asking({})).values()
    assert (score.score, score.n) == (100, 60)

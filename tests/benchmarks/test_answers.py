"""Files of answers in every form that is read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from benchmark_judges import write_lines

from rewardrouter.benchmarks.answers import Answer, read_answers, write_answers
from rewardrouter.benchmarks.questions import Question, read_source
from rewardrouter.errors import DataError

QUESTIONS = [Question("7", "c", ("One?",), 0.0), Question("8", "c", ("Two, please.",), 0.0, shown="Two?")]
FORMS: dict[str, list[dict[str, Any]]] = {
    "ours": [{"id": "7", "turns": ["a"]}, {"id": "8", "turns": ["b"]}],
    "alpaca_eval": [{"instruction": "Two?", "output": "b"}, {"instruction": "One?", "output": "a"}],
    "fastchat": [
        {"question_id": n, "choices": [{"index": 0, "turns": [t]}]} for n, t in ((7, "a"), (8, "b"))
    ],
    "arena-hard v0.1": [
        {"question_id": n, "choices": [{"turns": [{"content": t, "token_len": 1}]}]}
        for n, t in (("7", "a"), ("8", "b"))
    ],
    "arena-hard v2": [
        {"uid": n, "messages": [{"role": "user"}, {"role": "assistant", "content": {"answer": t}}]}
        for n, t in (("7", "a"), ("8", "b"))
    ],
    "prompt and response": [{"prompt": "One?", "response": "a"}, {"prompt": "Two, please.", "response": "b"}],
    "ids of another question": [
        {"id": "8", "question": "One?", "answer": "a"},
        {"id": "7", "question": "Two?", "answer": "b"},
    ],
}


@pytest.mark.parametrize("form", FORMS)
def test_answers_are_read(form: str, tmp_path: Path) -> None:
    found = read_answers(write_lines(tmp_path / "a.jsonl", FORMS[form]), "task", QUESTIONS)
    assert found == {"7": Answer(("a",)), "8": Answer(("b",))}


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    answers = {
        "7": Answer(("a\n\u2028é", "x"), (False, True)),
        "8": Answer(("", ""), (), "refused by the model"),
    }
    questions = [Question(name, "c", ("One?", "More?"), 0.0) for name in answers]
    file = tmp_path / "answers" / "mt_bench.jsonl"
    write_answers(file, "mt_bench", "policy", questions, answers)
    assert read_answers(str(file), "mt_bench", questions) == answers
    assert json.loads(file.read_text(encoding="utf-8").split("\n")[0])["policy"] == "policy"


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (
            FORMS["ours"][:1],
            r"holds no answer to 1 of 2 questions of task \(the first: 8\); rows are found by id",
        ),
        ([{"id": "7", "turns": []}, {"id": "8", "output": "b"}], "the answer to 7 has 0 turns, expected 1"),
        ([{"id": "7", "output": None}, {"id": "8", "output": "b"}], "the answer to 7 has 0 turns"),
        ([{"id": "7", "question": "Other?", "output": "x"}, {"id": "8", "output": "b"}], "the first: 7"),
    ],
)
def test_what_is_missing_is_said(rows: list[dict[str, Any]], message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        read_answers(write_lines(tmp_path / "a.jsonl", rows), "task", QUESTIONS)


def test_the_gold_answer_is_not_the_policys(tmp_path: Path) -> None:
    questions = [Question("7", "c", ("One?",), 0.0, references=("so\n#### 1",))]
    for row in ({"response": "2"}, {"turns": ["2"]}, {"prediction": ["2"]}, {"output": "<think>1</think>2"}):
        file = write_lines(tmp_path / "a.jsonl", [{"question": "One?", "answer": "so\n#### 1", **row}])
        assert read_answers(file, "gsm8k", questions) == {"7": Answer(("2",))}
    for gold in ("so\n#### 1", "1"):
        file = write_lines(tmp_path / "a.jsonl", [{"question": "One?", "answer": gold}])
        with pytest.raises(
            DataError, match=r"answer holds the right answers of gsm8k itself; give the policy's in"
        ):
            read_answers(file, "gsm8k", questions)
    file = write_lines(tmp_path / "a.jsonl", [{"question": "One?", "answer": "1", "response": None}])
    with pytest.raises(DataError, match="the answer to 7 has 0 turns"):
        read_answers(file, "gsm8k", questions)


@pytest.mark.parametrize(
    ("options", "gold", "written"),
    [
        ((), "so\n#### 2,125", ["2125", "2,125", "2125.0", "$2,125", "####2125", "so #### 2,125\n"]),
        (("Paris", "Berlin"), "B", ["B", "b", "(B)", "B.", "Berlin", "B. Berlin", "(B) Berlin"]),
    ],
)
def test_the_gold_answer_is_known_however_it_is_written(
    options: tuple[str, ...], gold: str, written: list[str], tmp_path: Path
) -> None:
    question = Question("7", "c", ("One?",), 0.0, references=(gold,), options=options)
    for text in written:
        row = {"question": "One?", "model_output": "no", "answer": text}
        with pytest.raises(DataError, match="answer holds the right answers of task itself"):
            read_answers(write_lines(tmp_path / "a.jsonl", [row]), "task", [question])
    for text in ("The answer is B, which is Berlin: 2125.", "A", "2126"):
        file = write_lines(tmp_path / "a.jsonl", [{"question": "One?", "answer": text}])
        assert read_answers(file, "task", [question]) == {"7": Answer((text,))}


def test_csv_files_have_a_header(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('id,output\n7,"a, or so"\n8,b\n')
    assert read_answers(str(tmp_path / "a.csv"), "task", QUESTIONS)["7"] == Answer(("a, or so",))
    (tmp_path / "empty.csv").write_text("id,output\n")
    with pytest.raises(DataError, match=r"holds no rows"):
        read_source(str(tmp_path / "empty.csv"))

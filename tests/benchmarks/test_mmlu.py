"""MMLU: which option an answer settles on, by a served xFinder or by exact match."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest
from benchmark_judges import asking, write_lines

from rewardrouter.benchmarks.answers import Answer, read_answers
from rewardrouter.benchmarks.calls import REJECTED, CachedCalls, Reply, xfinder_service
from rewardrouter.benchmarks.mmlu import Mmlu
from rewardrouter.config.benchmark import BenchmarkConfig, XfinderServer
from rewardrouter.errors import DataError
from rewardrouter.testing.loopback import serving

OPTIONS = ["Paris", "London", "Rome", "None of these"]
ROWS = [
    {"question": "Capital of France?", "choices": OPTIONS, "answer": 0, "subject": "world_geography"},
    {"question": "Capital of Italy?", "choices": OPTIONS, "answer": "C", "subject": "world_geography"},
    {"question": "2 + 2?", "choices": ["3", "4", "5", "6"], "answer": 1, "subject": "mathematics"},
]


def task(source: str, **settings: Any) -> Mmlu:
    return Mmlu(BenchmarkConfig.model_validate({"resamples": 100, "mmlu": {"questions": source, **settings}}))


def answers(*texts: str) -> dict[str, Answer]:
    return {str(n): Answer((text,)) for n, text in enumerate(texts)}


def test_exact_match_is_reported_as_such(tmp_path: Path) -> None:
    found = task(write_lines(tmp_path / "m.jsonl", ROWS))
    assert found.questions[0].turns[0] == (
        "Capital of France?\nA. Paris\nB. London\nC. Rome\nD. None of these\n"
        "Think step by step, and end with: The answer is (X)."
    )
    assert found.calls(answers("x", "y", "z")) == []
    (score,) = found.score(answers("The answer is (A).", "London", "no idea"), asking({})).values()
    assert score.score == pytest.approx(100 / 3)
    assert score.metric == "accuracy, % (exact match)"
    assert score.notes == ["options found by exact match, not by xFinder as in the paper (mmlu.xfinder)"]
    assert score.failures == {"answers: settle on no option": 1}
    assert score.by_category["world_geography"].score == 50


def test_a_served_xfinder_is_asked_in_its_protocol(tmp_path: Path) -> None:
    said = {"Capital of France?": "A", "Capital of Italy?": "Rome.", "2 + 2?": "[No valid answer]"}

    def answer(body: Any) -> Any:
        assert body.keys() == {"prompt", "temperature", "max_tokens", "stop"}
        assert body["prompt"].startswith("<|System|>:You are a help assistant tasked with extracting")
        assert body["prompt"].endswith("\n\nKey extracted answer: \n<|Bot|>:")
        listed = body["prompt"].split("Answer range: ")[1].split("\n")[0]
        assert [letter for letter, _ in ast.literal_eval(listed)] == ["A", "B", "C", "D"]
        question = next(name for name in said if f'Question: """{name}\n' in body["prompt"])
        return {"text": [body["prompt"] + said[question]]}  # vLLM's demo server repeats the prompt

    with serving(answer) as server:
        settings = XfinderServer(url=f"{server.url}/generate")
        found = task(write_lines(tmp_path / "m.jsonl", ROWS), xfinder=settings.model_dump())
        calls = CachedCalls(xfinder_service(settings), tmp_path / "xfinder.jsonl")
        (score,) = found.score(answers("a", "b", "c"), lambda asked: calls.ask(asked, "mmlu")).values()
        assert [request.path for request in server.seen] == ["/generate"] * 3
    assert score.score == pytest.approx(200 / 3)
    assert (score.metric, score.notes) == ("accuracy, % (xFinder)", [])
    assert score.failures == {"xFinder: no valid answer": 1}


def test_what_xfinder_does_not_find_is_wrong_but_what_it_was_not_asked_is_left_out(tmp_path: Path) -> None:
    found = task(write_lines(tmp_path / "m.jsonl", ROWS), xfinder={"url": "http://127.0.0.1:9"})
    replies = {"0": Reply("Madrid"), "1": Reply("", failure=REJECTED), "2": Reply("b")}
    (score,) = found.score(answers("a", "b", "c"), asking(replies)).values()
    assert (score.score, score.scored) == (50, 2)
    assert score.failures == {"xFinder: names no option": 1, "xFinder: rejected by the server": 1}
    (score,) = found.score(answers("", "b", "c"), asking({"1": Reply("C"), "2": Reply("4")})).values()
    assert score.score == pytest.approx(200 / 3)
    assert score.failures == {"answers: empty": 1}


def test_rows_that_carry_the_native_question_are_answers(tmp_path: Path) -> None:
    found = task(write_lines(tmp_path / "m.jsonl", ROWS))
    said = ["<think>B?</think>\nA", "The answer is: (C)", "Answer: A</think>\nI choose B."]
    for key in ("id", "other"):
        rows = [
            {**row, key: n, "response": text} for n, (row, text) in enumerate(zip(ROWS, said, strict=True))
        ]
        read = read_answers(write_lines(tmp_path / "a.jsonl", rows), "mmlu", found.questions)
        (score,) = found.score(read, asking({})).values()
        assert (score.score, score.failures) == (100, {})
    with pytest.raises(DataError, match="its column answer holds the right answers of mmlu itself"):
        read_answers(write_lines(tmp_path / "n.jsonl", ROWS), "mmlu", found.questions)


def test_native_files_and_those_of_prepare(tmp_path: Path) -> None:
    folder = tmp_path / "test"
    folder.mkdir()
    (folder / "anatomy_test.csv").write_text('"Which, of these?",a,b,c,d,D\nAnd?,a,b,c,d,A\n')
    (folder / "virology_test.csv").write_text("Who?,a,b,c,d,B\n")
    found = task(str(folder)).questions
    assert [(question.category, question.references[0]) for question in found] == [
        ("anatomy", "D"),
        ("anatomy", "A"),
        ("virology", "B"),
    ]
    assert task(str(folder / "virology_test.csv")).questions[0].options == ("a", "b", "c", "d")
    prepared = {
        "id": "x",
        "prompt": "Who?\nA. a\nB. b",
        "choices": ["a", "b"],
        "answer": "B",
        "domain": "virology",
    }
    (question,) = task(write_lines(tmp_path / "p.jsonl", [prepared])).questions
    assert (question.id, question.category, question.bare) == ("x", "virology", "Who?\nA. a\nB. b")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"answer": 4}, r"row 1: answer is 4, expected 0 to 3 or A to D"),
        ({"answer": "E"}, r"row 1: answer is 'E'"),
        ({"answer": True}, r"row 1: answer is True"),
        ({"choices": ["one"]}, r"row 1: no list of 2 to 10 options"),
        ({"question": None}, r"row 1: question is missing"),
    ],
)
def test_rows_that_are_none(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        task(write_lines(tmp_path / "m.jsonl", [{**ROWS[0], **change}]))
    (tmp_path / "x.csv").write_text("only,three,columns\n")
    with pytest.raises(DataError, match=r"has 3 columns, expected 6"):
        task(str(tmp_path / "x.csv"))

"""``rewardrouter benchmark`` as it is called."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from benchmark_judges import answers_file, arena_questions, completion, write_lines
from commands import done, refused

from rewardrouter.testing.loopback import serving

CONFIG = "judge: {{url: '{url}', model: j, input_price: 10, output_price: 30}}\nresamples: 100\n"


@pytest.fixture
def arena(tmp_path: Path) -> list[str]:
    ids = ["q0", "q1"]
    return [
        f"--arena_hard.questions={arena_questions(tmp_path / 'q.jsonl', 2)}",
        f"--arena_hard.baseline={answers_file(tmp_path / 'b.jsonl', ids, lambda n, _: 'base')}",
    ]


def test_a_file_of_answers_is_judged(tmp_path: Path, arena: list[str]) -> None:
    outputs = answers_file(tmp_path / "mine.jsonl", ["q0", "q1"], lambda n, _: f"mine {n}")
    words = ["benchmark", "--outputs", outputs, "--tasks", "arena_hard", "--out", tmp_path / "run", *arena]
    with serving(lambda body: completion("[[A=B]]")) as server:
        (tmp_path / "c.yaml").write_text(CONFIG.format(url=server.url))
        words += ["--config", tmp_path / "c.yaml"]
        plan = done(*words, "--dry-run").out
        assert "arena_hard" in plan
        assert "The judge costs about 0.0" in plan
        assert not (tmp_path / "run").exists()
        ended = done(*words)
        assert len(server.seen) == 4
    assert ended.out.splitlines()[1].split()[:5] == ["arena_hard", "50.00", "50.00", "to", "50.00"]
    assert "The judge costs about" in ended.err
    found = json.loads((tmp_path / "run" / "results.json").read_text())
    assert (found["kind"], found["scores"]["arena_hard"]["score"]) == ("benchmark", 50)
    assert (tmp_path / "run" / "config.yaml").exists()


def test_a_served_policy_answers(tmp_path: Path) -> None:
    rows = [{"question": "2 + 2?", "answer": "#### 4"}]
    with serving(lambda body: completion("\\boxed{4}")) as server:
        words = [
            "benchmark",
            "--model",
            server.url,
            "--endpoint.model=sft",
            "--tasks",
            "gsm8k",
            "--out",
            tmp_path / "r",
        ]
        questions = f"--gsm8k.questions={write_lines(tmp_path / 'q.jsonl', rows)}"
        ended = done(*words, questions, "--gsm8k.check=exact", "--resamples=100")
        assert done(*words, questions, "--gsm8k.check=exact", "--answers-only").out.startswith("Answers: ")
        assert len(server.seen) == 1
        missing = refused("benchmark", "--model", server.url, "--tasks", "gsm8k", "--out", tmp_path / "r")
    assert ended.out.splitlines()[1].split()[:2] == ["gsm8k", "100.00"]
    assert "endpoint.model" in missing


def test_mistakes(tmp_path: Path, arena: list[str]) -> None:
    out = ["--out", tmp_path / "run"]
    assert "give one of them" in refused("benchmark", "--tasks", "gsm8k", *out)
    assert "give one of them" in refused(
        "benchmark", "--model", "m", "--outputs", "o", "--tasks", "gsm8k", *out
    )
    assert "names none" in refused("benchmark", "--model", "m", "--tasks", ",", *out)
    assert "Did you mean gsm8k" in refused("benchmark", "--model", "m", "--tasks", "gsmk8", *out)
    assert "questions: not given" in refused("benchmark", "--model", "m", "--tasks", "gsm8k", *out)
    assert "judge: not given" in refused("benchmark", "--model", "m", "--tasks", "arena_hard", *out, *arena)
    assert "leave one out" in refused(
        "benchmark", "--outputs", "o", "--answers-only", "--tasks", "arena_hard", *out, *arena
    )
    judge = ["--judge.url=http://127.0.0.1:9", "--judge.model=j"]
    for more in ([], ["--dry-run"]):
        assert "no such folder" in refused(
            "benchmark", "--model", "./none", "--tasks", "arena_hard", *out, *arena, *judge, *more
        )
    assert "Did you mean judge" in refused(
        "benchmark", "--model", "m", "--tasks", "gsm8k", *out, "--juge.url=x"
    )
    assert not (tmp_path / "run" / "config.yaml").exists()

"""Whole runs: the plan tells what is asked, nothing is asked twice, a killed run ends as any other."""

from __future__ import annotations

import json
import random
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from benchmark_judges import (
    answers_file,
    arena_questions,
    completion,
    last_text,
    mt_questions,
    preferring,
    write_lines,
)
from commands import start

from rewardrouter.benchmarks.results import BenchmarkResults, Spent
from rewardrouter.benchmarks.run import BenchmarkRun
from rewardrouter.benchmarks.tasks import TASKS
from rewardrouter.config.benchmark import BenchmarkConfig
from rewardrouter.config.saved import read_saved
from rewardrouter.errors import ConfigError, DataError, UserError
from rewardrouter.testing.loopback import Loopback, late, serving, status

COUNT = 6
MT = [str(81 + n) for n in range(COUNT)]
ARENA = [f"q{n}" for n in range(COUNT)]
JUDGED = ("alpaca_eval", "mt_bench", "arena_hard")


def verdict(body: Any) -> Any:
    """Judge by a hash of what is asked: any verdict, refusals and garbage among them."""
    text = last_text(body)
    drawn = zlib.crc32(text.encode())
    if drawn % 11 == 0:
        return completion(None, refusal="no")
    if '"model_identifier"' in text:
        return preferring(drawn % 1000 / 1000)
    if "<|User Prompt|>" in text:
        return completion(f"so [[{('A>>B', 'A>B', 'A=B', 'B>A', 'B>>A')[drawn % 5]}]]")
    if "[[C]]" in body["messages"][0]["content"]:
        return completion(f"[[{'ABC?'[drawn % 4]}]]")
    return completion(f"Rating: [[{drawn % 12}]]")


@pytest.fixture
def judge() -> Iterator[Loopback]:
    with serving(verdict) as server:
        yield server


@pytest.fixture
def outputs(tmp_path: Path) -> Path:
    folder = tmp_path / "outputs"
    write_lines(
        folder / "alpaca_eval.jsonl", ({"id": str(n), "output": f"out {n}" * (n + 1)} for n in range(COUNT))
    )
    answers_file(folder / "mt_bench.jsonl", MT, lambda n, turn: f"mine {n}.{turn}", turns=2)
    answers_file(folder / "arena_hard.jsonl", ARENA, lambda n, _: f"mine {n}")
    write_lines(folder / "gsm8k.jsonl", ({"id": str(n), "output": f"\\boxed{{{n}}}"} for n in range(4)))
    return folder


def settings(folder: Path, judge: Loopback | None, **more: Any) -> dict[str, Any]:
    alpaca = [{"instruction": f"Do {n}", "output": f"reference {n}"} for n in range(COUNT)]
    gsm8k = [{"question": f"{n} + 0?", "answer": f"#### {n if n else 9}"} for n in range(4)]
    base = {"alpaca_eval": None, "mt_bench": MT, "arena_hard": ARENA}
    for name, ids in base.items():
        if ids is not None:
            answers_file(folder / f"base_{name}.jsonl", ids, lambda n, turn: f"base {n}.{turn}", turns=2)
    found: dict[str, Any] = {
        "resamples": 100,
        "gsm8k": {"questions": write_lines(folder / "gsm8k.jsonl", gsm8k), "check": "exact"},
        "alpaca_eval": {"questions": write_lines(folder / "alpaca.jsonl", alpaca)},
        "mt_bench": {
            "questions": mt_questions(folder / "mt.jsonl", ["math", "writing"] * (COUNT // 2)),
            "baseline": str(folder / "base_mt_bench.jsonl"),
        },
        "arena_hard": {
            "questions": arena_questions(folder / "arena.jsonl", COUNT),
            "baseline": str(folder / "base_arena_hard.jsonl"),
        },
    }
    if judge is not None:
        found["judge"] = {
            "url": judge.url,
            "model": "j",
            "first_wait": 0.01,
            "concurrency": 3,
            "input_price": 10,
            "output_price": 30,
        }
    return {**found, **more}


def run(folder: Path, judge: Loopback | None, outputs: Path, *names: str, **more: Any) -> BenchmarkRun:
    config = BenchmarkConfig.model_validate(settings(folder.parent, judge, **more))
    return BenchmarkRun(config, names, folder, outputs=str(outputs))


def scores(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = read_saved(BenchmarkResults, folder / "results.json").model_dump()["scores"]
    return found


def test_the_plan_is_what_is_asked(tmp_path: Path, judge: Loopback, outputs: Path) -> None:
    planned = run(tmp_path / "run", judge, outputs, *JUDGED, "gsm8k", arena_hard=_once(tmp_path)).plan()
    assert not (tmp_path / "run").exists()
    assert judge.seen == []
    assert [(one.task, one.calls) for one in planned.tasks] == [
        ("alpaca_eval", COUNT),
        ("mt_bench", 6 * COUNT),
        ("arena_hard", 2 * COUNT),
        ("gsm8k", 0),
    ]
    found = run(tmp_path / "run", judge, outputs, *JUDGED, "gsm8k", arena_hard=_once(tmp_path)).run()
    assert len(judge.seen) == sum(one.calls - one.kept for one in planned.tasks)
    texts = sum(len(message["content"]) for request in judge.seen for message in request.body["messages"])
    assert sum(one.input_tokens for one in planned.tasks) == pytest.approx(texts / 4, rel=0.01)
    most = sum(request.body["max_tokens"] for request in judge.seen)
    assert sum(one.most_output_tokens for one in planned.tasks) == most
    assert planned.most_cost == pytest.approx(
        (sum(one.input_tokens for one in planned.tasks) * 10 + most * 30) / 1e6
    )
    spent = found.spent["judge"]
    assert (spent.calls, spent.input_tokens) == (len(judge.seen), 100 * len(judge.seen))
    assert spent.cost == pytest.approx(len(judge.seen) * (100 * 10 + 10 * 30) / 1e6)
    again = run(tmp_path / "run", judge, outputs, *JUDGED).plan()
    assert (again.cost, sum(one.calls - one.kept for one in again.tasks)) == (0, 0)


def test_at_most_is_with_every_judge_asked_to_go_on(tmp_path: Path, judge: Loopback, outputs: Path) -> None:
    once = run(tmp_path / "run", judge, outputs, "arena_hard", arena_hard=_once(tmp_path)).plan()
    twice = run(tmp_path / "run", judge, outputs, "arena_hard").plan()
    (first,), (both,) = once.tasks, twice.tasks
    assert both.output_tokens == first.output_tokens
    assert both.most_output_tokens == 2 * first.most_output_tokens
    assert both.most_input_tokens == 2 * first.input_tokens + first.most_output_tokens
    judge.answer = lambda body: completion("x" * 400, usage=(_tokens(body), 4096))
    spent = run(tmp_path / "run", judge, outputs, "arena_hard").run().spent["judge"]
    assert spent.calls == 4 * COUNT
    assert twice.most_cost is not None
    assert spent.cost is not None
    assert twice.cost is not None
    assert twice.cost < spent.cost <= twice.most_cost


def _tokens(body: Any) -> int:
    return sum(len(message["content"]) for message in body["messages"]) // 4


def test_replies_that_are_there_say_what_the_rest_costs(
    tmp_path: Path, judge: Loopback, outputs: Path
) -> None:
    """A judge that counts two characters a token, and writes 90 of them, is taken at its word after a trial."""
    judge.answer = lambda body: completion("[[5]] [[A]]", usage=(2 * _tokens(body), 90))
    before = run(tmp_path / "run", judge, outputs, "mt_bench").plan()
    run(tmp_path / "run", judge, outputs, "mt_bench", limit=COUNT - 2).run()
    plan = run(tmp_path / "run", judge, outputs, "mt_bench").plan()
    found = run(tmp_path / "run", judge, outputs, "mt_bench").run()
    spent = found.spent["judge"]
    assert (spent.calls, spent.kept) == (6 * 2, 6 * (COUNT - 2))
    assert before.cost is not None
    assert before.cost / 3 > (spent.cost_now or 0) > 0
    assert plan.cost == pytest.approx(spent.cost_now, rel=0.02)
    assert spent.cost == pytest.approx(3 * (spent.cost_now or 0), rel=0.02)
    assert found.text().endswith(f"cost {spent.cost:,.2f}, {spent.cost_now:,.2f} of it now")


def test_nothing_is_said_of_servers_that_nothing_is_asked(
    tmp_path: Path, judge: Loopback, outputs: Path
) -> None:
    alone = run(tmp_path / "run", judge, outputs, "gsm8k")
    assert not any("judge" in line for line in alone.plan().lines())
    found = alone.run()
    assert "requests" not in found.text()
    quiet = found.model_copy(
        update={"spent": {"xfinder": Spent(calls=3, kept=0, input_tokens=0, output_tokens=0, cost=None)}}
    )
    assert quiet.text().endswith("xfinder: 3 requests now, 0 kept from before; it counts no tokens")


def _once(folder: Path) -> dict[str, Any]:
    """Return Arena-Hard's settings under which a silent judge is not asked to go on: that cannot be planned."""
    given: dict[str, Any] = settings(folder, None)["arena_hard"]
    return {**given, "attempts": 1}


def test_every_benchmark_has_its_scores(tmp_path: Path, judge: Loopback, outputs: Path) -> None:
    found = run(tmp_path / "run", judge, outputs, *TASKS_WITHOUT_MMLU).run()
    assert list(found.scores) == ["gsm8k", "alpaca_eval", "mt_bench", "mt_bench_pairwise", "arena_hard"]
    assert found.scores["gsm8k"].score == 75
    assert found == read_saved(BenchmarkResults, tmp_path / "run" / "results.json")
    table = found.text().splitlines()
    assert table[0].split() == ["benchmark", "score", "95", "%", "interval", "n", "metric"]
    assert table[1].split()[:2] == ["gsm8k", "75.00"]
    assert table[-1].startswith("judge: ")
    for score in found.scores.values():
        assert score.score is None or 0 <= score.score <= 100


TASKS_WITHOUT_MMLU = [name for name in TASKS if name != "mmlu"]


def test_a_benchmark_added_later_asks_only_for_itself(tmp_path: Path, judge: Loopback, outputs: Path) -> None:
    run(tmp_path / "run", judge, outputs, "mt_bench").run()
    before = len(judge.seen)
    both = run(tmp_path / "run", judge, outputs, "mt_bench", "arena_hard").run()
    assert all(
        "<|User Prompt|>" in last_text(r.body) or "continue" in last_text(r.body) for r in judge.seen[before:]
    )
    alone = run(tmp_path / "alone", judge, outputs, "mt_bench").run()
    assert both.scores["mt_bench"] == alone.scores["mt_bench"]


def test_scores_of_earlier_commands_stay(tmp_path: Path, judge: Loopback, outputs: Path) -> None:
    first = run(tmp_path / "run", judge, outputs, "gsm8k").run()
    run(tmp_path / "run", judge, outputs, "mt_bench").run()
    assert list(scores(tmp_path / "run")) == ["gsm8k", "mt_bench", "mt_bench_pairwise"]
    again = run(tmp_path / "run", judge, outputs, "arena_hard", limit=COUNT - 1).run()
    assert list(again.scores) == ["gsm8k", "mt_bench", "mt_bench_pairwise", "arena_hard"]
    assert again.scores["gsm8k"].score == first.scores["gsm8k"].score
    assert again.scores["gsm8k"].notes == ["of an earlier command: limit none"]


def test_a_broken_judge_stops_the_run_which_goes_on(tmp_path: Path, judge: Loopback, outputs: Path) -> None:
    whole = run(tmp_path / "whole", judge, outputs, *JUDGED).run()
    judge.faults.extend([status(404)])
    with pytest.raises(UserError, match=r"the same command goes on"):
        run(tmp_path / "run", judge, outputs, *JUDGED).run()
    assert not (tmp_path / "run" / "results.json").exists()
    assert run(tmp_path / "run", judge, outputs, *JUDGED).run().scores == whole.scores


def test_a_budget_is_kept(tmp_path: Path, judge: Loopback, outputs: Path) -> None:
    given = settings(tmp_path, judge)
    for limit, price, message in (
        (0.001, 10, "more than 0.00; nothing was asked of it"),
        (1, None, "prices are not"),
    ):
        given["judge"] |= {"max_cost": limit, "input_price": price}
        config = BenchmarkConfig.model_validate(given)
        with pytest.raises(UserError, match=message):
            BenchmarkRun(config, ["arena_hard"], tmp_path / "run", outputs=str(outputs)).run()
        assert judge.seen == []
        assert not (tmp_path / "run" / "config.yaml").exists(), (
            "a run that was begun in vain leaves no settings"
        )


def test_a_policy_answers_and_its_answers_are_a_baseline(
    tmp_path: Path, judge: Loopback, tiny_qwen2_lm: Path
) -> None:
    generation = {"max_new_tokens": 6, "device": "cpu"}
    config = BenchmarkConfig.model_validate(settings(tmp_path, judge, generation=generation))
    names = ["gsm8k", "mt_bench", "arena_hard"]
    first = BenchmarkRun(config, names, tmp_path / "sft", model=str(tiny_qwen2_lm))
    files = first.answer()
    assert [file.name for file in files] == ["gsm8k.jsonl", "mt_bench.jsonl", "arena_hard.jsonl"]
    assert judge.seen == []
    written = (tmp_path / "sft" / "calls" / "answers.jsonl").read_bytes()
    itself = settings(tmp_path, judge, generation=generation)
    itself["arena_hard"]["baseline"] = str(files[2])
    found = BenchmarkRun(
        BenchmarkConfig.model_validate(itself), names, tmp_path / "sft", model=str(tiny_qwen2_lm)
    ).run()
    assert (tmp_path / "sft" / "calls" / "answers.jsonl").read_bytes() == written, "answered once"
    assert found.policy == str(tiny_qwen2_lm)
    from_file = BenchmarkRun(
        BenchmarkConfig.model_validate(itself),
        names,
        tmp_path / "given",
        outputs=str(tmp_path / "sft" / "answers"),
    ).run()
    assert from_file.scores == found.scores


def test_other_settings_answer_anew(tmp_path: Path, tiny_qwen2_lm: Path) -> None:
    def answered(**generation: Any) -> str:
        given = settings(tmp_path, None, generation={"max_new_tokens": 4, "device": "cpu", **generation})
        task = BenchmarkRun(
            BenchmarkConfig.model_validate(given), ["arena_hard"], tmp_path / "run", model=str(tiny_qwen2_lm)
        )
        return task.answer()[0].read_text(encoding="utf-8")

    greedy = answered()
    assert answered(temperature=1.0) != greedy
    assert answered() == greedy
    assert len((tmp_path / "run" / "calls" / "answers.jsonl").read_text().splitlines()) == 2 * COUNT


def test_a_run_killed_at_random_moments_ends_as_an_uninterrupted_one(
    tmp_path: Path, judge: Loopback, outputs: Path
) -> None:
    run(tmp_path / "whole", judge, outputs, *JUDGED).run()
    requests = len(judge.seen)
    (tmp_path / "c.json").write_text(json.dumps(settings(tmp_path, judge)))
    words = ["benchmark", "--outputs", outputs, "--tasks", ",".join(JUDGED), "--config", tmp_path / "c.json"]
    judge.always = late(0.03)
    chance, kills = random.Random(0), 0
    kept = tmp_path / "run" / "calls" / "judge.jsonl"
    for _ in range(3):
        process = start(*words, "--out", tmp_path / "run")
        wanted = (len(kept.read_bytes().splitlines()) if kept.exists() else 0) + chance.randint(1, 12)
        while process.poll() is None and (not kept.exists() or len(kept.read_bytes().splitlines()) < wanted):
            time.sleep(0.005)
        process.kill()
        process.communicate()
        kills += process.returncode == -9
    assert kills >= 2
    process = start(*words, "--out", tmp_path / "run")
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert scores(tmp_path / "run") == scores(tmp_path / "whole")
    assert "arena_hard" in out
    # What was under way when the process died is all that was asked again.
    assert len(judge.seen) - requests <= requests + 3 * 3


def test_what_is_missing_is_said(tmp_path: Path, judge: Loopback, outputs: Path) -> None:
    with pytest.raises(UserError, match=r"no benchmark 'arena-hard'. Did you mean arena_hard"):
        run(tmp_path / "run", judge, outputs, "arena-hard")
    with pytest.raises(ConfigError, match=r"judge: not given; mt_bench needs judge.url"):
        run(tmp_path / "run", None, outputs, "mt_bench").run()
    with pytest.raises(UserError, match=r"one file answers one benchmark"):
        run(tmp_path / "run", judge, outputs / "mt_bench.jsonl", "mt_bench", "gsm8k").run()
    (outputs / "gsm8k.jsonl").unlink()
    with pytest.raises(DataError, match=r"holds no gsm8k.jsonl; give one file per benchmark"):
        run(tmp_path / "run", judge, outputs, "mt_bench", "gsm8k").run()
    assert not (tmp_path / "run" / "config.yaml").exists()
    with pytest.raises(DataError, match=r"cannot be read"):
        read_saved(BenchmarkResults, tmp_path / "none.json")


def test_a_run_of_another_kind_is_left_alone(tmp_path: Path, judge: Loopback, outputs: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.yaml").write_text("policy: {checkpoint: x}\n")
    with pytest.raises(UserError, match="holds a run of another kind; give another folder"):
        run(tmp_path / "run", judge, outputs, "gsm8k").run()
    assert (tmp_path / "run" / "config.yaml").read_text() == "policy: {checkpoint: x}\n"


def test_results_of_other_kinds_are_refused(tmp_path: Path) -> None:
    (tmp_path / "results.json").write_text('{"kind": "training"}')
    with pytest.raises(ConfigError):
        read_saved(BenchmarkResults, tmp_path / "results.json")
    assert BenchmarkResults.model_fields["kind"].default == "benchmark"

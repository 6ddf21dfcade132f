"""AlpacaEval 2: positions, preferences, and what is not one."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from benchmark_judges import answers_file, asking, completion, preferring, write_lines
from hypothesis import given
from hypothesis import strategies as st

from rewardrouter.benchmarks.alpaca_eval import AlpacaEval, is_extreme_change
from rewardrouter.benchmarks.answers import Answer
from rewardrouter.benchmarks.calls import REJECTED, Call, Reply, read_chat
from rewardrouter.config.benchmark import BenchmarkConfig
from rewardrouter.config.loading import load_config
from rewardrouter.errors import ConfigError, DataError
from rewardrouter.experiments.catalogue import BENCHMARK

COUNT = 40


@pytest.fixture
def task(tmp_path: Path) -> Callable[..., AlpacaEval]:
    def make(count: int = COUNT, seed: int = 0, **settings: Any) -> AlpacaEval:
        rows = [
            {"instruction": f"Do {n}", "output": f"reference {n}", "dataset": "ab"[n % 2], "generator": "g"}
            for n in range(count)
        ]
        file = tmp_path / "alpaca_eval.json"
        file.write_text(json.dumps(rows))
        config = BenchmarkConfig.model_validate(
            {"seed": seed, "resamples": 100, "alpaca_eval": {"questions": str(file), **settings}}
        )
        found = AlpacaEval(config)
        found.load()
        return found

    return make


def answers(count: int = COUNT) -> dict[str, Answer]:
    return {str(n): Answer((f"policy {n}" + "!" * (n % 7),)) for n in range(count)}


def policy_first(call: Call) -> bool:
    shown = call.body["messages"][1]["content"]
    return bool(shown.index("policy ") < shown.index("reference "))


def judge(of_policy: Callable[[Call], float]) -> Callable[[Call], Reply]:
    """Return a judge that prefers the policy's output with this probability, wherever it stands."""

    def reply(call: Call) -> Reply:
        p = of_policy(call)
        return read_chat(preferring(p if policy_first(call) else 1 - p))

    return reply


def test_it_asks_as_published(task: Callable[..., AlpacaEval]) -> None:
    calls = task().calls(answers())
    assert len(calls) == COUNT
    assert calls[0].body.keys() == {"messages", "max_tokens", "temperature", "logprobs", "top_logprobs"}
    assert (calls[0].body["max_tokens"], calls[0].body["top_logprobs"]) == (1, 5)
    places = [policy_first(call) for call in calls]
    assert 8 < sum(places) < 32, "either stands first, by chance"
    assert places == [policy_first(call) for call in task().calls(answers())]
    assert places != [policy_first(call) for call in task(seed=1).calls(answers())]


def test_known_preferences_have_their_mean(task: Callable[..., AlpacaEval]) -> None:
    weights = {str(n): (n % 10) / 10 for n in range(COUNT)}
    (score,) = task().score(answers(), asking(judge(lambda call: weights[call.id]))).values()
    assert score.more["win_rate"] == pytest.approx(100 * sum(weights.values()) / COUNT)
    assert score.more["discrete_win_rate"] == pytest.approx(45.0)  # 4 of 10 above a half, one at it
    assert score.by_category["a"].score == pytest.approx(40.0)
    assert score.by_category["b"].score == pytest.approx(50.0)
    assert (score.n, score.scored, score.failures) == (COUNT, COUNT, {})
    low, high = score.interval or (0, 0)
    assert low < (score.score or 0) < high


def test_a_judge_that_goes_by_the_place_alone_prefers_nobody(task: Callable[..., AlpacaEval]) -> None:
    found = task(400)
    (score,) = found.score(answers(400), asking(lambda call: read_chat(preferring(0.9)))).values()
    assert score.more["win_rate"] == pytest.approx(50, abs=5)


@given(st.floats(0.001, 0.999))
def test_only_the_two_letters_count(p: float) -> None:
    reply = read_chat(preferring(p, other="Both"))
    assert {token for token, _ in reply.top} == {"m", "M", "Both"}


@pytest.mark.parametrize(
    ("top", "p"),
    [
        ([(" m", -0.01), ("M", -5.0)], 0.9932403),
        ([("m", -5.0), ("▁M", -0.01)], 0.0067597),
        ([("m", -1.0), (" m", -1.0), ("M", -0.30685281944005466)], 0.5),
        ([("m", -2.0), ("M", -2.0), ("The", -0.3)], 0.5),
        ([("m", -2.0), ("m", -2.0), ("M", -2.0)], 0.5),  # told twice
        ([("model", -0.1), ("m", -3.0), ("MM", -0.2), ("M", -3.0)], 0.5),
    ],
)
def test_a_letter_behind_a_space_is_the_letter(
    task: Callable[..., AlpacaEval], top: list[tuple[str, float]], p: float
) -> None:
    (score,) = task(1).score(answers(1), asking(lambda _: Reply(top[0][0], top=tuple(top)))).values()
    first = policy_first(task(1).calls(answers(1))[0])
    assert score.more["win_rate"] == pytest.approx(100 * (p if first else 1 - p), abs=1e-3)


def test_what_is_no_preference_is_counted_and_left_out(task: Callable[..., AlpacaEval]) -> None:
    odd = {
        "0": completion("M"),  # a server without log-probabilities
        "1": preferring(1.0),
        "2": completion(None, refusal="I will not judge this"),
        "3": completion("", finish="content_filter"),
    }
    neither = completion("?")
    neither["choices"][0]["logprobs"] = {
        "content": [{"token": "?", "top_logprobs": [{"token": "?", "logprob": -1}]}]
    }
    odd["4"] = neither

    def reply(call: Call) -> Reply:
        if call.id == "5":
            return Reply("", failure=REJECTED)
        return read_chat(odd[call.id]) if call.id in odd else judge(lambda _: 0.8)(call)

    (score,) = task().score(answers(), asking(reply)).values()
    assert score.failures == {
        "verdicts: refused by the model": 2,
        "verdicts: no log-probabilities (alpaca_eval.weighted=false does without)": 1,
        "verdicts: neither m nor M": 1,
        "verdicts: rejected by the server": 1,
    }
    assert score.scored == COUNT - 5
    first = next(call for call in task().calls(answers()) if call.id == "1")
    known = 0.8 * (COUNT - 6) + (1.0 if policy_first(first) else 0.0)
    assert score.more["win_rate"] == pytest.approx(100 * known / (COUNT - 5))


def test_nothing_but_failures_is_no_score(task: Callable[..., AlpacaEval]) -> None:
    (score,) = task().score(answers(), asking(lambda _: read_chat(completion("garbage")))).values()
    assert (score.score, score.interval, score.scored) == (None, None, 0)


def test_without_weights_the_letter_counts(task: Callable[..., AlpacaEval]) -> None:
    found = task(weighted=False)
    assert "logprobs" not in found.calls(answers())[0].body
    said = {str(n): ("m", "M", " M\n", "<think>m</think>M", "Mm")[n % 5] for n in range(COUNT)}
    (score,) = found.score(answers(), asking(lambda call: read_chat(completion(said[call.id])))).values()
    assert score.failures == {"verdicts: neither m nor M": COUNT // 5}
    assert score.scored == COUNT * 4 // 5


def test_outputs_of_one_length_need_no_control(task: Callable[..., AlpacaEval]) -> None:
    same = {str(n): Answer((f"policy {n}",)) for n in range(9)}  # three letters less, each
    (score,) = task(9).score(same, asking(judge(lambda _: 0.7))).values()
    assert score.score == pytest.approx(70)
    assert score.notes == ["all outputs differ equally in length: the plain win rate"]


def test_an_output_that_is_the_references_own_is_a_draw_and_not_judged(
    task: Callable[..., AlpacaEval],
) -> None:
    given = {
        name: Answer((f"reference {name}",)) if int(name) < 30 else one for name, one in answers().items()
    }
    seen: list[Call] = []
    (score,) = task().score(given, asking(lambda call: read_chat(preferring(0.9)), seen)).values()
    assert [call.id for call in seen] == [str(n) for n in range(30, COUNT)]
    mine = [0.9 if policy_first(call) else 0.1 for call in seen]
    assert score.more["win_rate"] == pytest.approx(100 * (30 * 0.5 + sum(mine)) / COUNT)
    assert (score.scored, score.failures) == (COUNT, {})
    assert score.notes[0] == "outputs that are the reference's own, draws without a judge: 30"
    same = {str(n): Answer((f"reference {n}",)) for n in range(COUNT)}
    (score,) = task().score(same, asking({})).values()
    assert (score.score, score.interval) == (50, (50, 50))


def test_the_interval_holds_the_score_where_the_penalty_takes_all(task: Callable[..., AlpacaEval]) -> None:
    random = np.random.default_rng(12)
    weights = random.beta(0.5, 0.3, 20).clip(0.01, 0.99)
    given = {
        str(n): Answer((f"policy {n}" + "!" * more,)) for n, more in enumerate(random.integers(0, 60, 20))
    }
    (score,) = task(20).score(given, asking(judge(lambda call: float(weights[int(call.id)])))).values()
    assert score.score == pytest.approx(50)
    low, high = score.interval or (0, 0)
    assert (low, high) == pytest.approx((50, 100), abs=0.01)
    assert re.fullmatch(
        r"the penalty of the fit \(C=0.0001\) draws the score to 50.00; without it the interval is 66.\d\d to"
        r" 100.00, and was widened to hold the score",
        score.notes[-1],
    )


# The bounds that alpaca_eval's get_is_extreme_changes has for plain win rates, by hand.
@pytest.mark.parametrize(
    ("plain", "low", "high"),
    [(50, 37.5, 62.5), (20, 10, 40), (80, 60, 90), (90, 67.5, 100), (40, 30, 55), (5, -5, 28.75)],
)
def test_changes_that_are_warned_of(plain: float, low: float, high: float) -> None:
    assert not is_extreme_change(plain, low)
    assert not is_extreme_change(plain, high)
    assert is_extreme_change(plain, low - 0.01)
    assert is_extreme_change(plain, high + 0.01)


@pytest.mark.parametrize("shipped", [BENCHMARK, Path(__file__).parents[2] / "examples" / "benchmark.yaml"])
def test_shipped_settings_control_lengths_as_alpaca_eval_2_does(shipped: Path) -> None:
    alpaca = load_config(BenchmarkConfig, shipped).alpaca_eval
    assert (alpaca.gamed, alpaca.glm) == ("df_gamed.csv", None), "v1, which is unset where the file is given"


def test_a_given_baseline_takes_the_place_of_the_outputs(
    task: Callable[..., AlpacaEval], tmp_path: Path
) -> None:
    other = answers_file(tmp_path / "sft.jsonl", range(COUNT), lambda n, _: f"sft answer {n}")
    shown = task(baseline=other).calls(answers())[3].body["messages"][1]["content"]
    assert '"output": """sft answer 3"""' in shown
    assert "reference" not in shown


def test_what_is_missing_is_said(task: Callable[..., AlpacaEval], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"length_controlled_v1 needs AlpacaEval's df_gamed.csv: give"):
        task(glm="length_controlled_v1")
    gamed = tmp_path / "gamed.csv"
    gamed.write_text("index,preference,std_delta_len,instruction_difficulty\n0,0.5,1,0\n1,0.5,1,0\n")
    with pytest.raises(DataError, match=r"no difficulty of instruction 2 and 37 others"):
        task(gamed=str(gamed))
    bare = write_lines(tmp_path / "bare.jsonl", [{"instruction": "Do 0"}])
    found = AlpacaEval(BenchmarkConfig.model_validate({"alpaca_eval": {"questions": bare}}))
    with pytest.raises(
        ConfigError, match=r"alpaca_eval.baseline: not given, and row 1 of the questions has no output"
    ):
        found.load()


def test_the_real_questions(shared_data: Path) -> None:
    file = shared_data / "benchmarks" / "alpaca_eval_gpt4_1106_preview_outputs.json"
    task = AlpacaEval(BenchmarkConfig.model_validate({"alpaca_eval": {"questions": str(file)}}))
    task.load()
    assert len(task.questions) == 805
    given = {question.id: Answer(("policy ",)) for question in task.questions}
    assert len(task.calls(given)) == 805

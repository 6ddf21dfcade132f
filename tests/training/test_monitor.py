"""The numbers of a run, computed again from its decisions, and where a step's time goes."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from routing import ARMS as ROUTED_ARMS
from routing import table_of
from scripted_scorer import ScriptedScorer
from text_rewards import TextScorer, hashed, pool_of
from tiny_online import ARMS, ByHash, Recording, online, router, rows, tiny_run
from transformers import AutoTokenizer
from verifiers import even

from rewardrouter.annotators import MajorityAnnotator, Outcome, SingleAnnotator, StepContext
from rewardrouter.annotators.bayesian_router import BayesianRouterAnnotator as OfflineStart
from rewardrouter.online.shift import ContextReference
from rewardrouter.pairs import PreferencePair
from rewardrouter.reward_models import recorded_pool
from rewardrouter.training.generation import TransformersGenerator
from rewardrouter.training.monitor import Monitor
from rewardrouter.verdicts import Verdict

STEPS = 12


@pytest.fixture(scope="module")
def out(tiny_llama: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("monitored")
    settings = {"max_steps": STEPS, "learning_rate": 1e-3, "num_train_epochs": 3}
    tiny_run(tiny_llama, folder, router(), verifier=even, **settings).train()
    return folder


def mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def agreement(found: Sequence[Mapping[str, Any]]) -> float:
    return mean([1.0 if row["margin"] > 0 else 0.5 if row["margin"] == 0 else 0.0 for row in found])


def test_numbers_of_a_step_follow_from_its_decisions(out: Path) -> None:
    metrics, decisions = rows(out / "metrics.jsonl"), rows(out / "decisions.jsonl")
    assert [row["step"] for row in metrics] == list(range(1, STEPS + 1))
    for told in metrics:
        own = [row for row in decisions if row["step"] == told["step"]]
        trained = [row for row in own if row["loss"] is not None]
        calls = [verdict for row in own for verdict in row["verdicts"]]
        assert told["pairs"] == len(own)
        assert told["labelled"] == len(trained) == sum(row["label"] is not None for row in own)
        assert told["dropped"] == len(own) - len(trained)
        assert told["failed_calls"] == sum(verdict["error"] is not None for verdict in calls)
        assert told["calls_per_pair"] == pytest.approx(len(calls) / len(own))
        for name in ("loss", "margin", "bandit_reward"):
            assert told[name] == pytest.approx(mean([row[name] for row in trained]))
        assert told["implicit_accuracy"] == pytest.approx(agreement(trained))
        for rm in ARMS:
            assert told.get(f"share/{rm}", 0.0) == pytest.approx(mean([row["rm"] == rm for row in trained]))
        judged = [row["right"] for row in own if row["right"] is not None]
        assert told["annotation_accuracy"] == pytest.approx(mean(judged))
    assert any(told["failed_calls"] for told in metrics)
    assert any(told["bandit_reward"] not in (0.0, 0.5, 1.0) for told in metrics)


def test_the_evidence_of_a_shift_is_told_where_the_router_knows_its_fitting_pairs(out: Path) -> None:
    assert not any("shift_evidence" in told for told in rows(out / "metrics.jsonl"))

    class Remembering(ScriptedScorer):
        reference = ContextReference.of(np.random.default_rng(0).standard_normal((300, 5)) - 20.0)

    table = table_of(72)
    annotator = OfflineStart(recorded_pool(table), Remembering(ROUTED_ARMS, 5))
    monitor = Monitor(annotator, None)
    for step in range(6):
        annotator.annotate(table.pairs[12 * step : 12 * step + 12], StepContext(f"step-{step}", step))
        told = monitor.metrics([])
        assert told["shift_evidence"] == annotator.watch.evidence.evidence
    assert told["shift_evidence"] > 2
    assert told["shift_p"] < 0.01


def test_drift_is_against_the_first_ten_steps_in_which_an_rm_answered(out: Path) -> None:
    metrics, decisions = rows(out / "metrics.jsonl"), rows(out / "decisions.jsonl")
    for rm in ARMS:
        scores: list[float] = []
        spreads: list[float] = []
        agreements: list[float] = []
        for told in metrics:
            own = [row for row in decisions if row["step"] == told["step"] and row["rm"] == rm]
            if not own:
                assert f"agreement/{rm}" not in told
                continue
            given = [
                verdict[side]
                for row in own
                for verdict in row["verdicts"]
                for side in ("score_a", "score_b")
                if verdict["rm"] == rm
            ]
            if len(agreements) < 10:
                scores.append(mean(given))
                spreads.append(statistics.pstdev(given))
                agreements.append(agreement(own))
            assert told[f"agreement/{rm}"] == pytest.approx(agreement(own))
            assert told[f"agreement_drift/{rm}"] == pytest.approx(agreement(own) - mean(agreements))
            assert told[f"score_drift/{rm}"] == pytest.approx((mean(given) - mean(scores)) / mean(spreads))


def test_decisions_hold_what_was_judged_and_what_it_cost(tiny_llama: Path, tmp_path: Path) -> None:
    annotator = ByHash(dropping=True, weighing=True)
    tiny_run(tiny_llama, tmp_path, annotator, verifier=even).train()
    found = {row["decision_id"]: row for row in rows(tmp_path / "decisions.jsonl")}
    pairs = {f"step-{n}/{pair.id}": pair for n, step in enumerate(annotator.seen, start=1) for pair in step}
    assert list(found) == list(pairs)
    for name, row in found.items():
        pair, outcome = pairs[name], annotator.outcomes.get(name)
        assert (row["pair"], row["prompt"]) == (pair.id, pair.group)
        assert row["label"] == annotator.labels.get(name)
        assert row["weight"] == annotator.weights.get(name, 1.0)
        told = (row["loss"], row["swapped_loss"], row["margin"])
        assert told == (
            (outcome.loss, outcome.swapped_loss, outcome.margin) if outcome else (None, None, None)
        )
        sides = even(str(pair.response_a), {}), even(str(pair.response_b), {})
        if row["label"] is None or None in sides or sides[0] == sides[1]:
            assert row["right"] is None
        else:
            assert row["right"] == (row["label"] == ("A" if sides[0] else "B"))


def test_the_weighted_mean_is_the_loss(tiny_llama: Path, tmp_path: Path) -> None:
    annotator = ByHash(weighing=True)
    trainer = tiny_run(tiny_llama, tmp_path, annotator)
    trainer.train()
    logged = [entry for entry in trainer.state.log_history if "labelled" in entry]
    for step, (told, entry) in enumerate(zip(rows(tmp_path / "metrics.jsonl"), logged, strict=True), start=1):
        own = {k: o for k, o in annotator.outcomes.items() if k.startswith(f"step-{step}/")}
        expected = mean([annotator.weights[name] * outcome.loss for name, outcome in own.items()])
        assert told["loss"] == pytest.approx(expected, rel=1e-6)
        assert entry["loss"] == pytest.approx(expected, rel=1e-5)
        assert entry["margin"] == pytest.approx(told["margin"])


def test_logged_numbers_are_means_since_the_last_time(tiny_llama: Path, tmp_path: Path) -> None:
    trainer = tiny_run(tiny_llama, tmp_path, ByHash(), max_steps=4, logging_steps=2)
    trainer.train()
    steps = rows(tmp_path / "metrics.jsonl")
    logged = [entry for entry in trainer.state.log_history if "labelled" in entry]
    assert len(logged) == 2
    for n, entry in enumerate(logged):
        for name in ("margin", "implicit_accuracy", "response_tokens", "seconds/update"):
            assert entry[name] == pytest.approx(mean([step[name] for step in steps[2 * n : 2 * n + 2]]))


def test_an_ensemble_has_no_shares_but_calls_of_all(tiny_llama: Path, tmp_path: Path) -> None:
    pool = pool_of(*(TextScorer(name, hashed(name)) for name in ARMS))
    tiny_run(tiny_llama, tmp_path, MajorityAnnotator(pool, seed=0)).train()
    for told in rows(tmp_path / "metrics.jsonl"):
        assert told["calls_per_pair"] == 3
        assert not [name for name in told if name.startswith(("share/", "posterior", "bandit"))]


PAUSE = 0.15


class Slow(TextScorer):
    def judge(self, pairs: Sequence[PreferencePair]) -> list[Verdict]:
        time.sleep(PAUSE)
        return super().judge(pairs)


class Timed(SingleAnnotator):
    """Notes when it was handed the last outcomes."""

    def __init__(self) -> None:
        super().__init__(pool_of(Slow("rm", hashed("rm"))), "rm")
        self.ended: list[float] = []

    def observe(self, outcomes: Mapping[str, Outcome]) -> None:
        self.ended.append(time.perf_counter())


class SlowGenerator(Recording):
    """Notes when it was first asked in a step."""

    def generate(self, model: Any, prompts: Any, *, step: int) -> Any:
        self.began = {**getattr(self, "began", {}), step: time.perf_counter()}
        time.sleep(PAUSE)
        return super().generate(model, prompts, step=step)


@pytest.mark.parametrize("overlap", [False, True])
def test_phases_add_up_to_a_steps_time(tiny_llama: Path, tmp_path: Path, overlap: bool) -> None:
    settings, annotator = online(overlap=overlap), Timed()
    tokenizer = AutoTokenizer.from_pretrained(tiny_llama)
    generator = SlowGenerator(TransformersGenerator(tokenizer, settings.generation, seed=0))
    trainer = tiny_run(
        tiny_llama,
        tmp_path,
        annotator,
        settings=settings,
        generator=generator,
        max_steps=4,
        logging_steps=100,
    )
    trainer.train()
    steps = rows(tmp_path / "metrics.jsonl")
    total = sum(value for step in steps for name, value in step.items() if name.startswith("seconds/"))
    wall = annotator.ended[-1] - generator.began[1]
    assert total <= wall + 0.01
    assert total > 0.9 * wall
    sampled = [step["seconds/generate"] for step in steps]
    waited = [step["seconds/judge"] for step in steps]
    if overlap:  # two samplings in the first step, none in the last
        assert sampled[0] >= 2 * PAUSE
        assert min(sampled[1:-1]) >= PAUSE
        assert max(waited[:-1]) < PAUSE / 2
    else:
        assert min(sampled) >= PAUSE
        assert min(waited) >= PAUSE

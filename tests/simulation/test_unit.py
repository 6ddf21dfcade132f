"""A unit of a replay, with a policy and without: who needs one, and that the others' labels are the same."""

from __future__ import annotations

import json

import numpy as np
import pytest
from held_out_rows import held_out_of, signals_of
from small_tables import table_of

from rewardrouter.annotators import Outcome
from rewardrouter.reward_models import recorded_pool
from rewardrouter.router.arms import arms_of
from rewardrouter.simulation.learning import LEARNING, Bench
from rewardrouter.simulation.named import PAPER, named, strategy_of
from rewardrouter.simulation.records import UnitFiles
from rewardrouter.simulation.stream import KnownScores, batches_of
from rewardrouter.simulation.unit import Unit
from rewardrouter.state import State

WIDTH = 5

ALIKE = (
    "without-online", "majority", "uwo", "random", "oracle", "single/rm-1", "router+cascade@1.5",
    "router:reward=margin", "router:reward=gold,audit=0.5", "router:reward=margin+gold+probe,probes=0.5",
    "router:prior=permuted,reward=constant", "router:reward=truth", "without-offline:reward=margin",
    "without-offline:reward=probe,probes=0.5",
)  # fmt: skip
"""Whose labels are the same whatever a policy learns from them."""


class AnyPolicy:
    """A policy whose losses are chance, and differ from one instance to the next."""

    width = WIDTH

    def __init__(self, seed):
        self._random = np.random.default_rng(seed)

    def reset(self, seed):
        pass

    def prompt_embeddings(self, rows):
        return self._random.standard_normal((len(rows), WIDTH)).astype(np.float32)

    def train(self, rows, labelled):
        return [Outcome(*map(float, self._random.random(3))) for _ in labelled]

    def aucs(self, truth):
        return {"policy_auc": 0.5, "likelihood_auc": 0.5}

    def state_dict(self):
        return State()

    def load_state_dict(self, state):
        pass


@pytest.fixture(scope="module")
def bench():
    random = np.random.default_rng(0)
    table = table_of((random.random((60, 4)) < 0.7).astype(float))
    scores = KnownScores(
        table.pairs,
        arms_of(table),
        random.standard_normal((4, 3)),
        random.standard_normal((60, 3)),
        None,
        signals_of(60, 4),
        held_out_of(60, 4),
        random.standard_normal((60, 6)),
        0.0,
    )
    return Bench(recorded_pool(table), scores, WIDTH, table)


def run(bench, name, learner, folder, size=12):
    strategy, files = strategy_of(name, bench.scores.arms), UnitFiles(folder)
    batches = batches_of(len(bench.table), size, 2, 0)
    unit = Unit(bench.table, strategy, strategy.make(bench, 0), 0, learner, batches, files, 100)
    list(unit.run())
    told = ("id", "pair", "label", "rm", "rms", "weight", "right", "kept")
    decisions = [{key: row[key] for key in told} for row in files.decisions()]
    return decisions, json.loads((folder / "summary.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", ALIKE)
def test_who_reads_no_policy_labels_alike_without_one(bench, name, tmp_path):
    assert not strategy_of(name, bench.scores.arms).reads_policy
    without, summary = run(bench, name, None, tmp_path / "without")
    assert len(without) == 120
    assert "policy_auc_end" not in summary
    for seed in (1, 2):
        assert run(bench, name, AnyPolicy(seed), tmp_path / str(seed))[0] == without


def test_every_other_strategy_is_known_to_read_it(bench, tmp_path):
    arms = bench.scores.arms
    assert {one.name.split(":")[0] for one in named(PAPER, arms) if one.reads_policy} <= set(LEARNING)
    for one in named(LEARNING, arms):
        assert one.reads_policy
        ran = [run(bench, one.name, AnyPolicy(seed), tmp_path / f"{one.name}-{seed}", 3) for seed in (1, 2)]
        assert ran[0][0] != ran[1][0], one.name

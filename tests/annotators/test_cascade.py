"""The cascade as an annotator: what it asks, what it says, what it remembers."""

from __future__ import annotations

import dataclasses
import time

import numpy as np
import pytest
from calibrated import CalibratedScorer, KnownPairs, table_of
from conforming import POOL, Scores
from held_out_rows import held_out_of
from hypothesis import given, settings
from hypothesis import strategies as st
from scripted import scripted, winner_grids

from rewardrouter.annotators import StepContext
from rewardrouter.annotators.admitted import Admitted
from rewardrouter.annotators.cascade import CascadeAnnotator, margin_of
from rewardrouter.calibration import Costs
from rewardrouter.config.cascade import CascadeSettings
from rewardrouter.errors import CheckpointError, ConfigError
from rewardrouter.reward_models import RewardModelPool, recorded_pool
from rewardrouter.simulation.evaluation import evaluate_strategies
from rewardrouter.state import State
from rewardrouter.testing import check_annotator, sample_pairs
from rewardrouter.verdicts import FAILED, TIE, A, Verdict

N = 3
STEP = StepContext("batch")
KNOWN = held_out_of(500, N, 7)
TABLE = table_of(KNOWN)
ROUTER = KnownPairs(TABLE.rms, held_out_of(300, N), KNOWN)


def cascade(router=ROUTER, pool=None, seed=0, **given_):
    return CascadeAnnotator(
        recorded_pool(TABLE) if pool is None else pool, router, CascadeSettings(**given_), seed=seed
    )


@pytest.mark.parametrize(
    "given_",
    [
        {"budget": 1.35},
        {"budget": 2.0, "low_evidence": "weigh"},
        {"budget": 1.5, "low_evidence": "drop"},
        {"budget": 1.5, "order": "random"},
        {"budget": 1.5, "order": "accuracy"},
        {"budget": 1.5, "reading": False, "margins": False, "witnesses": "independent"},
        {"budget": 1.2, "keep_budget": True},
    ],
)
def test_it_keeps_the_contract_of_annotators(given_):
    router = CalibratedScorer(POOL.names)
    check_annotator(lambda: cascade(router, POOL, **given_), chunked=not given_.get("keep_budget", False))


@pytest.mark.parametrize(
    "given_", [{}, {"order": "router"}, {"margins": False}, {"witnesses": "independent"}]
)
@pytest.mark.parametrize("budget", [1.0, 1.35, 2.0, 3.0])
def test_live_it_does_what_its_plan_does_on_recorded_numbers(budget, given_):
    annotator = cascade(budget=budget, **given_)
    found = annotator.annotate(TABLE.pairs, STEP)
    config, costs = CascadeSettings(budget=budget, **given_), Costs.of_calls(N)
    admitted = Admitted(config.evidence, ROUTER.held_out, 0)
    plan = admitted.plan(costs, budget)
    cost, right = admitted.traced(KNOWN, costs, lambda: np.zeros(0)).at(plan.threshold)
    assert annotator.plan == plan
    assert [len(one.rms) for one in found] == cost.tolist()
    labels = np.array([{"A": 1, "B": -1}[one.label] for one in found])
    np.testing.assert_array_equal(labels == KNOWN.labels, right.astype(bool))
    assert cost.mean() <= budget + 0.1


def test_a_budget_of_one_call_asks_the_routers_choice():
    found = cascade(budget=1.0).annotate(TABLE.pairs, STEP)
    best = KNOWN.signals.scores.argmax(axis=1)
    assert [one.rms[0] for one in found] == [TABLE.rms[n] for n in best]
    assert sum(len(one.rms) for one in found) <= 1.01 * len(found)  # less sure than any held-out pair


def test_it_is_more_accurate_than_its_first_choice_and_than_all_at_once():
    found = evaluate_strategies(
        TABLE, {"one": cascade(budget=1.0), "two": cascade(budget=2.0)}, reference="one"
    ).strategies
    assert found["two"].accuracy > found["one"].accuracy + 0.03
    assert found["two"].calls_per_pair <= 2.05


def test_the_labels_of_the_pairs_are_never_read():
    turned = dataclasses.replace(TABLE, labels=-TABLE.labels)
    one, other = (cascade(pool=recorded_pool(t)).annotate(t.pairs, STEP) for t in (TABLE, turned))
    assert one == other


@settings(max_examples=30)
@given(winner_grids(max_rms=3).filter(lambda grid: len(grid[0]) == N), st.sampled_from([1.0, 1.5, 3.0]))
def test_ties_and_failures_are_no_evidence_and_no_label(winners, budget):
    table = scripted(winners)
    given_ = cascade(CalibratedScorer(table.rms), recorded_pool(table), budget=budget).annotate(
        table.pairs, STEP
    )
    for row, one in zip(winners, given_, strict=True):
        heard = [row[table.rms.index(rm)] for rm in one.rms]
        named = [code for code in heard if code not in (TIE, FAILED)]
        assert (one.label is not None) == bool(named)
        assert len(set(one.rms)) == len(one.rms)
        if not named:
            assert len(one.rms) == N
            assert all(rm in one.reason for rm in one.rms)
        if one.rm is not None:
            assert named == heard == [row[table.rms.index(one.rm)]]


def test_low_evidence_weighs_or_drops():
    keep, weigh, drop = (
        cascade(budget=1.2, low_evidence=what, drop_below=0.7).annotate(TABLE.pairs, STEP)
        for what in ("keep", "weigh", "drop")
    )
    assert {one.weight for one in keep} == {1.0}
    weights = np.array([one.weight for one in weigh])
    assert ((weights >= 0) & (weights <= 1)).all()
    assert weights.std() > 0.1
    for one, weighed, dropped in zip(keep, weigh, drop, strict=True):
        assert one.label == weighed.label
        unsure = weighed.weight < 2 * 0.7 - 1
        assert dropped.label == (None if unsure else one.label)
        assert dropped.reason is None or "too little evidence: P(right) 0." in dropped.reason
    right = np.array([{"A": 1, "B": -1}[one.label] for one in weigh]) == KNOWN.labels
    assert right[weights > 0.8].mean() > right[weights < 0.4].mean() + 0.15


def spent(annotator, batches):
    pairs = TABLE.pairs
    return [
        np.mean([len(one.rms) for one in annotator.annotate(pairs[i : i + 50], StepContext(f"b{i}", i))])
        for i in range(0, 50 * batches, 50)
    ]


@pytest.mark.parametrize("bold", [0.05, 20.0])
def test_keep_budget_moves_toward_the_budget_on_pairs_that_are_not_as_expected(bold):
    """RMs that are much less, or much more, decided than they were."""
    known = dataclasses.replace(KNOWN, margins=KNOWN.margins * bold)
    pool = recorded_pool(table_of(known))
    kept, fixed = (spent(cascade(pool=pool, budget=1.6, keep_budget=b), 10) for b in (True, False))
    assert abs(np.mean(kept[5:]) - 1.6) < abs(np.mean(fixed[5:]) - 1.6) - 0.05


def test_a_budget_that_cannot_be_spent_does_not_wind_up():
    annotator = cascade(budget=50.0, keep_budget=True)
    spent(annotator, 5)
    assert abs(annotator.state_dict().metadata["correction"]) <= 10.0


class TestCosts:
    """Other units than calls."""

    def test_money(self):
        prices = dict(zip(TABLE.rms, (0.001, 0.002, 0.1), strict=True))
        annotator = cascade(pool=recorded_pool(TABLE, prices=prices), budget=0.005, unit="cost")
        found = annotator.annotate(TABLE.pairs, STEP)
        assert np.mean([sum(prices[rm] for rm in one.rms) for one in found]) <= 0.0055
        assert annotator.plan.price > 0

    def test_a_missing_cost_is_named(self):
        annotator = cascade(pool=recorded_pool(TABLE, prices={}), unit="cost")
        with pytest.raises(ConfigError, match=r"a budget in costs: rm0 has none; give every"):
            annotator.annotate(TABLE.pairs, STEP)

    def test_what_is_free_is_asked_at_any_budget(self):
        prices = {"rm0": 0.0, "rm1": 0.0, "rm2": 1.0}
        pool = recorded_pool(TABLE, prices=prices)
        found = cascade(pool=pool, budget=0.1, unit="cost").annotate(TABLE.pairs, STEP)
        assert np.mean(["rm2" in one.rms for one in found]) <= 0.15
        assert np.mean([len(one.rms) for one in found]) > 1.0

    def test_an_impossible_budget_is_one_line(self):
        with pytest.raises(ConfigError, match=r"0\.5 calls per pair is less than one call"):
            cascade(budget=0.5).annotate(TABLE.pairs, STEP)

    def test_recorded_verdicts_take_no_time(self):
        class Instant(RewardModelPool):
            """Its clock stands still."""

            def accounts(self):
                return {rm: dataclasses.replace(a, seconds=0.0) for rm, a in super().accounts().items()}

        router, pool = CalibratedScorer(POOL.names), Instant(POOL.models)
        pool.select = lambda names: pool
        with pytest.raises(
            ConfigError, match=r"a budget in seconds: .* has 0; its verdicts came from the cache"
        ):
            cascade(router, pool, unit="second").annotate(sample_pairs(), STEP)

    def test_seconds_are_measured_once_and_remembered(self):
        class Slow(Scores):
            def __init__(self, name, seconds):
                super().__init__(name)
                self.seconds, self.asked = seconds, 0

            def judge(self, pairs):
                self.asked += len(pairs)
                time.sleep(self.seconds * len(pairs))
                return super().judge(pairs)

        models = [Slow("quick", 0.0005), Slow("slow", 0.01)]
        router, pairs = CalibratedScorer(["quick", "slow"]), sample_pairs()
        annotator = cascade(router, RewardModelPool(models), budget=0.01, unit="second")
        annotator.annotate(pairs, STEP)
        costs = annotator.state_dict().arrays["costs"]
        assert costs[1] > 3 * costs[0] > 0
        again = [Slow("quick", 0.0), Slow("slow", 0.0)]
        resumed = cascade(router, RewardModelPool(again), budget=0.01, unit="second")
        resumed.load_state_dict(annotator.state_dict())
        assert resumed.plan == annotator.plan
        assert [model.asked for model in again] == [0, 0]


@pytest.mark.parametrize(
    ("state", "said"),
    [
        (State({}, {"correction": 0.0, "picks": 3}), "another strategy's"),
        (State({}, {}), "no correction"),
        (State({}, {"correction": float("nan")}), "finite"),
        (State({"costs": np.ones(4)}, {"correction": 0.0}), "costs should be"),
        (State({"costs": np.full(N, -1.0)}, {"correction": 0.0}), "negative"),
    ],
)
def test_foreign_and_broken_state_is_refused_and_changes_nothing(state, said):
    annotator = cascade()
    with pytest.raises(CheckpointError, match=said):
        annotator.load_state_dict(state)
    assert annotator.plan is None


def test_without_its_reading_the_router_is_no_witness():
    turned = dataclasses.replace(
        KNOWN, signals=dataclasses.replace(KNOWN.signals, reading=-KNOWN.signals.reading)
    )
    other = KnownPairs(TABLE.rms, ROUTER.held_out, turned)
    without = [cascade(router, reading=False).annotate(TABLE.pairs, STEP) for router in (ROUTER, other)]
    assert without[0] == without[1]
    assert cascade().annotate(TABLE.pairs, STEP) != cascade(other).annotate(TABLE.pairs, STEP)


def test_cascades_of_several_budgets_share_what_is_fitted():
    one, other = (CascadeSettings(budget=b).evidence for b in (1.1, 2.0))
    assert Admitted.of(one, ROUTER.held_out, 0) is Admitted.of(other, ROUTER.held_out, 0)
    assert Admitted.of(one, held_out_of(300, N), 0) is not Admitted.of(one, ROUTER.held_out, 0)


@pytest.mark.parametrize(
    ("verdict", "margin"),
    [
        (Verdict.from_scores("rm", 3.0, 1.0), 2.0),
        (Verdict.from_scores("rm", 1.0, 3.0), 2.0),
        (Verdict("rm", "A"), np.nan),
        (Verdict("rm", "B", 3.0, 1.0), np.nan),
        (Verdict.from_scores("rm", 1.0, 1.0), np.nan),
        (Verdict.failed("rm", "down"), np.nan),
    ],
)
def test_a_margin_is_told_only_by_scores_that_agree_with_the_winner(verdict, margin):
    np.testing.assert_equal(margin_of(verdict), margin)


def test_an_arm_that_the_pool_lacks_is_refused():
    with pytest.raises(ConfigError, match="no reward model 'other'"):
        cascade(CalibratedScorer(["rm0", "rm1", "other"]))


def test_pairs_that_nobody_judged_are_dropped_with_every_reason():
    table = scripted([[FAILED, TIE, FAILED], [A, A, A]])
    given_ = cascade(CalibratedScorer(table.rms), recorded_pool(table)).annotate(table.pairs, STEP)
    assert given_[0].label is None
    assert given_[0].reason.count("rm") == N
    assert given_[1].label is not None
    assert cascade().annotate([], STEP) == []

"""The cascade's curve and the reliability of P(right), on pairs whose labels are read to count alone."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from calibrated import KnownPairs, table_of
from held_out_rows import held_out_of

from rewardrouter.annotators.cascade import CascadeAnnotator
from rewardrouter.config.cascade import CascadeSettings
from rewardrouter.config.saved import read_saved
from rewardrouter.reward_models import recorded_pool
from rewardrouter.simulation.calibrated import measure_calibration
from rewardrouter.simulation.evaluation import evaluate_strategies
from rewardrouter.simulation.evaluation_results import EvaluationResults

N = 3
KNOWN = held_out_of(600, N, 7)
TABLE = table_of(KNOWN)
ROUTER = KnownPairs(TABLE.rms, held_out_of(1000, N), KNOWN)
FOUND = measure_calibration(TABLE, ROUTER)


@pytest.mark.parametrize("budget", [1.1, 1.5, 2.0])
def test_a_point_of_the_curve_is_the_strategy_of_that_budget(budget):
    annotator = CascadeAnnotator(recorded_pool(TABLE), ROUTER, CascadeSettings(budget=budget))
    result = evaluate_strategies(TABLE, {"it": annotator}, reference="it").strategies["it"]
    (point,) = (one for one in FOUND.curve if one.budget == budget)
    assert (point.calls, point.accuracy, point.accuracy_all) == pytest.approx(
        (result.calls_per_pair, result.accuracy, result.accuracy_all)
    )


def test_the_curve_goes_from_one_call_to_all():
    assert FOUND.curve[0].calls == pytest.approx(1.0, abs=0.02)
    assert FOUND.curve[-1].calls == N
    calls = [one.calls for one in FOUND.curve]
    assert calls == sorted(calls)


def test_probabilities_of_the_same_kind_of_pairs_come_true_and_of_another_kind_do_not():
    assert list(FOUND.rms) == list(TABLE.rms)
    for one in FOUND.rms.values():
        assert one.held_out.n == 1000
        assert one.here.n == 600
        assert max(one.held_out.error, one.here.error) < 0.08
    coin = np.random.default_rng(0).random(KNOWN.winners.shape) < 0.5
    wrong = dataclasses.replace(KNOWN, winners=np.where(coin, 1, -1))
    other = measure_calibration(table_of(wrong), KnownPairs(TABLE.rms, ROUTER.held_out, wrong))
    assert min(one.here.error for one in other.rms.values()) > 0.15


def test_an_rm_that_never_answered_has_no_error():
    winners = KNOWN.winners.copy()
    winners[:, 1] = 0
    silent = dataclasses.replace(KNOWN, winners=winners)
    found = measure_calibration(table_of(silent), KnownPairs(TABLE.rms, ROUTER.held_out, silent))
    assert (found.rms["rm1"].here.error, found.rms["rm1"].here.n, found.rms["rm1"].here.bins) == (None, 0, [])


def test_what_evaluate_writes_is_read_again(tmp_path):
    strategies = {"router+cascade@1.35": CascadeAnnotator(recorded_pool(TABLE), ROUTER, CascadeSettings())}
    costs = {"rm0": 1.0, "rm1": 2.0, "rm2": 4.0}
    found = evaluate_strategies(TABLE, strategies, reference="router+cascade@1.35", costs=costs)
    found = dataclasses.replace(found, calibration=FOUND)
    (tmp_path / "e.json").write_text(json.dumps(found.as_json()))
    read = read_saved(EvaluationResults, tmp_path / "e.json")
    one = read.strategies["router+cascade@1.35"]
    calls = found.strategies["router+cascade@1.35"].calls_by_rm
    assert one.cost_per_pair == pytest.approx(sum(costs[rm] * n for rm, n in calls.items()) / len(TABLE))
    assert read.calibration.model_dump() == found.as_json()["calibration"]

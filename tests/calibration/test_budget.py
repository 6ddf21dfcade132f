"""Budgets, on the rows that they were found on, and prices."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from held_out_rows import held_out_of
from hypothesis import given, settings
from hypothesis import strategies as st

from rewardrouter.calibration import Costs, EvidenceModel, best_plan, relative_accuracy, traces
from rewardrouter.calibration.budget import cheapest_within, least_single_call, prices, single_call_price
from rewardrouter.calibration.traces import Trace, trace, traced
from rewardrouter.errors import ConfigError

N = 3
HELD_OUT = held_out_of(300, N)
CALLS = Costs.of_calls(N)
TRACE = trace(HELD_OUT, CALLS)


def planned(costs, budget, held_out=HELD_OUT):
    return best_plan(lambda price: trace(held_out, costs, price), costs, budget)


@settings(max_examples=20)
@given(st.floats(1.0, 4.0))
def test_a_plan_keeps_its_budget_and_no_higher_threshold_does(budget):
    plan = cheapest_within(TRACE, budget, 0.0)
    assert plan is not None
    cost, right = TRACE.at(plan.threshold)
    assert cost.mean() == pytest.approx(plan.cost)
    assert right.mean() == pytest.approx(plan.accuracy)
    assert plan.cost <= budget
    higher = TRACE.thresholds[TRACE.thresholds > plan.threshold]
    if len(higher):
        more = TRACE.at(float(higher[0]))[0]
        assert more.mean() + more.std() / len(more) ** 0.5 > budget


def test_a_budget_of_one_call_is_one_call_and_a_large_one_is_all():
    assert planned(CALLS, 1.0).cost == 1.0
    assert planned(CALLS, 10.0).cost == N


def test_more_budget_is_more_accurate_on_witnesses_that_err_on_their_own():
    accuracy = [planned(CALLS, budget).accuracy for budget in (1.0, 1.6, 3.0)]
    assert accuracy == sorted(accuracy)
    assert accuracy[2] > accuracy[0] + 0.02


@pytest.mark.parametrize("budget", [1.2, 1.35, 2.0])
def test_pairs_of_one_problem_leave_no_less_to_spare(budget):
    """Nine times the same pairs are no surer a budget; taken for other problems they are."""
    nine = HELD_OUT.select(np.repeat(np.arange(len(HELD_OUT)), 9))
    tried = trace(HELD_OUT, CALLS).__dict__
    again = Trace(**{name: np.repeat(value, 9, axis=0) for name, value in tried.items()})
    expected = cheapest_within(TRACE, budget, 0.0)
    assert cheapest_within(again, budget, 0.0).threshold == pytest.approx(expected.threshold, abs=0.02)
    bolder = cheapest_within(dataclasses.replace(again, groups=np.arange(len(nine))), budget, 0.0)
    assert bolder.threshold > expected.threshold
    grouped = dataclasses.replace(nine, groups=np.repeat(np.arange(len(HELD_OUT)), 9))
    costs, model = Costs(np.array([1.0, 2.0, 3.0])), EvidenceModel.fit(HELD_OUT)
    price = single_call_price(model, HELD_OUT, costs, 1.5)
    assert single_call_price(model, grouped, costs, 1.5) == pytest.approx(price)
    assert single_call_price(model, nine, costs, 1.5) < price


def test_equal_costs_need_no_price():
    assert prices(CALLS) == prices(Costs(np.full(4, 0.3))) == (0.0,)
    assert len(prices(Costs(np.array([1.0, 2.0])))) > 1


def test_equal_costs_in_another_unit_change_nothing():
    plan, cheap = planned(CALLS, 1.5), planned(Costs(np.full(N, 0.01), "cost"), 0.015)
    assert cheap.threshold == plan.threshold
    assert cheap.cost == pytest.approx(0.01 * plan.cost)
    assert (cheap.price, cheap.accuracy) == (0.0, plan.accuracy)


def test_where_an_rm_is_dear_the_budget_is_kept_by_asking_others():
    costs = Costs(np.array([1.0, 1.0, 30.0]), "cost")
    plan = planned(costs, 2.5)
    assert plan.price > 0
    assert plan.cost <= 2.5


def test_too_small_a_budget_is_one_line():
    with pytest.raises(
        ConfigError, match=r"a budget of 0\.5 calls per pair is less than one call .* \(1\)"
    ) as told:
        planned(CALLS, 0.5)
    assert "\n" not in str(told.value)
    with pytest.raises(ConfigError, match="cheapest reward model"):
        single_call_price(EvidenceModel.fit(HELD_OUT), HELD_OUT, Costs(np.array([1.0, 2.0, 3.0])), 0.9)


def test_one_fold_is_enough():
    whole = HELD_OUT.select(HELD_OUT.folds == 0)
    assert planned(CALLS, 1.5, whole).cost <= 1.5


def test_a_trace_stops_where_a_cascade_would():
    tried = Trace(
        np.array([[0.2, 1.0, 3.0], [-1.0, 2.0, 2.5]]),
        np.array([[1.0, 2.0, 3.0], [1.0, 2.0, 3.0]]),
        np.array([[0.0, 1.0, 1.0], [0.0, 0.0, 1.0]]),
        np.array([0.0, 1.0]),
        np.arange(2),
    )
    for threshold, cost, right in [
        (0.0, [1, 2], [0, 0]),
        (0.5, [2, 2], [1, 0]),
        (2.2, [3, 3], [1, 1]),
        (9, [3, 3], [1, 1]),
    ]:
        found = tried.at(threshold)
        np.testing.assert_array_equal(found[0], cost)
        np.testing.assert_array_equal(found[1], right)


@settings(max_examples=20)
@given(st.lists(st.floats(0.1, 10.0), min_size=N, max_size=N), st.floats(0.0, 1.0))
def test_the_price_of_a_single_call_is_the_least_that_keeps_the_budget(values, share):
    model, costs = EvidenceModel.fit(HELD_OUT), Costs(np.array(values), "cost")
    loss = relative_accuracy(HELD_OUT.signals.scores, model.disagreement)

    def spent(price):
        cost = costs.values[(loss - price * costs.values).argmax(axis=1)]
        return cost.mean() + cost.std() / len(cost) ** 0.5

    low, high = float(costs.values.min()), spent(0.0)
    assert least_single_call(model, HELD_OUT, costs) <= high
    budget = low + share * max(high - low, 0.0)
    price = single_call_price(model, HELD_OUT, costs, budget)
    assert spent(price) <= budget * (1 + 1e-8)
    assert price == 0.0 or spent(price * (1 - 1e-6)) > budget * (1 - 1e-8)


def trace_with(alone: float, *, cost: float = 1.0) -> Trace:
    """A cascade that is right on 80 of 100 pairs after one call, on 90 after two; its first RM on some by itself."""
    n = 100
    right = np.stack([np.arange(n) < 80, np.arange(n) < 90], axis=1).astype(float)
    sure = np.tile([1.0, 2.0], (n, 1))
    first = (np.arange(n) < alone * n).astype(float)
    return Trace(sure, np.tile([cost, 2 * cost], (n, 1)), right, first, np.arange(n))


@pytest.mark.parametrize(
    ("alone", "budget", "expected"), [(0.85, 1.0, True), (0.85, 2.0, False), (0.95, 2.0, True)]
)
def test_a_cascade_that_the_router_beats_is_the_router(alone, budget, expected):
    tried = trace_with(alone)
    plan = best_plan(lambda _: tried, CALLS, budget, or_alone=True)
    assert plan.alone is expected
    assert plan.accuracy == max(alone, 0.9 if budget == 2.0 else 0.8)
    assert not best_plan(lambda _: tried, CALLS, budget).alone


def test_the_router_by_itself_keeps_the_budget_with_a_standard_error_to_spare():
    """Right more often, but at 1.46 +- .055 on average; the cascade that is kept costs 1 everywhere."""
    dear = trace_with(0.95)
    dear = dataclasses.replace(dear, cost=np.tile(1.0 + 0.92 * (np.arange(100) % 2), (2, 1)).T)
    tried = lambda price: dear if price == 0.0 else trace_with(0.95)  # noqa: E731 - the traces by price
    costs = Costs(np.array([1.0, 2.0]), "cost")
    assert not best_plan(tried, costs, 1.5, or_alone=True).alone
    assert best_plan(tried, costs, 1.52, or_alone=True).alone


def test_where_even_one_answer_exceeds_the_budget_the_least_is_spent():
    plan = best_plan(lambda _: trace_with(0.5, cost=1.2), CALLS, 1.1)
    assert (plan.threshold, plan.cost) == (0.0, pytest.approx(1.2))


def test_what_is_asked_again_after_a_tie_counts_in_the_budget():
    """The dear RM always answers; the cheap one ties on every second pair, and then the dear one is asked too."""
    held_out = held_out_of(400, 2)
    winners = held_out.winners.copy()
    winners[::2, 0] = 0
    held_out = dataclasses.replace(held_out, winners=winners)
    costs = Costs(np.array([1.0, 4.0]), "cost")
    model = EvidenceModel.fit(held_out)
    with pytest.raises(
        ConfigError, match=r"a budget of 2\.9 costs .* cannot be kept .* the least that can is 3\.1$"
    ):
        single_call_price(model, held_out, costs, 2.9)  # 1 + 4 / 2 is the least there is, and .1 to spare
    assert least_single_call(model, held_out, costs) == pytest.approx(3.1, abs=1e-6)
    dear, cheap = (single_call_price(model, held_out, costs, budget) for budget in (3.3, 3.1))
    assert 0.0 < dear < cheap


@settings(max_examples=20)
@given(st.lists(st.sampled_from([0.0, 0.001, 0.5, 1.0, 30.0]), min_size=N, max_size=N), st.integers(0, 2))
def test_the_least_that_is_named_is_kept_and_less_is_not(values, ties):
    winners = HELD_OUT.winners.copy()
    winners[:: ties + 2, 0] = 0
    held_out, costs = dataclasses.replace(HELD_OUT, winners=winners), Costs(np.array(values), "cost")
    model = EvidenceModel.fit(held_out)
    least = least_single_call(model, held_out, costs)
    assert single_call_price(model, held_out, costs, least) >= 0.0
    if least > 0:
        with pytest.raises(ConfigError):
            single_call_price(model, held_out, costs, 0.999 * least)


def test_a_plan_asks_nobody_who_joined_later():
    zeros = np.zeros(len(HELD_OUT))
    more = HELD_OUT.with_arm(zeros + 9.0, zeros + 5.0)  # best scored everywhere, and never heard
    calls = Costs.of_calls(N + 1)
    found = trace(more, calls)
    for at_last in (found.right, found.sureness):
        np.testing.assert_array_equal(at_last[:, N], at_last[:, N - 1])
    np.testing.assert_array_equal(found.alone, TRACE.alone)
    # But it would be asked where the others do not suffice, and is paid for.
    np.testing.assert_array_equal(found.cost, np.tile([1, 2, 3, 4], (len(more), 1)))
    model = EvidenceModel.fit(more)
    cheap = Costs(np.array([1.0, 2.0, 3.0, 1.0]))
    # The new RM, cheap and best scored, would be within any budget, were it asked.
    assert single_call_price(model, more, cheap, 1.2) > 0.0


def test_pairs_that_only_a_newcomer_judged_plan_nothing():
    later = dataclasses.replace(held_out_of(50, N + 1, 3), digests=np.arange(1, 51))
    later.winners[:, :N] = 0
    zeros = np.zeros(len(HELD_OUT))
    more = HELD_OUT.with_arm(zeros, zeros)
    assert len(trace(more.with_later(later), Costs.of_calls(N + 1)).cost) == len(HELD_OUT)


@pytest.mark.parametrize("originals", [1, 2])
@pytest.mark.parametrize("budget", [1.1, 1.6, 2.4])
def test_a_budget_holds_when_newcomers_join_and_others_have_left(originals, budget):
    """What a plan costs where every RM can be asked, as about new pairs, also where held-out pairs know few of them."""
    fit, new = held_out_of(300, 4), held_out_of(1000, 4, 5)
    few = fit.arms(list(range(originals)))
    for n in range(originals, 4):
        few = few.with_arm(fit.signals.scores[:, n] - 3.0, fit.signals.beliefs[:, n])
    calls = Costs.of_calls(4)
    plan = best_plan(lambda price: trace(few, calls, price), calls, budget)
    lower = new.signals.scores - 3.0 * (np.arange(4) >= originals)
    pairs = dataclasses.replace(new, signals=dataclasses.replace(new.signals, scores=lower))
    cost, _ = traced(EvidenceModel.fit(few), pairs, calls).at(plan.threshold)
    assert plan.cost <= budget
    assert cost.mean() <= budget + 0.1


def test_where_all_have_left_pairs_that_newcomers_judged_are_planned_on():
    later = dataclasses.replace(held_out_of(60, N + 2, 3), digests=np.arange(1, 61))
    later.winners[:40, -1] = 0
    zeros = np.zeros(len(HELD_OUT))
    whole = HELD_OUT.with_arm(zeros, zeros).with_arm(zeros, zeros).with_later(later)
    newcomers = whole.arms([N, N + 1])
    found = trace(newcomers, Costs.of_calls(2))
    assert len(found.cost) == 60  # and no pair of the fit, about which nobody can be asked
    assert (found.cost == [1, 2]).all()


@pytest.mark.parametrize("why", ["all have left", "all tied"])
def test_without_any_verdict_nothing_is_planned(why):
    zeros = np.zeros(len(HELD_OUT))
    nothing = HELD_OUT.with_arm(zeros, zeros).with_arm(zeros, zeros).arms([N, N + 1])
    if why == "all tied":
        nothing = dataclasses.replace(HELD_OUT, winners=np.zeros_like(HELD_OUT.winners))
    n_rms = nothing.winners.shape[1]
    for plan in (
        lambda: planned(Costs.of_calls(n_rms), 1.5, nothing),
        lambda: single_call_price(EvidenceModel.fit(nothing), nothing, Costs.of_calls(n_rms), 1.5),
    ):
        with pytest.raises(ConfigError, match=r"none of its held-out pairs.*arms add") as told:
            plan()
        assert "\n" not in str(told.value)


def test_a_single_call_that_ties_is_followed_by_one_to_whom_no_pair_knows():
    zeros = np.zeros(len(HELD_OUT))
    one = HELD_OUT.arms([0])
    one.winners[::2] = 0
    more = one.with_arm(zeros - 9.0, zeros).with_arm(zeros - 9.0, zeros)
    least = least_single_call(EvidenceModel.fit(more), more, Costs.of_calls(3))
    assert least == pytest.approx(1.5 + 0.5 / len(HELD_OUT) ** 0.5)


def test_few_pairs_to_plan_on_are_not_lost_among_many(monkeypatch):
    monkeypatch.setattr(traces, "_ROWS", 40)
    later = dataclasses.replace(held_out_of(20, N + 2, 3), digests=np.arange(1, 21))
    zeros = np.zeros(len(HELD_OUT))
    whole = HELD_OUT.with_arm(zeros, zeros).with_arm(zeros, zeros).with_later(later)
    assert len(trace(whole.arms([0, N, N + 1]), Costs.of_calls(3)).cost) == 20


def test_without_held_out_pairs_nothing_is_planned():
    nothing = HELD_OUT.select(np.zeros(len(HELD_OUT), np.bool_))
    with pytest.raises(ConfigError, match="no held-out pairs"):
        planned(CALLS, 1.5, nothing)
    with pytest.raises(ConfigError, match="no held-out pairs"):
        single_call_price(EvidenceModel.fit(nothing), nothing, CALLS, 1.5)

"""Cost-aware routing: the offline router at price 0, the cheapest at any high price."""

from __future__ import annotations

import numpy as np
import pytest
from calibrated import CalibratedScorer, KnownPairs, table_of
from conforming import POOL
from held_out_rows import held_out_of

from rewardrouter.annotators import OfflineOnlyAnnotator, StepContext
from rewardrouter.annotators.cost_aware import CostAwareAnnotator
from rewardrouter.config.cascade import CostSettings
from rewardrouter.errors import CheckpointError, ConfigError
from rewardrouter.reward_models import RewardModelPool, recorded_pool
from rewardrouter.state import State
from rewardrouter.testing import check_annotator
from rewardrouter.verdicts import FAILED

N = 4
STEP = StepContext("batch")
KNOWN = held_out_of(400, N, 7)
TABLE = table_of(KNOWN)
ROUTER = KnownPairs(TABLE.rms, held_out_of(300, N), KNOWN)
PRICES = dict(zip(TABLE.rms, (8.0, 1.0, 3.0, 2.0), strict=True))


def routed(table=TABLE, router=ROUTER, prices=PRICES, **given):
    return CostAwareAnnotator(recorded_pool(table, prices=prices), router, CostSettings(**given))


def cost(annotations):
    return float(np.mean([sum(PRICES[rm] for rm in one.rms) for one in annotations]))


def test_it_keeps_the_contract_of_annotators():
    pool = RewardModelPool(POOL.models, prices={"plain": 1.0, "ties": 2.0, "fails": 0.5})
    router = CalibratedScorer(POOL.names)
    check_annotator(lambda: CostAwareAnnotator(pool, router, CostSettings(price=0.1)))


def test_at_price_0_it_is_the_offline_router():
    offline = OfflineOnlyAnnotator(recorded_pool(TABLE), ROUTER)
    assert routed(price=0).annotate(TABLE.pairs, STEP) == offline.annotate(TABLE.pairs, STEP)
    assert routed(budget=1e3).annotate(TABLE.pairs, STEP) == offline.annotate(TABLE.pairs, STEP)


def test_at_a_high_price_it_is_the_cheapest_and_then_the_next_cheapest():
    found = routed(price=1e6).annotate(TABLE.pairs, STEP)
    assert {one.rms for one in found} == {("rm1",)}
    table = table_of(held_out_of(5, N))
    table.winners[:, 1] = FAILED
    assert {one.rms[:2] for one in routed(table, price=1e6).annotate(table.pairs, STEP)} == {("rm1", "rm3")}


def test_what_is_free_is_asked_at_any_budget():
    free = PRICES | {"rm1": 0.0}
    found = routed(prices=free, budget=1e-6).annotate(TABLE.pairs, STEP)
    assert np.mean([one.rms[0] == "rm1" for one in found]) > 0.97  # the price is from other pairs
    assert routed(prices=dict.fromkeys(PRICES, 0.0), budget=1e-6).annotate(TABLE.pairs, STEP) == routed(
        price=0
    ).annotate(TABLE.pairs, STEP)


def test_equal_costs_change_nothing_at_any_price():
    equal = dict.fromkeys(TABLE.rms, 0.2)
    free, dear = (routed(prices=equal, price=p).annotate(TABLE.pairs, STEP) for p in (0.0, 2.0))
    assert free == dear
    calls = routed(prices={}, price=5.0, unit="call").annotate(TABLE.pairs, STEP)
    assert [one.rm for one in calls] == [one.rm for one in free]


def test_a_higher_price_never_spends_more():
    spent = [cost(routed(price=price).annotate(TABLE.pairs, STEP)) for price in (0.0, 0.01, 0.03, 0.1, 1.0)]
    assert spent == sorted(spent, reverse=True)
    assert spent[0] > spent[-1]


@pytest.mark.parametrize("budget", [1.2, 2.0, 3.0])
def test_a_budget_found_on_held_out_pairs_holds_about_on_others(budget):
    assert cost(routed(budget=budget).annotate(TABLE.pairs, STEP)) == pytest.approx(budget, rel=0.15)


def test_a_budget_of_the_cheapest_alone_can_be_kept():
    assert cost(routed(budget=1.0).annotate(TABLE.pairs, STEP)) == pytest.approx(1.0, rel=0.02)


@pytest.mark.parametrize(
    ("given", "prices", "said"),
    [
        ({}, PRICES, "give a budget"),
        ({"budget": 1.0, "price": 1.0}, PRICES, "give a budget"),
        ({"budget": 0.9}, PRICES, r"a budget of 0\.9 costs per pair is less than one call .* \(1\)"),
        ({"price": 1.0}, {"rm0": 1.0}, "rm1 has none; give every reward model a cost"),
    ],
)
def test_mistakes_are_one_line(given, prices, said):
    with pytest.raises(ConfigError, match=said) as told:
        routed(prices=prices, **given).annotate(TABLE.pairs, STEP)
    assert "\n" not in str(told.value)


def test_costs_are_remembered_and_foreign_state_is_refused():
    one = routed(budget=2.0)
    given = one.annotate(TABLE.pairs, STEP)
    other = routed(prices={}, budget=2.0)  # as if they had been measured
    other.load_state_dict(one.state_dict())
    assert other.annotate(TABLE.pairs, STEP) == given
    for state in (
        State({}, {"correction": 0.0}),
        State({"costs": np.full(N, -1.0)}),
        State({"costs": np.ones(2)}),
    ):
        with pytest.raises(CheckpointError):
            other.load_state_dict(state)

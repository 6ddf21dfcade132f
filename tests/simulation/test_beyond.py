"""Cascades and cost-aware routing by name."""

from __future__ import annotations

import numpy as np
import pytest
from calibrated import CalibratedScorer
from conforming import POOL
from hypothesis import given
from hypothesis import strategies as st

from rewardrouter.annotators.cascade import CascadeAnnotator
from rewardrouter.annotators.cost_aware import CostAwareAnnotator
from rewardrouter.calibration import Costs, EvidenceModel
from rewardrouter.calibration.budget import single_call_price
from rewardrouter.config.cascade import CascadeSettings
from rewardrouter.errors import ConfigError
from rewardrouter.simulation.asked import canonical, name_of, settings_of
from rewardrouter.simulation.beyond import beyond, priced
from rewardrouter.simulation.named import split_list, strategy_of


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("router+cascade@2.0", "router+cascade@2.0"),
        ("router+cascade@2", "router+cascade@2.0"),
        ("router+cascade", "router+cascade@1.35"),
        ("router+cascade:budget=1.6", "router+cascade@1.6"),
        ("router+cascade@1.35:order=router,margins=false", "router+cascade@1.35:order=router,margins=False"),
        ("router+cost@0.01", "router+cost@0.01"),
        ("router+cost:price=2", "router+cost:price=2"),
    ],
)
def test_a_strategy_has_one_name_which_means_the_same(text, whole):
    name, _ = beyond(text)
    assert name == whole
    assert beyond(whole)[0] == whole
    assert strategy_of(text, ["a", "b"]).name == whole
    assert not strategy_of(text, ["a", "b"]).learns


@given(
    st.builds(
        CascadeSettings,
        budget=st.floats(0.01, 50),
        unit=st.sampled_from(["call", "cost", "second"]),
        order=st.sampled_from(["gain", "router", "accuracy", "random"]),
        margins=st.booleans(),
        low_evidence=st.sampled_from(["keep", "weigh", "drop"]),
        drop_below=st.sampled_from([0.55, 0.6, 0.9]),
        keep_budget=st.booleans(),
    )
)
def test_names_and_settings_are_the_same_thing(settings):
    name = canonical("router+cascade", settings)
    assert settings_of(CascadeSettings, name) == settings
    assert name_of(name) == "router+cascade"
    assert split_list(f"random,{name},oracle") == ["random", name, "oracle"]


def test_names_make_annotators():
    router = CalibratedScorer(POOL.names)
    assert isinstance(beyond("router+cascade@1.2")[1](POOL, router, 0), CascadeAnnotator)
    assert isinstance(beyond("router+cost@2:unit=call")[1](POOL, router, 0), CostAwareAnnotator)
    assert beyond("majority") is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("router+cascade@cheap", "budget"),
        ("router+cascade@-1", "budget"),
        ("router+cascade@nan", "budget"),
        ("router+cascade:order=best", "order"),
        ("router+cascade:margin=false", "Did you mean margins"),
        ("router+cascade@1.35:budget=2", "budget is given twice"),
        ("router+cascade@1.35:order=gain,order=router", "order is given twice"),
        ("router+cascade@true", "budget: found 'true', expected a number"),
        ("router+cascade@0x2", "expected a number"),
        ("router+cascade@", "expected a number"),
        ("router+cascade@1.35:", "a setting is empty"),
        ("router+cascade@1.35:order=gain,", "a setting is empty"),
        ("router+cost@1:=3", "a setting is empty"),
    ],
)
def test_a_mistake_is_told_with_the_strategys_name(text, said):
    with pytest.raises(ConfigError, match=said) as told:
        beyond(text)
    assert str(told.value).startswith(f"strategy {text}: ")
    assert "\n" not in str(told.value)


def test_budgets_of_cost_lie_between_the_cheapest_and_all():
    router = CalibratedScorer(["a", "b", "c"])
    names = priced(router, [1.0, 2.0, 30.0])
    plain = np.array([1.0, 2.0, 30.0])[router.held_out.signals.scores.argmax(axis=1)].mean()
    assert any(name.startswith("router+cost@") for name in names)
    assert any(name.endswith(":unit=cost") for name in names)
    for name in names:
        found = beyond(name)
        assert found is not None
        assert 1.0 <= float(name.partition("@")[2].partition(":")[0]) <= min(33.0, 2.01 * plain)


def test_no_budget_of_cost_is_listed_that_cannot_be_kept():
    """The cheap RM never names a winner, so that a label takes another, dear one too."""
    router = CalibratedScorer(["a", "b", "c"])
    router.held_out.winners[:, 0] = 0
    costs = np.array([1.0, 20.0, 30.0])
    for text in priced(router, costs.tolist()):
        name, _, budget = text.partition(":")[0].partition("@")
        if name == "router+cost":
            model = EvidenceModel.fit(router.held_out)
            assert single_call_price(model, router.held_out, Costs(costs), float(budget)) >= 0.0
        assert float(budget) >= 20.0
    assert all("@0" not in text for text in priced(router, [0.0, 0.0, 0.0]))

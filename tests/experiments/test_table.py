"""Tables: differences are paired, orders are counted, blanks stay blank."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy import stats

from rewardrouter.experiments.observed import Observed, extreme
from rewardrouter.experiments.table import Table, make_table
from rewardrouter.simulation.bootstrap import GroupBootstrap

SEEDS = {"a": [0.7, 0.8, 0.9], "b": [0.6, 0.72, 0.81], "c": [0.5, 0.5, 0.5]}
OBSERVED = {name: {"accuracy": Observed(np.array(values))} for name, values in SEEDS.items()}


def table(paper: dict[str, dict[str, float]]) -> Table:
    return make_table(
        name="table9",
        title="Nothing",
        scale="sandbox",
        seeds=3,
        reference="a",
        columns=["accuracy", "other"],
        observed=OBSERVED,
        paper=paper,
        notes=["A note."],
    )


def test_differences_are_paired_by_seed() -> None:
    cell = table({}).cells["b"]["accuracy"]
    found = stats.ttest_rel(SEEDS["b"], SEEDS["a"]).confidence_interval(0.95)
    assert cell.versus == pytest.approx(100 * (np.mean(SEEDS["b"]) - np.mean(SEEDS["a"])))
    assert cell.versus_interval == pytest.approx((100 * found.low, 100 * found.high))
    assert table({}).cells["a"]["accuracy"].versus is None


def test_figures_of_pairs_are_drawn_by_group() -> None:
    right = np.array([1.0, 1, 0, 0, 1, 0])
    other = np.array([0.0, 1, 0, 1, 1, 0])
    groups = ["x", "x", "y", "y", "z", "z"]
    one, two = (Observed(items.mean(keepdims=True), items, groups) for items in (right, other))
    assert one.interval() == GroupBootstrap(groups).interval(right)
    assert one.minus(two) == (0.0, GroupBootstrap(groups).interval(right - other))


def test_one_seed_says_nothing_of_an_interval() -> None:
    assert Observed(np.array([0.5])).interval() is None


def test_a_figure_that_is_the_same_for_every_seed_is_compared_with_each() -> None:
    fixed, several = Observed(np.array([0.5])), OBSERVED["a"]["accuracy"]
    gap, interval = several.minus(fixed)
    back, turned = fixed.minus(several)
    assert gap == pytest.approx(0.3) == pytest.approx(-back)
    assert interval is not None
    assert turned is not None
    assert interval == pytest.approx((-turned[1], -turned[0]))


def test_what_rounds_to_nothing_has_no_sign_of_its_own() -> None:
    paper = {"a": {"accuracy": 80.0003}, "b": {"accuracy": 71.0}}
    line = next(line for line in table(paper).text().splitlines() if line.startswith("a "))
    assert line.endswith("80.0   +0.0")


def test_the_papers_order_is_counted_pair_by_pair() -> None:
    same = table({"a": {"accuracy": 80.0}, "b": {"accuracy": 70.0}, "c": {"accuracy": 60.0}})
    assert (same.orders["accuracy"].pairs, same.orders["accuracy"].same) == (3, 3)
    turned = table({"a": {"accuracy": 70.0}, "b": {"accuracy": 80.0}, "c": {"accuracy": 70.0}})
    order = turned.orders["accuracy"]
    assert (order.pairs, order.same) == (2, 1)
    assert len(order.turned) == 1
    assert order.turned[0].startswith("b above a in the paper, here -9.0 [")
    assert not order.turned[0].endswith("undecided")
    assert (
        table({"c": {"accuracy": 80.0}, "b": {"accuracy": 70.0}})
        .orders["accuracy"]
        .turned[0]
        .endswith("undecided")
    )


def test_unknown_cells_are_blank_and_unused_columns_left_out() -> None:
    made = table({"a": {"accuracy": 80.0}})
    assert made.columns == ("accuracy",)
    assert made.orders == {}
    assert made.cells["b"]["accuracy"].paper is None
    row = next(line for line in made.markdown().splitlines() if line.startswith("| b "))
    assert row.endswith("|  |  |")
    assert "A note." in made.text()
    assert json.loads(json.dumps(made.as_json()))["cells"]["a"]["accuracy"]["minus_paper"] == pytest.approx(0)


def test_the_best_of_several_says_who_it_is() -> None:
    of = {name: row["accuracy"] for name, row in OBSERVED.items()}
    assert extreme(of, best=True).who == "a"
    assert extreme(of, best=False).who == "c"

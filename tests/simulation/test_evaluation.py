from __future__ import annotations

import numpy as np
import pytest

from rewardrouter.annotators import Annotation, Stateless, StepContext
from rewardrouter.annotators.base import decision_id
from rewardrouter.pairs import PreferencePair
from rewardrouter.simulation.evaluation import evaluate_strategies
from rewardrouter.verdicts import FAILED, TIE, A, B, VerdictTable


class Fixed(Stateless):
    """Gives each pair the label written down for it."""

    def __init__(self, labels: dict[str, str | None], calls: int = 1) -> None:
        self.labels, self.calls = labels, calls

    def annotate(self, pairs, step: StepContext) -> list[Annotation]:
        return [
            Annotation(
                decision_id(pair, step),
                pair.id,
                self.labels[pair.id],
                ("one", "two")[: self.calls],
                reason=None if self.labels[pair.id] else "nobody answered",
            )
            for pair in pairs
        ]


@pytest.fixture
def table() -> VerdictTable:
    """Six pairs of three groups and two domains; on p5 no RM is right, on p4 one tied."""
    pairs = tuple(
        PreferencePair(f"p{i}", "q", f"a{i}", f"b{i}", {"group": f"g{i // 2}", "domain": "xy"[i % 2]})
        for i in range(6)
    )
    winners = [[A, B], [B, B], [A, A], [A, B], [TIE, B], [A, FAILED]]
    nothing = np.full((6, 2), np.nan)
    return VerdictTable(
        pairs,
        np.array([A, B, A, B, B, B], np.int8),
        ("one", "two"),
        np.array(winners, np.int8),
        nothing,
        nothing,
    )


def test_figures_are_the_plain_counts(table: VerdictTable) -> None:
    strategies = {
        "reference": Fixed({"p0": "A", "p1": "B", "p2": "A", "p3": "B", "p4": "B", "p5": "B"}),
        "gaps": Fixed({"p0": "A", "p1": None, "p2": "B", "p3": "B", "p4": None, "p5": "A"}, calls=2),
    }
    found = evaluate_strategies(table, strategies, reference="reference")
    assert (found.n_pairs, found.n_kept) == (6, 5)
    assert found.domains == {"x": 3, "y": 2}
    all_right, gaps = found.strategies["reference"], found.strategies["gaps"]
    assert (all_right.accuracy, all_right.accuracy_all, all_right.coverage) == (1.0, 1.0, 1.0)
    assert all_right.difference is None
    assert gaps.accuracy == pytest.approx(2 / 5), "kept pairs p0..p4, of which p0 and p3 are right"
    assert gaps.accuracy_all == pytest.approx(2 / 6)
    assert gaps.coverage == pytest.approx(4 / 6)
    assert gaps.calls_per_pair == 2.0
    assert gaps.calls_by_rm == {"one": 6, "two": 6}
    assert gaps.by_domain == pytest.approx({"x": 1 / 3, "y": 1 / 2})
    assert gaps.difference == pytest.approx(-3 / 5)


def test_the_annotation_rows_name_strategy_pair_label_and_calls(table: VerdictTable) -> None:
    labels = {f"p{i}": "A" for i in range(6)} | {"p4": None}
    rows = evaluate_strategies(table, {"only": Fixed(labels)}, reference="only").annotation_rows()
    assert rows[0] == {"strategy": "only", "id": "p0", "label": "A", "rms": ["one"]}
    assert rows[4]["label"] is None
    assert len(rows) == 6


def test_the_interval_draws_groups_whole() -> None:
    """40 pairs of 2 groups, one all right and one all wrong: a draw has both, only one or only the other."""
    pairs = tuple(PreferencePair(f"p{i}", "q", "a", "b", {"group": str(i // 20)}) for i in range(40))
    nothing = np.full((40, 1), np.nan)
    winners = np.full((40, 1), A, np.int8)
    table = VerdictTable(pairs, np.full(40, A, np.int8), ("one",), winners, nothing, nothing)
    half = {f"p{i}": "A" if i < 20 else "B" for i in range(40)}
    result = evaluate_strategies(table, {"s": Fixed(half)}, reference="s").strategies["s"]
    assert result.accuracy == 0.5
    assert result.accuracy_interval == (0.0, 1.0), "by rows it would be about 0.35 to 0.65"


def test_intervals_cover_the_truth_about_as_often_as_they_say() -> None:
    rng = np.random.default_rng(0)
    hits = 0
    for trial in range(100):
        pairs = tuple(PreferencePair(f"p{i}", "q", "a", "b", {"group": str(i)}) for i in range(150))
        nothing = np.full((150, 1), np.nan)
        table = VerdictTable(
            pairs, np.full(150, A, np.int8), ("one",), np.full((150, 1), A, np.int8), nothing, nothing
        )
        labels = {f"p{i}": "A" if rng.random() < 0.8 else "B" for i in range(150)}
        result = evaluate_strategies(table, {"s": Fixed(labels)}, reference="s", seed=trial).strategies["s"]
        low, high = result.accuracy_interval
        hits += low <= 0.8 <= high
    assert 86 <= hits <= 100, "95 % intervals: fewer than 86 of 100 has probability below 0.001"

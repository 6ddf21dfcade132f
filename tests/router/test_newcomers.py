"""Calibrating an arm that joins: what is held out for it, and that nothing leaks."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from small_tables import written_table

from rewardrouter.router import BayesianRouter

KNOWN = written_table(48, 0)
"""What the routers are fitted to."""
KINDS = ("linear", "cosine", "full bert")
"""With a classification head and without, with surrogates and without."""


def fresh(n_pairs=40, right=0.8, seed=7, groups=None):
    """Pairs of problems of their own, judged by the pool and by one more RM, which has scores."""
    table, random = written_table(n_pairs, seed), np.random.default_rng(seed)
    pairs = tuple(
        dataclasses.replace(
            pair,
            prompt=f"fresh {pair.prompt} {seed}",
            metadata={**pair.metadata, "group": f"fresh {seed} {groups or n // 2}"},
        )
        for n, pair in enumerate(table.pairs)
    )
    winners = np.where(random.random(n_pairs) < right, table.labels, -table.labels)
    margins = random.gamma(2.0, 1.0, n_pairs) * winners
    nothing = np.full((n_pairs, len(table.rms)), np.nan)
    return type(table)(
        pairs,
        table.labels,
        (*table.rms, "new"),
        np.column_stack([table.winners, winners]).astype(np.int8),
        np.column_stack([nothing, margins]),
        np.column_stack([nothing, 0 * margins]),
    )


def turned(table, rows):
    """The verdicts of the new RM on some pairs, the other way round."""
    winners, scores = table.winners.copy(), table.scores_a.copy()
    winners[rows, -1] *= -1
    scores[rows, -1] *= -1
    return dataclasses.replace(table, winners=winners, scores_a=scores)


@pytest.mark.parametrize("kind", KINDS)
def test_new_pairs_are_held_out_for_all(router_of, kind, tmp_path):
    router, table = router_of(kind), fresh()
    wider = router.with_arm("new", table)
    rows = wider.held_out.select(wider.held_out.later != 0)
    assert len(rows) == len(table)
    assert "40 labelled pairs, 40 of them new" in wider.arm_records[-1].joined
    np.testing.assert_array_equal(rows.winners[:, :-1] != 0, ~np.isnan(table.behaviour[:, :-1]))
    np.testing.assert_array_equal(rows.behaviour[:, -1], table.behaviour[:, -1])
    np.testing.assert_allclose(rows.margins[:, -1], np.abs(table.scores_a[:, -1]))
    np.testing.assert_allclose(rows.signals.scores[:, :-1], router.scores(table.pairs), atol=1e-5)
    # What it learns of itself is calibrated by scores that are not those it will be chosen by.
    assert np.abs(rows.signals.scores[:, -1] - wider.scores(table.pairs)[:, -1]).max() > 1e-3
    assert wider.training.knows(table.pairs).all()
    assert wider.evidence.correctness.median[-1] > 0

    wider.save_pretrained(tmp_path / "router")
    loaded = BayesianRouter.from_pretrained(tmp_path / "router", device="cpu")
    np.testing.assert_array_equal(loaded.held_out.later, wider.held_out.later)


@pytest.mark.parametrize("kind", KINDS)
def test_its_verdicts_on_a_group_do_not_touch_what_is_expected_of_it_there(router_of, kind):
    router, table = router_of(kind), fresh()
    rows = np.arange(0, 2)  # one group
    one, other = (router.with_arm("new", given).held_out.signals for given in (table, turned(table, rows)))
    at = len(router.held_out) + rows
    np.testing.assert_array_equal(one.scores[at], other.scores[at])
    np.testing.assert_array_equal(one.beliefs[at], other.beliefs[at])
    elsewhere = np.arange(len(router.held_out) + 2, len(router.held_out) + 40)
    assert (one.scores[elsewhere, -1] != other.scores[elsewhere, -1]).any()


def test_of_known_problems_its_verdicts_and_margins_alone_are_taken(router_of):
    router, table = router_of("linear"), fresh()
    known = dataclasses.replace(table, pairs=KNOWN.pairs[:40])
    wider = router.with_arm("new", known)
    assert "0 of them new" in wider.arm_records[-1].joined
    rows = wider.held_out.select(wider.held_out.later != 0)
    assert not rows.winners[:, :-1].any()
    assert not rows.signals.reading.any()
    groups = known.groups[:, None] == known.groups
    np.testing.assert_array_equal(rows.clusters[:, None] == rows.clusters, groups)
    assert (np.ptp(rows.signals.beliefs, axis=0) == 0).all()
    np.testing.assert_array_equal(rows.behaviour[:, -1], table.behaviour[:, -1])
    assert not wider.held_out.plannable[wider.held_out.later != 0].any()
    # Of an RM that is mostly right on them, more is expected than of one that is mostly wrong.
    worse = router.with_arm("new", turned(known, np.arange(40)))
    beliefs = router.signals(KNOWN.pairs).beliefs.mean(axis=1, keepdims=True).repeat(4, axis=1)
    better, less = (r.evidence.correctness.expected(beliefs)[:, -1] for r in (wider, worse))
    assert (better > less + 0.2).all()


def test_one_group_leaves_no_other_to_learn_from(router_of):
    wider = router_of("linear").with_arm("new", fresh(groups="one"))
    assert "0 of them new" in wider.arm_records[-1].joined


def test_pairs_that_come_with_two_arms_are_one_row_each(router_of):
    router, table = router_of("linear"), fresh()
    second = dataclasses.replace(table, rms=(*table.rms[:-1], "second"))
    one = router.with_arm("new", table)
    both = one.with_arm("second", second)
    assert "40 labelled pairs, 40 of them new" in both.arm_records[-1].joined
    assert len(both.held_out) == len(one.held_out)
    rows = both.held_out.later != 0
    assert both.held_out.answered[rows][:, -2:].all()
    np.testing.assert_array_equal(both.held_out.folds, one.held_out.folds)
    back = both.without_arm("second").held_out
    np.testing.assert_array_equal(back.winners, one.held_out.winners)
    np.testing.assert_array_equal(back.signals.scores, one.held_out.signals.scores)

"""What is kept of each reward model, counted by hand."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from small_tables import table_of

from rewardrouter.router.arms import Arm, arms_of
from rewardrouter.verdicts import TIE, VerdictTable


@pytest.fixture
def table() -> VerdictTable:
    table = table_of([[1, 0], [1, np.nan], [0, np.nan], [np.nan, np.nan]])  # domains d0, d1, d0, d1
    winners = table.winners.copy()
    winners[1, 1] = TIE
    scores_a, scores_b = table.scores_a.copy(), table.scores_b.copy()
    scores_a[:, 0], scores_b[:, 0] = [1.0, 2, np.nan, 3], [0.0, 4, np.nan, np.inf]
    return dataclasses.replace(table, winners=winners, scores_a=scores_a, scores_b=scores_b)


def test_counts_shares_and_the_scale_of_scores(table):
    scored, named = arms_of(table)
    seen = [1.0, 2, 3, 0, 4]
    assert scored == Arm(
        "rm-0", 3, 0, 1, pytest.approx(2 / 3), pytest.approx(np.mean(seen)), pytest.approx(np.std(seen)),
        {"d0": (2, 1), "d1": (1, 1)},
    )  # fmt: skip
    assert named == Arm("rm-1", 1, 1, 2, 0.0, None, None, {"d0": (1, 0), "d1": (0, 0)})


def test_an_rm_without_a_verdict_has_no_accuracy():
    (arm,) = arms_of(table_of([[np.nan], [np.nan]]))
    assert (arm.observed, arm.failed, arm.accuracy) == (0, 2, None)


def test_arms_survive_json(table):
    arms = arms_of(table)
    assert tuple(Arm.from_json(json.loads(json.dumps(arm.as_json()))) for arm in arms) == arms

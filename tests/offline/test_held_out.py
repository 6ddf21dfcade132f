"""Verdicts as evidence, from a table and one by one."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from rewardrouter.annotators.cascade import margin_of
from rewardrouter.offline.held_out import said_of
from rewardrouter.verdicts import FAILED, Verdict, winner_code

SCORES = st.none() | st.floats(-9, 9)
VERDICTS = st.builds(Verdict, st.just("rm"), st.sampled_from(["A", "B", "tie"]), SCORES, SCORES)


@given(st.lists(VERDICTS | st.just(Verdict.failed("rm", "down")), min_size=1, max_size=9))
def test_a_table_says_what_its_verdicts_say(verdicts):
    codes = [winner_code(verdict.winner) for verdict in verdicts]
    scores = np.array([(verdict.score_a, verdict.score_b) for verdict in verdicts], np.float64)
    found = said_of(np.array(codes, np.int8), scores[:, 0], scores[:, 1])
    assert found.winners.tolist() == [0 if code == FAILED else code for code in codes]
    np.testing.assert_array_equal(found.margins, [margin_of(verdict) for verdict in verdicts])

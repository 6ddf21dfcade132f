"""Verdicts as evidence, from a table and one by one."""

from __future__ import annotations

import numpy as np
from held_out_rows import signals_of
from hypothesis import given
from hypothesis import strategies as st
from small_tables import written_table

from rewardrouter.annotators.cascade import margin_of
from rewardrouter.offline.held_out import labelled_rows, said_of
from rewardrouter.verdicts import FAILED, Verdict, winner_code


def test_pairs_of_one_group_are_known_as_such():
    table = written_table(24, 0)
    rows = labelled_rows(table, signals_of(24, len(table.rms)), np.zeros(24, np.int64))
    same = table.groups[:, None] == table.groups
    np.testing.assert_array_equal(rows.clusters[:, None] == rows.clusters, same)
    assert not same.all()


SCORES = st.none() | st.floats(-9, 9) | st.sampled_from([-1e308, 1e308])
VERDICTS = st.builds(Verdict, st.just("rm"), st.sampled_from(["A", "B", "tie"]), SCORES, SCORES)


@given(st.lists(VERDICTS | st.just(Verdict.failed("rm", "down")), min_size=1, max_size=9))
def test_a_table_says_what_its_verdicts_say(verdicts):
    codes = [winner_code(verdict.winner) for verdict in verdicts]
    scores = np.array([(verdict.score_a, verdict.score_b) for verdict in verdicts], np.float64)
    found = said_of(np.array(codes, np.int8), scores[:, 0], scores[:, 1])
    assert found.winners.tolist() == [0 if code == FAILED else code for code in codes]
    np.testing.assert_array_equal(found.margins, [margin_of(verdict) for verdict in verdicts])
    assert not np.isinf(found.margins).any()

"""The coverage and tie report, on a table small enough to count by hand."""

import json

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from rewardrouter.datasets.coverage import coverage_of
from rewardrouter.pairs import PreferencePair
from rewardrouter.verdicts import FAILED, TIE, A, B, VerdictTable


def table_of(winners, labels=None, domains=None) -> VerdictTable:
    winners = np.array(winners, dtype=np.int8)
    count, pool = winners.shape
    domains = domains or ["d"] * count
    return VerdictTable(
        tuple(PreferencePair(f"p{i}", f"q{i}", "x", "y", {"domain": domains[i]}) for i in range(count)),
        np.array(labels if labels is not None else [A] * count, dtype=np.int8),
        tuple(f"rm{n}" for n in range(pool)),
        winners,
        np.full(winners.shape, np.nan),
        np.full(winners.shape, np.nan),
    )


TABLE = table_of(
    [[A, A, B], [B, TIE, A], [A, FAILED, FAILED], [B, B, FAILED]],
    labels=[A, B, A, A],
    domains=["chat", "math", "chat", "chat"],
)


def test_counts_by_hand():
    report = coverage_of(TABLE)
    counts = [(rm.observed, rm.ties, rm.failed, rm.accuracy) for rm in report.rms]
    assert counts == [(4, 0, 0, 0.75), (2, 1, 1, 0.5), (2, 0, 2, 0.0)]
    assert (report.n_pairs, report.n_kept) == (4, 3)
    assert (report.n_disagreement, report.n_disagreement_pairs) == (3, 2)  # p0: 2 x 1, p1: 1 x 1
    chat, math = report.domains
    assert (chat.domain, chat.n_pairs, chat.n_kept) == ("chat", 3, 2)
    assert chat.accuracy == {"rm0": 2 / 3, "rm1": 0.5, "rm2": 0.0}
    assert math.accuracy == {"rm0": 1.0, "rm1": None, "rm2": 0.0}


def test_the_table_of_the_report():
    assert coverage_of(TABLE).lines() == [
        "4 pairs, 3 kept (some reward model is right), 2 in the disagreement set (3 triples)",
        "reward model  observed  ties  failed  accuracy   chat   math",
        "rm0                  4     0       0     0.750  0.667  1.000",
        "rm1                  2     1       1     0.500  0.500      -",
        "rm2                  2     0       2     0.000  0.000  0.000",
        "pairs                                        4      3      1",
    ]


def test_a_single_domain_gets_no_column_of_its_own_and_many_are_cut_short():
    assert coverage_of(table_of([[A]])).lines()[1] == "reward model  observed  ties  failed  accuracy"
    lines = coverage_of(table_of([[A]] * 8, domains=list("abcdefgh"))).lines()
    assert lines[-1] == "... and 2 smaller domains"


def test_json_is_json_with_null_where_nothing_was_observed():
    content = json.loads(json.dumps(coverage_of(table_of([[TIE]])).as_json(), allow_nan=False))
    assert content["rms"] == [{"rm": "rm0", "observed": 0, "ties": 1, "failed": 0, "accuracy": None}]
    assert content["domains"][0]["accuracy"] == {"rm0": None}


@given(
    st.integers(1, 4).flatmap(
        lambda n: st.lists(
            st.lists(st.sampled_from([A, B, TIE, FAILED]), min_size=n, max_size=n), min_size=1, max_size=9
        )
    ),
    st.data(),
)
def test_the_disagreement_set_is_the_tables_and_every_pair_is_counted_once(winners, data):
    labels = data.draw(st.lists(st.sampled_from([A, B]), min_size=len(winners), max_size=len(winners)))
    domains = data.draw(st.lists(st.sampled_from("xyz"), min_size=len(winners), max_size=len(winners)))
    table = table_of(winners, labels, domains)
    report = coverage_of(table)
    triples = table.disagreements()
    assert report.n_disagreement == len(triples)
    assert report.n_disagreement_pairs == len(np.unique(triples[:, 0]))
    assert all(rm.observed + rm.ties + rm.failed == len(table) for rm in report.rms)
    assert sum(domain.n_pairs for domain in report.domains) == len(table)
    assert sum(domain.n_kept for domain in report.domains) == report.n_kept

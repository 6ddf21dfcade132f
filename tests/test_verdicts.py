"""Verdicts and tables of them, against plain loops."""

import dataclasses
import math
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scripted import scored, scripted, winner_grids

from rewardrouter.errors import DataError
from rewardrouter.pairs import PreferencePair
from rewardrouter.verdicts import FAILED, TIE, A, B, Unanswered, Verdict, VerdictTable, winner_code

# One verdict


def test_a_call_without_an_answer_is_a_failure_like_others_but_not_paid():
    verdict, other = Unanswered.failed("rm", "no connection", 0.5), Verdict.failed("rm", "no connection", 0.5)
    assert (verdict.answered, other.answered) == (False, True)
    assert verdict == other == verdict
    assert hash(verdict) == hash(other)
    assert verdict != Verdict.failed("rm", "no connection")
    assert not verdict.swapped().answered
    assert not pickle.loads(pickle.dumps(verdict)).answered  # noqa: S301 - its own


@given(st.none() | st.floats(), st.none() | st.floats())
def test_the_higher_score_wins_equal_scores_tie_and_what_is_no_number_fails(a, b):
    verdict, mirrored = Verdict.from_scores("rm", a, b, 0.5), Verdict.from_scores("rm", b, a, 0.5)
    flipped = {"A": "B", "B": "A", "tie": "tie", None: None}
    assert mirrored.winner == flipped[verdict.winner]
    if verdict.winner is not None:
        assert (mirrored.swapped(), verdict.swapped()) == (verdict, mirrored)
    else:
        assert verdict.swapped() is verdict
    assert (verdict.rm, verdict.seconds) == ("rm", 0.5)
    if a is None or b is None or not (math.isfinite(a) and math.isfinite(b)):
        assert (verdict.winner, verdict.score_a, verdict.score_b) == (None, None, None)
        assert verdict.error
    else:
        assert verdict.winner == ("A" if a > b else "B" if a < b else "tie")
        assert (verdict.score_a, verdict.score_b, verdict.error) == (a, b, None)


@pytest.mark.parametrize(("winner", "error"), [(None, None), ("A", "timed out")])
def test_a_verdict_is_a_winner_or_an_error(winner, error):
    with pytest.raises(ValueError, match="verdict of rm: give a winner or an error, found"):
        Verdict("rm", winner, error=error)


def test_only_a_winner_is_a_label():
    assert [Verdict("rm", winner).label for winner in ("A", "B", "tie")] == ["A", "B", None]
    assert Verdict.failed("rm", "timed out").label is None


def test_codes_of_winners():
    assert [winner_code(winner) for winner in ("A", "B", "tie", None)] == [A, B, TIE, FAILED]
    assert (A, B) == (-B, -A)  # exchanging the responses changes the sign


# The table


@given(winner_grids(), st.data())
def test_behaviour_kept_and_disagreements_by_brute_force(winners, data):
    labels = data.draw(st.lists(st.sampled_from([A, B]), min_size=len(winners), max_size=len(winners)))
    table = scripted(winners, labels=labels)
    assert len(table) == len(winners)
    expected = [
        [1.0 if w == label else 0.0 if w in (A, B) else math.nan for w in row]
        for row, label in zip(winners, labels, strict=True)
    ]
    np.testing.assert_array_equal(table.behaviour, expected)
    assert table.kept.tolist() == [1.0 in row for row in expected]
    assert table.disagreements().tolist() == [
        [i, n, m]
        for i, row in enumerate(expected)
        for n, right in enumerate(row)
        for m, wrong in enumerate(row)
        if right == 1.0 and wrong == 0.0
    ]


def test_an_empty_disagreement_set_keeps_its_shape():
    triples = scripted([[A, A], [TIE, FAILED]]).disagreements()
    assert triples.shape == (0, 3)
    assert triples.dtype == np.int64


@given(winner_grids(), st.data())
def test_exchanging_responses_labels_and_winners_changes_no_behaviour(winners, data):
    labels = np.array(
        data.draw(st.lists(st.sampled_from([A, B]), min_size=len(winners), max_size=len(winners)))
    )
    codes = np.array(winners)
    exchanged = np.where(np.isin(codes, (A, B)), -codes, codes)
    before, after = scripted(codes, labels=labels), scripted(exchanged, labels=-labels)
    np.testing.assert_array_equal(before.behaviour, after.behaviour)


def rows_of(table):
    return [
        (pair.id, int(label), list(codes), list(a), list(b))
        for pair, label, codes, a, b in zip(
            table.pairs, table.labels, table.winners, table.scores_a, table.scores_b, strict=True
        )
    ]


@given(st.data())
def test_select_takes_rows_by_mask_or_by_index_in_order(data):
    n_pairs = data.draw(st.integers(1, 6))
    numbers = np.arange(n_pairs * 2.0).reshape(n_pairs, 2)
    table = scored(numbers, 3.0 - numbers)
    mask = data.draw(st.lists(st.booleans(), min_size=n_pairs, max_size=n_pairs))
    picked = data.draw(st.lists(st.integers(0, n_pairs - 1)))
    everything = rows_of(table)
    assert rows_of(table.select(picked)) == [everything[i] for i in picked]
    assert rows_of(table.select(mask)) == [row for row, take in zip(everything, mask, strict=True) if take]
    assert table.select(picked).rms == table.rms


def test_pool_takes_columns_in_the_order_given():
    table = scored([[1.0, 2.0, 3.0]], [[2.0, 1.0, math.nan]])
    pool = table.pool(["rm2", "rm0"])
    assert (pool.rms, pool.pairs) == (("rm2", "rm0"), table.pairs)
    np.testing.assert_array_equal(pool.winners, [[FAILED, B]])
    np.testing.assert_array_equal(pool.scores_a, [[3.0, 1.0]])
    np.testing.assert_array_equal(pool.scores_b, [[math.nan, 2.0]])
    assert pool.pool(["rm0"]).rms == ("rm0",)


@pytest.mark.parametrize(
    ("rms", "expected"),
    [
        (["rm0", "rm9"], r"reward model 'rm9' has no verdicts here\. Did you mean rm\d\? Known: rm0, rm1"),
        (["skywork"], r"reward model 'skywork' has no verdicts here\. Known: rm0, rm1"),
        (["rm1", "rm1"], "a reward model is named twice: rm1, rm1"),
    ],
)
def test_a_pool_that_cannot_be_had_is_refused(rms, expected):
    with pytest.raises(DataError, match=expected):
        scripted([[A, B]]).pool(rms)


def test_a_cell_as_a_verdict():
    table = scored([[1.0, 2.0, math.nan, 5.0]], [[1.0, 3.0, 2.0, 4.0]])
    assert table.verdict(0, "rm0") == Verdict("rm0", "tie", 1.0, 1.0)
    assert table.verdict(0, "rm1") == Verdict("rm1", "B", 2.0, 3.0)
    assert table.verdict(0, "rm2") == Verdict.failed("rm2", "no usable verdict recorded")
    assert table.verdict(0, "rm3").label == "A"
    assert scripted([[B]]).verdict(0, "rm0") == Verdict("rm0", "B")


def test_groups_and_domains_are_the_pairs():
    pairs = (PreferencePair("1", "p", "x", "y", {"group": "g"}), PreferencePair("2", "p", "x", "y"))
    table = dataclasses.replace(scripted([[A], [A]]), pairs=pairs)
    assert table.groups.tolist() == ["g", pairs[1].group]
    assert table.domains.tolist() == ["all", "all"]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            {"winners": np.zeros((2, 3), np.int8)},
            r"winners: expected shape \(2, 2\) \(pairs x RMs\), got \(2, 3\)",
        ),
        ({"scores_a": np.zeros((3, 2))}, r"scores_a: expected shape \(2, 2\) \(pairs x RMs\), got \(3, 2\)"),
        ({"scores_b": np.zeros(4)}, r"scores_b: expected shape \(2, 2\) \(pairs x RMs\), got \(4,\)"),
        ({"labels": np.array([A], np.int8)}, r"labels: expected shape \(2,\), got \(1,\)"),
        ({"labels": np.array([A, TIE], np.int8)}, r"labels: expected only 1 \(A\) and -1 \(B\), got \[0 1\]"),
        ({"rms": ("rm0",)}, r"winners: expected shape \(2, 1\)"),
        (
            {"winners": np.array([[A, 2], [TIE, FAILED]], np.int8)},
            r"winners: expected only 1 \(A\), -1 \(B\), 0 \(tie\) and -9 \(failed\), got \[-9  0  1  2\]",
        ),
        ({"winners": np.array([[A, math.nan], [B, A]])}, r"winners: expected only .*, got \[-1\.  1\. nan\]"),
    ],
)
def test_arrays_that_do_not_fit_are_refused_with_both_shapes(change, expected):
    with pytest.raises(ValueError, match=expected):
        dataclasses.replace(scripted([[A, B], [B, A]]), **change)


def test_a_table_may_be_empty():
    table = VerdictTable(
        (), np.zeros(0, np.int8), ("rm",), np.zeros((0, 1), np.int8), np.zeros((0, 1)), np.zeros((0, 1))
    )
    assert (len(table), table.kept.shape, table.disagreements().shape) == (0, (0,), (0, 3))

"""One recorded answer: what settles it, and what is a failure."""

import math
from decimal import Decimal

import pytest

from rewardrouter.datasets.verdict_cells import read_recording

NAN, INF = math.nan, math.inf


@pytest.mark.parametrize(
    ("winner", "score_a", "score_b", "expected", "problem"),
    [
        (None, 2.0, 1.0, "A", None),
        (None, 1, 2, "B", None),
        (None, 1.0, 1.0, "tie", None),
        ("A", None, None, "A", None),
        (" B ", None, None, "B", None),
        ("tie", None, None, "tie", None),
        ("Tie", None, None, "tie", None),
        ("TIE", 1.0, 1.0, "tie", None),
        ("A", 2.0, 1.0, "A", None),
        ("A", NAN, 1.0, "A", None),
        ("A", 1.0, 2.0, "A", "score_verdict_conflict"),
        ("A", 1.0, 1.0, "A", "score_verdict_conflict"),
        ("tie", 1.0, 2.0, "tie", "score_verdict_conflict"),
        (None, NAN, 1.0, None, "nan_score"),
        (None, 1.0, None, None, "nan_score"),
        (None, INF, 1.0, None, "nan_score"),
        (None, Decimal("0.5"), Decimal("0.1"), "A", None),
        (None, "0.5", " 1e-1", "A", None),
        (None, 0.5, "", None, "score_not_a_number"),
        (None, [1.0], NAN, None, "score_not_a_number"),
        (None, None, None, None, "missing_verdict"),
        ("C", None, None, None, "unparsable_verdict"),
        ("[[A]]", None, None, None, "unparsable_verdict"),
        ("", None, None, None, "unparsable_verdict"),
        (1, None, None, None, "unparsable_verdict"),
        ("C", 2.0, 1.0, None, "unparsable_verdict"),
    ],
)
def test_what_decides(winner, score_a, score_b, expected, problem):
    recording = read_recording("rm", winner, score_a, score_b)
    assert (recording.verdict.winner, recording.problem) == (expected, problem)
    assert recording.verdict.rm == "rm"


def test_a_score_that_is_not_a_number_is_named_with_its_column():
    columns = ("score_a__rm", "score_b__rm")
    assert read_recording("rm", None, "0,5", "0.1").verdict.error == "score_a is not a number: '0,5'"
    found = read_recording("rm", None, 1.0, "high" * 1000, scores_from=columns).verdict.error
    assert found.startswith("score_b__rm is not a number: 'high")
    assert len(found) < 80


def test_without_a_place_for_winners_absent_scores_are_nan():
    assert read_recording("rm", names_winners=False).problem == "nan_score"


def test_an_error_is_a_failure_with_its_reason_whatever_else_is_there():
    recording = read_recording("rm", "A", 2.0, 1.0, "timed out", 3.5)
    assert (recording.verdict.winner, recording.verdict.error, recording.verdict.seconds) == (
        None,
        "timed out",
        3.5,
    )
    assert recording.problem == "missing_verdict"


def test_scores_stay_beside_a_named_winner_only_where_both_are_there():
    assert read_recording("rm", "A", 2.0, 1.0).verdict.score_a == 2.0
    assert read_recording("rm", "A", 2.0, NAN).verdict.score_a is None

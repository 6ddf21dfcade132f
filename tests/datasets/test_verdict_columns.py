"""Columns of a wide file: whose they are, and which only look like one of an RM's."""

from __future__ import annotations

import pytest

from rewardrouter.datasets.report import RowReport
from rewardrouter.datasets.verdict_columns import column_answers


def reported(*columns: str) -> RowReport:
    """The report of a file with these columns beside a whole reward model."""
    report = RowReport()
    row = {"id": "p", "verdict__judge": "A"} | dict.fromkeys(columns, 1.0)
    assert column_answers([row], [0], "w.parquet", report).keys() == {"judge"}
    return report


@pytest.mark.parametrize(
    ("column", "meant"),
    [
        ("score_a_grm", "score_a__grm"),
        ("score_b-grm", "score_b__grm"),
        ("Score_A__GRM-2", "score_a__GRM-2"),
        ("scores_a__grm", "score_a__grm"),
        ("scoreb__grm", "score_b__grm"),
        ("score_a.org/grm v2", "score_a__org/grm v2"),
        ("verdict_judge-2", "verdict__judge-2"),
        ("VERDICT__judge-2", "verdict__judge-2"),
        ("score", None),
        ("score_a", None),
        ("score_c__grm", None),
        ("scoreable", None),
        ("verdicts", None),
        ("source", None),
    ],
)
def test_a_column_that_is_almost_one_is_named_with_what_may_be_meant(column: str, meant: str | None) -> None:
    expected = {"almost_verdict_column": [f"{column} ({meant}?)"]} if meant else {}
    assert reported(column).problems == expected


def test_the_hint_is_one_line_for_all_of_them() -> None:
    assert reported("score_a_grm", "score_b_grm").lines() == [
        "name almost that of a verdict's column: 2 columns not read as verdicts:"
        " score_a_grm (score_a__grm?), score_b_grm (score_b__grm?)"
    ]

"""The report of rows that could not be used."""

import json

from rewardrouter.datasets.report import RowReport


def test_a_line_counts_names_and_says_what_was_done():
    report = RowReport(rows_read=9)
    for number in range(7):
        report.add("missing_text", f"id{number}")
    report.add("score_verdict_conflict", "p1 (judge)")
    assert report.lines() == [
        "missing text or empty prompt: 7 rows dropped: id0, id1, id2, id3, id4 ... and 2 more",
        "verdict that contradicts its own scores: 1 verdict kept, the verdict decides: p1 (judge)",
    ]


def test_five_ids_are_all_shown():
    report = RowReport({"bad_label": list("abcde")})
    assert report.lines() == ["label other than A or B: 5 rows dropped: a, b, c, d, e"]


def test_a_kind_of_a_caller_is_put_in_words():
    report = RowReport()
    report.add("text_cut", "x")
    assert report.lines() == ["text cut: 1 row reported: x"]


def test_json_holds_every_id():
    report = RowReport(rows_read=8, rows_used=1)
    for number in range(7):
        report.add("bad_label", str(number))
    assert json.loads(json.dumps(report.as_json())) == {
        "problems": {"bad_label": [str(number) for number in range(7)]},
        "rows_read": 8,
        "rows_used": 1,
        "notes": [],
    }

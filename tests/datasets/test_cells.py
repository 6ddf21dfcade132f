"""What a cell says, however a file spells it."""

from __future__ import annotations

import datetime
from decimal import Decimal
from typing import Any

import pytest

from rewardrouter.datasets.cells import as_text, choices_of, key_text, read_number
from rewardrouter.datasets.pairs import pairs_of_rows


@pytest.mark.parametrize(
    ("column", "read"),
    [
        (["A", " b\n", "response_a", "model_b", "Assistant A", "TIE"], ["A", "B", "A", "B", "A", "tie"]),
        ([1, 0, True, "1", "0.0", "false"], ["A", "B", "A", "A", "B", "B"]),
        ([1, 2, "2"], ["A", "B", "B"]),
        ([1, 0, -1], ["A", "tie", "B"]),
        ([1, 0.5, 0], ["A", "tie", "B"]),
        ([1, 0, 7, 10**400], [None] * 4),
        (["C", "[[A]]", [], {}, b"A", "", "AB"], [None] * 7),
    ],
)
def test_what_is_unambiguous_names_a_response(column: list[Any], read: list[str | None]) -> None:
    choices = choices_of(column)
    assert [choices.read(value) for value in column] == read


@pytest.mark.parametrize(
    ("value", "number"),
    [("1.0", 1.0), (" -2e1 ", -20.0), (Decimal("0.5"), 0.5), (True, 1.0), (10**400, float("inf"))]
    + [(value, None) for value in ("1,5", "1_0", "", "high", "١", [], None, b"1")],
)
def test_numbers_and_their_text(value: Any, number: float | None) -> None:
    assert read_number(value) == number


MORE = [(b"x", "x"), (datetime.date(2020, 1, 2), "2020-01-02"), ("\ud800", "\\ud800"), ([1], "[1]")]


@pytest.mark.parametrize(
    ("value", "key"),
    [
        (1, "1"),
        (1.0, "1"),
        ("1", "1"),
        (Decimal("1.0"), "1"),
        (2**70, str(2**70)),
        (0.5, "0.5"),
        ("", None),
        *MORE,
    ],
)
def test_keys_are_text(value: Any, key: str | None) -> None:
    assert key_text(value) == key


def test_any_value_is_text_that_can_be_written() -> None:
    assert as_text({"a": b"\xff", "b": [Decimal("1.5")]}) == '{"a": "\\\\xff", "b": ["1.5"]}'


def test_numbers_in_labels_and_labels_of_one_side_are_told() -> None:
    rows = [{"prompt": str(n), "response_a": "x", "response_b": "y", "label": 1} for n in range(4)]
    loaded = pairs_of_rows(rows, "rows")
    assert loaded.labels == ("A",) * 4
    assert [line[:30] for line in loaded.report.lines()] == [
        "label: its numbers were read a",
        "label: all 4 labels are A; is ",
    ]


def test_a_tie_is_kept_without_a_label() -> None:
    row = {"id": "t", "prompt": "p", "response_a": "x", "response_b": "y", "label": "tie"}
    loaded = pairs_of_rows([row], "rows")
    assert (loaded.labels, loaded.report.problems) == ((None,), {"tie_label": ["t"]})

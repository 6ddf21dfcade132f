"""Names that are cut to their room."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rewardrouter.report.svg import drawing, fitting


@settings(max_examples=40)
@given(st.text(max_size=60), st.booleans())
def test_a_cut_name_is_printable_and_a_fitting_one_is_left_alone(name: str, is_bold: bool) -> None:
    with drawing():
        cut = fitting(name, 100, is_bold=is_bold)
        assert cut.isprintable()
        assert len(cut) <= len(name)
        assert fitting(cut, 100, is_bold=is_bold) == cut


@pytest.mark.parametrize(
    ("name", "cut"),
    [("skywork-v2-0.6b", "skywork-v2-0.6b"), ("i" * 25, "i" * 25), ("two\nlines", "two\ufffdlines")],
)
def test_short_names_fit(name: str, cut: str) -> None:
    with drawing():
        assert fitting(name, 100) == cut


def test_wide_signs_take_more_room() -> None:
    with drawing():
        assert len(fitting("W" * 50, 100)) < len(fitting("l" * 50, 100))
        assert len(fitting("漢" * 50, 100)) <= 9  # a whole em each, 11.5 units

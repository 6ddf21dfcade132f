"""Stacked bars: every part begins where the one before it ends, in the order of the names."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.patches import Rectangle

from rewardrouter.report.bars import draw_bars
from rewardrouter.report.colours import ARMS
from rewardrouter.report.svg import drawing

rows = st.lists(st.lists(st.floats(0, 1e4), min_size=3, max_size=3), min_size=1, max_size=6)


@given(rows)
def test_parts_follow_each_other(parts: list[list[float]]) -> None:
    names = [f"strategy-{i}" for i in range(len(parts))]
    with drawing():
        (panel,) = draw_bars(names, parts, ARMS[:3], label="seconds", reference=names[0]).axes
    bars = [patch for patch in panel.patches if isinstance(patch, Rectangle)]
    for i, row in enumerate(parts):
        own = bars[i :: len(parts)]
        assert [bar.get_width() for bar in own] == pytest.approx(row)
        assert [bar.get_x() for bar in own] == pytest.approx([0, row[0], row[0] + row[1]])
        assert len({bar.get_y() for bar in own}) == 1
    heights = [text.get_position()[1] for text in panel.texts]
    assert [text.get_text() for text in panel.texts] == names
    assert heights == sorted(heights, reverse=True)
    assert [text.get_weight() for text in panel.texts].index("bold") == 0
    assert panel.get_xlim()[1] >= max(map(sum, parts))

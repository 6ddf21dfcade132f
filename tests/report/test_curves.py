"""Names beside lines: none upon another, each as near to its line as that allows."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewardrouter.report.curves import spread

places = st.lists(st.floats(-0.2, 1.2), min_size=1, max_size=7)


@given(places, st.floats(0.01, 0.14))
def test_they_keep_apart_in_order_and_inside(given_places: list[float], gap: float) -> None:
    found = spread(given_places, gap)
    order = sorted(range(len(found)), key=lambda i: (found[i], i))
    assert [given_places[i] for i in order] == sorted(given_places)
    steps = [found[b] - found[a] for a, b in itertools.pairwise(order)]
    assert all(step >= gap - 1e-9 for step in steps)
    assert min(found) >= -1e-9
    assert max(found) <= 1 + 1e-9


@given(st.lists(st.integers(0, 9), min_size=1, max_size=9, unique=True))
def test_what_is_far_enough_apart_stays(tenths: list[int]) -> None:
    given_places = [0.1 * i for i in tenths]
    assert spread(given_places, 0.09) == pytest.approx(given_places)


def test_a_crowd_is_centred_on_its_middle() -> None:
    assert spread([0.5, 0.5, 0.5], 0.1) == pytest.approx([0.4, 0.5, 0.6])

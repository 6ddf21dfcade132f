"""The history reaches back to the beginning in few spans, and loses no count."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rewardrouter.serve.history import FIRST_SECONDS, SPANS, History


@given(st.lists(st.floats(0, 1e6), max_size=60))
def test_no_count_is_lost(moments):
    history = History()
    for moment in moments:
        history.at(moment).answered["rm"] += 1
        assert len(history.spans) <= SPANS
    assert sum(span.answered["rm"] for span in history.spans) == len(moments)


def test_counts_stand_at_their_time():
    history = History()
    for moment in range(4000):
        history.at(float(moment)).asked["early" if moment < 2000 else "late"] += 1
    assert history.seconds == FIRST_SECONDS * 16
    assert SPANS / 2 <= len(history.spans) <= SPANS
    for place, span in enumerate(history.spans[:-1]):
        middle = (place + 0.5) * history.seconds
        if abs(middle - 2000) > history.seconds:
            assert dict(span.asked) == {"early" if middle < 2000 else "late": 160}


def test_a_long_pause_stays_empty():
    history = History()
    history.at(0.0).failed["rm"] += 1
    history.at(1e7).failed["rm"] += 1
    counts = [span.failed["rm"] for span in history.spans]
    assert counts[0] == counts[-1] == 1
    assert sum(counts) == 2


def test_it_comes_back():
    history = History()
    for moment in range(0, 900, 7):
        history.at(float(moment)).answered[f"rm{moment % 3}"] += 1
    again = History.from_json(history.as_json())
    assert again.as_json() == history.as_json()

"""The circuit breaker, by a clock of its own."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewardrouter.http.breaker import Breaker, CircuitOpenError


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def passes(breaker):
    """Return whether a request passes, and whether it is the probe."""
    try:
        return True, asyncio.run(breaker.enter())
    except CircuitOpenError:
        return False, False


def test_it_opens_after_failures_in_a_row_only():
    breaker = Breaker(3, 10, Clock())
    for _ in range(5):
        breaker.failed("no", probe=False)
        breaker.failed("no", probe=False)
        assert passes(breaker) == (True, False)
        breaker.succeeded()
    for _ in range(3):
        breaker.failed("no", probe=False)
    assert passes(breaker) == (False, False)


def test_a_refusal_says_how_long_and_why():
    clock = Clock()
    breaker = Breaker(1, 10, clock)
    breaker.failed("out of order", probe=False)
    clock.now = 4
    with pytest.raises(CircuitOpenError) as error:
        asyncio.run(breaker.enter())
    assert (
        str(error.value) == "not asked: 1 requests in a row failed; asked again in 6.0 s (last: out of order)"
    )


def test_late_failures_do_not_keep_it_open():
    clock = Clock()
    breaker = Breaker(1, 10, clock)
    breaker.failed("no", probe=False)
    clock.now = 9
    breaker.failed("one that was under way", probe=False)
    clock.now = 10
    assert passes(breaker) == (True, True)


@given(
    st.integers(1, 4),
    st.lists(st.tuples(st.sampled_from(["ok", "fails", "abandoned"]), st.floats(0, 7)), max_size=60),
)
def test_it_is_as_its_three_states(open_after, events):
    """One request at a time: closed lets pass, open refuses until the pause is over, then one decides."""
    clock = Clock()
    breaker = Breaker(open_after, 10, clock)
    row, opened = 0, None
    for outcome, pause in events:
        clock.now += pause
        passed, probe = passes(breaker)
        assert passed == (opened is None or clock.now - opened >= 10)
        assert probe == (passed and opened is not None)
        if not passed:
            continue
        if outcome == "ok":
            breaker.succeeded()
            row, opened = 0, None
        elif outcome == "fails":
            breaker.failed("no", probe=probe)
            row += 1
            if probe or row >= open_after:
                opened = clock.now
        else:
            breaker.abandoned(probe=probe)

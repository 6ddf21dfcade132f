"""What came before is told apart from what is new, in little memory and across restarts."""

from __future__ import annotations

import numpy as np
import pytest

from rewardrouter.annotators.seen import Seen
from rewardrouter.errors import CheckpointError
from rewardrouter.state import State


def test_a_thing_is_new_once():
    seen = Seen()
    assert [seen.is_new(one) for one in "abacab"] == [True, True, False, True, False, False]
    assert seen.is_new("a", "b")
    assert not seen.is_new("a", "b")


def test_with_little_room_fewer_are_followed_and_none_is_new_twice():
    seen = Seen(most=50)
    things = [f"thing {n}" for n in range(1600)]
    new = [seen.is_new(one) for one in things]
    assert not any(map(seen.is_new, things))
    assert all(new[:50])
    assert 10 < sum(new[800:]) < 200
    state = seen.state_dict()
    assert len(state.arrays["digests"]) <= 50
    assert state.metadata["zeros"] in range(4, 8)


@pytest.mark.parametrize("things", [0, 20, 400])
def test_it_goes_on_where_a_state_was_taken(things):
    whole, resumed = Seen(most=50), Seen(most=50)
    for n in range(things):
        whole.is_new(str(n))
    state = whole.state_dict()
    assert state.arrays["digests"].dtype == np.int64
    resumed.load_state_dict(state)
    more = [str(n) for n in range(things // 2, 2 * things + 10)]
    assert [resumed.is_new(one) for one in more] == [whole.is_new(one) for one in more]


def test_a_broken_state_is_refused():
    for state in (
        State(),
        State({"digests": np.array([3])}, {"zeros": 1}),
        State({"digests": np.array([0])}, {"zeros": 99}),
    ):
        with pytest.raises(CheckpointError):
            Seen().load_state_dict(state)

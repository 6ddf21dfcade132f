"""Numbers that follow from a key alone."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from rewardrouter.training.draws import keyed_generator, keyed_seed

PARTS = st.one_of(st.integers(), st.text(max_size=4))
KEYS = st.lists(PARTS, max_size=4)


@given(KEYS, KEYS)
def test_keys_give_the_same_numbers_exactly_if_they_are_the_same(
    one: list[int | str], other: list[int | str]
) -> None:
    same = one == other
    assert (keyed_seed(*one) == keyed_seed(*other)) == same
    first, second = (keyed_generator(*key).random(4) for key in (one, other))
    assert np.array_equal(first, second) == same


def test_parts_are_kept_apart() -> None:
    keys = [
        ("a", "bc"),
        ("ab", "c"),
        ("abc",),
        ("abc", ""),
        (1, 2),
        (12,),
        ("1", "2"),
        (1, "2"),
        ("[1", "2]"),
    ]
    assert len({keyed_seed(*key) for key in keys}) == len(keys)


def test_a_key_gives_the_same_numbers_on_every_machine_and_in_every_version() -> None:
    assert keyed_seed("prompt", 0, 1, "ü") == 1475030254282762722
    assert keyed_generator("prompt", 0, 1, "ü").integers(0, 1000, 4).tolist() == [486, 339, 483, 36]


@given(KEYS)
def test_seeds_leave_room_for_the_numbers_a_server_adds(key: list[int | str]) -> None:
    assert 0 <= keyed_seed(*key) < 2**62

"""States: parts under names, checks, generators."""

from __future__ import annotations

import json

import numpy as np
import pytest

from rewardrouter.errors import CheckpointError
from rewardrouter.online.state import State, generator_state, restored_generator


def test_parts_come_back_as_they_were_joined():
    inner = State({"x": np.arange(3.0)}, {"n": 1})
    outer = State.joined({"own": "yes"}, first=inner, second=State())
    assert outer.value("own", str) == "yes"
    found = outer.part("first")
    np.testing.assert_array_equal(found.floats("x", 3), inner.arrays["x"])
    assert found.metadata == inner.metadata
    assert outer.part("second") == State({}, {})
    with pytest.raises(CheckpointError, match="no third"):
        outer.part("third")


def test_a_part_is_not_taken_for_one_whose_name_begins_alike():
    outer = State.joined(scale=State({"x": np.zeros(1)}), scale_2=State({"y": np.zeros(1)}))
    assert list(outer.part("scale").arrays) == ["x"]


def test_arrays_are_copies():
    state = State({"x": np.zeros(2)})
    state.floats("x", 2)[0] = 1.0
    assert not state.arrays["x"].any()


def test_a_generator_continues_after_json():
    generator = np.random.Generator(np.random.PCG64(1))
    generator.standard_normal(5)
    again = restored_generator(json.loads(json.dumps(generator_state(generator))))
    np.testing.assert_array_equal(again.standard_normal(5), generator.standard_normal(5))

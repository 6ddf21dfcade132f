"""States: parts under names, checks, generators."""

from __future__ import annotations

import json

import numpy as np
import pytest

from rewardrouter.errors import CheckpointError
from rewardrouter.state import State, generator_state, load_state, restored_generator, save_state


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


def test_a_state_comes_back_from_its_file(tmp_path):
    state = State(
        {"x": np.arange(6.0).reshape(2, 3).T, "n": np.arange(2), "none": np.empty((0, 3))},
        {"generator": generator_state(np.random.Generator(np.random.PCG64(1))), "name": "é"},
    )
    save_state(State({"old": np.zeros(1)}), tmp_path / "state.safetensors")
    save_state(state, tmp_path / "state.safetensors")
    found = load_state(tmp_path / "state.safetensors")
    assert found.metadata == state.metadata
    assert found.arrays.keys() == state.arrays.keys()
    for name, array in state.arrays.items():
        np.testing.assert_array_equal(found.arrays[name], array)
        assert found.arrays[name].dtype == array.dtype
    assert [file.name for file in tmp_path.iterdir()] == ["state.safetensors"]


@pytest.mark.parametrize("content", [None, b"", b"not safetensors", b"\x02\0\0\0\0\0\0\0{}"])
def test_a_file_that_is_no_state_is_refused_in_one_line(tmp_path, content):
    path = tmp_path / "state.safetensors"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"state\.safetensors: no state that can be read"):
        load_state(path)

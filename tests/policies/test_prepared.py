"""A stream on disk, and what is left of responses that begin alike."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_policies import learnable_pairs, tiny_policy

from rewardrouter.errors import CheckpointError
from rewardrouter.policies import PreparedPairs
from rewardrouter.policies.tokens import PairTokens, TokenReport
from rewardrouter.state import State, load_state, save_state

ids = st.lists(st.integers(0, 2), min_size=1, max_size=12).map(lambda given: np.array(given, np.int32))


def of(prompt, a, b) -> PreparedPairs:
    zeros = np.zeros((1, 2), np.float32)
    report = TokenReport(1, 0, 0, 1, 0, 0)
    return PreparedPairs(PairTokens((prompt,), ((a, b),), report), zeros, zeros, "policy")


@given(ids, ids, ids)
def test_rests_part_at_once_and_nothing_is_lost(prompt, a, b):
    prepared = of(prompt, a, b)
    whole, rests = prepared.texts(0, rests=False), prepared.texts(0, rests=True)
    for (before, answer), (more, rest) in zip(whole, rests, strict=True):
        assert np.array_equal(np.concatenate([before, answer]), np.concatenate([more, rest]))
        assert len(rest) >= 1
    assert np.array_equal(rests[0][0], rests[1][0])  # the same stands before both
    (_, one), (_, other) = rests
    assert one[0] != other[0] or min(len(one), len(other)) == 1


@pytest.mark.parametrize("count", [0, 9])
def test_what_is_loaded_is_what_was_saved(count, tiny_llama, tmp_path):
    policy = tiny_policy(tiny_llama)
    prepared = policy.prepare(learnable_pairs(count)[0])
    prepared.save(tmp_path / "stream.safetensors")
    loaded = PreparedPairs.load(tmp_path / "stream.safetensors")
    assert (len(loaded), loaded.policy, loaded.report) == (count, prepared.policy, prepared.report)
    for name in ("reference", "reference_rests", "counts"):
        one, other = getattr(loaded, name), getattr(prepared, name)
        assert one.dtype == other.dtype
        assert np.array_equal(one, other)
    for row in range(count):
        assert np.array_equal(loaded.tokens.prompts[row], prepared.tokens.prompts[row])
        for one, other in zip(loaded.tokens.responses[row], prepared.tokens.responses[row], strict=True):
            assert np.array_equal(one, other)


@pytest.mark.parametrize(
    "damage",
    [
        lambda arrays, metadata: arrays.pop("reference"),
        lambda arrays, metadata: arrays.update(response_ids=arrays["response_ids"][:-1]),
        lambda arrays, metadata: arrays.update(prompt_lengths=np.array([1], np.int64)),
        lambda arrays, metadata: metadata.pop("policy"),
        lambda arrays, metadata: metadata.update(report={"pairs": 3}),
    ],
)
def test_a_broken_file_is_refused(damage, tiny_llama, tmp_path):
    path = tmp_path / "stream.safetensors"
    tiny_policy(tiny_llama).prepare(learnable_pairs(3)[0]).save(path)
    state = load_state(path)
    arrays, metadata = dict(state.arrays), dict(state.metadata)
    damage(arrays, metadata)
    save_state(State(arrays, metadata), path)
    with pytest.raises(CheckpointError):
        PreparedPairs.load(path)


def test_the_reference_is_whole_and_rest(tiny_llama):
    prepared = tiny_policy(tiny_llama).prepare(learnable_pairs(9)[0])
    shared = prepared.reference - prepared.reference_rests  # the beginning: the same on both sides
    assert (shared < -1).any()
    np.testing.assert_allclose(shared[:, 0], shared[:, 1], atol=1e-3)
    assert dataclasses.asdict(prepared.report)["n_pairs"] == 9

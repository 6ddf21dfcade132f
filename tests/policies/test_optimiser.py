"""AdamW with a state of arrays."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import Parameter

from rewardrouter.errors import CheckpointError
from rewardrouter.policies.optimiser import Optimiser
from rewardrouter.state import State, load_state, save_state


def parameters() -> dict[str, Parameter]:
    torch.manual_seed(0)
    return {"a.weight": Parameter(torch.randn(3, 4)), "b": Parameter(torch.randn(5))}


def take_steps(optimiser: Optimiser, own: dict[str, Parameter], steps: range) -> None:
    for step in steps:
        optimiser.zero_grad()
        sum((parameter**2 * (step + 1)).sum() for parameter in own.values()).backward()
        optimiser.step()


def test_it_is_torchs():
    own, theirs = parameters(), parameters()
    take_steps(Optimiser(own, 0.1, 0.01), own, range(5))
    adam = torch.optim.AdamW(theirs.values(), lr=0.1, weight_decay=0.01)
    for step in range(5):
        adam.zero_grad()
        sum((parameter**2 * (step + 1)).sum() for parameter in theirs.values()).backward()
        adam.step()
    for name, parameter in own.items():
        torch.testing.assert_close(parameter, theirs[name])


@pytest.mark.parametrize("before", [0, 3])
def test_resumed_is_uninterrupted(before, tmp_path):
    own, other = parameters(), parameters()
    optimiser, resumed = Optimiser(own, 0.1, 0.01), Optimiser(other, 0.1, 0.01)
    take_steps(optimiser, own, range(before))
    save_state(optimiser.state_dict(), tmp_path / "state")
    take_steps(optimiser, own, range(before, 6))
    take_steps(resumed, other, range(2))
    resumed.load_state_dict(load_state(tmp_path / "state"))
    assert resumed.steps == before
    take_steps(resumed, other, range(before, 6))
    assert all(torch.equal(parameter, other[name]) for name, parameter in own.items())


def test_a_state_is_not_changed_by_further_steps():
    own = parameters()
    optimiser = Optimiser(own, 0.1, 0.01)
    take_steps(optimiser, own, range(1))
    state = optimiser.state_dict()
    copies = {name: array.copy() for name, array in state.arrays.items()}
    take_steps(optimiser, own, range(3))
    assert all(np.array_equal(array, copies[name]) for name, array in state.arrays.items())


def test_a_state_that_does_not_fit_changes_nothing():
    own = parameters()
    optimiser = Optimiser(own, 0.1, 0.01)
    take_steps(optimiser, own, range(2))
    state, before = optimiser.state_dict(), {name: p.detach().clone() for name, p in own.items()}
    broken = State({**state.arrays, "exp_avg_sq.b": np.zeros(4, np.float32)}, state.metadata)
    with pytest.raises(CheckpointError, match="b should be float32"):
        optimiser.load_state_dict(broken)
    assert optimiser.steps == 2
    assert all(torch.equal(parameter, before[name]) for name, parameter in own.items())

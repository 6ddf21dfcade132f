"""The digest of a model's weights."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from rewardrouter.pretrained import weights
from rewardrouter.pretrained.weights import WatchedWeights, weights_digest


def model(dtype: torch.dtype = torch.float32) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 3)).to(dtype)


@torch.no_grad()
def flip_rows(net: nn.Module) -> None:
    net[0].weight.copy_(net[0].weight.flip(0))


@torch.no_grad()
def transpose(net: nn.Module) -> None:
    net[0].weight = nn.Parameter(net[0].weight.reshape(3, 4))


@torch.no_grad()
def nudge(net: nn.Module) -> None:
    net[1].bias[2] += 1e-6


def step(net: nn.Module) -> None:
    optimiser = torch.optim.AdamW(net.parameters(), lr=1e-4)
    net(torch.ones(1, 3)).sum().backward() if net[0].weight.shape == (4, 3) else None
    optimiser.step()


@pytest.mark.parametrize("change", [flip_rows, transpose, nudge, step])
def test_any_change_of_the_weights_is_another_digest(change) -> None:
    net = model()
    watched, before = WatchedWeights(net), weights_digest(model())
    assert watched.digest == before
    change(net)
    assert watched.digest == weights_digest(net) != before
    assert weights_digest(model(torch.bfloat16)) != before


def test_weights_that_came_back_have_their_digest_again() -> None:
    net = model()
    watched = WatchedWeights(net)
    before, kept = watched.digest, {name: value.clone() for name, value in net.state_dict().items()}
    nudge(net)
    assert watched.digest != before
    net.load_state_dict(kept)
    assert watched.digest == before


def test_it_is_computed_once_for_weights_that_stay(monkeypatch) -> None:
    calls = []
    monkeypatch.setattr(weights, "weights_digest", lambda net: calls.append(net) or "digest")
    net = model()
    watched = WatchedWeights(net)
    assert [watched.digest, watched.digest, watched.digest] == ["digest"] * 3
    net(torch.ones(1, 3))
    assert [watched.digest, len(calls)] == ["digest", 1]

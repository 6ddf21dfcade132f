"""How many processes a replay runs in."""

from __future__ import annotations

import os

import pytest
import torch

from rewardrouter.config.policy import PolicyConfig, small_policy_preset
from rewardrouter.simulation.workers import processes_for


def test_a_gpu_is_not_shared_by_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    cores = os.cpu_count() or 1
    assert processes_for(None) == processes_for(PolicyConfig(device="cpu")) == cores
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert processes_for(PolicyConfig()) == 1
    assert processes_for(small_policy_preset()) == processes_for(None) == cores

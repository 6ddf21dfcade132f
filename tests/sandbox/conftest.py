"""A sandbox in miniature: of everything a little, built once."""

from __future__ import annotations

from pathlib import Path

import pytest

from rewardrouter.config.sandbox import SandboxConfig
from rewardrouter.sandbox import Sandbox, build_sandbox

MINIATURE = SandboxConfig.model_validate(
    {
        "policy": {"width": 32, "heads": 2, "mlp_width": 64, "steps": 250, "problems_per_step": 32},
        "samples": {"reward_models": 120, "router": 90, "stream": 90, "evaluation": 90},
        "reward_models": {"steps": 3, "problems_per_step": 4},
    }
)


@pytest.fixture(scope="session")
def miniature() -> SandboxConfig:
    """Its settings."""
    return MINIATURE


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Sandbox:
    """The sandbox."""
    folder: Path = tmp_path_factory.mktemp("sandboxes")
    return build_sandbox(MINIATURE, folder, processes=1)

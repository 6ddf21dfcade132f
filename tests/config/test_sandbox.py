"""Settings of the sandbox."""

from __future__ import annotations

import pytest

from rewardrouter.config.base import validate
from rewardrouter.config.sandbox import SandboxConfig
from rewardrouter.errors import ConfigError


def test_heads_that_do_not_fit_the_width_are_refused():
    with pytest.raises(ConfigError, match="width 60 is no multiple of twice the 4 heads"):
        validate(SandboxConfig, {"policy": {"width": 60}}, source="test")


@pytest.mark.parametrize(
    "wrong", [{"samples": {"responses": 1}}, {"samples": {"temperature": 0}}, {"reward_models": {"steps": 0}}]
)
def test_values_that_train_nothing_are_refused(wrong):
    with pytest.raises(ConfigError):
        validate(SandboxConfig, wrong, source="test")

"""Settings of the user's, checked before the first of many steps is run: its command may be reached hours later."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from rewardrouter.config.base import StrictModel
from rewardrouter.config.benchmark import BenchmarkConfig
from rewardrouter.config.experiment import Scale
from rewardrouter.config.loading import load_config
from rewardrouter.config.offline import OfflineConfig, frozen_preset
from rewardrouter.config.replay import ReplayConfig
from rewardrouter.config.sandbox import SandboxConfig
from rewardrouter.config.speed import SpeedConfig
from rewardrouter.config.train import TrainConfig
from rewardrouter.errors import ConfigError
from rewardrouter.experiments.catalogue import BENCHMARK, CLUSTER, TRAIN

_PLACES = (
    "policy.checkpoint=POLICY",
    "annotator.router=ROUTER",
    "annotator.pool=POOL",
    "prompts.source=PROMPTS",
)
"""Settings of ``train`` that are the steps' own."""

_VERIFIED = ("evaluation.source=PROMPTS", "verifier=MODULE:FUNCTION")
"""Others, where ``train`` verifies its policies."""


def check_settings(given: Mapping[str, Sequence[str]], scale: Scale) -> None:
    """Check settings ``a.b=c`` by the command that they are for.

    Raises
    ------
    ConfigError
        At the first command that would refuse them.
    """
    full = scale == "full"
    loads: dict[str, Callable[[Sequence[str]], StrictModel]] = {
        "fit": lambda words: load_config(OfflineConfig, None, words, defaults=frozen_preset()),
        "simulate": lambda words: load_config(ReplayConfig, None, words, defaults=ReplayConfig()),
        "train": lambda words: load_config(
            TrainConfig, TRAIN if full else None, [*_PLACES, *(() if full else _VERIFIED), *words]
        ),
        "benchmark": lambda words: load_config(BenchmarkConfig, BENCHMARK, words),
        "speed": lambda words: load_config(SpeedConfig, CLUSTER if full else None, words),
        "sandbox": lambda words: load_config(SandboxConfig, None, words),
    }
    for command, words in given.items():
        if words:
            try:
                loads[command](words)
            except ConfigError as error:
                raise ConfigError(f"settings of {command}: {error}") from None

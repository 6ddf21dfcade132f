"""Settings of the strategies that learn online: what an ablation can vary.

On the command line a strategy is ``NAME`` or ``NAME:key=value,key=value``. What differs from the default is part of
its name in every table.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from rewardrouter.config.base import StrictModel

Variance = Annotated[float, Field(ge=1e-9, le=1e9)]
"""Beyond these limits the arithmetic of the posteriors loses its digits."""

RewardName = Literal["loss", "shuffled", "constant", "truth"]
"""``loss``: the paper's (App. B). The others are controls: the same dealt out anew in the batch; 0.5 for every
label; 1 for a right label, which reads the labels."""


class RouterSettings(StrictModel):
    """BayesianRouter (paper 3.3, 3.4)."""

    prior: Literal["offline", "permuted"] = "offline"
    """``offline``: E_bt; ``permuted``: its rows at other arms, a prior that is sure and wrong."""

    prior_variance: Variance = 0.02
    noise_variance: Variance = 1.0
    reward: RewardName = "loss"


class WithoutOfflineSettings(StrictModel):
    """Thompson sampling from nothing (the paper's w/o offline)."""

    contexts: Literal["pair", "encoder"] = "pair"
    """``pair``: h of the trained model; ``encoder``: what the encoder alone gives."""

    prior_variance: Variance = 1.0
    noise_variance: Variance = 1.0
    reward: RewardName = "loss"


class WeightedScoreSettings(StrictModel):
    """``alpha softmax(s_bt) + (1 - alpha) softmax(s_online)``."""

    alpha: float = Field(default=0.5, ge=0, le=1)


class LaserSettings(StrictModel):
    """LASER: LinUCB, one RM per batch."""

    exploration: float = Field(default=0.1, ge=0, le=1e6)
    ridge: Variance = 1.0


class FullAdvantageSettings(StrictModel):
    """Bandit reward against all RMs (paper Table 7)."""

    prior: Literal["none", "offline"] = "none"


class LightAdvantageSettings(StrictModel):
    """Bandit reward against a few RMs (paper Table 7)."""

    prior: Literal["none", "offline"] = "none"
    size: int = Field(default=3, ge=1)
    """C, the RMs asked for comparison."""


class NeuralLinearSettings(StrictModel):
    """A posterior on the last layer of a small network that is trained now and then."""

    width: int = Field(default=32, ge=1)
    every: int = Field(default=10, ge=1)
    """Batches between two trainings."""


class NoSettings(StrictModel):
    """A strategy without settings."""

"""Settings of the sandbox: small models that are trained on the spot on tasks whose answers can be checked.

The defaults are what two CPU cores train in a few minutes, and what makes the models as good as they should be: a
policy that is right about half of the time, reward models that are good somewhere and poor elsewhere.
"""

from __future__ import annotations

from pydantic import Field, model_validator

from rewardrouter.config.base import StrictModel


class SandboxPolicyConfig(StrictModel):
    """The policy: a causal LM (Llama), trained on right answers in every manner."""

    width: int = Field(default=64, ge=2)
    """Size of its hidden states."""

    layers: int = Field(default=2, ge=1)
    """Number of layers."""

    heads: int = Field(default=4, ge=1)
    """Attention heads; the width is a multiple of twice their number."""

    mlp_width: int = Field(default=192, ge=1)
    """Size of a layer's inner states."""

    steps: int = Field(default=1400, ge=1)
    """Steps of training; more make it right more often."""

    problems_per_step: int = Field(default=48, ge=1)
    """Problems of one step; none comes twice but by chance."""

    learning_rate: float = Field(default=6e-3, gt=0)
    """Peak of AdamW's learning rate."""

    @model_validator(mode="after")
    def _divisible(self) -> SandboxPolicyConfig:
        if self.width % (2 * self.heads):
            raise ValueError(f"width {self.width} is no multiple of twice the {self.heads} heads")
        return self


class SandboxSamplesConfig(StrictModel):
    """What the policy is asked, part by part; the parts have no problem in common."""

    responses: int = Field(default=6, ge=2)
    """Responses per problem."""

    temperature: float = Field(default=0.8, gt=0)
    """Of sampling (paper 4.1)."""

    reward_models: int = Field(default=15_000, ge=1)
    """Problems whose responses the reward models are trained on."""

    router: int = Field(default=2_500, ge=1)
    """Problems for fitting a router."""

    stream: int = Field(default=7_000, ge=1)
    """Problems for the replay, or for training a policy."""

    evaluation: int = Field(default=2_500, ge=1)
    """Problems that everything is measured on."""

    pairs_per_problem: int = Field(default=1, ge=1)
    """Pairs made of one problem's responses, at most."""


class SandboxRewardModelsConfig(StrictModel):
    """The reward models: what the policy has learnt, trained on with the Bradley-Terry loss, each on its own slice."""

    steps: int = Field(default=900, ge=1)
    """Steps of training."""

    problems_per_step: int = Field(default=16, ge=1)
    """Problems of one step; of each, up to two right and two wrong responses."""

    learning_rate: float = Field(default=1e-3, gt=0)
    """Peak of AdamW's learning rate."""


class SandboxConfig(StrictModel):
    """The whole sandbox."""

    seed: int = Field(default=0, ge=0, lt=2**32)
    """Of everything."""

    policy: SandboxPolicyConfig = SandboxPolicyConfig()
    """The policy."""

    samples: SandboxSamplesConfig = SandboxSamplesConfig()
    """What it is asked."""

    reward_models: SandboxRewardModelsConfig = SandboxRewardModelsConfig()
    """The reward models."""

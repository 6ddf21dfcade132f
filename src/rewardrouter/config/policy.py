"""Settings of the policy that a replay trains: a causal LM, how it reads a pair, and how it learns from labels.

:class:`PolicyConfig` by default is the paper's setting (LoRA, Adam 5e-6, beta 1; section 4.1). Without a
``checkpoint`` a small causal LM is built from texts first; :func:`small_policy_preset` suits that one: a policy
that a replay of many seeds can afford on one CPU core.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from pydantic import Field, model_validator

from rewardrouter.config.base import StrictModel

LossKind: TypeAlias = Literal["sigmoid", "hinge", "ipo"]
"""DPO's loss (paper Eq. 1), SLiC's, and IPO's."""


class LoraSettings(StrictModel):
    """A low-rank adapter on some of the policy's matrices; everything else stays as it is."""

    rank: int = Field(default=16, ge=1)
    """Rank of the adapter."""

    alpha: int = Field(default=32, ge=1)
    """The adapter's output is scaled by alpha / rank."""

    target_modules: tuple[str, ...] = Field(default=("q_proj", "v_proj"), min_length=1)
    """Names of the matrices that get an adapter, in every layer."""


class SmallPolicyConfig(StrictModel):
    """A small causal LM (byte-level BPE, Llama), built and first trained as a language model."""

    vocabulary: int = Field(default=640, ge=300)
    """Tokens of its vocabulary: the 256 bytes, a few special ones, the rest merges."""

    width: int = Field(default=32, ge=2)
    """Size of its hidden states."""

    layers: int = Field(default=1, ge=1)
    """Number of layers."""

    heads: int = Field(default=1, ge=1)
    """Attention heads; the width is a multiple of twice their number."""

    mlp_width: int = Field(default=96, ge=1)
    """Size of a layer's inner states."""

    positions: int = Field(default=512, ge=2)
    """Tokens that it can read at once."""

    block_tokens: int = Field(default=128, ge=2)
    """Tokens of one training example: the texts stand one after the other and are cut into such blocks."""

    blocks_per_step: int = Field(default=16, ge=1)
    """Training examples of one step."""

    epochs: int = Field(default=4, ge=1)
    """Passes over the texts."""

    learning_rate: float = Field(default=5e-3, gt=0)
    """Peak of AdamW's learning rate; it rises over the first steps and falls to zero along a cosine."""

    weight_decay: float = Field(default=0.1, ge=0)
    """Of AdamW, on matrices."""

    @model_validator(mode="after")
    def _divisible(self) -> SmallPolicyConfig:
        # Rotary positions turn pairs of a head's coordinates.
        if self.width % (2 * self.heads):
            raise ValueError(f"width {self.width} is no multiple of twice the {self.heads} heads")
        if self.block_tokens > self.positions:
            raise ValueError(f"block_tokens {self.block_tokens} is more than its {self.positions} positions")
        return self


class PolicyConfig(StrictModel):
    """The policy of a replay."""

    checkpoint: str | None = Field(default=None, min_length=1)
    """A hub id or a local folder of ``save_pretrained``; unset, a small policy is built (see ``small``)."""

    revision: str | None = None
    """Branch, tag or commit of a hub checkpoint; unset means its default branch."""

    loss: LossKind = "sigmoid"
    """The loss of a labelled pair."""

    beta: float = Field(default=1.0, gt=0)
    """How strongly the policy is held to its start; IPO's tau."""

    tuning: Literal["full", "lora"] = "lora"
    """Whether every weight is trained or only an adapter."""

    lora: LoraSettings = LoraSettings()
    """The adapter."""

    learning_rate: float = Field(default=5e-6, gt=0)
    """Of AdamW, constant."""

    weight_decay: float = Field(default=0.0, ge=0)
    """Of AdamW; 0 makes it Adam."""

    max_prompt_tokens: int = Field(default=128, ge=1)
    """Tokens that are read of a prompt: its end."""

    max_response_tokens: int = Field(default=256, ge=1)
    """Tokens that are read of a response: its beginning."""

    template: Literal["auto", "none"] = "auto"
    """``auto``: the tokenizer's chat template where it has one; ``none``: the response follows the prompt."""

    device: str = Field(default="auto", min_length=1)
    """``cpu``, ``cuda``, ``cuda:1``, ...; ``auto`` is ``cuda`` where there is one, else ``cpu``."""

    dtype: Literal["auto", "fp32", "bf16"] = "auto"
    """Arithmetic; ``auto`` is bf16 on a GPU that has it, else fp32. What is trained is held in fp32."""

    microbatch_tokens: int = Field(default=8192, ge=1)
    """Tokens that go through the model at once, padding included; at least one pair does. It changes memory
    and speed; the step is that of the whole batch."""

    gradient_checkpointing: bool = False
    """Compute the layers' states again instead of keeping them: less memory, a third more time."""

    small: SmallPolicyConfig = SmallPolicyConfig()
    """The policy that is built where no checkpoint is given."""


def small_policy_preset() -> PolicyConfig:
    """Return the settings for the small policy: all of it is trained, on a CPU, with short texts.

    Learning rate and beta were chosen on half of the problems of RewardBench verdicts: how well the margins of
    trained pairs tell the truth after 10 to 100 steps of 64 pairs, with true labels and with 7 % wrong ones.
    """
    return PolicyConfig(
        tuning="full",
        learning_rate=1e-4,
        max_prompt_tokens=32,
        max_response_tokens=128,
        device="cpu",
        microbatch_tokens=4096,
    )

"""What ``rewardrouter train`` is told: ``config.yaml`` of a run.

::

    policy:     {checkpoint: Qwen/Qwen2.5-0.5B-Instruct}
    annotator:  {strategy: router, router: router, pool: pool.yaml}
    prompts:    {source: prompts.jsonl}
    steps: 200

Defaults are the paper's (section 4.1): LoRA of rank 16 on q_proj and v_proj, Adam at 5e-6, beta 1, 16 prompts a step,
one epoch. Paths are relative to where the command is given.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from rewardrouter.config.base import StrictModel
from rewardrouter.config.generation import SamplingSettings
from rewardrouter.config.online import OnlineSettings, PairSettings, PromptSettings
from rewardrouter.config.policy import LoraSettings, LossKind


class TrainedPolicy(StrictModel):
    """The policy and how it learns from labels."""

    checkpoint: str = Field(min_length=1)
    """A hub id or a local folder of ``save_pretrained``."""

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
    """Of AdamW."""

    weight_decay: float = Field(default=0.0, ge=0)
    """Of AdamW; 0 makes it Adam."""

    schedule: Literal["constant", "linear", "cosine"] = "constant"
    """How the learning rate goes on."""

    max_grad_norm: float = Field(default=1.0, ge=0)
    """Gradients longer than this are shortened to it; 0 leaves them alone."""

    dtype: Literal["auto", "fp32", "bf16"] = "auto"
    """Arithmetic; ``auto`` is bf16 on a GPU that has it, else fp32."""

    gradient_checkpointing: bool = False
    """Compute the layers' states again instead of keeping them: less memory, a third more time."""


class AnnotatorSettings(StrictModel):
    """Who labels."""

    strategy: str = "router"
    """As in ``simulate``: ``router``, ``laser``, ``random``, ``majority``, ``single/NAME``,
    ``router:prior_variance=0.1`` ...; ``oracle`` labels with the verifier."""

    router: str
    """Folder of the fitted router; its reward models are the pool of every strategy."""

    pool: str
    """The pool file: how they are asked."""


class PromptSource(PromptSettings):
    """Where prompts come from, and how they are read."""

    source: str
    """A file (parquet, JSON lines), a folder of ``datasets``, or a hub name; rows with ``prompt``, and ``id`` where
    there is one."""


class EvaluationSettings(StrictModel):
    """How the policy is measured before and after training: its likeliest response to each prompt, verified."""

    source: str
    """Prompts that are not trained on."""

    limit: int | None = Field(default=None, ge=1)
    """So many of them at most, the first ones."""

    batch_size: int = Field(default=256, ge=1)
    """Responses written at once."""


class TrainConfig(StrictModel):
    """A run of online DPO."""

    policy: TrainedPolicy
    annotator: AnnotatorSettings
    prompts: PromptSource

    generation: SamplingSettings = SamplingSettings()
    """How responses are sampled."""

    pairs: PairSettings = PairSettings()
    """Which pairs are made of them."""

    prompts_per_step: int = Field(default=16, ge=1)
    """Prompts of one optimiser step, over all processes."""

    microbatches: int = Field(default=1, ge=1)
    """Parts in which a step's pairs go through the model (gradient accumulation). It changes memory and speed alone."""

    steps: int | None = Field(default=None, ge=1)
    """Optimiser steps; unset means ``epochs``."""

    epochs: int = Field(default=1, ge=1)
    """Passes over the prompts, where ``steps`` is not given."""

    seed: int = Field(default=0, ge=0, lt=2**31)
    """Of everything."""

    overlap: bool = False
    """Let reward models judge while the next step's responses are sampled: one step off-policy."""

    verifier: str | None = Field(default=None, pattern=r"^[\w.]+:\w+$")
    """``module:function``, called with a response and its prompt's row: true, false, or ``None`` where it cannot say.
    For the metrics, the evaluation and the oracle; no other strategy learns from it."""

    evaluation: EvaluationSettings | None = None
    """The measurement; it needs a verifier."""

    save_every: int = Field(default=50, ge=1)
    """Steps between two checkpoints."""

    keep: int = Field(default=2, ge=1)
    """Checkpoints kept."""

    log_every: int = Field(default=10, ge=1)
    """Steps between two lines on the terminal and in ``report_to``; ``metrics.jsonl`` has every step."""

    report_to: tuple[str, ...] = ()
    """Trackers of transformers' ``Trainer``: wandb, tensorboard, mlflow, trackio ..."""

    arguments: dict[str, Any] = Field(default_factory=dict)
    """Further settings of TRL's ``DPOConfig``, as they are: ``fsdp``, ``deepspeed``, ``optim`` ..."""

    @model_validator(mode="after")
    def _fits_together(self) -> TrainConfig:
        if self.prompts_per_step % self.microbatches:
            raise ValueError(
                f"microbatches {self.microbatches}: must divide prompts_per_step {self.prompts_per_step}"
            )
        if self.verifier is None and self.evaluation is not None:
            raise ValueError("verifier: missing; evaluation needs one")
        if self.verifier is None and self.annotator.strategy == "oracle":
            raise ValueError("verifier: missing; annotator.strategy oracle labels with it")
        OnlineSettings(generation=self.generation, pairs=self.pairs)
        return self

    @property
    def online(self) -> OnlineSettings:
        """What a step asks of the policy."""
        prompts = PromptSettings(
            **{name: getattr(self.prompts, name) for name in PromptSettings.model_fields}
        )
        return OnlineSettings(
            prompts=prompts, generation=self.generation, pairs=self.pairs, overlap=self.overlap
        )

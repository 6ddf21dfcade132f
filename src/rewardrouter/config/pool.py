"""The pool file: which reward models may be asked.

::

    rms:
      - name: GRM-Gemma-2B
        kind: recorded
        source: verdicts.parquet      # relative to this file
        record: GRM-Gemma-2B-rewardmodel-ft
      - name: Skywork
        kind: hf
        source: Skywork/Skywork-Reward-V2-Qwen3-0.6B

``recorded`` repeats verdicts; an entry of it without a name, ``{kind: recorded, source: verdicts.parquet}``,
stands for every RM that the source holds, each under its own name. ``hf`` runs a sequence classifier of
Hugging Face in this process. ``vllm``, ``sglang``, ``openrlhf`` and ``judge`` are reward models behind a server
(:mod:`rewardrouter.config.servers`). ``verifier`` checks each response against the right answer
(:mod:`rewardrouter.config.verifier`). With ``engine: ray`` they are actors of Ray (:mod:`rewardrouter.config.ray`).
"""

from __future__ import annotations

import hashlib
from typing import Annotated, Literal, TypeAlias

from pydantic import Field, model_validator

from rewardrouter.config.base import StrictModel
from rewardrouter.config.costs import Cost
from rewardrouter.config.ray import ClusterConfig, RayPlaced
from rewardrouter.config.servers import JudgeConfig, OpenRlhfConfig, SglangConfig, VllmConfig
from rewardrouter.config.text_form import TextForm
from rewardrouter.config.verifier import VerifierConfig
from rewardrouter.config.window import WindowConfig


class RecordedConfig(StrictModel):
    """Reward models whose verdicts were recorded earlier."""

    kind: Literal["recorded"]
    """A recording."""

    source: str = Field(min_length=1)
    """The verdicts: a wide file, or the folder that ``collect`` writes; relative to the pool file."""

    name: str | None = None
    """The RM's name in the pool; without it, all RMs of the source join under their own names."""

    record: str | None = None
    """The RM's name in the source, where that is another."""

    cost: Cost | None = None
    """What one verdict cost, for strategies with a budget; give ``name`` with it."""

    @model_validator(mode="after")
    def _named(self) -> RecordedConfig:
        if self.record is not None and self.name is None:
            raise ValueError("record names an RM of the source: give its name in the pool too")
        if self.cost is not None and self.name is None:
            raise ValueError("cost is of one RM: give its name in the pool too")
        return self


class HfConfig(WindowConfig, RayPlaced):
    """A pointwise reward model: a sequence classifier with one label, loaded with transformers."""

    kind: Literal["hf"] = "hf"
    """A checkpoint of Hugging Face."""

    name: str = Field(min_length=1)
    """The RM's name in the pool."""

    source: str = Field(min_length=1)
    """A folder of ``save_pretrained``, relative to the pool file; where there is none of that name, a hub id."""

    revision: str | None = None
    """Branch, tag or commit of a hub checkpoint; unset means its default branch."""

    like: str | None = Field(default=None, min_length=1)
    """The hub id of a reward model that is known (``reward_models/known.yaml``), for a copy of it: what is unset here
    is as there. Unset means ``source``, if that is one."""

    template: Literal["auto", "none"] = "auto"
    """``auto``: the tokenizer's chat template where it has one; ``none``: the response follows the prompt."""

    form: TextForm | None = None
    """A text form of the model's own, in place of a template."""

    system: str | None = Field(default=None, min_length=1)
    """A system message put before every prompt that has none of its own."""

    max_tokens: int | None = Field(default=None, ge=8)
    """Tokens of one text, special ones included; unset means what the checkpoint reads, else 2048. A checkpoint
    that reads fewer limits it."""

    device: str = Field(default="auto", min_length=1)
    """``cpu``, ``cuda``, ``cuda:1``, ...; ``auto`` is ``cuda`` where there is one, else ``cpu``."""

    dtype: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    """Of the weights; ``auto`` is fp32 on a CPU, on a GPU what a known model's authors use, else bf16 where it has
    instructions for it, else fp16."""

    batch_tokens: int = Field(default=8192, ge=1)
    """Tokens of one batch, padding included; a text longer than this is a batch of its own."""

    cost: Cost | None = None
    """Price of one verdict, in a unit of your own; ``collect`` adds it up."""

    @model_validator(mode="after")
    def _one_form(self) -> HfConfig:
        if self.form is not None and "template" in self.model_fields_set:
            raise ValueError("form and template: one stands in place of the other; give one")
        return self


LiveConfig: TypeAlias = HfConfig | VllmConfig | SglangConfig | OpenRlhfConfig | JudgeConfig | VerifierConfig
"""The entry of a reward model that is really asked."""

RewardModelConfig: TypeAlias = Annotated[RecordedConfig | LiveConfig, Field(discriminator="kind")]
"""One entry of a pool file."""


class PoolConfig(StrictModel):
    """A pool of reward models."""

    rms: tuple[RewardModelConfig, ...] = Field(min_length=1)
    """The reward models."""

    engine: Literal["local", "ray"] = "local"
    """Where those run that are really asked: in this process, or as actors of Ray (:mod:`rewardrouter.config.ray`).
    Recordings are read in this process either way."""

    cluster: ClusterConfig = ClusterConfig()
    """Under ``engine: ray``, the cluster."""

    cache: bool | str = False
    """Keep verdicts on disk, so that no RM is asked twice about the same texts: a folder, relative to the pool file;
    ``true`` means ``verdicts`` in the user's cache folder."""

    @property
    def deciding(self) -> str:
        """A digest of all settings but those of the engine, which decide no verdict."""
        settings = self.model_dump_json(
            exclude={"engine": True, "cluster": True, "rms": {"__all__": {"ray"}}}
        )
        return hashlib.sha256(settings.encode()).hexdigest()[:16]

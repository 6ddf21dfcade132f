"""Settings of online DPO: what is asked of the policy at every step, and which pairs are made of its answers.

Defaults are the paper's (section 4.1): 6 responses per prompt at temperature 0.8, 4 of their 15 pairs, prompts of at
most 128 tokens, responses of at most 256. The optimiser's settings are those of TRL's ``DPOConfig``.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from pydantic import Field, model_validator

from rewardrouter.config.base import StrictModel
from rewardrouter.config.generation import SamplingSettings

PairRule: TypeAlias = Literal["random", "different", "all"]
"""How pairs are chosen among one prompt's responses."""


class PromptSettings(StrictModel):
    """How the policy reads prompts."""

    template: Literal["auto", "none"] = "auto"
    """``auto``: the tokenizer's chat template where it has one; ``none``: the response follows the prompt."""

    max_tokens: int = Field(default=128, ge=1)
    """Tokens of a prompt, special ones included."""

    over_limit: Literal["drop", "cut"] = "drop"
    """What becomes of a longer one: left out, or its end kept. Either is reported."""


class PairSettings(StrictModel):
    """Which pairs are made of one prompt's responses. Identical responses are never paired."""

    per_prompt: int = Field(default=4, ge=1)
    """Pairs of one prompt, at most; ``all`` takes every one."""

    rule: PairRule = "random"
    """``random``: distinct random ones; ``different``: the most different; ``all``."""


class OnlineSettings(StrictModel):
    """Everything of a step but the update."""

    prompts: PromptSettings = PromptSettings()
    """How prompts are read."""

    generation: SamplingSettings = SamplingSettings()
    """How responses are sampled."""

    pairs: PairSettings = PairSettings()
    """Which pairs are made of them."""

    overlap: bool = False
    """Let the reward models judge a step's pairs while the next step's responses are sampled. Those are then one step
    off-policy."""

    give_up_after: int = Field(default=5, ge=1)
    """Steps in a row without a single label after which training stops with an error."""

    @model_validator(mode="after")
    def _enough_responses(self) -> OnlineSettings:
        k = self.generation.responses
        if k < 2:
            raise ValueError(f"generation.responses {k}: a pair needs two")
        if self.pairs.rule != "all" and self.pairs.per_prompt > k * (k - 1) // 2:
            raise ValueError(
                f"pairs.per_prompt {self.pairs.per_prompt}: {k} responses have {k * (k - 1) // 2} pairs"
            )
        return self

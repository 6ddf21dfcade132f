"""Who samples responses: this process, or a vLLM server."""

from __future__ import annotations

from transformers import PreTrainedTokenizerBase

from rewardrouter.config.generation import SamplingSettings
from rewardrouter.training.generation import TransformersGenerator
from rewardrouter.training.responses import ResponseGenerator
from rewardrouter.training.vllm import VllmGenerator


def response_generator(
    tokenizer: PreTrainedTokenizerBase, settings: SamplingSettings, *, seed: int
) -> ResponseGenerator:
    """Return the generator that the settings name.

    Raises
    ------
    ConfigError
        If the settings do not fit each other.
    """
    kind = TransformersGenerator if settings.engine == "transformers" else VllmGenerator
    return kind(tokenizer, settings, seed=seed)

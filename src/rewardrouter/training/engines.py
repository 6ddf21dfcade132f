"""Who samples responses: this process, or a vLLM server."""

from __future__ import annotations

from importlib.util import find_spec

from transformers import PreTrainedTokenizerBase

from rewardrouter.config.generation import SamplingSettings
from rewardrouter.errors import MissingDependencyError
from rewardrouter.training.generation import TransformersGenerator
from rewardrouter.training.responses import ResponseGenerator


def response_generator(
    tokenizer: PreTrainedTokenizerBase, settings: SamplingSettings, *, seed: int
) -> ResponseGenerator:
    """Return the generator that the settings name.

    Raises
    ------
    ConfigError
        If the settings do not fit each other.
    MissingDependencyError
        If a server samples, and httpx2 is not installed.
    """
    if settings.engine == "transformers":
        return TransformersGenerator(tokenizer, settings, seed=seed)
    if find_spec("httpx2") is None:
        raise MissingDependencyError("httpx2", "http", "generation.engine vllm")
    from rewardrouter.training.vllm import VllmGenerator

    return VllmGenerator(tokenizer, settings, seed=seed)

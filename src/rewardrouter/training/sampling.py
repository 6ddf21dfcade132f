"""Sampling in which every token has a random number of its own.

The token at a response's position t is the one at which the cumulative probability passes u[t], a uniform number that
follows from the seed, the step, the prompt's id, the response's number and t (inverse transform sampling). So a
response does not depend on which others share its batch, but for the rounding of the model's own arithmetic.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from transformers import (
    LogitsProcessor,
    LogitsProcessorList,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from rewardrouter.config.generation import SamplingSettings
from rewardrouter.training.draws import keyed_generator


def response_uniforms(
    tokens: int, *, seed: int, step: int, prompt: str, number: int
) -> npt.NDArray[np.float64]:
    """Return the uniform numbers of one response, ``float64 [tokens]``, each at least 0 and below 1.

    The first ones are the same for every ``tokens``.
    """
    return keyed_generator("response", seed, step, prompt, number).random(tokens)


def draw_tokens(scores: Tensor, uniforms: Tensor) -> Tensor:
    """Return the token of each row at which the cumulative probability passes the row's uniform number.

    Parameters
    ----------
    scores
        ``float32 [R, V]``: logits; minus infinity where a token cannot come.
    uniforms
        ``float64 [R]``, at least 0 and below 1.

    Returns
    -------
    Tensor
        ``int64 [R]``. A token of probability 0 is never drawn. A row whose scores are not numbers gives token 0.
    """
    probabilities = scores.softmax(dim=-1, dtype=torch.float32)
    # In float64, where 150,000 addends err by less than a uniform number's last digits. The sum need not be exactly
    # monotone on a GPU, so tokens that cannot come are taken out of it.
    passed = probabilities.cumsum(dim=-1, dtype=torch.float64).masked_fill_(probabilities == 0, 0.0)
    # A number below 1 times a total close to 1 is, rounded, below that total: some token passes it.
    threshold = uniforms * passed.amax(dim=-1)
    return (passed > threshold[:, None]).to(torch.uint8).argmax(dim=-1)


class InverseTransform(LogitsProcessor):
    """Draws each row's next token with the numbers given and leaves it as the only one that can come.

    It is the last word of ``model.generate(do_sample=False)``.

    Parameters
    ----------
    settings
        Temperature, top-k and top-p, which are transformers' own.
    uniforms
        ``float64 [R, max_new_tokens]``.
    prompt_tokens
        Length of the rows before the first new token, padding included.
    """

    def __init__(self, settings: SamplingSettings, uniforms: Tensor, prompt_tokens: int) -> None:
        self._uniforms = uniforms
        self._prompt_tokens = prompt_tokens
        self._warpers: Any = LogitsProcessorList(
            [
                *([TemperatureLogitsWarper(settings.temperature)] if settings.temperature != 1 else []),
                *([TopKLogitsWarper(settings.top_k)] if settings.top_k else []),
                *([TopPLogitsWarper(settings.top_p)] if settings.top_p < 1 else []),
            ]
        )
        self._finite = torch.ones((), dtype=torch.bool, device=uniforms.device)

    @property
    def finite(self) -> bool:
        """Whether all scores so far were numbers; those of a policy whose weights are broken are not."""
        return bool(self._finite)

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Return ``float32 [R, V]``: 0 at the tokens drawn, minus infinity elsewhere."""
        self._finite &= scores.amax(dim=-1).isfinite().all()  # what is not a number is the largest
        position = input_ids.shape[1] - self._prompt_tokens
        drawn = draw_tokens(self._warpers(input_ids, scores), self._uniforms[:, position])
        return torch.full_like(scores, -torch.inf).scatter_(1, drawn[:, None], 0.0)

"""Loading a model of transformers: on which device, without its noise, and how much it reads."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase
from transformers.utils import logging as transformers_logging

from rewardrouter.errors import CheckpointError, one_line

_UNLIMITED = 1_000_000
"""A tokenizer without a length limit says so with a huge number."""


def resolve_device(name: str) -> torch.device:
    """Return the device of that name; ``auto`` is cuda where there is one, else cpu.

    Raises
    ------
    CheckpointError
        If this machine has no such device.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise CheckpointError(
            f"device {name!r} cannot be used: {one_line(error)}. Use cpu or auto"
        ) from error
    return device


def max_length(model: PreTrainedModel | None, tokenizer: PreTrainedTokenizerBase) -> int | None:
    """Return how many tokens can be read, special ones included: the shorter of the model's and the tokenizer's limit.

    ``None`` where neither has one; without a model, the tokenizer's. The model's weights are not looked at: it may be
    on the meta device.
    """
    limits = [int(tokenizer.model_max_length)]
    positions = None
    with suppress(NotImplementedError):  # how XLNet says that it has no limit
        if model is not None:
            positions = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    if model is not None and positions:
        table = getattr(getattr(model.base_model, "embeddings", None), "position_embeddings", None)
        padding = getattr(table, "padding_idx", None)  # RoBERTa and its kin count positions from there on
        limits.append(int(positions) - (0 if padding is None else int(padding) + 1))
    limits = [limit for limit in limits if 0 < limit < _UNLIMITED]
    return min(limits, default=None)


def vocabulary_size(model: PreTrainedModel) -> int:
    """Return the number of tokens that the model has an embedding for."""
    return int(model.config.get_text_config().vocab_size)


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Load and save without transformers' bars and its table of weights that are left over (an unused head)."""
    bars, verbosity = transformers_logging.is_progress_bar_enabled(), transformers_logging.get_verbosity()
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    transformers_logging.set_verbosity(logging.ERROR)
    try:
        yield
    finally:
        transformers_logging.set_verbosity(verbosity)
        if bars:
            transformers_logging.enable_progress_bar()  # type: ignore[no-untyped-call]

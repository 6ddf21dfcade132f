"""Settings of the encoder: which checkpoint reads a text, how much of it, and what is kept of its states."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from rewardrouter.config.base import StrictModel


class EncoderConfig(StrictModel):
    """The shared encoder ``e = Enc(x || y)`` of paper 3.2."""

    checkpoint: str = Field(default="minilm", min_length=1)
    """Alias (``minilm``, ``smollm2``), a Hugging Face hub id, or a local folder of ``save_pretrained``."""

    revision: str | None = None
    """Branch, tag or commit of a hub checkpoint; unset means its default branch."""

    max_tokens: int = Field(default=512, ge=1)
    """Tokens of one text, prompt, response and special tokens; a checkpoint that reads fewer limits it."""

    poolings: tuple[str, ...] | Literal["auto"] = "auto"
    """What is kept of a text, as ``REGION.OP@LAYER`` (``all.mean@-1``); ``auto`` is ``all.mean@-1`` for
    BERT-like and ``all.last@-1`` for causal checkpoints."""

    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """Arithmetic; ``auto`` is bf16 (autocast) where the device has instructions for it, else fp32."""

    device: str = Field(default="auto", min_length=1)
    """``cpu``, ``cuda``, ``cuda:1``, ...; ``auto`` is ``cuda`` where there is one, else ``cpu``."""

    batch_tokens: int = Field(default=8192, ge=1)
    """Tokens of one batch, padding included; a text longer than this is a batch of its own."""

    trust_remote_code: bool = False
    """Whether a checkpoint may run Python code that it brings along."""

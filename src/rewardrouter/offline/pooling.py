"""From the states of every token to one vector per text.

A *pooling* is written ``REGION.OP@LAYER``:

* REGION: ``all`` tokens of the text, or only those of the ``prompt`` or the ``response``
  (special tokens belong to neither);
* OP: ``mean`` or ``max`` over the region, or its ``first`` or ``last`` token;
* LAYER: an index into the hidden states, 0 being the embeddings and -1 the last layer, or ``mid``,
  the middle one.

Sentence encoders are trained for ``all.mean@-1``; in a causal model only the last token has
seen the whole text: ``all.last@-1`` (paper 3.2). Several poolings are put side by side.
A region without tokens (an empty prompt) gives zeros.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from typing import Literal, get_args

import torch
from torch import Tensor

from rewardrouter.errors import ConfigError, did_you_mean

Region = Literal["all", "prompt", "response"]
Operation = Literal["mean", "max", "last", "first"]
Kind = Literal["causal", "bidirectional"]
"""Whether a token sees only what stands before it, or the whole text."""

AUTO: dict[Kind, tuple[str, ...]] = {"bidirectional": ("all.mean@-1",), "causal": ("all.last@-1",)}
"""The poolings that ``"auto"`` stands for."""

_FORM = re.compile(r"(?P<region>[^.@]*)\.(?P<operation>[^.@]*)@(?P<layer>[+-]?\d+|mid)")


@dataclasses.dataclass(frozen=True, slots=True)
class Pooling:
    """One pooling; ``layer`` indexes the hidden states (0: embeddings, -1: last layer, ``mid``: the middle)."""

    region: Region
    operation: Operation
    layer: int | Literal["mid"]

    @classmethod
    def parse(cls, spec: str) -> Pooling:
        """Return the pooling that ``spec`` describes.

        Raises
        ------
        ConfigError
            If it is not of the form ``REGION.OP@LAYER`` with a known region and operation.
        """
        match = _FORM.fullmatch(spec.strip())
        if match is None:
            raise ConfigError(f"pooling {spec!r}: expected REGION.OP@LAYER, for example all.mean@-1")
        region = _known(match["region"], get_args(Region), "region", spec)
        operation = _known(match["operation"], get_args(Operation), "operation", spec)
        layer = "mid" if match["layer"] == "mid" else int(match["layer"])
        return cls(region, operation, layer)  # type: ignore[arg-type]

    def state(self, n_states: int) -> int:
        """Return the index into an encoder's ``n_states`` hidden states."""
        return n_states // 2 if self.layer == "mid" else self.layer

    def __str__(self) -> str:
        return f"{self.region}.{self.operation}@{self.layer}"


def resolve_poolings(
    specs: Sequence[str] | Literal["auto"], kind: Kind, n_states: int
) -> tuple[Pooling, ...]:
    """Return the poolings of an encoder.

    Parameters
    ----------
    specs
        Their texts, or ``"auto"``.
    kind
        Of the encoder; chooses what ``"auto"`` is.
    n_states
        Number of hidden states: the embeddings and one per layer.

    Raises
    ------
    ConfigError
        If there is none, one is malformed or named twice, or a layer does not exist.
    """
    poolings = tuple(Pooling.parse(spec) for spec in (AUTO[kind] if specs == "auto" else specs))
    if not poolings:
        raise ConfigError('poolings: none given. Give at least one, or "auto"')
    if len(set(poolings)) != len(poolings):
        raise ConfigError(f"poolings: one is named twice: {', '.join(map(str, poolings))}")
    for pooling in poolings:
        if not -n_states <= pooling.state(n_states) < n_states:
            raise ConfigError(
                f"pooling {pooling}: layer {pooling.layer} does not exist;"
                f" this encoder has the states 0 to {n_states - 1} (or -{n_states} to -1)"
            )
    return poolings


@dataclasses.dataclass(frozen=True, slots=True)
class RegionMasks:
    """Which tokens belong to which region: ``bool [B, T]`` each, padding in none."""

    whole: Tensor
    prompt: Tensor
    response: Tensor

    @classmethod
    def from_bounds(cls, lengths: Tensor, prompts: Tensor, responses: Tensor, width: int) -> RegionMasks:
        """Return the masks of B texts padded on the right to ``width`` tokens.

        Parameters
        ----------
        lengths
            ``int64 [B]``: tokens of each text.
        prompts, responses
            ``int64 [B, 2]``: start and stop of each region.
        width
            T.
        """
        position = torch.arange(width, device=lengths.device)[None, :]

        def within(bounds: Tensor) -> Tensor:
            return (position >= bounds[:, :1]) & (position < bounds[:, 1:])

        return cls(position < lengths[:, None], within(prompts), within(responses))

    def of(self, region: Region) -> Tensor:
        """Return the mask of one region, ``bool [B, T]``."""
        return {"all": self.whole, "prompt": self.prompt, "response": self.response}[region]


def pool(hidden_states: Sequence[Tensor], masks: RegionMasks, poolings: Sequence[Pooling]) -> Tensor:
    """Return the vectors of B texts, ``float32 [B, len(poolings) * D]``.

    Parameters
    ----------
    hidden_states
        One ``[B, T, D]`` per state: the embeddings, then the layers.
    masks
        The regions of the same B texts.
    poolings
        What to keep; their vectors stand side by side in this order.
    """
    pooled = [
        _pool(hidden_states[p.state(len(hidden_states))], masks.of(p.region), p.operation) for p in poolings
    ]
    return torch.cat(pooled, dim=1)


def _pool(states: Tensor, mask: Tensor, operation: Operation) -> Tensor:
    """Return ``float32 [B, D]``; zeros where ``mask`` has no token, whatever the padding's states are."""
    empty = ~mask.any(dim=1, keepdim=True)
    if operation in ("first", "last"):
        towards_end = mask.flip(1) if operation == "last" else mask
        offset = towards_end.int().argmax(dim=1)
        index = mask.shape[1] - 1 - offset if operation == "last" else offset
        pooled = states[torch.arange(len(states), device=states.device), index].float()
    elif operation == "max":
        pooled = states.float().masked_fill(~mask[:, :, None], -torch.inf).amax(dim=1)
    else:
        total = states.float().masked_fill(~mask[:, :, None], 0.0).sum(dim=1)
        pooled = total / mask.sum(dim=1, keepdim=True).clamp(min=1)
    return pooled.masked_fill(empty, 0.0)


def _known(word: str, known: Sequence[str], what: str, spec: str) -> str:
    if word not in known:
        raise ConfigError(
            f"pooling {spec!r}: unknown {what} {word!r}.{did_you_mean(word, known)} Known: {', '.join(known)}"
        )
    return word

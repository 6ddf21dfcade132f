"""The pair encoder: texts of preference pairs in, one vector per distinct text out.

``e = Enc(x || y)`` (paper 3.2) depends on the prompt and one response only. So a pair's two texts
are encoded apart, each *distinct* text once, however many pairs it occurs in. Texts of similar
length share a batch, because every text of a batch costs as much as the longest one.

There are two ways through the same model and poolings: :meth:`PairEncoder.encode` for a frozen
encoder (numpy, no gradients, cached on disk), :meth:`PairEncoder.forward_texts` for full-parameter
training (tensors, with gradients).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from transformers import PreTrainedModel

from rewardrouter.config.encoder import EncoderConfig
from rewardrouter.errors import ConfigError
from rewardrouter.offline.cache import EmbeddingCache, setting_key
from rewardrouter.offline.checkpoint import EncoderCheckpoint, load_encoder_checkpoint
from rewardrouter.offline.pooling import Pooling, RegionMasks, pool, resolve_poolings
from rewardrouter.offline.prepared import PreparedPairs, prepare_pairs
from rewardrouter.offline.text import TokenText, layout_for
from rewardrouter.pairs import PreferencePair
from rewardrouter.pretrained.batches import length_batches
from rewardrouter.pretrained.loading import quiet_transformers
from rewardrouter.pretrained.weights import WatchedWeights, weights_digest

Progress = Callable[[int, int], None]
"""Told how many texts are done, and of how many."""

MIN_TOKENS = 32
"""Tokens that prompt and response must have room for: below this nothing useful is left of them."""

_STORE_EVERY = 512
"""Texts per shard of the cache: what an interrupted run loses at most."""


class PairEncoder:
    """A loaded encoder with its settings.

    Attributes
    ----------
    checkpoint
        Model, tokenizer and what is known of them. The model is in evaluation mode until its
        trainer says otherwise.
    config
        The settings.
    max_tokens
        Tokens of a text, special ones included: the settings' limit, or the checkpoint's if that is less.
    precision
        ``"fp32"`` or ``"bf16"`` (autocast; the weights stay in float32).
    """

    def __init__(self, checkpoint: EncoderCheckpoint, config: EncoderConfig) -> None:
        self.checkpoint = checkpoint
        self.config = config
        self.precision = resolve_precision(config.precision, checkpoint.model.device)
        self.max_tokens = min(config.max_tokens, checkpoint.max_length or config.max_tokens)
        self._poolings: tuple[Pooling, ...] = resolve_poolings(
            config.poolings, checkpoint.kind, checkpoint.n_states
        )
        self._layout = layout_for(checkpoint.tokenizer, checkpoint.kind)
        self._weights = WatchedWeights(checkpoint.model)
        self._loaded = self._weights.digest
        self._frozen = False
        room = self.max_tokens - self._layout.n_special
        if room < MIN_TOKENS:
            raise ConfigError(
                f"max_tokens {self.max_tokens}: leaves {room} tokens for prompt and response;"
                f" give at least {self._layout.n_special + MIN_TOKENS}"
            )

    @classmethod
    def from_config(cls, config: EncoderConfig) -> PairEncoder:
        """Load the encoder that ``config`` names.

        Raises
        ------
        CheckpointError, MissingDependencyError, ConfigError
            As :func:`load_encoder_checkpoint` and :func:`resolve_poolings` say.
        """
        return cls(load_encoder_checkpoint(config), config)

    @property
    def model(self) -> PreTrainedModel:
        """The transformer; its parameters are what full-parameter training changes."""
        return self.checkpoint.model

    @property
    def poolings(self) -> tuple[str, ...]:
        """What is kept of each text, in order."""
        return tuple(str(pooling) for pooling in self._poolings)

    @property
    def feature_dim(self) -> int:
        """Length of a text's vector: poolings times hidden size."""
        return len(self._poolings) * self.checkpoint.hidden_size

    @property
    def identity(self) -> str:
        """Names the exact weights and tokenizer: the checkpoint's identity until the weights change."""
        weights = self._weights.digest if self._frozen else weights_digest(self.model)
        if weights == self._loaded:
            return self.checkpoint.identity
        digest = hashlib.sha256(f"{self.checkpoint.identity} {weights}".encode())
        return f"trained:{digest.hexdigest()}"

    def freeze(self) -> None:
        """Let the weights be taken as they are from now on: they are digested again only where PyTorch saw a change.

        A router does this with its encoder. While an encoder trains, weights may also change behind PyTorch's back
        (averages are copied through ``parameter.data``), so each look at :attr:`identity` then reads them all.
        """
        self._frozen = True

    def prepare(self, pairs: Sequence[PreferencePair]) -> PreparedPairs:
        """Lay out, tokenise and cut the pairs, and find their distinct texts.

        Raises
        ------
        CheckpointError
            If the encoder's chat template rejects a prompt in every form.
        """
        return prepare_pairs(pairs, self._layout, self.max_tokens)

    def encode(
        self,
        prepared: PreparedPairs,
        *,
        cache: EmbeddingCache | None = None,
        progress: Progress | None = None,
    ) -> npt.NDArray[np.float32]:
        """Return the vectors of the distinct texts, ``float32 [T, feature_dim]``.

        The batches that a text shares change its vector by rounding only, and follow from the set of
        texts: neither the order of the pairs nor of their responses changes a bit. ``progress`` is
        told the number of texts done and T, those found in the cache at once.
        """
        texts = prepared.texts
        vectors = np.zeros((len(texts), self.feature_dim), np.float32)
        cache = cache or EmbeddingCache(None)
        setting = setting_key(self.identity, self.poolings, self.precision) if cache.folder else ""
        contents = [text.content for text in texts]
        known = cache.fetch(setting, contents, vectors)
        done, pending = int(known.sum()), list[int]()
        if progress:
            progress(done, len(texts))
        lengths = [len(text) for text in texts]
        missing = np.array(sorted(np.flatnonzero(~known), key=contents.__getitem__), np.int64)
        training = self.model.training
        self.model.train(False)
        try:
            for rows in length_batches(lengths, missing, self.config.batch_tokens):
                with torch.inference_mode():
                    vectors[rows] = self._forward([texts[row] for row in rows]).cpu().numpy()
                pending.extend(rows)
                done += len(rows)
                if len(pending) >= _STORE_EVERY or done == len(texts):
                    cache.store(setting, [contents[row] for row in pending], vectors[pending])
                    pending.clear()
                if progress:
                    progress(done, len(texts))
        finally:
            self.model.train(training)
        return vectors

    def forward_texts(self, texts: Sequence[TokenText]) -> Tensor:
        """Return the vectors of B texts as one batch, ``float32 [B, feature_dim]``, with gradients.

        The model's training mode (dropout) is the caller's to set.
        """
        return self._forward(texts)

    def save(self, folder: Path | str) -> None:
        """Write weights and tokenizer; ``EncoderConfig(checkpoint=folder)`` loads them back."""
        with quiet_transformers():
            self.model.save_pretrained(folder)
            self.checkpoint.tokenizer.save_pretrained(folder)

    def _forward(self, texts: Sequence[TokenText]) -> Tensor:
        device = self.model.device
        lengths = torch.tensor([len(text) for text in texts])
        width = int(lengths.max())
        ids = torch.full((len(texts), width), self.checkpoint.pad_id, dtype=torch.int64)
        types = torch.zeros_like(ids)
        for row, text in enumerate(texts):
            ids[row, : len(text)] = torch.from_numpy(text.ids)
            types[row, text.segment : len(text)] = 1
        masks = RegionMasks.from_bounds(
            lengths.to(device),
            torch.tensor([text.prompt for text in texts], device=device),
            torch.tensor([text.response for text in texts], device=device),
            width,
        )
        inputs = {"input_ids": ids.to(device), "attention_mask": masks.whole.to(torch.int64)}
        if bool(types.any()):
            inputs["token_type_ids"] = types.to(device)
        inner = any(pooling.layer != -1 for pooling in self._poolings)
        with torch.autocast(device.type, torch.bfloat16, enabled=self.precision == "bf16"):
            output = self.model(**inputs, output_hidden_states=inner)
        states = output.hidden_states if inner else (output.last_hidden_state,)
        return pool(states, masks, self._poolings)


def resolve_precision(
    asked: Literal["auto", "fp32", "bf16"], device: torch.device
) -> Literal["fp32", "bf16"]:
    """Return the precision to compute in; ``auto`` is bf16 where the device has instructions for it."""
    if asked != "auto":
        return asked
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    # torch has no public question for this; a version that lacks these answers fp32.
    questions = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    has_bf16 = device.type == "cpu" and any(getattr(torch.cpu, name, bool)() for name in questions)
    return "bf16" if has_bf16 else "fp32"

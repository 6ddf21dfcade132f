"""Responses sampled in this process, many prompts at a time.

Rows, one per response, are sorted by the length of their prompts and written in batches, padded on the left, each by
one call of ``model.generate``. Nothing of how the checkpoint would sample is taken over (``generation_config.json``
may hold a temperature, a penalty on repetitions and more) but for the tokens that end a response.

``benchmarks/generate.py`` compares this with transformers' continuous batching and with a loop that takes out the
rows that have ended.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from transformers import GenerationConfig, LogitsProcessorList, PreTrainedModel, PreTrainedTokenizerBase

from rewardrouter.config.generation import SamplingSettings
from rewardrouter.errors import CheckpointError, ConfigError
from rewardrouter.pretrained.loading import max_length
from rewardrouter.training.responses import PolicyPrompt, Response
from rewardrouter.training.sampling import InverseTransform, response_uniforms


def end_tokens(tokenizer: PreTrainedTokenizerBase, model: PreTrainedModel) -> frozenset[int]:
    """Return the tokens that end a response: the tokenizer's, and those that the checkpoint names for generation.

    Raises
    ------
    CheckpointError
        If there is none.
    """
    own: Any = getattr(getattr(model, "generation_config", None), "eos_token_id", None)
    named = [tokenizer.eos_token_id, *(own if isinstance(own, list | tuple) else [own])]
    found = frozenset(int(token) for token in named if token is not None)
    if not found:
        raise CheckpointError("the policy has no token that ends a response: set its tokenizer's eos_token")
    return found


def as_responses(
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[PolicyPrompt],
    written: Sequence[Sequence[int]],
    ends: Collection[int],
) -> list[Response]:
    """Return responses, one per prompt, of token ids that run up to, and with, one that ends it, or to the limit."""

    def decoded(ids: Sequence[int]) -> str:
        return str(tokenizer.decode(list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False))

    responses = []
    for prompt, ids in zip(prompts, written, strict=True):
        text = decoded(ids)
        if prompt.begun:  # read in its place: at a text's beginning, some tokenizers leave out a space
            last = prompt.ids[-1:].tolist()
            whole, before = decoded([*last, *ids]), decoded(last)
            text = whole.removeprefix(before) if whole.startswith(before) else text
        responses.append(Response(np.array(ids, np.int32), text, ids[-1] in ends))
    return responses


class TransformersGenerator:
    """Samples with ``model.generate``.

    Parameters
    ----------
    tokenizer
        Of the policy.
    settings
        How responses are sampled.
    seed
        Of all that is drawn.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, settings: SamplingSettings, *, seed: int) -> None:
        self._tokenizer, self._settings, self._seed = tokenizer, settings, seed
        self._batch_size = settings.batch_size

    def generate(
        self, model: PreTrainedModel, prompts: Sequence[PolicyPrompt], *, step: int
    ) -> list[list[Response]]:
        """Return k responses to every prompt, in order.

        The policy writes in evaluation mode, with its cache, whatever its trainer has set; its mode is as before
        afterwards. Batches that a GPU has no room for are halved, those that follow too.

        Raises
        ------
        CheckpointError
            If the policy has no token that ends a response, or its scores are not numbers.
        ConfigError
            If a prompt and its response are more than the policy reads, or a GPU has no room for one of them.
        """
        k = self._settings.responses
        rows = [(prompt, number) for prompt in prompts for number in range(k)]
        self._check_lengths(model, prompts)
        ends = end_tokens(self._tokenizer, model)
        # The longest first: if there is no room, it shows at once.
        order = np.argsort([-len(prompt.ids) for prompt, _ in rows], kind="stable").tolist()
        written: list[list[int]] = [[] for _ in rows]
        with _generating(model) as policy:
            while order:
                batch = order[: self._batch_size]
                found = self._batch(policy, [rows[row] for row in batch], sorted(ends), step)
                if found is None:
                    self._batch_size = self._halved(len(batch))
                    continue
                for row, ids in zip(batch, found, strict=True):
                    written[row] = ids
                order = order[len(batch) :]
        responses = as_responses(self._tokenizer, [prompt for prompt, _ in rows], written, ends)
        return [responses[start : start + k] for start in range(0, len(responses), k)]

    def close(self) -> None:
        """Do nothing: all was in this process."""

    def _batch(
        self, policy: PreTrainedModel, rows: Sequence[tuple[PolicyPrompt, int]], ends: list[int], step: int
    ) -> list[list[int]] | None:
        """Return the token ids of one response per row; ``None`` where the GPU has no room for so many."""
        width, tokens = max(len(prompt.ids) for prompt, _ in rows), self._settings.max_new_tokens
        pad = ends[0]  # any token: it is not looked at
        ids = torch.full((len(rows), width), pad, dtype=torch.int64)
        mask = torch.zeros_like(ids)
        for row, (prompt, _) in enumerate(rows):
            ids[row, width - len(prompt.ids) :] = torch.from_numpy(prompt.ids)
            mask[row, width - len(prompt.ids) :] = 1
        config = _config(
            do_sample=False, use_cache=True, max_new_tokens=tokens, eos_token_id=ends, pad_token_id=pad
        )
        try:
            ids, mask = ids.to(policy.device), mask.to(policy.device)
            sampler = self._sampler(rows, width, step, policy.device)
            generate: Any = policy.generate
            output = generate(
                input_ids=ids,
                attention_mask=mask,
                generation_config=config,
                logits_processor=LogitsProcessorList([] if sampler is None else [sampler]),
            )
            new: list[list[int]] = output[:, width:].tolist()
            if sampler is not None and not sampler.finite:
                raise CheckpointError(
                    f"step {step}: the policy's scores are not numbers: its weights are broken, or its dtype is"
                    " too coarse"
                )
        except torch.cuda.OutOfMemoryError:
            return None
        return [_up_to_end(row, ends) for row in new]

    def _sampler(
        self, rows: Sequence[tuple[PolicyPrompt, int]], width: int, step: int, device: torch.device
    ) -> InverseTransform | None:
        if self._settings.temperature == 0:
            return None
        uniforms = np.stack(
            [
                response_uniforms(
                    self._settings.max_new_tokens, seed=self._seed, step=step, prompt=prompt.id, number=number
                )
                for prompt, number in rows
            ]
        )
        return InverseTransform(self._settings, torch.from_numpy(uniforms).to(device), width)

    def _check_lengths(self, model: PreTrainedModel, prompts: Sequence[PolicyPrompt]) -> None:
        limit = max_length(model, self._tokenizer)
        longest = max((len(prompt.ids) for prompt in prompts), default=0)
        if limit is not None and longest + self._settings.max_new_tokens > limit:
            raise ConfigError(
                f"generation.max_new_tokens {self._settings.max_new_tokens}: with a prompt of {longest} tokens it is"
                f" more than the {limit} that the policy reads; give at most {limit - longest}, or shorter prompts"
            )

    @staticmethod
    def _halved(rows: int) -> int:
        if rows == 1:
            raise ConfigError(
                "generation: the GPU has no room for a single response; lower generation.max_new_tokens"
            )
        torch.cuda.empty_cache()
        return rows // 2


@contextmanager
def _generating(model: PreTrainedModel) -> Iterator[PreTrainedModel]:
    """Yield the model that writes: the one that a LoRA adapter was put into, where the policy is wrapped by PEFT."""
    wrapped: Any = model
    policy: PreTrainedModel = wrapped.get_base_model() if hasattr(model, "get_base_model") else model
    training, own = model.training, policy.generation_config
    # generate() fills up what its settings leave open from the model's own.
    policy.generation_config = _config()
    # Layers that compute their states again for the gradient refuse the cache, in training mode only.
    model.train(False)
    try:
        # Not inference mode: a buffer that a model renews meanwhile (rotary positions) could not be trained with.
        with torch.no_grad():
            yield policy
    finally:
        policy.generation_config = own
        model.train(training)


def _config(**settings: Any) -> GenerationConfig:
    return GenerationConfig(**settings)  # type: ignore[no-untyped-call]


def _up_to_end(ids: list[int], ends: Collection[int]) -> list[int]:
    """Return a row's tokens up to, and with, the first that ends a response."""
    return ids[: next((place + 1 for place, token in enumerate(ids) if token in ends), len(ids))]

"""A policy that is loaded here: a causal LM, or the adapter that ``train`` leaves, from a folder or the hub.

A conversation's turns are written one after the other, for many questions at once. What is drawn for an answer follows
from seed, question and turn alone. An answer that would go beyond what the model reads is cut there; a question that
leaves no room for one has none.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from rewardrouter.benchmarks.answers import Answer
from rewardrouter.benchmarks.asking import Asked
from rewardrouter.config.benchmark import AnswerSettings
from rewardrouter.config.generation import SamplingSettings
from rewardrouter.config.online import PromptSettings
from rewardrouter.config.policy import PolicyConfig
from rewardrouter.errors import CheckpointError, MissingDependencyError, one_line
from rewardrouter.policies.checkpoint import load_policy_checkpoint, resolve_dtypes
from rewardrouter.pretrained.loading import max_length, resolve_device
from rewardrouter.pretrained.locate import Wanted, digest, locate_checkpoint
from rewardrouter.thoughts import opens_thoughts
from rewardrouter.training.generation import TransformersGenerator
from rewardrouter.training.prompts import lay_out_prompts
from rewardrouter.training.responses import PolicyPrompt, Response

_ADAPTER = "adapter_config.json"
_ANY_LENGTH = 10**9
_TAIL = 16
_CHUNK = 4
"""Batches of answers that are written before they are on disk."""


class LocalPolicy:
    """Answers with a model in this process, which is loaded for the first answer.

    Parameters
    ----------
    source
        A folder of ``save_pretrained``, of a model or of an adapter, or a hub id.
    settings
        How it answers.
    seed
        Of all that is drawn.

    Raises
    ------
    CheckpointError
        If there is no such checkpoint.
    """

    def __init__(self, source: str, settings: AnswerSettings, *, seed: int) -> None:
        self.name = source
        self._settings, self._seed = settings, seed
        self._base, self.identity = _located(source, settings.revision)
        self._loaded: tuple[PreTrainedModel, PreTrainedTokenizerBase] | None = None

    def answer(self, asked: Sequence[Asked]) -> Iterator[dict[str, Answer]]:
        """Yield the answers to some questions at a time, by the keys of what was asked.

        Raises
        ------
        CheckpointError
            If the model cannot be loaded, or its scores are not numbers.
        ConfigError
            If a GPU has no room for a single answer.
        """
        size = _CHUNK * self._settings.batch_size
        # Those of one length and temperature together: a batch is written with one of each.
        groups: dict[tuple[float, int, int], list[Asked]] = defaultdict(list)
        for one in asked:
            groups[one.temperature, one.max_new_tokens, len(one.turns)].append(one)
        for group in groups.values():
            for start in range(0, len(group), size):
                yield self._answered(group[start : start + size])

    def _answered(self, group: Sequence[Asked]) -> dict[str, Answer]:
        talks: dict[str, list[dict[str, str]]] = {one.key: [] for one in group}
        written: dict[str, list[Response | None]] = {one.key: [] for one in group}
        for turn in range(len(group[0].turns)):
            for one in group:
                talks[one.key].append({"role": "user", "content": one.turns[turn]})
            found = self._written({one.key: talks[one.key] for one in group}, group[0], turn)
            for key, response in found.items():
                written[key].append(response)
                talks[key].append({"role": "assistant", "content": response.text if response else ""})
        return {key: _as_answer(responses) for key, responses in written.items()}

    def _written(
        self, talks: dict[str, list[dict[str, str]]], like: Asked, turn: int
    ) -> dict[str, Response | None]:
        """Return the next response of every conversation; ``None`` where the model has no room for one."""
        model, tokenizer = self._model()
        rows = [{"id": key, "prompt": talk} for key, talk in talks.items()]
        limits = PromptSettings(template=self._settings.template, max_tokens=_ANY_LENGTH)
        prompts = lay_out_prompts(rows, tokenizer, limits).prompts
        longest = max_length(model, tokenizer)
        by_room: dict[int, list[PolicyPrompt]] = defaultdict(list)
        for prompt in prompts:
            room = (
                like.max_new_tokens
                if longest is None
                else min(like.max_new_tokens, longest - len(prompt.ids))
            )
            by_room[room].append(prompt)
        found: dict[str, Response | None] = {}
        for room, some in by_room.items():
            if room < 1:
                found |= {prompt.id: None for prompt in some}
                continue
            settings = SamplingSettings(
                responses=1,
                temperature=like.temperature,
                max_new_tokens=room,
                batch_size=self._settings.batch_size,
            )
            generator = TransformersGenerator(tokenizer, settings, seed=self._seed)
            responses = generator.generate(model, some, step=turn)
            found |= {
                prompt.id: dataclasses.replace(response, text=_opened(prompt, tokenizer) + response.text)
                for prompt, (response,) in zip(some, responses, strict=True)
            }
        return found

    def _model(self) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
        if self._loaded is None:
            self._loaded = _load(self.name, self._base, self._settings)
        return self._loaded


def _opened(prompt: PolicyPrompt, tokenizer: PreTrainedTokenizerBase) -> str:
    """Return the mark with which a template begins the thoughts, at the end of the prompt: it belongs to the answer."""
    end = str(tokenizer.decode(prompt.ids[-_TAIL:])).rstrip()
    mark = re.search(
        r"(?:<[\w:|]+>|\[THINK\]|\N{WHITE LEFT-POINTING TRIANGLE}\w+\N{WHITE RIGHT-POINTING TRIANGLE})$", end
    )
    return f"{mark[0]}\n" if mark and opens_thoughts(mark[0]) else ""


def _as_answer(responses: Sequence[Response | None]) -> Answer:
    texts = tuple("" if response is None else response.text for response in responses)
    cut = tuple(response is not None and not response.finished for response in responses)
    no_room = any(response is None for response in responses)
    return Answer(texts, cut, "the question is longer than what the model reads" if no_room else None)


def _located(source: str, revision: str | None) -> tuple[str, str]:
    """Return the checkpoint whose weights are loaded first, and what names weights and tokenizer exactly."""
    folder = Path(source).expanduser()
    if not (folder / _ADAPTER).is_file():
        located = locate_checkpoint(
            Wanted(f"policy {source}", source, revision=revision, auto="AutoModelForCausalLM")
        )
        return str(located.folder), located.identity
    try:
        base = json.loads((folder / _ADAPTER).read_text(encoding="utf-8"))["base_model_name_or_path"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(
            f"policy {source}: {_ADAPTER} names no base model ({one_line(error)})"
        ) from error
    below = locate_checkpoint(
        Wanted(f"policy {source}: its base model {base}", str(base), auto="AutoModelForCausalLM")
    )
    files = digest(path for path in folder.iterdir() if path.suffix in (".json", ".safetensors", ".jinja"))
    return str(below.folder), f"{files} on {below.identity}"


def _load(
    source: str, base: str, settings: AnswerSettings
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    config = PolicyConfig(
        checkpoint=base,
        device=settings.device,
        dtype=settings.dtype,
        max_prompt_tokens=1,
        max_response_tokens=1,  # what it reads is looked at prompt by prompt
    )
    device = resolve_device(config.device)
    loaded = load_policy_checkpoint(config, device, resolve_dtypes(config, device).computed)
    folder = Path(source).expanduser()
    if not (folder / _ADAPTER).is_file():
        return loaded.model, loaded.tokenizer
    try:
        from peft import PeftModel
    except ImportError as error:
        raise MissingDependencyError("peft", "lora", f"the adapter {source}") from error
    try:
        # Not merged: in bf16 most of a small update would be rounded away.
        adapted: Any = PeftModel.from_pretrained(loaded.model, str(folder))
        return adapted.eval(), loaded.tokenizer
    except Exception as error:  # peft, safetensors and torch have no common error for files that do not fit
        raise CheckpointError(f"policy {source}: its adapter cannot be loaded: {one_line(error)}") from error

"""The prompts of a run: laid out for the policy, measured against the limit, with ids of their own."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from torch.utils.data import Dataset
from transformers import PreTrainedTokenizerBase

from rewardrouter.config.online import PromptSettings
from rewardrouter.datasets.texts import BadRow, has_extra_keys, is_blank, read_text
from rewardrouter.errors import DataError
from rewardrouter.pairs import digest
from rewardrouter.policies.tokens import PolicyLayout
from rewardrouter.pretrained.conversation import begun_answer
from rewardrouter.training.responses import PolicyPrompt

_NAMED = 5
"""Prompts over the limit that are named."""


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class LoadedPrompts:
    """The usable prompts, in order, and the ids of those over the limit (dropped or cut).

    ``extra_keys`` counts rows whose messages say more than role and content, which is not read.
    """

    prompts: tuple[PolicyPrompt, ...]
    over_limit: tuple[str, ...]
    extra_keys: int
    settings: PromptSettings

    def line(self) -> str | None:
        """Return what is not as it was given, for a reader; ``None`` where all is."""
        keys = (
            f"{self.extra_keys:,} prompts with more than role and content in messages: the rest is not read"
        )
        told = [self._over_limit()] if self.over_limit else []
        return "; ".join([*told, keys] if self.extra_keys else told) or None

    def _over_limit(self) -> str:
        n = len(self.over_limit)
        what = "left out" if self.settings.over_limit == "drop" else "cut: their ends stay"
        named = ", ".join(self.over_limit[:_NAMED]) + (", ..." if n > _NAMED else "")
        return f"{n:,} prompts of more than {self.settings.max_tokens} tokens are {what} ({named})"


class PromptRows(Dataset[PolicyPrompt]):
    """The prompts, as a data loader wants them."""

    def __init__(self, prompts: Sequence[PolicyPrompt]) -> None:
        self._prompts = prompts

    def __len__(self) -> int:
        return len(self._prompts)

    def __getitem__(self, row: int) -> PolicyPrompt:
        return self._prompts[row]


def lay_out_prompts(
    rows: Iterable[Mapping[str, Any]], tokenizer: PreTrainedTokenizerBase, settings: PromptSettings
) -> LoadedPrompts:
    """Return the prompts as token ids.

    Parameters
    ----------
    rows
        With ``prompt`` (text, or messages; an assistant's turn at their end is continued); ``id`` where there is one,
        else a digest of the prompt. Every other column becomes metadata.
    tokenizer
        Of the policy.
    settings
        Template and limit.

    Raises
    ------
    DataError
        If a prompt is missing or is neither text nor messages, an id comes twice, or no prompt is left.
    CheckpointError
        If the tokenizer has no end-of-text token, or its chat template rejects a prompt.
    """
    rows = list(rows)
    read = _read_all(rows)
    layout = PolicyLayout(tokenizer, settings.template, None, None)
    laid_out = [
        _split(dataclasses.replace(prompt, ids=ids))
        for prompt, ids in zip(
            read, layout.prompt_tokens([prompt.text for prompt in read], to_be_answered=True), strict=True
        )
    ]
    over = [prompt.id for prompt in laid_out if len(prompt.ids) > settings.max_tokens]
    if settings.over_limit == "drop":
        kept = [prompt for prompt in laid_out if len(prompt.ids) <= settings.max_tokens]
    else:
        cut = PolicyLayout(tokenizer, settings.template, settings.max_tokens, None)
        kept = [dataclasses.replace(prompt, ids=cut.cut_prompt(prompt.ids)) for prompt in laid_out]
    if not kept:
        found = f"all {len(over)} have more than {settings.max_tokens} tokens" if over else "there are none"
        raise DataError(f"prompts: none can be used, {found}; raise prompts.max_tokens or give others")
    extra = sum(has_extra_keys(row["prompt"]) for row in rows)
    return LoadedPrompts(tuple(kept), tuple(over), extra, settings)


def _split(prompt: PolicyPrompt) -> PolicyPrompt:
    """Move the answer that a prompt begins out of its text, into ``begun``."""
    if isinstance(prompt.text, str):
        return prompt
    asked, begun = begun_answer(prompt.text)
    return dataclasses.replace(prompt, text=asked, begun=begun)


def _read_all(rows: Iterable[Mapping[str, Any]]) -> list[PolicyPrompt]:
    found: dict[str, PolicyPrompt] = {}
    for number, row in enumerate(rows, start=1):
        prompt = _read(number, row)
        if prompt.id in found:
            if row.get("id") is not None:
                raise DataError(f"prompts: row {number}: id {prompt.id} comes twice; give every row its own")
            # The same text in several rows is asked as often.
            prompt = dataclasses.replace(prompt, id=f"{prompt.id}-{number}")
        found[prompt.id] = prompt
    return list(found.values())


def _read(number: int, row: Mapping[str, Any]) -> PolicyPrompt:
    if row.get("prompt") is None:
        raise DataError(f"prompts: row {number} has no prompt; its columns: {', '.join(row) or 'none'}")
    try:
        text = read_text(row["prompt"])
    except BadRow as error:
        raise DataError(f"prompts: row {number}: {error.words}") from None
    if not isinstance(text, str) and is_blank(begun_answer(text)[0]):
        raise DataError(f"prompts: row {number}: asks nothing: there is only the assistant's turn")
    given = row.get("id")
    metadata = {
        name: value for name, value in row.items() if name not in ("id", "prompt") and value is not None
    }
    name = str(given) if given is not None else digest(text)
    return PolicyPrompt(name, text, np.empty(0, np.int32), metadata)

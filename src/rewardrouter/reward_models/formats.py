"""How a prompt and one response stand before a pointwise reward model, as token ids.

As those who publish reward models score a conversation: it is written as one text, prompt and response
together, and that text is tokenised. There are four forms:

* one of the model's own, which writes each message by its role (:mod:`rewardrouter.config.text_form`);
* the tokenizer's chat template, the response being the assistant's turn;
* without a template, for a tokenizer with a separator (BERT-like), its own pair ``[CLS] prompt [SEP] response [SEP]``;
* without a template otherwise, the response directly after the prompt. Nothing is written behind it but what the
  tokenizer itself adds.

Without a template a single user message is its text; a conversation has its roles written out. Where a form or a
template rejects a conversation (a system message, roles that do not alternate), it is handed one user message with the
roles written out. A tokenizer that adds a beginning-of-text token which the template wrote already would
double it: one is kept.

Control tokens that a message spells out are text, not turns (:mod:`rewardrouter.pretrained.marks`): in every message
where a template or a form lays the conversation out, else in what the assistant wrote (a prompt that the response
directly follows may be laid out already). Where the form begins turns with words (``Assistant:``), so are these in the
assistant's lines.

A text that is too long loses tokens from where the prompt begins (behind system messages and what the template
writes before it) and, where the prompt is not enough, from the beginning of the response. The response's end
always stays: that is where a causal classifier reads its score.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any, Literal

import jinja2
import numpy as np
import numpy.typing as npt
from transformers import PreTrainedTokenizerBase

from rewardrouter.config.text_form import CONTENT, TextForm
from rewardrouter.errors import one_line
from rewardrouter.pairs import Message, Text, as_messages
from rewardrouter.pretrained.conversation import (
    answer_text,
    clean,
    continued,
    defused,
    dialogue,
    plain,
    render,
)
from rewardrouter.pretrained.marks import broken, control_marks, speaker_marks

DEFAULT_MAX_TOKENS = 2048
"""Tokens of a text where neither the settings, nor the checkpoint, nor the server limit it."""

_PROBE = "\N{BLACK SQUARE}"
"""Stands for the prompt when it is asked what comes before it."""


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class TokenText:
    """A prompt with one response as a reward model reads it.

    ``ids`` is ``int32 [T]``, T >= 1, special tokens included; ``types`` is ``int32 [T]``, the token types of a
    BERT-like pair, ``None`` where all are 0.
    """

    ids: npt.NDArray[np.int32]
    types: npt.NDArray[np.int32] | None
    tokens_cut: int
    """Tokens left out because the text was too long."""
    rewritten: bool
    """Whether the template rejected the roles as they were."""

    @property
    def content(self) -> bytes:
        """All that the reward model sees, as bytes."""
        types = np.zeros_like(self.ids) if self.types is None else self.types
        return np.stack([self.ids, types]).tobytes()


@dataclasses.dataclass(frozen=True, slots=True)
class Unreadable:
    """Why a text cannot be put before the reward model."""

    reason: str


@dataclasses.dataclass(frozen=True, slots=True)
class _Written:
    """A text before it is tokenised: one string, or the two of a pair."""

    first: str
    second: str | None = None
    rewritten: bool = False


def text_limit(*limits: int | None) -> int:
    """Return the tokens that a text may have: the least of what the settings, the model and its server say."""
    return min((limit for limit in limits if limit is not None), default=DEFAULT_MAX_TOKENS)


class TextCounts:
    """Counts what was cut or rewritten of the texts that a reward model read."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def add(self, texts: Sequence[TokenText | Unreadable]) -> None:
        """Count some more texts; those that are unreadable do not count."""
        for text in texts:
            if isinstance(text, TokenText):
                self._counts["texts"] += 1
                self._counts["cut"] += text.tokens_cut > 0
                self._counts["tokens cut"] += text.tokens_cut
                self._counts["tokens"] += len(text.ids) + text.tokens_cut
                self._counts["rewritten"] += text.rewritten

    def lines(self, name: str, max_tokens: int) -> list[str]:
        """Return what a reader should know of them, a line each."""
        counts, lines = self._counts, []
        if counts["cut"]:
            lines.append(
                f"{name}: {counts['cut']:,} of {counts['texts']:,} texts cut to {max_tokens:,} tokens;"
                f" {counts['tokens cut'] / counts['tokens']:.1%} of all tokens are not read"
            )
        if counts["rewritten"]:
            lines.append(
                f"{name}: the chat template rejects the roles of {counts['rewritten']:,} of"
                f" {counts['texts']:,} texts: they are written out in one user message"
            )
        return lines


class TextFormat:
    """Turns prompts and responses into token ids for one reward model.

    Parameters
    ----------
    tokenizer
        Of the reward model.
    template, system
        As in :class:`rewardrouter.config.pool.HfConfig`.
    max_tokens
        Tokens of a text, special ones included.
    form
        The model's own text form; it stands in place of a template.
    """

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        template: Literal["auto", "none"],
        system: str | None,
        max_tokens: int,
        form: TextForm | None = None,
    ) -> None:
        self._tokenizer = tokenizer
        self._system = system
        self.max_tokens = max_tokens
        self._form = form
        self._chat = form is None and template == "auto" and bool(tokenizer.chat_template)
        bare = form is None and not self._chat
        self._pair = bare and None not in (tokenizer.cls_token, tokenizer.sep_token)
        self._typed = "token_type_ids" in tokenizer.model_input_names
        added = tokenizer.added_tokens_decoder.values()
        special = [str(token) for token in added if token.special] + list(tokenizer.all_special_tokens)
        self._marks = control_marks(special)
        self._speakers: re.Pattern[str] | None = None
        if form is not None:
            turns = [form.turn(role) or "" for role in ("system", "user", "assistant")]
            self._speakers = speaker_marks(turn.partition(CONTENT)[0] for turn in turns)

    @property
    def name(self) -> str:
        """Names the form: ``form:`` or ``chat:`` and a digest of form or template, ``pair`` or ``plain``."""
        if self._form is not None:
            return f"form:{_digest(self._form.model_dump())}"
        if self._chat:
            return f"chat:{_digest(self._tokenizer.chat_template)}"
        return "pair" if self._pair else "plain"

    def tokens(self, texts: Sequence[tuple[Text, Text]]) -> list[TokenText | Unreadable]:
        """Return the token ids of each prompt with its response."""
        found: list[TokenText | Unreadable] = []
        written = [self._written(prompt, response) for prompt, response in texts]
        encoded = iter(self._encode([text for text in written if isinstance(text, _Written)]))
        for (prompt, response), text in zip(texts, written, strict=True):
            if isinstance(text, Unreadable):
                found.append(text)
                continue
            ids = next(encoded)
            excess = max(0, ids.shape[1] - self.max_tokens)
            if excess:
                head = min(self._head(prompt, response, ids[0]), self.max_tokens // 2)
                ids = np.concatenate([ids[:, :head], ids[:, head + excess :]], axis=1)
            if not ids.shape[1]:
                found.append(Unreadable("prompt and response are empty: there is no token to read"))
            else:
                found.append(TokenText(ids[0], ids[1] if ids[1].any() else None, excess, text.rewritten))
        return found

    def _safe(self, messages: Sequence[Message]) -> tuple[Message, ...]:
        laid_out = self._chat or self._form is not None
        safe = defused(clean(messages), self._marks, every=laid_out)
        if self._speakers is None:
            return safe
        return tuple(
            dataclasses.replace(message, content=broken(message.content, self._speakers))
            if message.role == "assistant"
            else message
            for message in safe
        )

    def _written(self, prompt: Text, response: Text) -> _Written | Unreadable:
        messages, turns = continued(as_messages(prompt, "user"), as_messages(response, "assistant"))
        messages, turns = self._safe(messages), self._safe(turns)
        if self._system is not None and all(message.role != "system" for message in messages):
            messages = (Message("system", self._system), *messages)
        if self._pair:
            return _Written(plain(messages), answer_text(turns))
        if self._form is not None:
            return self._in_form(self._form, messages, turns)
        if not self._chat:
            alone = len(messages) == 1 and messages[0].role == "user"
            return _Written((messages[0].content if alone else dialogue(messages)) + answer_text(turns))
        try:
            return _Written(render(self._tokenizer, (*messages, *turns)))
        except jinja2.TemplateError:
            pass
        one = (Message("user", plain(messages)), Message("assistant", answer_text(turns)))
        try:
            return _Written(render(self._tokenizer, one), rewritten=True)
        except jinja2.TemplateError as error:
            return Unreadable(f"the chat template rejects even one user message: {one_line(error)}")

    def _in_form(self, form: TextForm, messages: Sequence[Message], turns: Sequence[Message]) -> _Written:
        every = [*messages, *turns]
        rewritten = any(form.turn(message.role) is None for message in every)
        if rewritten:
            every = [Message("user", plain(messages)), Message("assistant", answer_text(turns))]
        written = [
            turn.replace(CONTENT, message.content)
            for message in every
            if (turn := form.turn(message.role)) is not None
        ]
        return _Written("".join([form.begin, *written, form.end]), rewritten=rewritten)

    def _encode(self, texts: Sequence[_Written]) -> list[npt.NDArray[np.int32]]:
        """Return ``int32 [2, T]`` for each text: its ids and token types."""
        if not texts:
            return []
        second: Any = [text.second for text in texts] if self._pair else None
        encoded = self._tokenizer(
            [text.first for text in texts],
            second,
            return_attention_mask=False,
            return_token_type_ids=self._typed,
            verbose=False,
        )
        rows = []
        for number, ids in enumerate(encoded["input_ids"]):
            types = encoded["token_type_ids"][number] if self._typed else [0] * len(ids)
            row = np.array([ids, types], np.int32)
            start = self._tokenizer.bos_token_id
            doubled = start is not None and ids[:2] == [start, start]
            rows.append(row[:, 1:] if doubled else row)
        return rows

    def _head(self, prompt: Text, response: Text, ids: npt.NDArray[np.int32]) -> int:
        """Return how many tokens stand before the prompt: those that stay whatever it says."""
        messages = list(as_messages(prompt, "user"))
        place = next((n for n, message in enumerate(messages) if message.role != "system"), None)
        if place is None:
            return 0
        messages[place] = dataclasses.replace(messages[place], content=_PROBE)
        written = self._written(tuple(messages), response)
        if isinstance(written, Unreadable):
            return 0
        probe = self._encode([written])[0][0]
        shorter = min(len(probe), len(ids))
        differs = np.flatnonzero(probe[:shorter] != ids[:shorter])
        return int(differs[0]) if len(differs) else shorter


def _digest(form: object) -> str:
    return hashlib.sha256(json.dumps(form, sort_keys=True).encode()).hexdigest()[:16]

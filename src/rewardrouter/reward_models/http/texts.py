"""What a server is sent of a prompt with a response.

The server applies its own template to messages; or the text is written here, with the RM's tokenizer and in the form
of :mod:`rewardrouter.reward_models.formats`, and sent as token ids or as text.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from transformers import AutoTokenizer, PreTrainedTokenizerBase

from rewardrouter.config.servers import PointwiseServerConfig
from rewardrouter.errors import CheckpointError, ConfigError, one_line
from rewardrouter.pairs import Message, Text, as_messages
from rewardrouter.pretrained.conversation import (
    answer_text,
    clean,
    continued,
    defused,
    dialogue,
    plain,
    turns_of,
)
from rewardrouter.pretrained.loading import quiet_transformers
from rewardrouter.pretrained.locate import Wanted, digest, download
from rewardrouter.pretrained.marks import control_marks
from rewardrouter.reward_models.formats import TextCounts, TextFormat, TokenText, Unreadable, text_limit
from rewardrouter.reward_models.hf_checkpoint import readable_tokens

_TOKENIZER_FILES = (
    *("tokenizer*", "vocab*", "*.model", "merges.txt", "*_tokens*.json", "chat_template*", "config.json"),
)


class Texts(Protocol):
    """Writes prompts with responses in one of the forms below."""

    @property
    def identity(self) -> dict[str, Any]:
        """What decides how they are written."""

    def write(self, items: Sequence[tuple[Text, Text]]) -> list[Any]:
        """Return what is sent of each prompt with its response, or ``Unreadable``."""


@dataclasses.dataclass(frozen=True, slots=True)
class Messages:
    """Messages, as JSON: the server applies its chat template."""

    system: str | None

    @property
    def identity(self) -> dict[str, Any]:
        """The system message."""
        return {"texts": "messages", "system": self.system}

    def write(self, items: Sequence[tuple[Text, Text]]) -> list[Any]:
        """Return a list of role and content for each, or why there is none."""
        conversations = [
            (*_prompt(prompt, self.system, laid_out=True), *_answer(response))
            for prompt, response in map(_whole, items)
        ]
        return [
            turns_of(messages) if messages else Unreadable("neither prompt nor response has a message")
            for messages in conversations
        ]


@dataclasses.dataclass(frozen=True, slots=True)
class PlainText:
    """The response directly after the prompt, the roles of a conversation written out."""

    system: str | None

    @property
    def identity(self) -> dict[str, Any]:
        """The system message."""
        return {"texts": "plain", "system": self.system}

    def write(self, items: Sequence[tuple[Text, Text]]) -> list[Any]:
        """Return a string for each."""
        return [plain_prompt(p, self.system) + answer_text(_answer(r)) for p, r in items]


@dataclasses.dataclass(frozen=True, slots=True)
class PromptAndAnswer:
    """Prompt and response as two strings."""

    system: str | None

    @property
    def identity(self) -> dict[str, Any]:
        """The system message."""
        return {"texts": "pair", "system": self.system}

    def write(self, items: Sequence[tuple[Text, Text]]) -> list[Any]:
        """Return two strings for each."""
        return [(plain(_prompt(p, self.system)), answer_text(_answer(r))) for p, r in map(_whole, items)]


class Tokenized:
    """Text written with a tokenizer, as token ids or, ``send: text``, as the text that they stand for.

    Parameters
    ----------
    settings
        With ``tokenizer``.
    relative_to
        Where a relative folder is looked for.

    Raises
    ------
    CheckpointError
        If the tokenizer cannot be had.
    ConfigError
        If it writes prompt and response as a pair, whose token types a server cannot be sent.
    """

    def __init__(self, settings: PointwiseServerConfig, relative_to: Path) -> None:
        self._settings = settings
        self.tokenizer, self._files, read = _load(settings, relative_to)
        self.max_tokens = text_limit(settings.max_tokens, read)
        self._counts = TextCounts()
        self._format = TextFormat(
            self.tokenizer, settings.template, settings.system, self.max_tokens, settings.form
        )
        if self._format.name == "pair":
            raise ConfigError(
                f"reward model {settings.name}: {settings.tokenizer} reads prompt and response as a pair;"
                " leave tokenizer out, and use kind: vllm with endpoint: score"
            )

    @property
    def identity(self) -> dict[str, Any]:
        """The tokenizer's files, the form, and the settings."""
        return {
            "texts": self._settings.send,
            "tokenizer": self._files,
            "form": self._format.name,
            "system": self._settings.system,
            "max_tokens": self.max_tokens,
        }

    def write(self, items: Sequence[tuple[Text, Text]]) -> list[Any]:
        """Return token ids or a string for each, or why there is none."""
        found = self._format.tokens(items)
        self._counts.add(found)
        return [text if isinstance(text, Unreadable) else self._sent(text) for text in found]

    def serve(self, limit: int | None) -> None:
        """Cut texts to what the server reads, where that is less."""
        self._format.max_tokens = text_limit(self.max_tokens, limit)

    def notes(self) -> list[str]:
        """Return what a reader should know of the texts written so far, a line each."""
        return self._counts.lines(self._settings.name, self._format.max_tokens)

    def prompt(self, prompt: Text) -> str:
        """Return the prompt's text, up to where the response begins."""
        messages = _prompt(prompt, self._settings.system, laid_out=True)
        if not self._format.name.startswith("chat:"):
            return plain_prompt(prompt, self._settings.system)
        try:
            written = self.tokenizer.apply_chat_template(
                turns_of(messages), tokenize=False, add_generation_prompt=True
            )
        except (
            Exception
        ):  # templates reject roles with errors of every kind; this one only names the question
            return plain(messages)
        return str(written)

    def _sent(self, text: TokenText) -> list[int] | str:
        ids: list[int] = text.ids.tolist()
        if self._settings.send == "tokens":
            return ids
        written = self._decoded(ids)
        start = self.tokenizer.bos_token
        # The server's tokenizer adds it again.
        if start and written.startswith(start) and self._adds_start():
            return written[len(start) :]
        return written

    def _decoded(self, ids: list[int]) -> str:
        return str(self.tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False))

    def _adds_start(self) -> bool:
        found: list[int] = self.tokenizer("a")["input_ids"]
        return found[:1] == [self.tokenizer.bos_token_id]


def choose_texts(settings: PointwiseServerConfig, relative_to: Path, *, templates: bool) -> Texts:
    """Return how texts are sent; ``templates`` says whether the server applies its own to messages.

    Raises
    ------
    CheckpointError, ConfigError
        As :class:`Tokenized`.
    """
    if settings.tokenizer is not None:
        return Tokenized(settings, relative_to)
    if templates and settings.template == "auto":
        return Messages(settings.system)
    return PlainText(settings.system)


def plain_prompt(prompt: Text, system: str | None) -> str:
    """Return the prompt's text for a response to follow."""
    messages = _prompt(prompt, system)
    alone = len(messages) == 1 and messages[0].role == "user"
    return messages[0].content if alone else dialogue(messages)


_MARKS = control_marks()
"""Those of the usual templates: which tokens the server's tokenizer has is not known here."""


def _prompt(prompt: Text, system: str | None, *, laid_out: bool = False) -> tuple[Message, ...]:
    messages = defused(clean(as_messages(prompt, "user")), _MARKS, every=laid_out)
    if system is not None and all(message.role != "system" for message in messages):
        return (Message("system", system), *messages)
    return messages


def _whole(item: tuple[Text, Text]) -> tuple[Text, Text]:
    """Return prompt and response with the answer that the prompt begins in the response."""
    return continued(as_messages(item[0], "user"), as_messages(item[1], "assistant"))


def _answer(response: Text) -> tuple[Message, ...]:
    return defused(clean(as_messages(response, "assistant")), _MARKS, every=True)


class _TokenizerOnly(Wanted):
    """A checkpoint of which the tokenizer is wanted, not the weights."""

    @property
    def patterns(self) -> tuple[str, ...]:
        return _TOKENIZER_FILES


def _load(
    settings: PointwiseServerConfig, relative_to: Path
) -> tuple[PreTrainedTokenizerBase, str, int | None]:
    """Return the tokenizer, a name of its files, and how many tokens the model beside it reads."""
    source = settings.tokenizer or ""
    what = f"reward model {settings.name}: tokenizer {source}"
    folder = relative_to / Path(source).expanduser()
    if folder.is_dir():
        files = digest(path for pattern in _TOKENIZER_FILES for path in folder.glob(pattern))
    else:
        if source.startswith((".", "/", "~")) or source.count("/") > 1:
            raise CheckpointError(f"{what}: no such folder. Give a folder of save_pretrained or a hub id")
        folder = download(_TokenizerOnly(what, source, relative_to, settings.revision))
        files = f"{source}@{folder.name}"
    try:
        with quiet_transformers():
            tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    except Exception as error:  # transformers has no common error for what it cannot read
        raise CheckpointError(f"{what} cannot be loaded: {one_line(error)}") from error
    return tokenizer, files, readable_tokens(what, folder, tokenizer)

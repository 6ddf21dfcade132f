"""How a prompt and a response stand before the encoder, as token ids.

A *layout* joins both into one text ``prefix | prompt | middle | response | suffix``; prompt and
response are tokenised apart, so that each is tokenised once and can be cut. There are three:

* BERT-like: the tokenizer's own pair, ``[CLS] prompt [SEP] response [SEP]``;
* causal with a chat template: the conversation as the template writes it, the response in the
  assistant's last turn (as written by its author: a template that rewrites old answers, for
  example drops their thoughts, does not get to), the suffix being what closes that turn;
* causal without one: ``User: ...``, ``Assistant: ...``, then the end-of-text token.

A prompt of several messages is laid out with its roles; a single user message is the same as plain
text. A prompt that ends with an assistant's turn has begun the answer: the response continues that turn, as
with transformers' ``continue_final_message``. Where a template rejects a conversation (a system message, roles
that do not alternate), it is handed one user message with the roles written out, and that is counted. A
tokenizer that adds a beginning-of-text token which the template wrote already would double it: one is kept.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

import jinja2
import numpy as np
import numpy.typing as npt
from transformers import PreTrainedTokenizerBase

from rewardrouter.errors import CheckpointError
from rewardrouter.offline.pooling import Kind
from rewardrouter.pairs import Message, Text, as_messages
from rewardrouter.pretrained.conversation import answer_text, begun_answer, clean, dialogue, plain, render

_PROBE = "REWARDROUTER-RESPONSE"
"""Stands for the response when a template is asked what comes before and after it."""

_CHUNK = 1000
"""Texts tokenised at once; the tokenizer's intermediate results are many times the ids."""


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class TokenText:
    """The token ids of one prompt with one response; equal where ids and regions are.

    ``ids`` is ``int32 [T]`` with special tokens; ``prompt`` and ``response`` are the start and stop
    of the two regions; from ``segment`` on, tokens are of the second type of a BERT-like encoder.
    """

    ids: npt.NDArray[np.int32]
    prompt: tuple[int, int]
    response: tuple[int, int]
    segment: int

    @property
    def prompt_ids(self) -> npt.NDArray[np.int32]:
        """``int32 [P]``: the prompt's tokens."""
        return self.ids[slice(*self.prompt)]

    @property
    def response_ids(self) -> npt.NDArray[np.int32]:
        """``int32 [R]``: the response's tokens."""
        return self.ids[slice(*self.response)]

    @property
    def suffix_ids(self) -> npt.NDArray[np.int32]:
        """``int32 [S]``: what closes the response."""
        return self.ids[self.response[1] :]

    @property
    def content(self) -> bytes:
        """All that the encoder sees, as bytes: the regions, then the ids."""
        return np.array([*self.prompt, *self.response, self.segment], np.int32).tobytes() + self.ids.tobytes()

    def __len__(self) -> int:
        return len(self.ids)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TokenText) and self.content == other.content

    def __hash__(self) -> int:
        return hash(self.content)


@dataclasses.dataclass(frozen=True, slots=True)
class PromptText:
    """A prompt as it is tokenised; ``rejected`` is why a chat template would not have its roles."""

    text: str
    rejected: str | None = None


class TextLayout:
    """Lay out texts for one tokenizer; the base of the three layouts, and the plain causal one.

    Attributes
    ----------
    prefix_ids, middle_ids, suffix_ids
        The ids before the prompt, between prompt and response, and after the response.
    note
        Why this is not the layout one would expect, if so.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, note: str | None = None) -> None:
        self.tokenizer = tokenizer
        self.note = note
        bare, framed = self._ids("a"), tokenizer("a")["input_ids"]
        start = _find(bare, framed)
        self.prefix_ids: list[int] = list(framed[:start])
        self.middle_ids: list[int] = []
        self.suffix_ids: list[int] = list(framed[start + len(bare) :])
        end = tokenizer.eos_token_id
        if not self.suffix_ids and isinstance(end, int):
            self.suffix_ids = [end]

    @property
    def n_special(self) -> int:
        """Tokens that every text has beside the prompt's and the response's."""
        return len(self.prefix_ids) + len(self.middle_ids) + len(self.suffix_ids)

    def prompt_text(self, prompt: Text) -> PromptText:
        """Return the prompt as it will be tokenised."""
        return PromptText(dialogue(_messages(prompt)))

    def response_text(self, response: Text) -> str:
        """Return the response as it will be tokenised: the answer, then further turns with their roles."""
        return answer_text(clean(as_messages(response, "assistant")))

    def tokenize(self, texts: Sequence[str]) -> Iterator[npt.NDArray[np.int32]]:
        """Yield the ids of each text, without special tokens."""
        for start in range(0, len(texts), _CHUNK):
            encoded = self.tokenizer(
                list(texts[start : start + _CHUNK]),
                add_special_tokens=False,
                return_attention_mask=False,
                return_token_type_ids=False,
                verbose=False,
            )
            for ids in encoded["input_ids"]:
                yield np.asarray(ids, np.int32)

    def tokenize_prompts(self, texts: Sequence[str]) -> Iterator[npt.NDArray[np.int32]]:
        """Yield the ids of each prompt; prefix and prompt together begin with one beginning-of-text token."""
        start = self.tokenizer.bos_token_id
        for ids in self.tokenize(texts):
            while len(ids) and ids[0] == start and (self.prefix_ids[-1:] == [start] or ids[1:2] == [start]):
                ids = ids[1:]
            yield ids

    def join(self, prompt: Sequence[int], response: Sequence[int]) -> TokenText:
        """Return the text of a prompt's and a response's ids."""
        start = len(self.prefix_ids)
        middle = start + len(prompt)
        answer = middle + len(self.middle_ids)
        ids = [*self.prefix_ids, *prompt, *self.middle_ids, *response, *self.suffix_ids]
        region = (answer, answer + len(response))
        return TokenText(np.array(ids, np.int32), (start, middle), region, self._segment(answer, len(ids)))

    def _segment(self, answer: int, length: int) -> int:  # noqa: ARG002
        """Return the first position of the second token type: for causal encoders, none."""
        return length

    def _ids(self, text: str) -> list[int]:
        return list(self.tokenizer(text, add_special_tokens=False)["input_ids"])


class PairLayout(TextLayout):
    """``[CLS] prompt [SEP] response [SEP]``, with whatever special tokens the tokenizer's pairs have."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        super().__init__(tokenizer)
        first, second = self._ids("a"), self._ids("b")
        pair = tokenizer("a", "b", return_token_type_ids=True)
        ids, types = list(pair["input_ids"]), list(pair["token_type_ids"])
        start = _find(first, ids)
        middle = start + len(first)
        answer = middle + _find(second, ids[middle:])
        self.prefix_ids, self.middle_ids = ids[:start], ids[middle:answer]
        self.suffix_ids = ids[answer + len(second) :]
        self._typed = types[answer] == 1

    def prompt_text(self, prompt: Text) -> PromptText:
        """Return plain text as it is, a conversation with its roles."""
        return PromptText(plain(_messages(prompt)))

    def _segment(self, answer: int, length: int) -> int:
        return answer if self._typed else length


class TemplateLayout(TextLayout):
    """The conversation as the tokenizer's chat template writes it."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        super().__init__(tokenizer)
        self.prefix_ids = []
        self.suffix_ids = self._ids(self._around((Message("user", "a"),))[1])

    def prompt_text(self, prompt: Text) -> PromptText:
        """Return everything that the template writes before the response."""
        messages, begun = begun_answer(_messages(prompt))
        try:
            return PromptText(self._before(messages, begun))
        except jinja2.TemplateError as error:
            rejected = str(error)
        try:
            return PromptText(self._before((Message("user", plain(messages)),), begun), rejected)
        except jinja2.TemplateError as error:
            raise CheckpointError(
                f"the encoder's chat template rejects even one user message: {error}"
            ) from error

    def _before(self, messages: Sequence[Message], begun: str) -> str:
        """Return what stands before the response, with what the prompt has begun of it."""
        before, _ = self._around(messages, begun)
        # A template that trims answers, or drops their thoughts, does not get to.
        return before if before.endswith(begun) else self._around(messages)[0] + begun

    def _around(self, messages: Sequence[Message], begun: str = "") -> tuple[str, str]:
        """Return what the template writes before and after the response; ``begun`` is written before it."""
        rendered = render(self.tokenizer, (*messages, Message("assistant", begun + _PROBE)))
        before, found, after = rendered.rpartition(_PROBE)
        if not found:
            raise jinja2.TemplateError("it does not write the assistant's answer")
        return before, after


def layout_for(tokenizer: PreTrainedTokenizerBase, kind: Kind) -> TextLayout:
    """Return the layout of an encoder's texts; a broken chat template gives the plain one, with a note."""
    if kind == "bidirectional":
        return PairLayout(tokenizer)
    if not tokenizer.chat_template:
        return TextLayout(tokenizer)
    try:
        return TemplateLayout(tokenizer)
    except jinja2.TemplateError as error:
        note = (
            f"the encoder's chat template does not work ({error}): texts are laid out as User: / Assistant:"
        )
        return TextLayout(tokenizer, note)


def _messages(prompt: Text) -> tuple[Message, ...]:
    return clean(as_messages(prompt, "user"))


def _find(part: Sequence[int], whole: Sequence[int]) -> int:
    """Return where ``part`` begins in ``whole``.

    Raises
    ------
    CheckpointError
        If it is not there: the tokenizer does not put special tokens around a text, but changes it.
    """
    for start in range(len(whole) - len(part) + 1 if part else 0):
        if list(whole[start : start + len(part)]) == list(part):
            return start
    raise CheckpointError(
        f"the encoder's tokenizer is not supported: it makes {list(part)} of a letter alone,"
        f" but {list(whole)} with special tokens"
    )

"""How a pair stands before the policy: the prompt's token ids, and those of both responses.

A prompt is laid out by the tokenizer's chat template where it has one (``auto``), up to where the answer
begins; otherwise, or with ``none``, the response follows the prompt directly, as in TRL's plain format (a
conversation is then written with its roles). Where the prompt ends with an assistant's turn, the response continues
that turn. The response carries what closes it: the template's end of turn,
or the end-of-text token. Prompt and responses are tokenised apart, each distinct text once.

Of a prompt that is too long the end stays, where the question is, after its beginning-of-text token; of a
response the beginning, and one that is cut has no end. So an empty response still has one token, its end.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt
from transformers import PreTrainedTokenizerBase

from rewardrouter.errors import CheckpointError
from rewardrouter.offline.text import PromptText, TextLayout, layout_for
from rewardrouter.pairs import PreferencePair, Text, as_messages
from rewardrouter.pretrained.conversation import begun_answer

Ids = npt.NDArray[np.int32]
"""Token ids, ``int32 [T]``."""


@dataclasses.dataclass(frozen=True, slots=True)
class TokenReport:
    """What the policy does not see of P pairs; a prompt counts once per pair, special tokens too."""

    n_pairs: int
    prompts_cut: int
    """Pairs whose prompt was cut."""
    responses_cut: int
    """Responses that were cut, of 2 P."""
    tokens_total: int
    tokens_cut: int
    alike: int
    """Pairs whose responses differ as text, but not in what is left of them: their margin is always 0."""

    def line(self) -> str:
        """Return the report for a reader."""
        share = self.tokens_cut / max(1, self.tokens_total)
        alike = f"; {self.alike:,} pairs look the same on both sides" if self.alike else ""
        return (
            f"{self.n_pairs:,} pairs: prompt cut in {self.prompts_cut:,}, {self.responses_cut:,} responses cut,"
            f" {share:.1%} of the tokens are not seen{alike}"
        )


@dataclasses.dataclass(frozen=True, slots=True)
class PairTokens:
    """The token ids of P pairs: a prompt each, and the responses A and B."""

    prompts: tuple[Ids, ...]
    responses: tuple[tuple[Ids, Ids], ...]
    report: TokenReport


class PolicyLayout:
    """Turns pairs into token ids for one tokenizer.

    Parameters
    ----------
    tokenizer
        Of the policy.
    template
        As in :class:`rewardrouter.config.policy.PolicyConfig`.
    max_prompt_tokens, max_response_tokens
        What is kept, special tokens included; ``None`` keeps everything.

    Raises
    ------
    CheckpointError
        If the tokenizer has no token that ends a text, or is of a kind that cannot be used.
    """

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        template: Literal["auto", "none"],
        max_prompt_tokens: int | None,
        max_response_tokens: int | None,
    ) -> None:
        plain = template == "none" or not tokenizer.chat_template
        self._layout = _DirectLayout(tokenizer) if plain else layout_for(tokenizer, "causal")
        self._max_prompt, self._max_response = max_prompt_tokens, max_response_tokens
        self._bos = tokenizer.bos_token_id
        starts = (self._bos, tokenizer.eos_token_id, tokenizer.pad_token_id)
        self._start = next((token for token in starts if isinstance(token, int)), None)
        self._end: list[int] = self._layout.suffix_ids
        if self._start is None or not self._end:
            raise CheckpointError("the policy's tokenizer has no end-of-text token: set its eos_token")

    @property
    def setting(self) -> str:
        """All that decides how a text is read, beside the tokenizer's vocabulary."""
        layout = self._layout
        kept = (self._max_prompt, self._max_response)
        return f"{type(layout).__name__} {layout.prefix_ids} {self._end} {kept}"

    def tokens(self, pairs: Sequence[PreferencePair]) -> PairTokens:
        """Return the token ids of P pairs.

        Raises
        ------
        CheckpointError
            If the tokenizer's chat template rejects a prompt in every form.
        """
        asked = _distinct(pair.prompt for pair in pairs)
        prompts = dict(zip(asked, self.prompt_tokens(asked), strict=True))
        answers = _distinct(answer for pair in pairs for answer in (pair.response_a, pair.response_b))
        found = self._layout.tokenize([self._layout.response_text(answer) for answer in answers])
        end = np.array(self._end, np.int32)
        responses = {a: np.concatenate([ids, end]) for a, ids in zip(answers, found, strict=True)}
        return self._cut(pairs, prompts, responses)

    def prompt_tokens(self, prompts: Sequence[Text], *, to_be_answered: bool = False) -> list[Ids]:
        """Return the token ids of prompts, whole, up to where an answer begins.

        Where they are ``to_be_answered``, the space that some templates put before an answer is the policy's to write:
        most tokenizers make it a part of the first word.

        Raises
        ------
        CheckpointError
            If the tokenizer's chat template rejects a prompt in every form.
        """
        texts = [self._layout.prompt_text(prompt).text for prompt in prompts]
        if to_be_answered and not isinstance(self._layout, _DirectLayout):
            texts = [
                text if begun_answer(as_messages(prompt, "user"))[1] else text.rstrip(" ")
                for prompt, text in zip(prompts, texts, strict=True)
            ]
        return [self._framed(ids) for ids in self._layout.tokenize_prompts(texts)]

    def cut_prompt(self, ids: Ids) -> Ids:
        """Return the end of a prompt that is too long, after its beginning-of-text token."""
        limit = self._max_prompt
        if limit is None or len(ids) <= limit:
            return ids
        if ids[0] != self._bos:
            return ids[len(ids) - limit :]
        return np.concatenate([ids[:1], ids[len(ids) - limit + 1 :]])

    def _framed(self, ids: Ids) -> Ids:
        """Return a prompt with its special tokens; an empty one too has a token that the response follows."""
        whole = np.array([*self._layout.prefix_ids, *ids], np.int32)
        return whole if len(whole) else np.array([self._start], np.int32)

    def _cut(
        self, pairs: Sequence[PreferencePair], prompts: dict[Text, Ids], responses: dict[Text, Ids]
    ) -> PairTokens:
        short_prompts = {text: self.cut_prompt(ids) for text, ids in prompts.items()}
        short = {text: ids[: self._max_response] for text, ids in responses.items()}
        total = cut = prompts_cut = responses_cut = alike = 0
        for pair in pairs:
            lost_prompt = len(prompts[pair.prompt]) - len(short_prompts[pair.prompt])
            sides = (pair.response_a, pair.response_b)
            lost = [len(responses[side]) - len(short[side]) for side in sides]
            total += len(prompts[pair.prompt]) + sum(len(responses[side]) for side in sides)
            cut += lost_prompt + sum(lost)
            prompts_cut += lost_prompt > 0
            responses_cut += sum(side > 0 for side in lost)
            same = np.array_equal(short[pair.response_a], short[pair.response_b])
            alike += same and pair.response_a != pair.response_b
        return PairTokens(
            tuple(short_prompts[pair.prompt] for pair in pairs),
            tuple((short[pair.response_a], short[pair.response_b]) for pair in pairs),
            TokenReport(len(pairs), prompts_cut, responses_cut, total, cut, alike),
        )


class _DirectLayout(TextLayout):
    """The response follows the prompt, with nothing between; the policy was asked to continue a text."""

    def prompt_text(self, prompt: Text) -> PromptText:
        """Return plain text, or a single user message, as it is; a conversation with its roles."""
        messages = as_messages(prompt, "user")
        if len(messages) == 1 and messages[0].role == "user":
            return PromptText(self.response_text(messages[0].content))
        return super().prompt_text(prompt)


def _distinct(texts: Iterable[Text]) -> list[Text]:
    return list(dict.fromkeys(texts))

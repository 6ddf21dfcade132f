"""Chats of one question and one answer as token ids, the same that the tokenizer's chat template gives, in bulk."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

Ids = list[int]


class ChatTokens:
    """Turns prompts and responses into token ids that follow each other."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self._tokenizer = tokenizer
        self._user, self._assistant = self._id("<|user|>"), self._id("<|assistant|>")
        self.bos, self.eos, self.pad = (
            self._id(str(token)) for token in (tokenizer.bos_token, tokenizer.eos_token, tokenizer.pad_token)
        )

    def prompts(self, texts: Sequence[str]) -> list[Ids]:
        """Return each prompt up to where the answer begins."""
        return [[self.bos, self._user, *ids, self._assistant] for ids in self._encoded(texts)]

    def responses(self, texts: Sequence[str]) -> list[Ids]:
        """Return each response with its end."""
        return [[*ids, self.eos] for ids in self._encoded(texts)]

    def texts(self, responses: Sequence[Ids]) -> list[str]:
        """Return the texts of responses."""
        return [str(text) for text in self._tokenizer.batch_decode(list(responses), skip_special_tokens=True)]

    def _id(self, token: str) -> int:
        found = self._tokenizer.convert_tokens_to_ids(token)
        assert isinstance(found, int)  # noqa: S101 - one token has one id
        return found

    def _encoded(self, texts: Sequence[str]) -> list[Ids]:
        encode: Any = self._tokenizer.backend_tokenizer.encode_batch
        return [list(found.ids) for found in encode(list(texts), add_special_tokens=False)]


def padded(rows: Sequence[Ids], fill: int, *, left: bool = False) -> Tensor:
    """Return ``int64 [n, longest]``: the rows, filled up behind (or before) with ``fill``."""
    longest = max(map(len, rows))
    filled = [
        [fill] * (longest - len(row)) + row if left else row + [fill] * (longest - len(row)) for row in rows
    ]
    return torch.tensor(filled)

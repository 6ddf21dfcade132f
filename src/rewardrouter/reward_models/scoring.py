"""Scores of texts by a sequence classifier, in batches that give what one by one would.

Texts of similar length share a batch, padded on the right. What follows is masked, or not seen by a causal model,
so nothing depends on the padding if only the score is read off the right position. A causal classifier takes the last
token that is not the padding token. Where the checkpoint names one, that is how it was trained; where it names none,
a batch takes a token that no text of it ends with. Some architectures look at the padding all the same (convolutions,
Fourier transforms): the loaded model is asked, and if it does, only texts of equal length share a batch.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, groupby, islice

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from rewardrouter.errors import one_line
from rewardrouter.pretrained.batches import length_batches
from rewardrouter.pretrained.loading import vocabulary_size
from rewardrouter.reward_models.formats import TokenText


@dataclasses.dataclass(frozen=True, slots=True)
class Score:
    """A text's score as ``float64``, or why there is none."""

    value: float | None
    error: str | None = None


class TextScorer:
    """Scores texts with a loaded classifier.

    Parameters
    ----------
    model
        In evaluation mode, on its device, with one label.
    tokenizer
        Names tokens to pad with, where the model's settings do not.
    batch_tokens
        The most tokens of a batch, padding included; a longer text is a batch of its own.
    """

    def __init__(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, batch_tokens: int) -> None:
        self._model = model
        self._batch_tokens = batch_tokens
        self._settings = model.config.get_text_config()
        known = range(vocabulary_size(model))
        pad = self._settings.pad_token_id
        self._own_pad: int | None = pad if pad in known else None
        asked = (tokenizer.pad_token_id, tokenizer.eos_token_id)
        self._pads: list[int] = [token for token in asked if token in known]
        self._sees_padding = self._asked_about_padding()

    def score(self, texts: Sequence[TokenText]) -> list[Score]:
        """Return the score of each of T texts: equal token ids, equal scores, whatever the order.

        A batch that raises is tried again in halves, down to the single text that is to blame: what fails is
        that text, with the error as its reason.
        """
        # Each distinct text once: in two batches it would be rounded in two ways, and a tie be missed.
        distinct = dict(sorted({text.content: text for text in texts}.items()))
        ordered = list(distinct.values())
        scores = [Score(None)] * len(ordered)
        for rows in self._batches([len(text.ids) for text in ordered]):
            for row, score in zip(rows, self._batch([ordered[row] for row in rows]), strict=True):
                scores[row] = score
        found = dict(zip(distinct, scores, strict=True))
        return [found[text.content] for text in texts]

    def _batches(self, lengths: Sequence[int]) -> Iterator[list[int]]:
        """Yield the rows of each batch."""
        for batch in length_batches(lengths, np.arange(len(lengths)), self._batch_tokens):
            parts = groupby(batch.tolist(), key=lengths.__getitem__) if self._sees_padding else [(0, batch)]
            for _, rows in parts:
                yield [int(row) for row in rows]

    def _batch(self, texts: Sequence[TokenText]) -> list[Score]:
        try:
            return [Score(float(value)) for value in self._forward(texts)]
        # Out of memory, a text longer than a table of positions, a device's own error: whatever a model's code
        # raises is a call that failed.
        except Exception as error:
            reason = one_line(error)
        if len(texts) == 1:
            return [Score(None, reason)]
        half = len(texts) // 2
        return [*self._batch(texts[:half]), *self._batch(texts[half:])]

    def _forward(self, texts: Sequence[TokenText]) -> list[float]:
        pad = self._pad(texts)
        width = max(len(text.ids) for text in texts)
        ids = torch.full((len(texts), width), pad, dtype=torch.int64)
        mask, types = torch.zeros_like(ids), torch.zeros_like(ids)
        for row, text in enumerate(texts):
            length = len(text.ids)
            ids[row, :length] = torch.from_numpy(text.ids)
            mask[row, :length] = 1
            if text.types is not None:
                types[row, :length] = torch.from_numpy(text.types)
        device = self._model.device
        inputs = {"input_ids": ids.to(device), "attention_mask": mask.to(device)}
        if any(text.types is not None for text in texts):
            inputs["token_type_ids"] = types.to(device)
        self._settings.pad_token_id = pad
        with torch.inference_mode():
            logits: Tensor = self._model(**inputs).logits
        scores: list[float] = logits.double().reshape(len(texts)).tolist()
        return scores

    def _asked_about_padding(self) -> bool:
        """Tell whether a text's score changes when it is padded, by trying it."""
        known = (token for token in range(vocabulary_size(self._model)) if token != self._own_pad)
        ids = np.array(list(islice(known, 3, 15)), np.int32)
        short, long = (TokenText(part, None, 0, rewritten=False) for part in (ids[: len(ids) // 2], ids))
        try:
            (alone,), (beside, _) = self._forward([short]), self._forward([short, long])
        except Exception:  # it will fail on real texts too, and say why
            return True
        rounding = 1e-3 if self._model.dtype == torch.float32 else 0.1
        return not abs(alone - beside) <= rounding * (1 + abs(alone))

    def _pad(self, texts: Sequence[TokenText]) -> int:
        """Return the padding token of a batch."""
        if self._own_pad is not None:
            return self._own_pad
        last = {int(text.ids[-1]) for text in texts}
        every: Iterable[int] = chain(self._pads, range(vocabulary_size(self._model)))
        return next(token for token in every if token not in last)

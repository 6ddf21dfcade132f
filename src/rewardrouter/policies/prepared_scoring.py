"""Prepared pairs under a policy as it is at the moment, in batches of texts of similar length.

A budget of tokens says how much goes through the model at once: padding included, and a text that is longer alone.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from rewardrouter.policies.prepared import PreparedPairs
from rewardrouter.policies.scoring import ResponseScorer
from rewardrouter.pretrained.batches import length_batches

Rows = npt.NDArray[np.int64]


class PreparedScorer:
    """Passes prepared pairs through a policy.

    Parameters
    ----------
    scorer
        Of the policy.
    batch_tokens
        The most tokens at once.
    """

    def __init__(self, scorer: ResponseScorer, batch_tokens: int) -> None:
        self._scorer, self._batch_tokens = scorer, batch_tokens

    def batches(self, prepared: PreparedPairs, rows: Rows) -> Iterator[Rows]:
        """Yield places in ``rows``: pairs of similar length, both of whose texts are within the budget."""
        tokens = prepared.tokens
        longest = [len(tokens.prompts[row]) + max(map(len, tokens.responses[row])) for row in rows]
        yield from length_batches(longest, np.arange(len(rows)), self._batch_tokens // 2)

    def log_probs_at_once(self, prepared: PreparedPairs, rows: Rows, *, rests: bool) -> tuple[Tensor, Tensor]:
        """Return the log-probabilities of A and B, differentiable, and their tokens: ``float32``, ``int64 [B, 2]``.

        ``rests``: of their rests (:mod:`rewardrouter.policies.prepared`).
        """
        texts = [text for row in rows for text in prepared.texts(row, rests=rests)]
        found = self._scorer.log_probs(*zip(*texts, strict=True)).view(-1, 2)
        return found, torch.tensor([len(answer) for _, answer in texts]).view(-1, 2)

    def log_probs(
        self, prepared: PreparedPairs, rows: Rows, *, rests: bool = False
    ) -> npt.NDArray[np.float32]:
        """Return the log-probabilities of A and B, or of their rests, ``float32 [B, 2]``, nats."""
        texts = [text for row in rows for text in prepared.texts(row, rests=rests)]
        found = np.empty(len(texts), np.float32)
        lengths = [len(prompt) + len(answer) for prompt, answer in texts]
        for places in length_batches(lengths, np.arange(len(texts)), self._batch_tokens):
            with torch.inference_mode():
                batch = self._scorer.log_probs(*zip(*(texts[place] for place in places), strict=True))
            found[places] = batch.cpu().numpy()
        return found.reshape(-1, 2)

    def prompt_means(self, prepared: PreparedPairs, rows: Rows, width: int) -> npt.NDArray[np.float32]:
        """Return the mean last hidden state of each prompt's tokens, ``float32 [B, width]``."""
        prompts = [prepared.tokens.prompts[row] for row in rows]
        found = np.zeros((len(prompts), width), np.float32)
        lengths = [len(prompt) for prompt in prompts]
        for places in length_batches(lengths, np.arange(len(prompts)), self._batch_tokens):
            found[places] = self._scorer.prompt_means([prompts[place] for place in places]).cpu().numpy()
        return found

"""Log-probabilities of responses under a causal LM: what a preference loss is made of.

Of the model's output only the positions that predict a response's tokens count, and of each position only the
chosen token and the normaliser. So the output layer sees just those positions, a few hundred at a time, and their
logits are computed again in the backward pass rather than kept: with a vocabulary of 100,000 they would be most of
the memory, and with a small one that fits the cache they would be most of the time. A model whose output layer is
more than a matrix (a bias, capped or scaled logits, an adapter on it) is asked for its logits as they are.

Texts are filled up on the right and no attention mask is given: a causal model's state at a token depends on what
stands before it alone, so what fills up the rest changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from rewardrouter.policies.tokens import Ids

_CHUNK = 512
"""Positions whose logits exist at once."""


class ResponseScorer:
    """Scores responses under a model as it is at the moment.

    Parameters
    ----------
    model
        The causal LM, adapters included.
    autocast
        The dtype to compute in where the weights are held in another, else ``None``.
    """

    def __init__(self, model: PreTrainedModel, autocast: torch.dtype | None = None) -> None:
        self._model, self._autocast = model, autocast
        self._matrix_head = _has_matrix_head(model)

    def log_probs(self, prompts: Sequence[Ids], responses: Sequence[Ids]) -> Tensor:
        """Return each response's log-probability given its prompt, ``float32 [S]``, nats, summed over tokens.

        One forward pass; differentiable where gradients are on.
        """
        texts = [np.concatenate(both) for both in zip(prompts, responses, strict=True)]
        counts = np.array([len(response) for response in responses])
        row = np.repeat(np.arange(len(texts)), counts)
        place = np.arange(len(row)) - np.repeat(
            np.cumsum(counts) - counts, counts
        )  # of a token in its response
        column = place + np.repeat([len(prompt) - 1 for prompt in prompts], counts)  # predicts that token
        device = self._model.device
        width = max(map(len, texts))
        index = torch.from_numpy(row * width + column).to(device)
        targets = torch.from_numpy(np.concatenate(responses).astype(np.int64)).to(device)
        tokens = self._token_log_probs(self._padded(texts, width), index, targets)
        # A rectangle rather than index_add, whose order of summation on a GPU is not fixed.
        filled = tokens.new_zeros((len(texts), int(counts.max())))
        return filled.index_put(
            (torch.from_numpy(row).to(device), torch.from_numpy(place).to(device)), tokens
        ).sum(1)

    def prompt_means(self, prompts: Sequence[Ids]) -> Tensor:
        """Return the mean last hidden state of each prompt's tokens, ``float32 [S, d]``; no gradients."""
        lengths = torch.tensor([len(prompt) for prompt in prompts], device=self._model.device)
        width = int(lengths.max())
        with torch.no_grad(), self._precision():
            states = self._states(self._padded(prompts, width)).float()
        inside = torch.arange(width, device=states.device) < lengths[:, None]
        return (states * inside[:, :, None]).sum(dim=1) / lengths[:, None]

    def _padded(self, texts: Sequence[Ids], width: int) -> Tensor:
        ids = np.zeros((len(texts), width), np.int64)
        for row, text in enumerate(texts):
            ids[row, : len(text)] = text
        return torch.from_numpy(ids).to(self._model.device)

    def _token_log_probs(self, ids: Tensor, index: Tensor, targets: Tensor) -> Tensor:
        """Return the log-probabilities ``float32 [n]`` of ``targets``, predicted at the flat positions ``index``."""
        with self._precision():
            if not self._matrix_head:
                logits: Tensor = self._model(input_ids=ids).logits.flatten(0, 1)[index].float()
                return logits.log_softmax(dim=-1).gather(1, targets[:, None])[:, 0]
            states = self._states(ids).flatten(0, 1).index_select(0, index)
        head = self._model.get_output_embeddings()  # type: ignore[no-untyped-call]
        return chosen_log_probs(states.to(self._autocast or states.dtype), head.weight, targets)

    def _states(self, ids: Tensor) -> Tensor:
        """Return the last hidden states, ``[S, T, d]``."""
        states: Tensor
        if self._model.base_model is self._model:
            states = self._model(input_ids=ids, output_hidden_states=True).hidden_states[-1]
        else:
            states = self._model.base_model(input_ids=ids).last_hidden_state
        return states

    def _precision(self) -> torch.autocast:
        dtype = self._autocast or torch.float32
        return torch.autocast(self._model.device.type, dtype, enabled=self._autocast is not None)


def chosen_log_probs(states: Tensor, matrix: Tensor, targets: Tensor) -> Tensor:
    """Return ``log softmax(states matrix')[targets]``, ``float32 [n]``, without ever holding all logits.

    Parameters
    ----------
    states
        ``[n, d]``; the products are computed in its dtype, everything else in float32.
    matrix
        ``[V, d]``: the output layer.
    targets
        ``int64 [n]``.
    """
    found: Tensor = _ChosenLogProbs.apply(states, matrix, targets)  # type: ignore[no-untyped-call]
    return found


class _ChosenLogProbs(torch.autograd.Function):
    """In the backward pass: ``d log p_t / d logits = onehot(t) - p``."""

    @staticmethod
    def forward(ctx: Any, states: Tensor, matrix: Tensor, targets: Tensor) -> Tensor:
        weight = matrix.to(states.dtype)
        chosen = torch.empty(len(states), dtype=torch.float32, device=states.device)
        normalisers = torch.empty_like(chosen)
        for start in range(0, len(states), _CHUNK):
            part = slice(start, start + _CHUNK)
            logits = (states[part] @ weight.T).float()
            normalisers[part] = logits.logsumexp(dim=-1)
            chosen[part] = logits.gather(1, targets[part, None])[:, 0] - normalisers[part]
        ctx.save_for_backward(states, matrix, targets, normalisers)
        return chosen

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor | None, None]:
        states, matrix, targets, normalisers = ctx.saved_tensors
        gradient, weight = gradients[0], matrix.to(states.dtype)
        to_states = torch.empty_like(states)
        to_matrix = torch.zeros_like(matrix) if ctx.needs_input_grad[1] else None
        for start in range(0, len(states), _CHUNK):
            part = slice(start, start + _CHUNK)
            logits = (states[part] @ weight.T).float()
            # In place, one after the other: the chunk stays in the cache.
            slope = logits.sub_(normalisers[part, None]).exp_().mul_(-gradient[part, None])
            slope.scatter_add_(1, targets[part, None], gradient[part, None])
            slope = slope.to(states.dtype)
            to_states[part] = slope @ weight
            if to_matrix is not None:
                to_matrix.add_(slope.T @ states[part])
        return to_states, to_matrix, None


def _has_matrix_head(model: PreTrainedModel) -> bool:
    """Whether the logits are the last hidden states times a matrix: asked of the model itself."""
    head = model.get_output_embeddings()  # type: ignore[no-untyped-call]
    if type(head) is not nn.Linear or head.bias is not None or model.base_model is model:
        return False
    # Capped logits differ from plain ones only where these are large, which a probe need not show.
    if getattr(model.config.get_text_config(), "final_logit_softcapping", None):
        return False
    ids = torch.arange(1, 9, device=model.device)[None] % head.weight.shape[0]
    with torch.no_grad():  # not inference mode: what a model renews meanwhile could not be trained with
        logits = model(input_ids=ids).logits.float()
        states = model.base_model(input_ids=ids).last_hidden_state
        product = head(states).float()
    return bool((logits - product).abs().max() <= 1e-3 * logits.abs().max())

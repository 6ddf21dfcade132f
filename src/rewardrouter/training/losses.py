"""What a micro-batch's pairs cost: the policy's log-probabilities of their responses beside its reference's (Eq. 1).

The logits of a micro-batch may be most of its memory. TRL has an output layer that never holds all of them, but is
slower and rounds otherwise: it is used where they would be many.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel
from trl.trainer import dpo_trainer

from rewardrouter.config.policy import LossKind
from rewardrouter.policies.losses import PairLosses, pair_losses
from rewardrouter.pretrained.loading import vocabulary_size
from rewardrouter.training.reference import as_reference

_CAN_FUSE = hasattr(dpo_trainer, "add_fused_lm_head")
"""Whether TRL gives the policy an output layer whose logits are never all in memory (1.16 does)."""

MANY_LOGITS = 2**28
"""Logits of a micro-batch, 1 GiB in float32, above which that layer is used."""

_IGNORED = -100
"""What is no target of a language model's loss."""


def micro_batch_losses(
    policy: PreTrainedModel,
    wrapped: nn.Module,
    frozen: nn.Module | None,
    tensors: dict[str, Tensor],
    *,
    kind: LossKind,
    beta: float,
) -> PairLosses:
    """Return the losses of P pairs, with gradients.

    Parameters
    ----------
    policy, wrapped
        The policy, and as the trainer has wrapped it.
    frozen
        The reference, where it is a model of its own.
    tensors
        Of the micro-batch: the chosen responses first, then the rejected ones.
    kind, beta
        Of the loss.
    """
    fused = fuses(policy, tensors["input_ids"].numel())
    log_probs, counts = response_log_probs(wrapped, tensors, fused=fused)
    with torch.no_grad(), as_reference(policy, wrapped, frozen) as reference:
        before, _ = response_log_probs(reference, tensors, fused=fused)
    return pair_losses(
        log_probs.view(2, -1).T,
        before.view(2, -1).T,
        counts.view(2, -1).T,
        torch.ones(len(log_probs) // 2, device=log_probs.device),  # A is the chosen one
        kind=kind,
        beta=beta,
    )


def fuses(policy: PreTrainedModel, tokens: int) -> bool:
    """Tell whether a micro-batch of so many tokens, padding included, goes without its logits in memory."""
    return _CAN_FUSE and tokens * vocabulary_size(policy) > MANY_LOGITS


def response_log_probs(model: nn.Module, tensors: dict[str, Any], *, fused: bool) -> tuple[Tensor, Tensor]:
    """Return each text's response log-probability and its number of tokens, both ``float32 [2 P]``, chosen ones first.

    Parameters
    ----------
    model
        The policy or its reference, as the trainer has wrapped it.
    tensors
        Of the micro-batch.
    fused
        Whether the model has TRL's output layer, whose logits ``[2 P, T, V]`` never exist all at once.
    """
    ids, answered = tensors["input_ids"], tensors["completion_mask"].bool()
    asked = {"input_ids": ids, "attention_mask": tensors["attention_mask"], "use_cache": False}
    counts = answered[:, 1:].sum(dim=1).float()
    if fused:
        labels = ids.masked_fill(~answered, _IGNORED)
        found: Tensor = model(**asked, labels=labels, fused_lm_head=True).log_probs
        return found[:, 1 - ids.shape[1] :].float().sum(dim=1), counts
    predicted = answered[:, 1:]
    logits = model(**asked).logits[:, :-1][predicted]
    # Only the places that predict a response's token are brought to float32.
    each = -torch.nn.functional.cross_entropy(logits.float(), ids[:, 1:][predicted], reduction="none")
    filled = torch.zeros(predicted.shape, dtype=torch.float32, device=logits.device)
    return filled.masked_scatter(predicted, each).sum(dim=1), counts

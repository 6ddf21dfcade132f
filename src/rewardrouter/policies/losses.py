"""Preference losses per pair, under the given label and under the opposite one (paper Eq. 1).

With the policy's and the reference's log-probabilities of responses A and B, the *margin* is
``m = beta * [log pi(A)/ref(A) - log pi(B)/ref(B)]`` in nats, and the label is ``l = +1`` where A is better,
``-1`` where B is. The losses are those of TRL's ``DPOTrainer``:

* sigmoid (DPO): ``-log sigmoid(l m) = log(2 cosh(m / 2)) - l m / 2``;
* hinge (SLiC): ``relu(1 - l m)``;
* ipo: ``(l d - 1 / (2 beta))^2`` with ``d`` the difference of the log-ratios *per token*.

Exchanging the responses turns the signs of m, d and l, and changes no loss.
"""

from __future__ import annotations

import dataclasses

import torch
import torch.nn.functional as F  # noqa: N812 - the field's name for it
from torch import Tensor

from rewardrouter.config.policy import LossKind


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class PairLosses:
    """The losses of B pairs, differentiable.

    ``losses``, ``swapped_losses`` (under the opposite labels) and ``margins`` (A minus B, nats, beta included,
    not normalised by length whatever the loss): ``float [B]``.
    """

    losses: Tensor
    swapped_losses: Tensor
    margins: Tensor


def pair_losses(
    log_probs: Tensor, reference: Tensor, counts: Tensor, labels: Tensor, *, kind: LossKind, beta: float
) -> PairLosses:
    """Return the losses of B labelled pairs.

    Parameters
    ----------
    log_probs, reference
        ``float [B, 2]``: log-probability of responses A and B given the prompt, summed over their tokens, nats,
        under the policy and under the reference.
    counts
        ``[B, 2]``: tokens of the responses; only ``ipo`` reads them.
    labels
        ``[B]``: +1 where A is better, -1 where B is.
    kind, beta
        The loss and its temperature.
    """
    ratios = log_probs - reference
    margins = beta * (ratios[:, 0] - ratios[:, 1])
    per_token = ratios / counts.clamp(min=1).to(ratios.dtype)
    gaps = per_token[:, 0] - per_token[:, 1]
    signs = labels.to(ratios.dtype)
    return PairLosses(
        _loss(kind, beta, signs * margins, signs * gaps),
        _loss(kind, beta, -signs * margins, -signs * gaps),
        margins,
    )


def _loss(kind: LossKind, beta: float, margins: Tensor, gaps: Tensor) -> Tensor:
    """Return the losses where the better response is ahead by ``margins``, per token by ``gaps``."""
    if kind == "sigmoid":
        return F.softplus(-margins)
    if kind == "hinge":
        return torch.relu(1 - margins)
    return (gaps - 1 / (2 * beta)) ** 2

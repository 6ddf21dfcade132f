"""The offline training losses (paper 3.2).

``behaviour`` is delta with missing entries as NaN: 1 where RM n agrees with the
human on pair i, 0 where it does not, NaN where it tied or failed. Missing
entries take part in neither loss.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812 - the field's name for it
from torch import Tensor


def bt_loss(scores: Tensor, behaviour: Tensor, triples_per_pair: float | None = None) -> Tensor:
    """Bradley-Terry loss of the strength scores (paper Eq. 2).

    Mean over the disagreement set ``{(i, n, m): delta[i, n] = 1, delta[i, m] = 0}``
    of ``-log sigmoid(s[i, n] - s[i, m])``.

    Parameters
    ----------
    scores
        ``float [..., B, N]``: strength score of each RM on each pair, logits.
    behaviour
        ``float [B, N]``: 1, 0 or NaN.
    triples_per_pair
        Size of the whole training set's disagreement set over its number of pairs.
        Given, a mini-batch's loss is an unbiased estimate of the whole set's mean;
        otherwise the mean is over this batch's own disagreements.

    Returns
    -------
    ``float [...]``; 0 where nobody disagrees.
    """
    right, wrong = behaviour == 1, behaviour == 0
    disagree = (right[:, :, None] & wrong[:, None, :]).to(scores.dtype)
    margins = scores[..., :, :, None] - scores[..., :, None, :]
    total = (disagree * F.softplus(-margins)).sum(dim=(-3, -2, -1))
    count = disagree.sum() if triples_per_pair is None else len(behaviour) * triples_per_pair
    return total / max(float(count), 1e-12)


def cls_loss(logits: Tensor, behaviour: Tensor) -> Tensor:
    """Binary cross-entropy of the auxiliary head (paper Eq. 3), mean over observed entries.

    Parameters
    ----------
    logits
        ``float [..., B, N]``.
    behaviour
        ``float [B, N]``: 1, 0 or NaN.

    Returns
    -------
    ``float [...]``; 0 where nothing is observed.
    """
    observed = ~behaviour.isnan()
    target = torch.where(observed, behaviour, 0.0).to(logits.dtype).expand_as(logits)
    entries = F.binary_cross_entropy_with_logits(logits, target, reduction="none") * observed
    return entries.sum(dim=(-2, -1)) / observed.sum().clamp(min=1)

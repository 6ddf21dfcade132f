"""The heads on a fixed h, solved to the optimum.

With h fixed, Eqs. 2 and 3 with a Gaussian prior on the embeddings,

    L_bt(E) + c / (P N) * sum ||E[n]||^2     and     L_cls(E) + c / (P N) * sum ||E[n]||^2,

are convex: full-batch L-BFGS finds the one optimum, and neither step size nor
number of epochs is left to tune. The last coordinate of h is the constant 1; it
has next to no penalty, so a strong prior shrinks towards the ranking of the RMs
on the whole and not towards indifference.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from rewardrouter.offline.losses import bt_loss

_ITERATIONS = 200
_CONSTANT_L2 = 1e-4
"""Penalty of the constant's weight: just enough that an RM that never lost is not infinitely strong."""


def solve_head(
    h: Tensor,
    behaviour: Tensor,
    loss: Callable[[Tensor, Tensor], Tensor],
    strength: float,
    start: Tensor | None = None,
) -> Tensor:
    """Return the optimal embeddings, ``float64 [N, d]``.

    Parameters
    ----------
    h
        ``float [P, d]``, the last column constant.
    behaviour
        ``float [P, N]`` with NaN for missing.
    loss
        :func:`~rewardrouter.offline.losses.bt_loss` or :func:`~rewardrouter.offline.losses.cls_loss`.
    strength
        c, of the prior: P pairs, N RMs.
    start
        ``float64 [N, d]``: where to start, zeros if not given.
    """
    h, n_rms = h.double(), behaviour.shape[1]
    embeddings = torch.zeros(n_rms, h.shape[1], dtype=torch.float64) if start is None else start.clone()
    embeddings.requires_grad_()
    optimiser = torch.optim.LBFGS(
        [embeddings],
        max_iter=_ITERATIONS,
        tolerance_grad=1e-7,
        tolerance_change=1e-10,
        line_search_fn="strong_wolfe",
    )

    def objective() -> float:
        optimiser.zero_grad()
        shrunk, constant = embeddings[:, :-1].square().sum(), embeddings[:, -1].square().sum()
        penalty = strength / len(h) * shrunk + _CONSTANT_L2 * constant
        value = loss(h @ embeddings.T, behaviour) + penalty / n_rms
        value.backward()  # type: ignore[no-untyped-call]
        return float(value.detach())

    optimiser.step(objective)  # type: ignore[no-untyped-call]
    return embeddings.detach()


def solve_path(h: Tensor, behaviour: Tensor, strengths: Sequence[float]) -> dict[float, Tensor]:
    """Return the BT embeddings of every prior strength, the strongest solved first and each the next one's start."""
    path: dict[float, Tensor] = {}
    start = None
    for strength in sorted(strengths, reverse=True):
        start = path[strength] = solve_head(h, behaviour, bt_loss, strength, start)
    return path


def trusting(embeddings: Tensor, ranking: Tensor, trust: float) -> Tensor:
    """Return ``trust * embeddings + (1 - trust) * ranking``, ``float64 [N, d]``.

    ``ranking`` is ``float64 [N, 1]``: the optimum on the constant alone, which scores every pair alike.
    """
    constant = torch.zeros_like(embeddings)
    constant[:, -1:] = ranking
    return trust * embeddings + (1 - trust) * constant


def global_ranking(behaviour: Tensor) -> Tensor:
    """Return ``float64 [N, 1]``: the log odds of every RM being right, over its verdicts in ``behaviour [P, N]``.

    The order of accuracy, not of Bradley-Terry strength: the fallback must be the best single RM, and an RM
    can win more disagreements against the others and still be right less often.
    """
    right, wrong = (behaviour == 1).sum(dim=0).double(), (behaviour == 0).sum(dim=0).double()
    # One of each is added: an RM that was never wrong is not infinitely good.
    return ((right + 1) / (wrong + 1)).log()[:, None]

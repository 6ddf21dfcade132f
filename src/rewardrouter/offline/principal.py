"""Principal directions of a matrix's rows, by the smaller of two equal eigenproblems."""

from __future__ import annotations

import torch
from torch import Tensor


def principal_directions(rows: Tensor, count: int) -> Tensor:
    """Return up to ``count`` principal directions of ``rows``, ``float64 [P, D]``, which are not centred here.

    Returns
    -------
    ``float64 [D, K]``, orthonormal columns, the direction along which the rows are longest first.
    Directions that the rows do not span are left out: K may be less than ``count``, also 0.
    """
    if len(rows) < rows.shape[1]:
        values, left = torch.linalg.eigh(rows @ rows.T)
        vectors = rows.T @ (left / values.clamp(min=1e-12).sqrt())
    else:
        values, vectors = torch.linalg.eigh(rows.T @ rows)
    kept = (values > 1e-8 * values[-1]).nonzero().flatten()[-count:].flip(0)
    leading: Tensor = vectors[:, kept]
    return leading

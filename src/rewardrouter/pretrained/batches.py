"""Batches of texts of similar length: every text of a batch costs as much as the longest one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt


def length_batches(
    lengths: Sequence[int], rows: npt.NDArray[np.int64], batch_tokens: int
) -> Iterator[npt.NDArray[np.int64]]:
    """Yield ``rows`` in batches of similar length, the longest first, equal lengths in the order given.

    Parameters
    ----------
    lengths
        Tokens of every text.
    rows
        ``int64 [R]``: the texts wanted.
    batch_tokens
        The most tokens of a batch, padding included; a longer text is a batch of its own.
    """
    order = rows[np.argsort([-lengths[row] for row in rows], kind="stable")] if len(rows) else rows
    start = 0
    while start < len(order):
        size = max(1, batch_tokens // max(1, lengths[order[start]]))
        yield order[start : start + size]
        start += size

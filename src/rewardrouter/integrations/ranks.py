"""The ranks of a distributed training: what each knows, told to all.

Every rank must come here equally often. Without ``torch.distributed`` there is one rank.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import torch.distributed as dist

_T = TypeVar("_T")


def rank() -> int:
    """Return the number of this rank, from 0."""
    return dist.get_rank() if _distributed() else 0


def gathered(values: Sequence[_T]) -> list[list[_T]]:
    """Return every rank's values, in the order of the ranks, the same on all of them; they are pickled."""
    if not _distributed():
        return [list(values)]
    found: list[Any] = [None] * dist.get_world_size()
    dist.all_gather_object(found, list(values))
    return found


def _distributed() -> bool:
    return dist.is_available() and dist.is_initialized()

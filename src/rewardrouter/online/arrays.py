"""Array types of the online core, and the checks at its doors.

Everything is ``float64``: the covariance of an arm shrinks by six orders of magnitude in a long run.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.float64]
Indices: TypeAlias = npt.NDArray[np.int64]
Mask: TypeAlias = npt.NDArray[np.bool_]


def as_contexts(contexts: npt.ArrayLike, dimension: int) -> Floats:
    """Return ``contexts`` as ``float64 [B, d]``, C-contiguous.

    Raises
    ------
    ValueError
        If they are no matrix of ``dimension`` columns, or not finite.
    """
    checked = np.ascontiguousarray(contexts, np.float64)
    if checked.ndim != 2 or checked.shape[1] != dimension:
        raise ValueError(f"contexts: expected shape [B, {dimension}], got {list(checked.shape)}")
    if not np.isfinite(checked).all():
        bad = np.flatnonzero(~np.isfinite(checked).all(axis=1))
        raise ValueError(f"contexts: row {bad[0]} of {len(checked)} holds a number that is not finite")
    return checked


def as_vector(values: npt.ArrayLike, size: int, what: str) -> Floats:
    """Return ``values`` as ``float64 [size]``.

    Raises
    ------
    ValueError
        If their shape is another.
    """
    checked = np.asarray(values, np.float64)
    if checked.shape != (size,):
        raise ValueError(f"{what}: expected shape [{size}], got {list(checked.shape)}")
    return checked


def as_arms(arms: npt.ArrayLike, size: int, n_arms: int) -> Indices:
    """Return ``arms`` as ``int64 [size]``, each in ``-1 .. n_arms - 1``; -1 stands for no arm.

    Raises
    ------
    ValueError
        If their shape or type is another, or one is out of range.
    """
    given: npt.NDArray[Any] = np.asarray(arms)
    if given.shape != (size,) or (size and given.dtype.kind not in "iu"):
        raise ValueError(f"arms: expected integers of shape [{size}], got {given.dtype} {list(given.shape)}")
    checked = given.astype(np.int64)
    if size and (checked.min() < -1 or checked.max() >= n_arms):
        raise ValueError(
            f"arms: expected -1 to {n_arms - 1}, found {checked.min()} to {checked.max()}; an arm was removed?"
        )
    return checked

"""Splits that never cut through a group.

Pairs of one problem (``PreferencePair.group``; else one prompt) stay together:
a model validated on a problem that it was trained on would be praised for its
memory.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from rewardrouter.errors import DataError


def group_folds(
    groups: Sequence[str] | npt.NDArray[np.str_], folds: int, seed: int, *, instead: str = ""
) -> npt.NDArray[np.int64]:
    """Return each row's fold, ``int64 [P]`` in ``0..folds-1``.

    Groups are dealt, in random order, each to the fold with the fewest rows so far. ``instead`` is what
    the user may do where there are too few groups and no more to be had: ``"give --solver.folds=2"``.

    Raises
    ------
    DataError
        If there are fewer groups than folds.
    """
    names, row_group, sizes = np.unique(np.asarray(groups), return_inverse=True, return_counts=True)
    if len(names) < folds:
        raise DataError(
            f"cannot split {len(names)} groups (problems or prompts) into {folds} parts;"
            f" give more distinct prompts{', or ' if instead else ''}{instead}"
        )
    fold_of = np.empty(len(names), dtype=np.int64)
    rows = np.zeros(folds, dtype=np.int64)
    for group in np.random.default_rng(seed).permutation(len(names)):
        smallest = int(rows.argmin())
        fold_of[group] = smallest
        rows[smallest] += sizes[group]
    assigned: npt.NDArray[np.int64] = fold_of[row_group]
    return assigned


def holdout(
    groups: Sequence[str] | npt.NDArray[np.str_], fraction: float, seed: int
) -> npt.NDArray[np.bool_]:
    """Return the validation rows, ``bool [P]``: about ``fraction`` of the rows, whole groups, at least one.

    Raises
    ------
    DataError
        If there are fewer than two groups.
    """
    folds = min(round(1 / fraction), len(np.unique(np.asarray(groups))))
    rows: npt.NDArray[np.bool_] = group_folds(groups, max(2, folds), seed) == 0
    return rows

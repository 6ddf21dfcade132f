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


def group_folds(groups: Sequence[str] | npt.NDArray[np.str_], folds: int, seed: int) -> npt.NDArray[np.int64]:
    """Return each row's fold, ``int64 [P]`` in ``0..F-1``: F is ``folds``, or the number of groups where that is less.

    Groups are dealt, in random order, each to the fold with the fewest rows so far; no fold is empty.

    Raises
    ------
    DataError
        If there are fewer than two groups, and more than one fold is asked for.
    """
    names, row_group, sizes = np.unique(np.asarray(groups), return_inverse=True, return_counts=True)
    if len(names) < min(2, folds):
        raise DataError(
            "all pairs are of one group (problem or prompt), so none can be held out;"
            " give pairs of other prompts, or a group column that tells problems apart"
        )
    folds = min(folds, len(names))
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
    rows: npt.NDArray[np.bool_] = group_folds(groups, max(2, round(1 / fraction)), seed) == 0
    return rows

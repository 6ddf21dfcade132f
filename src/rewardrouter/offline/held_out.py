"""The rows that verdicts are calibrated on: signals by models that did not see the pairs, beside the verdicts."""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

from rewardrouter.calibration.heldout import HeldOut, Signals
from rewardrouter.pairs import digest
from rewardrouter.verdicts import A, B, VerdictTable


def held_out_rows(table: VerdictTable, signals: Signals, folds: npt.NDArray[np.int64], seed: int) -> HeldOut:
    """Return at most ``heldout.MOST_PAIRS`` of :func:`labelled_rows`, drawn by ``seed``."""
    return labelled_rows(table, signals, folds).sampled(seed)


def labelled_rows(table: VerdictTable, signals: Signals, folds: npt.NDArray[np.int64]) -> HeldOut:
    """Return the rows of P labelled pairs.

    Parameters
    ----------
    table
        The P pairs.
    signals
        Of the same pairs, by models that did not see them.
    folds
        ``int64 [P]``: a part of each pair that never cuts through a group.
    """
    said = said_of(table.winners, table.scores_a, table.scores_b)
    groups = np.array([int(digest("group", str(group)), 16) for group in table.groups], np.uint64)
    labels = table.labels.astype(np.int64)
    return HeldOut(signals, said.winners, said.margins, labels, folds, groups=groups.view(np.int64))


@dataclasses.dataclass(frozen=True)
class Said:
    """Verdicts as evidence: ``winners``, ``int64`` of 1, -1 and 0 (none), and ``margins``, NaN where there is none."""

    winners: npt.NDArray[np.int64]
    margins: npt.NDArray[np.float64]


def said_of(
    winners: npt.NDArray[np.int8], scores_a: npt.NDArray[np.float64], scores_b: npt.NDArray[np.float64]
) -> Said:
    """Return what verdicts say, given as in a :class:`~rewardrouter.verdicts.VerdictTable`, in any shape."""
    named = np.isin(winners, (A, B))
    found = np.where(named, winners, 0).astype(np.int64)
    with np.errstate(over="ignore", invalid="ignore"):
        apart = scores_a - scores_b
    # Where the scores contradict the winner that was named, their distance says nothing of how sure it is.
    agree = named & (np.sign(apart) == found) & np.isfinite(apart)
    return Said(found, np.where(agree, np.abs(apart), np.nan))

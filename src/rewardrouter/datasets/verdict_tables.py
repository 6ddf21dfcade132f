"""Verdict tables from disk: recorded verdicts joined to human labels.

What a router is fitted and judged on. Pairs without a label cannot be used here
and are reported; how much of the rest can be learnt from is the coverage.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from rewardrouter.datasets.coverage import CoverageReport, coverage_of
from rewardrouter.datasets.recordings import Recordings, load_recordings
from rewardrouter.datasets.report import RowReport
from rewardrouter.verdicts import VerdictTable, winner_code


@dataclasses.dataclass(frozen=True)
class LoadedVerdicts:
    """A verdict table, the rows and verdicts that could not be used, and what can be learnt from."""

    table: VerdictTable
    report: RowReport
    coverage: CoverageReport


def load_verdicts(source: str | Path, rms: Sequence[str] | None = None) -> LoadedVerdicts:
    """Read the verdicts of a pool on human-labelled pairs.

    Parameters
    ----------
    source
        The folder that ``collect`` writes, or one wide file: ``prompt, response_a, response_b, label``,
        optional ``id``, ``domain``, ``group``, and per RM ``score_a__NAME, score_b__NAME`` and/or
        ``verdict__NAME``. Where both are given the verdict wins.
    rms
        The pool and its order; ``None`` takes every RM with a usable verdict, in file order.

    Raises
    ------
    DataError
        If the source cannot be read or used: no RM, half of an RM's scores, an unknown RM in ``rms`` or
        one without a usable verdict, no usable labelled pair.
    """
    recordings = load_recordings(source, rms, labelled=True)
    table = _table(recordings)
    return LoadedVerdicts(table, recordings.report, coverage_of(table))


def _table(recordings: Recordings) -> VerdictTable:
    verdicts = recordings.verdicts
    return VerdictTable(
        recordings.pairs,
        np.array([winner_code(label) for label in recordings.labels], dtype=np.int8),
        recordings.rms,
        np.array([[winner_code(verdict.winner) for verdict in row] for row in verdicts], dtype=np.int8),
        np.array([[verdict.score_a for verdict in row] for row in verdicts], dtype=np.float64),
        np.array([[verdict.score_b for verdict in row] for row in verdicts], dtype=np.float64),
    )

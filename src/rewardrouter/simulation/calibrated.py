"""How far a router's calibration holds on labelled pairs, and the whole curve of its cascade there.

Everything is fixed beforehand on the router's own held-out pairs: the probabilities, and the threshold of every
budget. The labels of the pairs measured here are read to count, and by nothing else.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from rewardrouter.annotators.admitted import Admitted
from rewardrouter.annotators.cascade import CalibratedScorer
from rewardrouter.calibration import Costs, HeldOut
from rewardrouter.calibration.budget import cheapest_within
from rewardrouter.calibration.reliability import (
    ReliabilityBin,
    calibration_error,
    held_out_probabilities,
    probabilities,
    reliability_bins,
)
from rewardrouter.config.cascade import EvidenceSettings
from rewardrouter.offline.held_out import labelled_rows
from rewardrouter.online.arrays import Floats
from rewardrouter.verdicts import VerdictTable

BUDGETS = (1.0, 1.05, 1.1, 1.2, 1.35, 1.5, 1.75, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0)
"""Mean calls per pair that the curve is drawn through."""


@dataclasses.dataclass(frozen=True)
class CurvePoint:
    """The cascade at one budget: calls made per pair, and accuracy over kept and over all pairs."""

    budget: float
    calls: float
    accuracy: float
    accuracy_all: float


@dataclasses.dataclass(frozen=True)
class Calibration:
    """How far P(RM is right) holds: expected calibration error (none without verdicts), verdicts, and the bins."""

    error: float | None
    n: int
    bins: list[ReliabilityBin]


@dataclasses.dataclass(frozen=True)
class RmCalibration:
    """Of one RM: on the router's held-out pairs, by what the other folds taught, and on the pairs measured."""

    held_out: Calibration
    here: Calibration


@dataclasses.dataclass(frozen=True)
class CalibrationResults:
    """What was measured; ``rms`` by the RMs' names."""

    curve: list[CurvePoint]
    rms: dict[str, RmCalibration]


def measure_calibration(table: VerdictTable, router: CalibratedScorer, seed: int = 0) -> CalibrationResults:
    """Return the curve and the reliability on P labelled pairs with verdicts by the router's RMs.

    The curve has no points where the router's held-out pairs have no verdict of them.
    """
    pairs = labelled_rows(table, router.signals(table.pairs), np.zeros(len(table), np.int64))
    admitted = Admitted.of(EvidenceSettings(), router.held_out, seed)
    before = held_out_probabilities(router.held_out)
    here = probabilities(admitted.model.correctness, pairs)
    return CalibrationResults(
        _curve(table, admitted, pairs),
        {
            rm: RmCalibration(
                _calibration(before[:, n], router.held_out.behaviour[:, n]),
                _calibration(here[:, n], pairs.behaviour[:, n]),
            )
            for n, rm in enumerate(table.rms)
        },
    )


def _curve(table: VerdictTable, admitted: Admitted, pairs: HeldOut) -> list[CurvePoint]:
    costs = Costs.of_calls(len(table.rms))
    if not admitted.plannable:
        return []
    planned = admitted.trace(costs)
    tried = admitted.traced(pairs, costs, lambda: np.zeros_like(pairs.signals.scores))
    points = []
    for budget in BUDGETS:
        plan = cheapest_within(planned, budget, 0.0) if budget <= len(table.rms) else None
        if plan is not None:
            calls, right = tried.at(plan.threshold)
            kept = right[table.kept]
            points.append(CurvePoint(budget, float(calls.mean()), float(kept.mean()), float(right.mean())))
    return points


def _calibration(predicted: Floats, behaviour: Floats) -> Calibration:
    seen = ~np.isnan(behaviour)
    n = int(seen.sum())
    error = calibration_error(predicted[seen], behaviour[seen]) if n else None
    return Calibration(error, n, reliability_bins(predicted[seen], behaviour[seen]))

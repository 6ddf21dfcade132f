"""What ``evaluate --json`` wrote, read again by ``report``."""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, model_validator

from rewardrouter.calibration.reliability import ReliabilityBin
from rewardrouter.config.base import StrictModel
from rewardrouter.simulation.results import Figures, Interval, Share


class EvaluatedStrategy(Figures):
    """Figures of one strategy, as in :class:`~rewardrouter.simulation.evaluation.StrategyResult`."""

    accuracy: Share
    accuracy_std: float
    accuracy_interval: Interval
    accuracy_all: Share
    coverage: Share
    calls_per_pair: float
    by_domain: dict[str, Share]
    calls_by_rm: dict[str, int]
    difference: float | None
    difference_interval: Interval | None
    cost_per_pair: float | None


class CurvePoint(Figures):
    """The cascade at one budget, as in :class:`~rewardrouter.simulation.calibrated.CurvePoint`."""

    budget: float
    calls: float
    accuracy: Share
    accuracy_all: Share


class Calibration(Figures):
    """How far P(RM is right) holds."""

    error: float | None
    n: int
    bins: list[ReliabilityBin]


class RmCalibration(StrictModel):
    """Of one RM: on the router's held-out pairs, and on the evaluated ones."""

    held_out: Calibration
    here: Calibration


class CalibrationFigures(StrictModel):
    """The cascade's curve, and the reliability of every RM."""

    curve: list[CurvePoint]
    rms: dict[str, RmCalibration]


class EvaluationResults(StrictModel):
    """The figures of an evaluation."""

    model_config = ConfigDict(allow_inf_nan=False)

    kind: Literal["evaluation"]
    n_pairs: int
    n_kept: int
    seeds: list[int]
    reference: str
    domains: dict[str, int]
    strategies: dict[str, EvaluatedStrategy]
    calibration: CalibrationFigures | None

    @model_validator(mode="after")
    def _has_reference(self) -> EvaluationResults:
        if self.reference not in self.strategies:
            raise ValueError(f"the reference {self.reference} is none of the strategies")
        return self

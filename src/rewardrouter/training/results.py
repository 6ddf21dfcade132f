"""What runs of online DPO found, as it lies in ``results.json``: made by ``train``, read by ``report``.

Figures over several seeds are means of the seeds' figures, their intervals Student's 95 % intervals of that mean; of
one seed, the interval of an evaluation is a bootstrap over its prompts. A difference is paired, seed by seed (prompt by
prompt for one seed), with the reference strategy, the first one.
"""

from __future__ import annotations

from collections.abc import Sized
from pathlib import Path
from typing import Literal

from pydantic import model_validator

from rewardrouter.config.saved import write_saved
from rewardrouter.simulation.results import Figures, Interval, Share


class Measured(Figures):
    """A mean and its 95 % interval (``None`` where nothing tells), and both of the difference to the reference."""

    mean: float
    interval: Interval | None
    difference: float | None = None
    difference_interval: Interval | None = None


class LearningCurve(Figures):
    """Means over seeds, in windows of consecutive steps; ``None`` where nothing was measured.

    ``steps`` are the last step of each window. ``right`` is the share of sampled responses that the verifier accepts,
    ``annotation_accuracy`` the share of labels that agree with it; ``arm_share`` each RM's share of the labels;
    ``score_drift``, ``agreement`` and ``shift_evidence`` as in :mod:`rewardrouter.training.monitor`.
    """

    steps: list[int]
    right: list[Share | None]
    annotation_accuracy: list[Share | None]
    loss: list[float | None]
    arm_share: dict[str, list[float]]
    score_drift: dict[str, list[float | None]]
    agreement: dict[str, list[float | None]]
    shift_evidence: list[float | None]

    @model_validator(mode="after")
    def _aligned(self) -> LearningCurve:
        curves: list[Sized] = [self.right, self.annotation_accuracy, self.loss, self.shift_evidence]
        for by_rm in (self.arm_share, self.score_drift, self.agreement):
            curves += by_rm.values()
        if any(len(curve) != len(self.steps) for curve in curves):
            raise ValueError(f"expected {len(self.steps)} points in every curve, as there are steps")
        return self


class TrainingFigures(Figures):
    """One strategy's figures.

    ``accuracy`` is the share of evaluation prompts that the trained policy answers rightly, ``by_domain`` the same by
    kind. ``annotation_accuracy`` is the share of labels that agree with the verifier, over pairs where that tells the
    responses apart. ``calls`` and ``failed_calls`` are of one run; ``seconds`` are per step and phase,
    ``wall_seconds`` of all steps of a run, loading and measuring left out.
    """

    accuracy: Measured | None
    by_domain: dict[str, Share]
    annotation_accuracy: Measured | None
    calls: float
    calls_per_pair: float
    failed_calls: float
    labelled_share: Share
    wall_seconds: float
    seconds: dict[str, float]
    curve: LearningCurve


class TrainingResults(Figures):
    """All of it. ``accuracy_before`` is the policy's before training, ``by_domain_before`` the same by kind."""

    kind: Literal["training"] = "training"
    policy: str
    steps: int
    prompts_per_step: int
    seeds: list[int]
    reference: str
    accuracy_before: Share | None
    by_domain_before: dict[str, Share]
    evaluation_prompts: int
    strategies: dict[str, TrainingFigures]

    def write(self, path: Path) -> None:
        """Write the results, all at once."""
        write_saved(self, path)

"""What a replay found, as it lies in ``results.json``: read by ``report``, made by ``simulate``.

The first fields of a run and of a strategy are those of ``evaluate --json``. A figure over several seeds is the
mean of the seeds' figures, its interval a 95 % interval of that mean (Student's t); a difference is paired, seed by
seed, with the run's reference strategy. Shares and accuracies are in [0, 1]; accuracy is over kept pairs, those that
some RM of the pool gets right.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, model_validator

from rewardrouter.calibration.reliability import ReliabilityBin
from rewardrouter.config.base import StrictModel, validate
from rewardrouter.errors import ConfigError, DataError
from rewardrouter.files import write_atomically

Interval = tuple[float, float]
Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0)]


class Figures(StrictModel):
    """Numbers are finite."""

    model_config = ConfigDict(allow_inf_nan=False)


class Curves(Figures):
    """How one strategy went, in W windows of consecutive batches; means over seeds.

    ``batches`` are the last batch of each window, counted from 1. ``arm_share`` is each RM's share of the labels.
    ``score_mean`` and ``score_spread`` are the posterior mean and standard deviation of each RM's score on the pairs
    of the window; empty for a strategy that has no posterior.
    """

    batches: list[int]
    accuracy: list[Share]
    accuracy_low: list[Share]
    accuracy_high: list[Share]
    arm_share: dict[str, list[Share]]
    score_mean: dict[str, list[float]]
    score_spread: dict[str, list[float]]

    @model_validator(mode="after")
    def _aligned(self) -> Curves:
        curves = [self.accuracy, self.accuracy_low, self.accuracy_high]
        for by_rm in (self.arm_share, self.score_mean, self.score_spread):
            curves += by_rm.values()
        if any(len(curve) != len(self.batches) for curve in curves):
            raise ValueError(f"expected {len(self.batches)} points in every curve, as there are batches")
        return self


class Failure(StrictModel):
    """One of the paper's three failures, where it occurred: ``says`` holds the figure that shows it."""

    name: Literal["collapse", "low early accuracy", "late decay"]
    says: str


class ReplayFigures(Figures):
    """One strategy's figures.

    ``by_domain`` is over all seeds' pairs together. ``accuracy_early`` and ``accuracy_late`` are over the first and the
    last quarter of the batches, ``None`` where there are too few. ``reward_auc`` is the probability that the bandit
    reward of a right label exceeds that of a wrong one, ``None`` where none was given. ``policy_auc_start`` and
    ``policy_auc_end`` are the same of the policy's implicit reward margin for the truth, over all pairs of the stream;
    ``likelihood_auc_start`` and ``likelihood_auc_end`` of its mean log-likelihood per token; all ``None`` where no
    policy was trained. ``seconds`` are the median seconds per batch of each phase.
    """

    accuracy: Share
    accuracy_std: float
    accuracy_interval: Interval
    accuracy_all: Share
    coverage: Share
    calls_per_pair: float
    by_domain: dict[str, Share]
    calls_by_rm: dict[str, Count]
    difference: float | None = None
    difference_interval: Interval | None = None
    accuracy_se: float
    difference_se: float | None = None
    accuracy_early: Share | None
    accuracy_late: Share | None
    reward_auc: Share | None
    policy_auc_start: Share | None
    policy_auc_end: Share | None
    likelihood_auc_start: Share | None
    likelihood_auc_end: Share | None
    arm_share: dict[str, Share]
    curves: Curves
    failures: list[Failure]
    seconds: dict[str, float]


class Reliability(StrictModel):
    """How far the offline router's probabilities hold on the stream's pairs.

    ``bt``: sigmoid(s_n - s_m), that RM n is the right one of two that disagree (paper Eq. 2). ``cls``: P(RM right),
    the classification head's; empty without that head.
    """

    bt: list[ReliabilityBin]
    cls: list[ReliabilityBin]


class ReplayResults(Figures):
    """A whole run.

    ``notes`` are sentences that a reader of the figures must know. ``encode_seconds`` is what the router's encoder
    takes for one batch of pairs that it has not met, on one device; the strategies' own seconds are without it.
    """

    n_pairs: Count
    n_kept: Count
    seeds: list[int] = Field(min_length=1)
    reference: str
    domains: dict[str, Count]
    batches: Count
    batch_size: Count
    epochs: Count
    arms: list[str]
    policy: str
    verdicts: str
    notes: list[str]
    encode_seconds: float
    strategies: dict[str, ReplayFigures]
    reliability: Reliability

    def write(self, path: Path) -> None:
        """Write the file at once: whenever the process dies, the old or the new one is there."""
        text = json.dumps(self.model_dump(mode="json"), indent=1, allow_nan=False) + "\n"

        def fill(file: Path) -> None:
            file.write_text(text, encoding="utf-8")

        write_atomically(path, fill)


def read_results(folder: Path) -> ReplayResults:
    """Return the results of a finished run.

    Raises
    ------
    DataError
        If there are none in ``folder``, or they are not of this form.
    """
    path = folder / "results.json"
    try:
        content: Any = json.loads(path.read_text(encoding="utf-8"))
        results = validate(ReplayResults, content, source=str(path))
    except OSError as error:
        raise DataError(
            f"{folder}: no results.json; give a folder that `rewardrouter simulate --out` has finished"
        ) from error
    except (ValueError, ConfigError) as error:
        raise DataError(f"{path}: not the results of a replay; run simulate again: {error}") from error
    if results.reference not in results.strategies:
        raise DataError(
            f"{path}: its reference {results.reference} is none of its strategies; run simulate again"
        )
    return results

"""What a replay found, as it lies in ``results.json``: read by ``report``, made by ``simulate``.

The first fields of a run and of a strategy are those of ``evaluate --json``. A figure over several seeds is the
mean of the seeds' figures, its interval a 95 % interval of that mean (Student's t); a difference is paired, seed by
seed, with the run's reference strategy. Shares and accuracies are in [0, 1]; accuracy is over kept pairs, those that
some RM of the pool gets right.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from rewardrouter.config.base import StrictModel
from rewardrouter.errors import DataError
from rewardrouter.files import write_atomically

Interval = tuple[float, float]


class Curves(StrictModel):
    """How one strategy went, in W windows of consecutive batches; means over seeds.

    ``batches`` are the last batch of each window, counted from 1. ``arm_share`` is each RM's share of the labels.
    ``score_mean`` and ``score_spread`` are the posterior mean and standard deviation of each RM's score on the pairs
    of the window; empty for a strategy that has no posterior.
    """

    batches: list[int]
    accuracy: list[float]
    accuracy_low: list[float]
    accuracy_high: list[float]
    arm_share: dict[str, list[float]]
    score_mean: dict[str, list[float]]
    score_spread: dict[str, list[float]]


class Failure(StrictModel):
    """One of the paper's three failures, where it occurred: ``says`` holds the figure that shows it."""

    name: Literal["collapse", "low early accuracy", "late decay"]
    says: str


class ReplayFigures(StrictModel):
    """One strategy's figures.

    ``accuracy_early`` and ``accuracy_late`` are over the first and the last quarter of the batches. ``reward_auc`` is
    the probability that the bandit reward of a right label exceeds that of a wrong one, ``None`` where none was given.
    ``policy_auc_start`` and ``policy_auc_end`` are the same of the policy's implicit reward margin for the truth,
    over all pairs of the stream; ``likelihood_auc_start`` and ``likelihood_auc_end`` of its mean log-likelihood per
    token. ``seconds`` are the median seconds per batch of each phase.
    """

    accuracy: float
    accuracy_std: float
    accuracy_interval: Interval
    accuracy_all: float
    coverage: float
    calls_per_pair: float
    by_domain: dict[str, float]
    calls_by_rm: dict[str, int]
    difference: float | None = None
    difference_interval: Interval | None = None
    accuracy_se: float
    difference_se: float | None = None
    accuracy_early: float
    accuracy_late: float
    reward_auc: float | None
    policy_auc_start: float
    policy_auc_end: float
    likelihood_auc_start: float
    likelihood_auc_end: float
    arm_share: dict[str, float]
    curves: Curves
    failures: list[Failure]
    seconds: dict[str, float]


class ReliabilityBin(StrictModel):
    """Predictions in ``low`` to ``high``: how many, their mean, and the share that came true."""

    low: float
    high: float
    n: int
    predicted: float
    observed: float


class Reliability(StrictModel):
    """How far the offline router's probabilities hold on the stream's pairs.

    ``bt``: sigmoid(s_n - s_m), that RM n is the right one of two that disagree (paper Eq. 2). ``cls``: P(RM right),
    the classification head's; empty without that head.
    """

    bt: list[ReliabilityBin]
    cls: list[ReliabilityBin]


class ReplayResults(StrictModel):
    """A whole run.

    ``notes`` are sentences that a reader of the figures must know. ``encode_seconds`` is what the router's encoder
    takes for one batch of pairs that it has not met, on one device; the strategies' own seconds are without it.
    """

    n_pairs: int
    n_kept: int
    seeds: list[int]
    reference: str
    domains: dict[str, int]
    batches: int
    batch_size: int
    epochs: int
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
        return ReplayResults.model_validate(content)
    except OSError as error:
        raise DataError(
            f"{folder}: no results.json; give a folder that `rewardrouter simulate --out` has finished"
        ) from error
    except (ValueError, ValidationError) as error:
        first = str(error).splitlines()[0]
        raise DataError(f"{path}: not the results of a replay ({first}); run simulate again") from error

"""From the records of all units to the figures of a run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from rewardrouter.simulation.diagnosis import failures
from rewardrouter.simulation.measures import MeanOverSeeds, mean_over_seeds
from rewardrouter.simulation.named import Strategy
from rewardrouter.simulation.records import UnitFiles
from rewardrouter.simulation.results import Curves, Interval, ReplayFigures

Floats = npt.NDArray[np.float64]


class StrategyRecords:
    """All seeds of one strategy; ``right`` and ``kept`` are counts, ``[S, batches]``."""

    def __init__(self, strategy: Strategy, units: Sequence[UnitFiles]) -> None:
        self.strategy = strategy
        self.metrics = [unit.metrics() for unit in units]
        self.summaries = [unit.summary() for unit in units]
        self.right = np.array([[batch["right"] for batch in unit] for unit in self.metrics], np.float64)
        self.kept = np.array([[batch["kept"] for batch in unit] for unit in self.metrics], np.float64)

    def accuracy(self, batches: slice | npt.NDArray[np.int64] = slice(None)) -> Floats:
        """Return each seed's accuracy over some batches, ``[S]``; NaN where none of their pairs is kept."""
        right, kept = self.right[:, batches].sum(axis=1), self.kept[:, batches].sum(axis=1)
        with np.errstate(invalid="ignore"):
            found: Floats = right / kept
        return found

    def total(self, key: str) -> float:
        """Return the sum of a count over all seeds and batches."""
        return float(sum(batch[key] for unit in self.metrics for batch in unit))


def figures(own: StrategyRecords, reference: StrategyRecords, windows: int) -> ReplayFigures:
    """Return one strategy's figures; differences are to ``reference``, which has the same seeds."""
    overall = mean_over_seeds(own.accuracy())
    difference = mean_over_seeds(own.accuracy() - reference.accuracy())
    is_reference = own.strategy.name == reference.strategy.name
    quarters = np.array_split(np.arange(own.right.shape[1]), 4)
    per_quarter = np.stack([own.accuracy(quarter) for quarter in quarters], axis=1)
    last = quarters[3].tolist()
    late_shares = [_shares([unit[batch] for batch in last]) for unit in own.metrics]
    pairs, units = own.total("pairs"), len(own.metrics)
    calls = sum((Counter(batch["calls"]) for unit in own.metrics for batch in unit), Counter[str]())
    return ReplayFigures(
        accuracy=overall.mean,
        accuracy_std=overall.std,
        accuracy_interval=_share(overall),
        accuracy_all=float(np.mean([summary["accuracy_all"] for summary in own.summaries])),
        coverage=own.total("labelled") / pairs,
        calls_per_pair=sum(calls.values()) / pairs,
        by_domain=_by_domain(own.summaries),
        calls_by_rm={rm: round(n / units) for rm, n in calls.items()},
        difference=None if is_reference else difference.mean,
        difference_interval=None if is_reference else (difference.low, difference.high),
        accuracy_se=overall.se,
        difference_se=None if is_reference else difference.se,
        accuracy_early=_known(per_quarter[:, 0].mean()),
        accuracy_late=_known(per_quarter[:, 3].mean()),
        reward_auc=_mean_known(own, "reward_auc"),
        policy_auc_start=_mean_known(own, "policy_auc_start"),
        policy_auc_end=_mean_known(own, "policy_auc_end"),
        likelihood_auc_start=_mean_known(own, "likelihood_auc_start"),
        likelihood_auc_end=_mean_known(own, "likelihood_auc_end"),
        arm_share=_shares([batch for unit in own.metrics for batch in unit]),
        curves=_curves(own, windows),
        failures=failures(per_quarter, late_shares, routes=own.strategy.routes, learns=own.strategy.learns),
        seconds={
            phase: float(np.median([batch["seconds"][phase] for unit in own.metrics for batch in unit]))
            for phase in own.metrics[0][0]["seconds"]
        },
    )


def _share(measured: MeanOverSeeds) -> Interval:
    """Return the interval of a share: what Student's leaves of it in [0, 1]."""
    return max(0.0, measured.low), min(1.0, measured.high)


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _mean_known(own: StrategyRecords, key: str) -> float | None:
    """Return the mean over the seeds that have the figure."""
    given = [summary[key] for summary in own.summaries if summary.get(key) is not None]
    return float(np.mean(given)) if given else None


def _shares(batches: Sequence[dict[str, Any]]) -> dict[str, float]:
    """Return every RM's share of the labels that came from a single RM, largest first."""
    counts = sum((Counter(batch["arms"]) for batch in batches), Counter[str]())
    total = sum(counts.values())
    return {rm: n / total for rm, n in counts.most_common()}


def _by_domain(summaries: Sequence[dict[str, Any]]) -> dict[str, float]:
    kept: Counter[str] = Counter()
    right: Counter[str] = Counter()
    for summary in summaries:
        for domain, (n, hits) in summary["domains"].items():
            kept[domain] += n
            right[domain] += hits
    return {domain: right[domain] / n for domain, n in sorted(kept.items())}


def _curves(own: StrategyRecords, windows: int) -> Curves:
    parts = [part for part in np.array_split(np.arange(own.right.shape[1]), windows) if len(part)]
    parts = [part for part in parts if (own.kept[:, part].sum(axis=1) > 0).all()]
    accuracy = [mean_over_seeds(own.accuracy(part)) for part in parts]
    inside = [[unit[batch] for unit in own.metrics for batch in part] for part in parts]
    shares = [_shares(batches) for batches in inside]
    arms = sorted({rm for share in shares for rm in share})
    return Curves(
        batches=[int(part[-1]) + 1 for part in parts],
        accuracy=[one.mean for one in accuracy],
        accuracy_low=[_share(one)[0] for one in accuracy],
        accuracy_high=[_share(one)[1] for one in accuracy],
        arm_share={rm: [share.get(rm, 0.0) for share in shares] for rm in arms},
        score_mean=_beliefs(inside, "score_mean"),
        score_spread=_beliefs(inside, "score_spread"),
    )


def _beliefs(inside: Sequence[Sequence[dict[str, Any]]], key: str) -> dict[str, list[float]]:
    names = inside[0][0].get(key, {}) if inside else {}
    return {rm: [float(np.mean([batch[key][rm] for batch in batches])) for batches in inside] for rm in names}

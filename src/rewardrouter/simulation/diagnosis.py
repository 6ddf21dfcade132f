"""The three failures of RM routing that the paper names, found in a run's own figures (paper 1, 4.3).

* *collapse*: one RM ends up with nearly all labels, whatever the pair.
* *low early accuracy*: the first quarter of the batches is labelled worse than the last; the run paid for learning.
* *late decay*: the last quarter is labelled worse than the two quarters before it.

The last two compare quarters of one run, paired over seeds, and are named only where the difference is a point of
accuracy or more and its 95 % interval leaves out 0: with a single seed they cannot be. They are failures of learning;
a strategy that learns nothing changes only as its pairs do. A collapse is named where it happened in most seeds.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from rewardrouter.simulation.measures import mean_over_seeds
from rewardrouter.simulation.results import Failure

DOMINANT = 0.9
"""Share of the last quarter's labels that one RM must give in a collapse."""

MATERIAL = 0.01
"""Least difference of accuracy between quarters that is named."""


def failures(
    quarters: npt.NDArray[np.float64],
    late_shares: Sequence[dict[str, float]],
    *,
    routes: bool,
    learns: bool,
) -> list[Failure]:
    """Return the failures of one strategy.

    Parameters
    ----------
    quarters
        ``[S, 4]``: accuracy of each seed in each quarter of the batches, NaN where there is none.
    late_shares
        For each seed, every RM's share of the last quarter's labels.
    routes
        Whether the strategy chooses among RMs: where it does not, one RM (or none) is no collapse.
    learns
        Whether it learns from outcomes.
    """
    found: list[Failure] = []
    if routes and (collapse := _collapse(late_shares)):
        found.append(collapse)
    if not learns or len(quarters) < 2 or np.isnan(quarters).any():
        return found
    early, late = quarters[:, 0], quarters[:, 3]
    learnt = mean_over_seeds(early - late)
    if learnt.high < 0 and learnt.mean <= -MATERIAL:
        found.append(
            Failure(
                name="low early accuracy",
                says=f"{early.mean():.3f} in the first quarter of the batches against {late.mean():.3f} in the"
                f" last: {learnt.mean:+.3f} [{learnt.low:+.3f}, {learnt.high:+.3f}]",
            )
        )
    middle = quarters[:, 1:3].mean(axis=1)
    decay = mean_over_seeds(late - middle)
    if decay.high < 0 and decay.mean <= -MATERIAL:
        found.append(
            Failure(
                name="late decay",
                says=f"{late.mean():.3f} in the last quarter of the batches against {middle.mean():.3f} in the two"
                f" before it: {decay.mean:+.3f} [{decay.low:+.3f}, {decay.high:+.3f}]",
            )
        )
    return found


def _collapse(late_shares: Sequence[dict[str, float]]) -> Failure | None:
    tops = [max(shares.items(), key=lambda item: item[1]) for shares in late_shares if shares]
    fallen = [(rm, share) for rm, share in tops if share >= DOMINANT]
    if 2 * len(fallen) <= len(late_shares):
        return None
    share = float(np.mean([share for _, share in fallen]))
    onto = ", ".join(sorted({rm for rm, _ in fallen}))
    return Failure(
        name="collapse",
        says=f"one RM gives {share:.0%} of the labels in the last quarter of the batches, in {len(fallen)} of"
        f" {len(late_shares)} seeds: {onto}",
    )

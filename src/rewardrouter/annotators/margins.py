"""The chosen RM's margin as an observation: its calibrated P(right | margin, pair), where that can be trusted.

What is learnt from is P(right) less what was expected of the pair: the mean, over all RMs and their typical margins,
of the same model's P(right). Held-out pairs of the router, each judged by a calibration of the other folds, must
prove the slope (:mod:`rewardrouter.online.slope`) before any margin counts, pairs of one problem together being one
witness; gold labels that come later may refute it.
"""

from __future__ import annotations

import numpy as np
from scipy.special import expit

from rewardrouter.calibration import Correctness, HeldOut, Signals
from rewardrouter.online.arrays import Floats
from rewardrouter.online.slope import Slope, calibration_slope


class MarginModel:
    """What a router's held-out pairs say of its RMs' margins.

    Attributes
    ----------
    slope
        Of the cross-fitted predictions on the held-out pairs.
    disagreement
        How often two RMs name different winners, the mean over the RMs; in (0, 1].
    """

    def __init__(self, held_out: HeldOut) -> None:
        self._correctness = Correctness.fit(held_out)
        self.slope = _cross_fitted(held_out)
        self.disagreement = _disagreement(held_out)

    def log_odds(self, signals: Signals, margins: Floats) -> Floats:
        """Return the log odds of being right, ``[P, N]``, of verdicts by ``margins [P, N]`` (NaN: none)."""
        return self._correctness.logits(margins, signals.beliefs)

    def expected(self, signals: Signals) -> Floats:
        """Return P(right) before any verdict, the mean over RMs and typical margins, ``[P]``."""
        typical: Floats = expit(self._correctness.typical_logits(signals.beliefs)).mean(axis=(1, 2))
        return typical


def _cross_fitted(held_out: HeldOut) -> Slope:
    log_odds, right, pairs, groups = [], [], [], []
    numbers = np.arange(len(held_out))
    for taught, inside in held_out.parts():
        if inside.all():
            break  # a single fold leaves nothing to fit to
        own = held_out.select(inside)
        found = Correctness.fit(taught).logits(own.margins, own.signals.beliefs)
        rows, arms = np.nonzero(own.answered)
        log_odds.append(found[rows, arms])
        right.append(own.behaviour[rows, arms])
        pairs.append(numbers[inside][rows])
        groups.append(held_out.clusters[inside][rows])
    if not log_odds:
        return calibration_slope(np.empty(0), np.empty(0), np.empty(0, np.int64))
    return calibration_slope(
        np.concatenate(log_odds), np.concatenate(right), np.concatenate(pairs), np.concatenate(groups)
    )


def _disagreement(held_out: HeldOut) -> float:
    winners = held_out.winners
    n, m = np.triu_indices(winners.shape[1], 1)
    both = (winners[:, n] != 0) & (winners[:, m] != 0)
    differ = both & (winners[:, n] != winners[:, m])
    # Of none, or of RMs that always agree, half a disagreement is left.
    return max(float(differ.sum()), 0.5) / max(float(both.sum()), 1.0)

"""The figure of whether a policy's pairs have left those that the router was fitted to."""

from __future__ import annotations

import math

from rewardrouter.online.shift import LEVEL
from rewardrouter.report.elements import Figure
from rewardrouter.report.training_figures import EVIDENCE, over_steps
from rewardrouter.training.results import TrainingResults


def shift_figure(results: TrainingResults, anchor: str) -> Figure | None:
    """Return the evidence of a shift over the steps, with the threshold of the test."""
    reading = (
        "How strongly the pairs so far speak against their coming from where the router’s fitting pairs came from: at"
        f" {-math.log10(LEVEL):g} the evidence is {1 / LEVEL:g} to 1. Were there no shift, a run would ever reach the"
        f" line with a probability of at most {LEVEL:.0%}, however long it is. Above it, what the router learnt"
        " offline was learnt on other pairs: compare with a strategy that does without."
    )
    return over_steps(
        results,
        anchor,
        "Have the pairs left the router’s",
        reading,
        lambda curve: curve.shift_evidence,
        scale=EVIDENCE,
        level=("alarm", -math.log10(LEVEL)),
    )

"""Ensembles of scores: the mean, and a lower confidence bound that distrusts disagreement.

RMs score in units of their own, so each score is first standardised with the
mean and standard deviation that the RM had on the training data. With z[n, y]
the standardised score of response y by RM n, the value of y is

    mean_n z[n, y] - caution * std_n z[n, y]

``caution = 0`` is the mean-score ensemble; ``caution = 1`` the lower confidence
bound (uncertainty-penalised ensembles, Coste et al., arXiv 2310.02743). An RM
that only names a winner counts as scores +1 and -1, a tie as 0 and 0.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from rewardrouter.annotators.base import Annotation, Stateless, StepContext
from rewardrouter.annotators.calling import call_all, joint_annotation, why_no_label
from rewardrouter.pairs import Label, PreferencePair
from rewardrouter.reward_models.pool import RewardModelPool
from rewardrouter.verdicts import Verdict

if TYPE_CHECKING:
    from rewardrouter.router import Arm


@dataclasses.dataclass(frozen=True, slots=True)
class ScoreScale:
    """Mean and standard deviation of one RM's scores, in its own unit."""

    mean: float
    std: float


def score_scales(arms: Sequence[Arm]) -> dict[str, ScoreScale]:
    """Return the scale of every arm that has one: its RM scored, and not everything alike."""
    return {
        arm.name: ScoreScale(arm.score_mean, arm.score_std)
        for arm in arms
        if arm.score_mean is not None and arm.score_std is not None
    }


class ScoreEnsembleAnnotator(Stateless):
    """Asks every RM and prefers the response with the higher ``mean - caution * std``."""

    def __init__(self, pool: RewardModelPool, scales: Mapping[str, ScoreScale], caution: float = 0.0) -> None:
        self._pool = pool
        self._scales = dict(scales)
        self._caution = caution

    def annotate(self, pairs: Sequence[PreferencePair], step: StepContext) -> list[Annotation]:
        """Return the ensemble's labels; none where all failed or both values are equal."""
        annotations = []
        for pair, verdicts in zip(pairs, call_all(self._pool, pairs), strict=True):
            label, reason = self._decide(verdicts)
            annotations.append(joint_annotation(pair, verdicts, label, step, reason))
        return annotations

    def _decide(self, verdicts: Sequence[Verdict]) -> tuple[Label | None, str | None]:
        scores = [self._standardised(verdict) for verdict in verdicts if verdict.winner is not None]
        if not scores:
            return None, why_no_label(verdicts)
        z = np.array(scores)
        value_a, value_b = z.mean(axis=0) - self._caution * z.std(axis=0)
        if value_a == value_b:
            return None, "the ensemble's values of both responses are equal"
        return ("A" if value_a > value_b else "B"), None

    def _standardised(self, verdict: Verdict) -> tuple[float, float]:
        scale = self._scales.get(verdict.rm)
        if scale is None or verdict.score_a is None or verdict.score_b is None:
            vote = {"A": 1.0, "B": -1.0}.get(verdict.winner or "", 0.0)
            return vote, -vote
        return (verdict.score_a - scale.mean) / scale.std, (verdict.score_b - scale.mean) / scale.std

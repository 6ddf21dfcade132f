"""Majority vote over all N RMs, and UWO, which weighs each pair by the consensus.

UWO (uncertainty-weighted optimisation) keeps the majority's label and trains on
it with the weight ``votes for the label / votes cast`` (paper, baselines).
A tied or failed verdict casts no vote; a tied vote is broken by the seed.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from rewardrouter.annotators.base import Annotation, Stateless, StepContext
from rewardrouter.annotators.calling import call_all, joint_annotation, why_no_label
from rewardrouter.annotators.seeding import pair_generator
from rewardrouter.pairs import Label, PreferencePair, digest
from rewardrouter.reward_models.pool import RewardModelPool


class MajorityAnnotator(Stateless):
    """Asks every RM and takes the label with more votes."""

    def __init__(self, pool: RewardModelPool, seed: int = 0) -> None:
        self._pool = pool
        self._seed = seed

    def annotate(self, pairs: Sequence[PreferencePair], step: StepContext) -> list[Annotation]:
        """Return the majority's labels; no label where nobody cast a vote."""
        annotations = []
        for pair, verdicts in zip(pairs, call_all(self._pool, pairs), strict=True):
            votes = [verdict.label for verdict in verdicts if verdict.label is not None]
            label = self._winner(votes.count("A"), votes.count("B"), pair, step)
            reason = why_no_label(verdicts) if label is None else None
            annotations.append(joint_annotation(pair, verdicts, label, step, reason))
        return annotations

    def _winner(self, for_a: int, for_b: int, pair: PreferencePair, step: StepContext) -> Label | None:
        if for_a + for_b == 0:
            return None
        if for_a == for_b:
            # The coin falls for a text, not for a side: exchanging the responses flips the label.
            a_is_first = digest(pair.response_a) < digest(pair.response_b)
            first_wins = pair_generator(self._seed, pair, step).random() < 0.5
            return "A" if a_is_first == first_wins else "B"
        return "A" if for_a > for_b else "B"


class UwoAnnotator(MajorityAnnotator):
    """Majority labels, weighted by the share of votes that agree."""

    def annotate(self, pairs: Sequence[PreferencePair], step: StepContext) -> list[Annotation]:
        """Return the majority's labels with ``weight`` = consensus rate."""
        weighted = []
        for annotation in super().annotate(pairs, step):
            votes = [verdict.label for verdict in annotation.verdicts if verdict.label is not None]
            weight = votes.count(annotation.label) / len(votes) if annotation.label is not None else 0.0
            weighted.append(dataclasses.replace(annotation, weight=weight))
        return weighted

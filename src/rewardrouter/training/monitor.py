"""What a run tells of itself at every step: one flat dictionary of numbers, and a line per decision.

Names of the numbers, by their part before the slash:

* ``loss`` (mean of weight times loss), ``margin`` (implicit reward of the chosen response minus that of the rejected
  one, nats, beta included), ``implicit_accuracy`` (share of labels that the policy agrees with, before the update; a
  margin of 0 counts half);
* ``share/RM``, ``calls_per_pair``, ``failed_calls``, ``dropped`` (pairs without a label);
* ``score_drift/RM``: how far the RM's mean score has moved since the run's first steps, in standard deviations of those
  steps; ``agreement/RM``: how often the policy agrees with its labels, and ``agreement_drift/RM``. A score that climbs
  while agreement with other RMs or a verifier does not is what reward hacking looks like;
* ``bandit_reward``, ``posterior_mean/RM``, ``posterior_spread/RM``: of the arms' scores on the step's pairs;
* ``shift``: how unlike the step's pairs are to those that the router was fitted to; 1 is like them;
  ``shift_evidence``: the power of ten of the evidence, from all steps so far, that pairs have left them; at 2 the test
  fires. Prompts that come again add nothing to it. ``shift_p``: the p-value of that, good however often one looks
  (:mod:`rewardrouter.online.shift`);
* ``right`` (share of responses that the verifier accepts) and ``annotation_accuracy`` (share of labels that agree with
  it, over pairs where it tells the responses apart), where there is a verifier;
* ``seconds/PHASE``.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from rewardrouter.annotators import Annotation, Annotator, Outcome
from rewardrouter.annotators.routed import RoutedAnnotator
from rewardrouter.pairs import PreferencePair
from rewardrouter.reward_models.verifiers.model import as_text
from rewardrouter.state import State
from rewardrouter.training.labelling import Labelling
from rewardrouter.training.responses import Verifier

_FIRST_STEPS = 10
"""Steps in which an RM was asked that drift is measured against."""


class Monitor:
    """Turns steps into numbers; remembers the first steps, for drift."""

    def __init__(self, annotator: Annotator, verifier: Verifier | None) -> None:
        self._annotator, self._verifier = annotator, verifier
        self._first: dict[str, dict[str, list[float]]] = {}

    def decisions(self, labelling: Labelling, outcomes: Mapping[str, Outcome]) -> list[dict[str, Any]]:
        """Return one line per pair of the step, in the order of the labels."""
        rewards = self._rewards()
        return [
            self._decision(labelling.step, pair, labelling.annotations[pair.id], outcomes, rewards)
            for pair in labelling.pairs
        ]

    def metrics(self, decisions: Sequence[Mapping[str, Any]]) -> dict[str, float]:
        """Return the numbers that follow from a step's decisions."""
        trained = [row for row in decisions if row["loss"] is not None]
        called = [verdict for row in decisions for verdict in row["verdicts"]]
        found: dict[str, float] = {
            "pairs": len(decisions),
            "labelled": len(trained),
            "dropped": sum(row["label"] is None for row in decisions),
            "failed_calls": sum(verdict["error"] is not None for verdict in called),
            "calls_per_pair": len(called) / len(decisions) if decisions else math.nan,
            "loss": _mean([row["loss"] * row["weight"] for row in trained]),
            "margin": _mean([row["margin"] for row in trained]),
            "implicit_accuracy": _agreement(trained),
            "bandit_reward": _mean(
                [row["bandit_reward"] for row in trained if row["bandit_reward"] is not None]
            ),
            "annotation_accuracy": _mean([row["right"] for row in decisions if row["right"] is not None]),
        }
        answered = Counter(row["rm"] for row in trained if row["rm"] is not None)
        for rm, count in sorted(answered.items()):
            found[f"share/{rm}"] = count / len(trained)
            found |= self._drift(rm, [row for row in trained if row["rm"] == rm])
        return {name: value for name, value in (found | self._beliefs()).items() if not math.isnan(value)}

    def state_dict(self) -> State:
        """Return what drift is measured against."""
        return State({}, {"first": self._first})

    def load_state_dict(self, state: State) -> None:
        """Measure drift as when the state was taken."""
        self._first = state.value("first", dict)

    def _rewards(self) -> Mapping[str, float]:
        return self._annotator.last_rewards if isinstance(self._annotator, RoutedAnnotator) else {}

    def _decision(
        self,
        step: int,
        pair: PreferencePair,
        annotation: Annotation,
        outcomes: Mapping[str, Outcome],
        rewards: Mapping[str, float],
    ) -> dict[str, Any]:
        outcome, reward = outcomes.get(annotation.decision_id), rewards.get(annotation.decision_id)
        return {
            "step": step,
            "decision_id": annotation.decision_id,
            "pair": pair.id,
            "prompt": pair.group,
            "domain": pair.domain,
            "label": annotation.label,
            "rm": annotation.rm,
            "weight": annotation.weight,
            "reason": annotation.reason,
            "verdicts": [
                {
                    "rm": v.rm,
                    "winner": v.winner,
                    "score_a": _finite(v.score_a),
                    "score_b": _finite(v.score_b),
                    "error": v.error,
                }
                for v in annotation.verdicts
            ],
            "loss": _finite(outcome.loss) if outcome else None,
            "swapped_loss": _finite(outcome.swapped_loss) if outcome else None,
            "margin": _finite(outcome.margin) if outcome else None,
            "bandit_reward": _finite(reward),
            "right": self._is_right(pair, annotation),
        }

    def _is_right(self, pair: PreferencePair, annotation: Annotation) -> bool | None:
        """Whether the label agrees with the verifier, where that tells the responses apart."""
        if self._verifier is None or annotation.label is None:
            return None
        a, b = (self._verifier(as_text(text), pair.metadata) for text in (pair.response_a, pair.response_b))
        return None if a is None or b is None or a == b else bool(a) == (annotation.label == "A")

    def _drift(self, rm: str, rows: Sequence[Mapping[str, Any]]) -> dict[str, float]:
        scores = [
            verdict[side]
            for row in rows
            for verdict in row["verdicts"]
            for side in ("score_a", "score_b")
            if verdict["rm"] == rm and verdict[side] is not None
        ]
        agreement = _agreement(rows)
        first = self._first.setdefault(rm, {"score": [], "spread": [], "agreement": []})
        if len(first["agreement"]) < _FIRST_STEPS:
            first["agreement"].append(agreement)
            if len(scores) > 1:
                first["score"].append(_mean(scores))
                first["spread"].append(float(np.std(scores)))
        found = {
            f"agreement/{rm}": agreement,
            f"agreement_drift/{rm}": agreement - _mean(first["agreement"]),
        }
        if scores and first["score"] and (spread := _mean(first["spread"])) > 0:
            found[f"score_drift/{rm}"] = (_mean(scores) - _mean(first["score"])) / spread
        return found

    def _beliefs(self) -> dict[str, float]:
        """Return posterior mean and spread of the arms' scores on the step's pairs, after the update."""
        annotator = self._annotator
        if not isinstance(annotator, RoutedAnnotator) or (beliefs := annotator.beliefs()) is None:
            return {}
        mean, spread = beliefs.mean.mean(axis=0), np.sqrt(beliefs.variance).mean(axis=0)
        names = annotator.policy.names
        shift = annotator.shift()
        found = {} if shift is None else {"shift": shift}
        if annotator.watch is not None:
            told = annotator.watch.evidence
            found |= {"shift_evidence": told.evidence, "shift_p": told.p}
        found |= {f"posterior_mean/{name}": float(value) for name, value in zip(names, mean, strict=True)}
        return found | {f"posterior_spread/{n}": float(value) for n, value in zip(names, spread, strict=True)}


def _agreement(rows: Sequence[Mapping[str, Any]]) -> float:
    return _mean([(1 + np.sign(row["margin"])) / 2 for row in rows])


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else math.nan


def _finite(value: float | None) -> float | None:
    return float(value) if value is not None and math.isfinite(value) else None

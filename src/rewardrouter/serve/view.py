"""The gateway as others see it at one moment: what ``/v1/router``, the status page and ``/metrics`` show."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from rewardrouter.annotators import Annotator
from rewardrouter.annotators.routed import RoutedAnnotator
from rewardrouter.annotators.watching import ShiftEvidence
from rewardrouter.serve.counts import Counts
from rewardrouter.serve.engine import Engine
from rewardrouter.serve.tape import Calls


@dataclasses.dataclass(frozen=True, slots=True)
class Belief:
    """What is believed of an arm's score on the pairs labelled last: its mean, and its standard deviation."""

    mean: float
    spread: float


@dataclasses.dataclass(frozen=True, slots=True)
class ArmView:
    """One arm.

    ``share`` is of all answers, ``None`` before the first. ``belief`` and ``rewards`` (bandit rewards that it has
    had) are ``None`` under a strategy that learns nothing by arms.
    """

    name: str
    share: float | None
    labels: int
    scores: int
    calls: Calls
    belief: Belief | None
    rewards: int | None


@dataclasses.dataclass(frozen=True, slots=True)
class View:
    """Everything; ``counts`` is a copy, ``others`` the RMs of the pool that are no arms.

    ``shift`` is what is known of pairs that have left those of the router's fit; ``None`` under a strategy that does
    not route on the router's contexts, and where the router does not remember them.
    """

    strategy: str
    identity: Mapping[str, Any]
    arms: tuple[ArmView, ...]
    others: tuple[str, ...]
    counts: Counts
    forgotten: int | None
    events: int
    shift: ShiftEvidence | None

    @property
    def arm_names(self) -> tuple[str, ...]:
        """The arms' names."""
        return tuple(arm.name for arm in self.arms)

    def as_json(self) -> dict[str, Any]:
        """Return it as ``/v1/router`` sends it."""
        counts = self.counts.as_json()
        return {
            "strategy": self.strategy,
            "identity": dict(self.identity),
            "arms": [dataclasses.asdict(arm) for arm in self.arms],
            "others": list(self.others),
            "counts": {
                **{name: counts[name] for name in ("pairs", "dropped", "outcomes", "unanswered")},
                "forgotten": self.forgotten,
                "events": self.events,
            },
            "shift": None
            if self.shift is None
            else {**dataclasses.asdict(self.shift), "threshold": round(self.shift.threshold, 6)},
            "history": counts["history"],
        }


def view_of(engine: Engine) -> View:
    """Return the view of an engine, from the thread that uses it."""
    counts, annotator = Counts.from_json(engine.memory.counts.as_json()), engine.annotator
    total = counts.labels.total() + counts.scores.total()
    beliefs, rewards = _beliefs(engine), _rewards(engine)
    arms = tuple(
        ArmView(
            name=name,
            share=(counts.labels[name] + counts.scores[name]) / total if total else None,
            labels=counts.labels[name],
            scores=counts.scores[name],
            calls=counts.calls.get(name, Calls()),
            belief=beliefs.get(name),
            rewards=rewards.get(name),
        )
        for name in engine.arms
    )
    return View(
        strategy=engine.strategy.name,
        identity=engine.identity,
        arms=arms,
        others=tuple(name for name in engine.pool_names if name not in engine.arms),
        counts=counts,
        forgotten=annotator.forgotten if isinstance(annotator, RoutedAnnotator) else None,
        events=engine.seq,
        shift=_shift(annotator),
    )


def _beliefs(engine: Engine) -> dict[str, Belief]:
    annotator, seen = engine.annotator, engine.seen
    if seen is None or not isinstance(annotator, RoutedAnnotator):
        return {}
    found = annotator.policy.scores(seen)
    means, spreads = found.mean.mean(axis=0), np.sqrt(found.variance.mean(axis=0))
    return {
        name: Belief(float(mean), float(spread))
        for name, mean, spread in zip(annotator.policy.names, means, spreads, strict=True)
    }


def _shift(annotator: Annotator) -> ShiftEvidence | None:
    watch = annotator.watch if isinstance(annotator, RoutedAnnotator) else None
    return None if watch is None else watch.evidence


def _rewards(engine: Engine) -> dict[str, int]:
    policy = getattr(engine.annotator, "policy", None)
    posteriors = getattr(policy, "posteriors", None)
    return {} if posteriors is None else dict(zip(posteriors.names, posteriors.counts.tolist(), strict=True))

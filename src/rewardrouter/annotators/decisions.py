"""Decisions that wait for their outcomes, and when a batch of them is settled.

A reward compares the losses of one batch, so outcomes are gathered by ``batch_id`` before any is turned into a
reward. A batch is *settled*

* when all its labelled decisions have outcomes, or
* when an outcome of a batch annotated later arrives: trainers work in order, what is missing then was dropped.

What still arrives for a settled batch is settled with whatever arrives in the same call. Outcomes that never come
do not pile up: of more than 64 waiting batches the oldest are forgotten, and counted.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from rewardrouter.annotators.base import DecisionId, Outcome
from rewardrouter.annotators.observations import Observation
from rewardrouter.errors import CheckpointError
from rewardrouter.online.arrays import Floats
from rewardrouter.pairs import Label
from rewardrouter.state import State

KEPT_BATCHES = 64
"""The most batches that wait for outcomes at once."""


@dataclasses.dataclass(frozen=True, slots=True)
class Decision:
    """A label that an RM gave, what reference RMs said of the same pair (``None``: no label), and what was observed."""

    decision_id: DecisionId
    batch_id: str
    pair_id: str
    rm: str
    label: Label
    references: Mapping[str, Label | None] = dataclasses.field(default_factory=dict)
    observations: tuple[Observation, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class Settled:
    """Decisions of one batch, in the order they were made, with their outcomes and contexts ``[n, d]``."""

    decisions: tuple[Decision, ...]
    outcomes: tuple[Outcome, ...]
    contexts: Floats


@dataclasses.dataclass(slots=True)
class _Waiting:
    decision: Decision
    context: Floats
    outcome: Outcome | None = None


@dataclasses.dataclass(slots=True)
class _Batch:
    waiting: dict[DecisionId, _Waiting] = dataclasses.field(default_factory=dict)
    settled: bool = False


class PendingDecisions:
    """The decisions without an outcome so far.

    ``forgotten`` counts those whose outcome was not waited for any longer.
    """

    def __init__(self) -> None:
        self.forgotten = 0
        self._batches: dict[str, _Batch] = {}

    def __len__(self) -> int:
        return sum(len(batch.waiting) for batch in self._batches.values())

    def remember(self, decisions: Sequence[Decision], contexts: Floats) -> None:
        """Wait for the outcomes of decisions made on contexts ``[n, d]``."""
        for decision, context in zip(decisions, contexts, strict=True):
            batch = self._batches.setdefault(decision.batch_id, _Batch())
            batch.waiting[decision.decision_id] = _Waiting(decision, context.copy())
        for oldest in list(self._batches)[:-KEPT_BATCHES]:
            self.forgotten += len(self._batches.pop(oldest).waiting)

    def settle(self, outcomes: Mapping[DecisionId, Outcome]) -> list[Settled]:
        """Take in outcomes and return what is settled now, batch by batch in the order they were annotated.

        Ids that nobody waits for are ignored; of several outcomes for one decision the first counts.
        """
        batches = list(self._batches.items())
        newest = -1
        for place, (_, batch) in enumerate(batches):
            for decision_id, waiting in batch.waiting.items():
                if waiting.outcome is None and decision_id in outcomes:
                    waiting.outcome, newest = outcomes[decision_id], place
        found = []
        for place, (batch_id, batch) in enumerate(batches):
            arrived = [waiting for waiting in batch.waiting.values() if waiting.outcome is not None]
            batch.settled |= place < newest or len(arrived) == len(batch.waiting)
            if not batch.settled:
                continue
            if arrived:
                found.append(_settled(arrived))
            for waiting in arrived:
                del batch.waiting[waiting.decision.decision_id]
            if not batch.waiting:
                del self._batches[batch_id]
        return found

    def state_dict(self) -> State:
        """Return all that waits: contexts as an array ``[n, d]``, the rest as metadata."""
        batches = [
            {
                "batch_id": batch_id,
                "settled": batch.settled,
                "waiting": [_as_json(waiting) for waiting in batch.waiting.values()],
            }
            for batch_id, batch in self._batches.items()
        ]
        contexts = [waiting.context for batch in self._batches.values() for waiting in batch.waiting.values()]
        arrays = {"contexts": np.stack(contexts) if contexts else np.empty((0, 0))}
        return State(arrays, {"forgotten": self.forgotten, "batches": batches})

    def load_state_dict(self, state: State) -> None:
        """Wait for what was waited for when the state was taken.

        Raises
        ------
        CheckpointError
            If it is broken; nothing is changed then.
        """
        forgotten, saved = int(state.value("forgotten", int)), state.value("batches", list)
        contexts = state.floats("contexts", None, None)
        batches: dict[str, _Batch] = {}
        rows = iter(contexts)
        try:
            for entry in saved:
                waiting = [_from_json(given, entry["batch_id"], next(rows)) for given in entry["waiting"]]
                by_id = {one.decision.decision_id: one for one in waiting}
                batches[entry["batch_id"]] = _Batch(by_id, bool(entry["settled"]))
        except (KeyError, StopIteration, TypeError, ValueError) as error:
            raise CheckpointError(
                f"state: waiting decisions cannot be read ({error!r}); it is broken"
            ) from error
        if sum(len(batch.waiting) for batch in batches.values()) != len(contexts):
            raise CheckpointError(
                "state: contexts and waiting decisions do not belong together; it is broken"
            )
        self.forgotten, self._batches = forgotten, batches


def _settled(arrived: Sequence[_Waiting]) -> Settled:
    return Settled(
        decisions=tuple(waiting.decision for waiting in arrived),
        outcomes=tuple(waiting.outcome for waiting in arrived if waiting.outcome is not None),
        contexts=np.stack([waiting.context for waiting in arrived]),
    )


def _as_json(waiting: _Waiting) -> dict[str, Any]:
    decision, outcome = waiting.decision, waiting.outcome
    return {
        "decision_id": decision.decision_id,
        "pair_id": decision.pair_id,
        "rm": decision.rm,
        "label": decision.label,
        "references": dict(decision.references),
        "observations": [one.as_json() for one in decision.observations],
        # A loss may be NaN, which JSON lacks; hexadecimal keeps every bit.
        "outcome": None if outcome is None else [float(x).hex() for x in dataclasses.astuple(outcome)],
    }


def _from_json(given: Mapping[str, Any], batch_id: str, context: Floats) -> _Waiting:
    kept = {name: given[name] for name in ("decision_id", "pair_id", "rm", "label", "references")}
    observed = tuple(map(Observation.from_json, given["observations"]))
    saved = given["outcome"]
    outcome = None if saved is None else Outcome(*(float.fromhex(number) for number in saved))
    return _Waiting(Decision(batch_id=batch_id, observations=observed, **kept), context, outcome)

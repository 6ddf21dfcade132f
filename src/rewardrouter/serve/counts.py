"""What the gateway has done so far, in numbers: for its page, ``/v1/router`` and ``/metrics``."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from rewardrouter.serve.history import History
from rewardrouter.serve.tape import Calls


@dataclasses.dataclass
class Counts:
    """Counts since the state was begun.

    ``labels`` and ``scores`` are by RM (or strategy, where a label is of several): pairs labelled, completions
    scored. ``dropped`` pairs and ``unanswered`` prompts got nothing. ``calls`` are verdicts asked for, by RM.
    """

    pairs: int = 0
    dropped: int = 0
    outcomes: int = 0
    unanswered: int = 0
    labels: Counter[str] = dataclasses.field(default_factory=Counter)
    scores: Counter[str] = dataclasses.field(default_factory=Counter)
    calls: dict[str, Calls] = dataclasses.field(default_factory=dict)
    history: History = dataclasses.field(default_factory=History)
    _answered: Counter[str] = dataclasses.field(default_factory=Counter)

    def labelled(self, labels: Sequence[str], pairs: int) -> None:
        """Count the labels of some pairs, each by who gave it."""
        self.pairs += pairs
        self.dropped += pairs - len(labels)
        self.labels.update(labels)
        self._answered.update(labels)

    def scored(self, answers: Sequence[tuple[str | None, int]]) -> None:
        """Count prompts: the RM that answered, and for how many completions."""
        for rm, completions in answers:
            if rm is None:
                self.unanswered += 1
            else:
                self.scores[rm] += completions
                self._answered[rm] += completions

    def called(self, calls: Mapping[str, Calls], now: float) -> None:
        """Count what was asked, and close what happened at one moment."""
        span = self.history.at(now)
        span.answered += self._answered
        self._answered.clear()
        for rm, one in calls.items():
            self.calls.setdefault(rm, Calls()).join(one)
            span.asked[rm] += one.asked
            span.failed[rm] += one.failed

    def as_json(self) -> dict[str, Any]:
        """Return everything."""
        plain = {name: getattr(self, name) for name in ("pairs", "dropped", "outcomes", "unanswered")}
        return {
            **plain,
            "labels": dict(self.labels),
            "scores": dict(self.scores),
            "calls": {rm: dataclasses.astuple(one) for rm, one in self.calls.items()},
            "history": self.history.as_json(),
        }

    @classmethod
    def from_json(cls, saved: Mapping[str, Any]) -> Counts:
        """Return the counts that :meth:`as_json` returned."""
        return cls(
            pairs=int(saved["pairs"]),
            dropped=int(saved["dropped"]),
            outcomes=int(saved["outcomes"]),
            unanswered=int(saved["unanswered"]),
            labels=Counter(saved["labels"]),
            scores=Counter(saved["scores"]),
            calls={rm: Calls(*parts) for rm, parts in saved["calls"].items()},
            history=History.from_json(saved["history"]),
        )

"""Which RM answered, and which failed, over the whole life of a gateway, in few numbers.

Time is cut into spans of equal length. When there are too many of them, each two neighbours become one: the record
always reaches back to the beginning, in at most :data:`SPANS` spans, and forgets only when exactly something was.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping
from typing import Any

SPANS = 48
"""The most spans."""

FIRST_SECONDS = 10.0
"""Length of a span at first."""


@dataclasses.dataclass(slots=True)
class Span:
    """Counts by RM: answers that became labels or scores, verdicts asked for, and those of them that failed."""

    answered: Counter[str] = dataclasses.field(default_factory=Counter)
    asked: Counter[str] = dataclasses.field(default_factory=Counter)
    failed: Counter[str] = dataclasses.field(default_factory=Counter)

    def join(self, other: Span) -> None:
        """Add another's counts."""
        self.answered += other.answered
        self.asked += other.asked
        self.failed += other.failed


class History:
    """The spans; ``start`` is when the first began, seconds since 1970, ``seconds`` the length of each."""

    def __init__(self) -> None:
        self.start: float | None = None
        self.seconds = FIRST_SECONDS
        self.spans: list[Span] = []

    def at(self, moment: float) -> Span:
        """Return the span of a moment; one before the last is taken to be in it (a clock was set back)."""
        if self.start is None:
            self.start = moment
        while (place := int((moment - self.start) / self.seconds)) >= SPANS:
            self._halve()
        while len(self.spans) <= place:
            self.spans.append(Span())
        return self.spans[max(place, len(self.spans) - 1)]

    def _halve(self) -> None:
        self.seconds *= 2
        for later in range(1, len(self.spans), 2):
            self.spans[later - 1].join(self.spans[later])
        self.spans = self.spans[::2]

    def as_json(self) -> dict[str, Any]:
        """Return all of it."""
        spans = [[dict(one.answered), dict(one.asked), dict(one.failed)] for one in self.spans]
        return {"start": self.start, "seconds": self.seconds, "spans": spans}

    @classmethod
    def from_json(cls, saved: Mapping[str, Any]) -> History:
        """Return the history that :meth:`as_json` returned."""
        found = cls()
        found.start, found.seconds = saved["start"], saved["seconds"]
        found.spans = [Span(*map(Counter, counts)) for counts in saved["spans"]]
        return found

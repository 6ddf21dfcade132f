"""Where time goes: code names the phase that it is in, a caller that wants to know collects the seconds.

    with measured("route") as seconds:   # {"route": 0.002, "encode": 0.41, "judge": 0.12}
        annotator.annotate(pairs, step)

Time counts for the innermost phase alone, so that the phases add up to the whole. Where nobody measures, naming a
phase costs next to nothing.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Literal, TypeAlias

Phase: TypeAlias = Literal["generate", "encode", "route", "judge", "update", "observe"]
"""The phases of a training step."""


class _Clock:
    def __init__(self, first: Phase) -> None:
        self.seconds: dict[Phase, float] = {first: 0.0}
        self._phase, self._since = first, time.perf_counter()

    def turn_to(self, phase: Phase) -> Phase:
        """Close the current phase, open another, and return the one that was closed."""
        now = time.perf_counter()
        self.seconds[self._phase] += now - self._since
        self.seconds.setdefault(phase, 0.0)
        before, self._phase, self._since = self._phase, phase, now
        return before


_CLOCK: ContextVar[_Clock | None] = ContextVar("clock", default=None)


@contextlib.contextmanager
def measured(first: Phase) -> Iterator[dict[Phase, float]]:
    """Collect seconds by phase; what names no phase counts for ``first``. They are complete when the block ends."""
    clock = _Clock(first)
    token = _CLOCK.set(clock)
    try:
        yield clock.seconds
    finally:
        clock.turn_to(first)
        _CLOCK.reset(token)


@contextlib.contextmanager
def phase(name: Phase) -> Iterator[None]:
    """Name what the block does."""
    clock = _CLOCK.get()
    if clock is None:
        yield
        return
    before = clock.turn_to(name)
    try:
        yield
    finally:
        clock.turn_to(before)

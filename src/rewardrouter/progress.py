"""What happens now and how far it is, on stderr.

On a terminal a display is a bar (rich); elsewhere, in a log or under CI, it is a
plain line at most every ten seconds and one at the end::

    encode: 512/2,602 (20 %) | 43.1/s | 0:48 left
    encode: 2,602/2,602 | 43.0/s | 1:01

Nothing here touches stdout, which belongs to results.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from rich.progress import Progress

LINE_SECONDS = 10.0
"""Least time between two plain lines of one display."""


class Display(Protocol):
    """Where the progress of one piece of work is shown."""

    def advance(self, count: int = 1) -> None:
        """Note that ``count`` more items are done."""

    def log(self, message: str) -> None:
        """Write a line of text without disturbing what is shown."""

    def close(self) -> None:
        """Show the last state and end."""


_open: list[Display] = []
"""The displays now open, innermost last: lines of text must pass through one of them."""

_changing = threading.Lock()
"""Held while a display is opened or closed: several threads may show theirs at the same time."""


@contextlib.contextmanager
def progress(what: str, total: int | None = None) -> Iterator[Callable[[int], None]]:
    """Show the progress of ``what`` while the block runs.

    Parameters
    ----------
    what
        A word or two: ``"encode"``.
    total
        The number of items, or ``None`` where it is not known.

    Yields
    ------
    advance
        To be called with the number of items done since the last call, not with their sum::

            with progress("encode", len(texts)) as advance:
                for batch in batches:
                    ...
                    advance(len(batch))
    """
    with _changing:
        display: Display = _Bar(what, total) if _on_terminal() else _Lines(what, total)
        _open.append(display)
    try:
        yield display.advance
    finally:
        with _changing:
            if display in _open:
                _open.remove(display)
                display.close()


def end_displays() -> None:
    """Close what is open: displays of threads that nobody waits for, which else would keep the terminal."""
    with _changing:
        while _open:
            _open.pop().close()


@contextlib.contextmanager
def counted(what: str) -> Iterator[Callable[[int, int], None]]:
    """Show the progress of work that knows its total only once it has started.

    Yields
    ------
    told
        To be called with the number of items done so far and their total.
    """
    with contextlib.ExitStack() as stack:
        advance: Callable[[int], None] | None = None
        shown = 0

        def told(done: int, total: int) -> None:
            nonlocal advance, shown
            if advance is None:
                advance = stack.enter_context(progress(what, total))
            advance(done - shown)
            shown = done

        yield told


def log(message: str) -> None:
    """Write one line of status to stderr, above the bars where there are any."""
    innermost = _open[-1:]  # which another thread may close meanwhile
    if innermost:
        innermost[0].log(message)
    else:
        _write(message)


class _Count:
    """How many items are done, and what follows from it."""

    def __init__(self, total: int | None, clock: Callable[[], float]) -> None:
        self.total, self._clock = total, clock
        self.done = 0
        self._start = clock()

    @property
    def seconds(self) -> float:
        return self._clock() - self._start

    @property
    def complete(self) -> bool:
        return self.total is None or self.done >= self.total

    def state(self) -> str:
        """Return done, rate, and the time left while items are left, else the time taken."""
        seconds = self.seconds
        rate = f"{self.done / seconds:,.1f}/s" if seconds > 0 else "-/s"
        if self.total is None:
            return f"{self.done:,} | {rate} | {duration(seconds)}"
        if self.complete:
            return f"{self.done:,}/{self.total:,} | {rate} | {duration(seconds)}"
        left = duration(seconds * (self.total - self.done) / self.done) if self.done else "?"
        return f"{self.done:,}/{self.total:,} ({100 * self.done // self.total} %) | {rate} | {left} left"


class _Lines:
    """Plain lines, few."""

    def __init__(self, what: str, total: int | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._what, self._count = what, _Count(total, clock)
        self._shown = 0.0

    def advance(self, count: int = 1) -> None:
        self._count.done += count
        seconds = self._count.seconds
        at_end = self._count.total is not None and self._count.complete  # shown by close()
        if seconds - self._shown >= LINE_SECONDS and not at_end:
            self._shown = seconds
            self.log(f"{self._what}: {self._count.state()}")

    def log(self, message: str) -> None:
        _write(message)

    def close(self) -> None:
        stopped = "" if self._count.complete else ", stopped"
        self.log(f"{self._what}: {self._count.state()}{stopped}")


class _Bar:
    """A bar; those opened while another is open stand below it."""

    def __init__(self, what: str, total: int | None, clock: Callable[[], float] = time.monotonic) -> None:
        outer = next((display for display in _open if isinstance(display, _Bar)), None)
        self._bars: Progress = outer._bars if outer else _bars()
        self._count = _Count(total, clock)
        self._task = self._bars.add_task(what, total=total, state=self._count.state())
        if outer is None:
            self._bars.start()

    def advance(self, count: int = 1) -> None:
        self._count.done += count
        self._bars.update(self._task, advance=count, state=self._count.state())

    def log(self, message: str) -> None:
        self._bars.console.print(message, markup=False, highlight=False, emoji=False, soft_wrap=True)

    def close(self) -> None:
        self._bars.update(self._task, state=self._count.state())
        if not any(isinstance(display, _Bar) for display in _open):
            self._bars.stop()


def duration(seconds: float) -> str:
    """Return a time as ``m:ss`` or ``h:mm:ss``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def _bars() -> Progress:
    # Imported here: rich costs a tenth of a second, which a command that shows no bar does not pay.
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.fields[state]}", markup=False),
        console=Console(stderr=True),
        redirect_stdout=False,
    )


def _on_terminal() -> bool:
    return sys.stderr.isatty() and os.environ.get("TERM") != "dumb"


def _write(message: str) -> None:
    sys.stderr.write(f"{message}\n")
    sys.stderr.flush()

"""A circuit breaker: a server that fails again and again is left alone for a while.

*Closed*, every request passes. After ``open_after`` failures in a row it is *open*: every request is refused at once.
``probe_after`` seconds later it is *half open*: one request, the probe, passes, and those that come meanwhile wait for
its outcome. A success closes it; a failure opens it for another ``probe_after`` seconds.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable


class CircuitOpenError(Exception):
    """A request that is not made because those before it failed."""


class Breaker:
    """The state of one server, for use in one event loop.

    Parameters
    ----------
    open_after
        Failures in a row that open it.
    probe_after
        Seconds for which it is open.
    clock
        Gives the time in seconds.
    """

    def __init__(
        self, open_after: int, probe_after: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._open_after, self._probe_after, self._clock = open_after, probe_after, clock
        self._failures = 0
        self._reason = ""
        self._opened: float | None = None
        self._probe: asyncio.Future[None] | None = None

    async def enter(self) -> bool:
        """Let a request pass; return whether it is the probe. Whoever passes must call one of the methods below.

        Raises
        ------
        CircuitOpenError
            If it is open.
        """
        while self._opened is not None:
            left = self._opened + self._probe_after - self._clock()
            if left > 0:
                raise CircuitOpenError(
                    f"not asked: {self._failures} requests in a row failed; asked again in {left:.1f} s"
                    f" (last: {self._reason})"
                )
            if self._probe is None:
                self._probe = asyncio.get_running_loop().create_future()
                return True
            await asyncio.shield(self._probe)
        return False

    def succeeded(self) -> None:
        """Note that the server does its work."""
        self._failures, self._opened = 0, None
        self._end_probe()

    def failed(self, reason: str, *, probe: bool) -> None:
        """Note that a request, or the probe, failed."""
        self._failures += 1
        self._reason = reason
        if probe or (self._opened is None and self._failures >= self._open_after):
            self._opened = self._clock()
        if probe:
            self._end_probe()

    def abandoned(self, *, probe: bool) -> None:
        """Note that a request was broken off: nothing is known, and another may be the probe."""
        if probe:
            self._end_probe()

    def _end_probe(self) -> None:
        if self._probe is not None and not self._probe.done():
            self._probe.set_result(None)
        self._probe = None

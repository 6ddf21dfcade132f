"""The event loop of this process's requests: one thread, one loop, one HTTP client, whatever the number of RMs.

``judge`` is an ordinary call, from any thread; the requests that it needs run here, at the same time as those of
other calls. Loop and client begin with the first request.
"""

from __future__ import annotations

import asyncio
import atexit
import concurrent.futures
import os
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

import httpx2

T = TypeVar("T")

_KEEPALIVE = 4.0
"""Seconds for which an idle connection is kept: less than the 5 after which uvicorn (vLLM, SGLang) hangs up."""


class _Background:
    """A running loop and its client."""

    def __init__(self) -> None:
        self.process = os.getpid()
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, name="rewardrouter-http", daemon=True)
        self.thread.start()
        self.client = asyncio.run_coroutine_threadsafe(_new_client(), self.loop).result()

    def stop(self) -> None:
        """Close connections and end the thread."""
        if self.process != os.getpid():
            return
        try:
            asyncio.run_coroutine_threadsafe(self.client.aclose(), self.loop).result(timeout=1)
        except (concurrent.futures.TimeoutError, RuntimeError):
            return  # a server that does not even let go: the thread ends with the process
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(timeout=1)


_lock = threading.Lock()
_running: _Background | None = None


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run ``work`` in the loop and return its result; it is cancelled if the wait for it is broken off."""
    future = asyncio.run_coroutine_threadsafe(work, _background().loop)
    try:
        return future.result()
    except BaseException:
        future.cancel()
        raise


def client() -> httpx2.AsyncClient:
    """Return the client; only for use in the loop."""
    return _background().client


def _background() -> _Background:
    global _running
    with _lock:
        if _running is None or _running.process != os.getpid():  # a forked process has no such thread
            _running = _Background()
            atexit.register(_running.stop)
        return _running


async def _new_client() -> httpx2.AsyncClient:
    """Return a client without time limits or bounds of its own: each RM has its own."""
    limits = httpx2.Limits(max_connections=None, max_keepalive_connections=None, keepalive_expiry=_KEEPALIVE)
    return httpx2.AsyncClient(timeout=None, limits=limits, follow_redirects=False)

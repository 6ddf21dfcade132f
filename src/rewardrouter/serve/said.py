"""What the gateway says on stderr. It stops nothing: the file behind it may lie on the disk that is full."""

from __future__ import annotations

import contextlib

from rewardrouter.progress import log


def say(message: str) -> None:
    """Write one line to stderr, where that can be done."""
    with contextlib.suppress(OSError):
        log(message)

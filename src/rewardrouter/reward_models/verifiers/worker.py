"""The process that runs one check, response after response; ``workers`` starts it.

It is told its connection to the parent, which check, and how long one may take; it answers every
message, a pickled ``(response, row)``, with one line of JSON: ``{"value": 1.0}`` or ``{"error": "why"}``. What the
check prints goes nowhere.

It ends with its parent, and takes along whatever the check has begun: a thread waits for the connection to be closed
at the other end. A check may be in a computation that lets no thread run; so every check has an alarm too, at which
the operating system ends the process.
"""

from __future__ import annotations

import json
import math
import os
import pickle
import resource
import select
import signal
import threading
from multiprocessing.connection import Connection
from numbers import Real

import numpy as np

from rewardrouter.errors import RewardRouterError, one_line
from rewardrouter.reward_models.verifiers.checks import Check, load_check

MATH_BYTES = 2 << 30
"""What comparing mathematics may take beside what is held before: powers of powers fill any memory."""

_GRACE_SECONDS = 2.0
"""How much later than its parent's patience the alarm goes off."""


def serve(connection: Connection, name: str, seconds: float) -> None:
    """Load the check called ``name``, say ``{"ready": true}`` or why not, and answer until the parent is gone."""
    _silence()
    threading.Thread(target=_end_with, args=[connection.fileno()], daemon=True).start()
    try:
        check = load_check(name)
    except BaseException as error:  # a module may even exit while it is imported
        known = isinstance(error, RewardRouterError)
        reason = str(error) if known else f"check: {name} cannot be imported: {_told(error)}"
        _send(connection, {"broken": reason})
        return
    if name == "math":
        _limit_memory(MATH_BYTES)
    _send(connection, {"ready": True})
    while True:
        try:
            message = connection.recv_bytes()
        except EOFError:
            return
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, seconds + _GRACE_SECONDS)
        answer = _answer(check, message)
        signal.setitimer(signal.ITIMER_REAL, 0)
        _send(connection, answer)


def _answer(check: Check, message: bytes) -> dict[str, object]:
    try:
        response, row = pickle.loads(message)  # noqa: S301 - the parent's
        found: object = check(response, row)
        if found is None:
            return {"error": "the check cannot say"}
        if not isinstance(found, Real | np.bool_):  # Python's own truth values are numbers
            return {"error": f"the check gave a {type(found).__name__}, expected true, false or a number"}
        value = float(found)
        return {"value": value} if math.isfinite(value) else {"error": f"the check gave {value}"}
    except BaseException as error:  # sys.exit() among them: the next response has nothing to do with it
        return {"error": _told(error)}


def _told(error: BaseException) -> str:
    said = one_line(error)
    kind = type(error).__name__
    return kind if said == kind else f"{kind}: {said}"


def _send(connection: Connection, answer: dict[str, object]) -> None:
    connection.send_bytes(json.dumps(answer).encode())


def _silence() -> None:
    """Send what is printed nowhere: the parent's output is not the check's to write to."""
    sink = os.open(os.devnull, os.O_RDWR)
    for stream in range(3):
        os.dup2(sink, stream)
    os.close(sink)


def _end_with(connection: int) -> None:
    """End this process and those that it began when the other end of the connection is closed."""
    closed = select.poll()
    closed.register(connection, 0)
    closed.poll()
    os.killpg(0, signal.SIGKILL)


def _limit_memory(more: int) -> None:
    """Let the process take so many bytes of address space more than it has now, where it can tell."""
    try:
        with open("/proc/self/statm") as sizes:  # noqa: PTH123 - no file
            held = int(sizes.read().split()[0]) * resource.getpagesize()
    except OSError:
        return
    resource.setrlimit(resource.RLIMIT_AS, (held + more, resource.getrlimit(resource.RLIMIT_AS)[1]))

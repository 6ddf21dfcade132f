"""A real HTTP server on this machine for tests of what asks one: it answers by a function, and fails on demand.

A client is worth what it does when the network fails, and a patched client never shows that. This server speaks over
real sockets, remembers what it was asked, and lets faults befall its requests::

    def test_a_server_that_is_too_busy_is_asked_again():
        with serving(lambda body: {"score": len(body["text"])}) as server:
            server.faults.append(status(429, "later", retry_after="0.1"))
            assert MyRewardModel(server.url).score("four") == 4
            assert len(server.seen) == 2

A fault is a function of its own, of a request's handler and the answer that was due; the usual ones are below.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeAlias, TypeVar

Fault: TypeAlias = Callable[["Handler", bytes], None]
"""Deals with a request in place of the server; is given the answer that was due."""


L = TypeVar("L", bound="Loopback")


@dataclasses.dataclass(frozen=True, slots=True)
class Request:
    """What was asked."""

    path: str
    headers: dict[str, str]
    raw: bytes

    @property
    def body(self) -> Any:
        """Its JSON; ``None`` of a request without a body."""
        return json.loads(self.raw) if self.raw else None


class Loopback(ThreadingHTTPServer):
    """A server that is begun by :func:`serving` or :meth:`start`, and ended by :meth:`kill`.

    Parameters
    ----------
    answer
        Makes an answer's JSON of a request's.
    port
        Where it listens; 0 takes any that is free.

    Attributes
    ----------
    faults, always
        Faults that befall the next requests, one each; and one that befalls all others, or ``None``.
    models
        What it says at ``/v1/models``, ``None`` where it has no such list; that is neither in ``seen`` nor faulty.
    seen
        What was asked, in order.
    most
        The most requests that were in work at once.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, answer: Callable[[Any], Any], port: int = 0) -> None:
        self.answer = answer
        self.faults: deque[Fault] = deque()
        self.always: Fault | None = None
        self.models: list[Any] | None = None
        self.seen: list[Request] = []
        self.now = self.most = 0
        self.lock = threading.Lock()
        self.connections: set[socket.socket] = set()
        super().__init__(("127.0.0.1", port), Handler)

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.server_address[1])

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    def due(self, request: Request) -> tuple[int, bytes]:
        """Return the status and the body that answer a request where no fault befalls it."""
        return 200, json.dumps(self.answer(request.body)).encode()

    def aside(self, path: str) -> tuple[int, bytes] | None:
        """Return the answer to a question that does not count, ``None`` for any other."""
        if path != "/v1/models":
            return None
        if self.models is None:
            return 404, b'{"detail":"Not Found"}'
        return 200, json.dumps({"object": "list", "data": self.models}).encode()

    def next_fault(self, request: Request) -> Fault | None:  # noqa: ARG002 - for servers whose faults depend on it
        """Return what befalls a request, if anything does."""
        return self.faults.popleft() if self.faults else self.always

    def start(self) -> None:
        """Answer from now on, in threads of its own."""
        self.thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self.thread.start()

    def kill(self) -> None:
        """Stop as a killed process does: whoever is connected is cut off, and nobody listens any more."""
        self.shutdown()
        self.server_close()
        with self.lock:
            for connection in self.connections:
                with contextlib.suppress(OSError):  # it is gone already
                    connection.shutdown(socket.SHUT_RDWR)
        self.thread.join()

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: whoever asked has given up, or was cut off."""


class Handler(BaseHTTPRequestHandler):
    """One connection, request after request; ``asked`` is the one that is dealt with."""

    server: Loopback
    asked: Request
    _inside = False
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def setup(self) -> None:
        """Be known to the server, which may be killed."""
        super().setup()
        with self.server.lock:
            self.server.connections.add(self.connection)

    def finish(self) -> None:
        """End the connection."""
        with self.server.lock:
            self.server.connections.discard(self.connection)
        super().finish()

    def do_GET(self) -> None:
        """Deal with a request without a body."""
        aside = self.server.aside(self.path)
        if aside is None:
            self._deal(b"")
        else:
            self.reply(aside[1], aside[0])

    def do_POST(self) -> None:
        """Deal with a request."""
        self._deal(self.rfile.read(int(self.headers["Content-Length"])))

    def reply(self, body: bytes, status: int = 200, headers: dict[str, str] | None = None) -> None:
        """Send an answer; ``headers`` may name another length than the body's."""
        self._leave()  # before it is sent: whoever gets it may ask again at once
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
        """Say nothing."""

    def _deal(self, raw: bytes) -> None:
        server = self.server
        self.asked = Request(self.path, dict(self.headers), raw)
        with server.lock:
            server.seen.append(self.asked)
            server.now += 1
            server.most = max(server.most, server.now)
            self._inside = True
            fault = server.next_fault(self.asked)
        try:
            code, due = server.due(self.asked)
            if fault is None:
                self.reply(due, code)
            else:
                fault(self, due)
        finally:
            self._leave()

    def _leave(self) -> None:
        with self.server.lock:
            self.server.now -= self._inside
            self._inside = False


@contextlib.contextmanager
def running(server: L) -> Iterator[L]:
    """Run a server as long as the context lasts; it may be killed meanwhile."""
    server.start()
    try:
        yield server
    finally:
        if server.thread.is_alive():
            server.kill()


def serving(answer: Callable[[Any], Any], port: int = 0) -> contextlib.AbstractContextManager[Loopback]:
    """Run a :class:`Loopback` as long as the context lasts."""
    return running(Loopback(answer, port))


def status(code: int, body: str = "the engine is gone", **headers: str) -> Fault:
    """Answer with an error; ``retry_after="1"`` is the header Retry-After."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda handler, due: handler.reply(body.encode(), code, named)  # noqa: ARG005 - no answer is due


def hangs(seconds: float) -> Fault:
    """Say nothing for a while, then hang up."""

    def fault(handler: Handler, due: bytes) -> None:  # noqa: ARG001 - it is not sent
        time.sleep(seconds)
        handler.close_connection = True

    return fault


def late(seconds: float) -> Fault:
    """Answer, but late."""

    def fault(handler: Handler, due: bytes) -> None:
        time.sleep(seconds)
        handler.reply(due)

    return fault


def says(body: bytes) -> Fault:
    """Answer something else."""
    return lambda handler, due: handler.reply(body)  # noqa: ARG005 - it is not sent


def changed(change: Callable[[Any], Any]) -> Fault:
    """Change the answer's JSON: in place, or into what is returned."""

    def fault(handler: Handler, due: bytes) -> None:
        answer = json.loads(due)
        replaced = change(answer)
        handler.reply(json.dumps(answer if replaced is None else replaced).encode())

    return fault


def truncated(handler: Handler, due: bytes) -> None:
    """Answer half of the JSON as if it were all."""
    handler.reply(due[: len(due) // 2])


def disconnects(handler: Handler, due: bytes) -> None:
    """Hang up in the middle of the answer."""
    handler.reply(due[: len(due) // 2], headers={"Content-Length": str(len(due))})
    handler.close_connection = True


def trickles(handler: Handler, due: bytes) -> None:
    """Send a byte now and then: there is always something to read, and never the whole."""
    handler.reply(due[:1], headers={"Content-Length": str(len(due))})
    for byte in due[1:]:
        time.sleep(0.05)
        handler.wfile.write(bytes([byte]))

"""A real HTTP server on the loopback interface that remembers requests, answers by a function, and fails on demand."""

from __future__ import annotations

import dataclasses
import json
import socket
import threading
import time
import zlib
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Fault = Callable[["Handler", bytes], None]
"""Deals with a request in place of the server: is given the answer that was due."""


@dataclasses.dataclass(frozen=True)
class Request:
    path: str
    headers: dict[str, str]
    raw: bytes

    @property
    def body(self) -> Any:
        return json.loads(self.raw)


class Loopback(ThreadingHTTPServer):
    """``faults`` befall the next requests, one each; ``always`` befalls all others; ``seen`` holds all that came."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, answer: Callable[[Any], Any], port: int = 0) -> None:
        self.answer = answer
        self.faults: deque[Fault] = deque()
        self.always: Fault | None = None
        self.seen: list[Request] = []
        self.now = self.most = 0
        self.lock = threading.Lock()
        self.connections: set[socket.socket] = set()
        super().__init__(("127.0.0.1", port), Handler)

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        self.thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self.thread.start()

    def kill(self) -> None:
        """Stop as a killed process does: whoever is connected is cut off, and nobody listens any more."""
        self.shutdown()
        self.server_close()
        with self.lock:
            for connection in self.connections:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    """It is gone already."""
        self.thread.join()

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: whoever asked has given up, or was cut off."""


class Handler(BaseHTTPRequestHandler):
    server: Loopback
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def setup(self) -> None:
        super().setup()
        with self.server.lock:
            self.server.connections.add(self.connection)

    def finish(self) -> None:
        with self.server.lock:
            self.server.connections.discard(self.connection)
        super().finish()

    def do_POST(self) -> None:
        server = self.server
        raw = self.rfile.read(int(self.headers["Content-Length"]))
        request = Request(self.path, dict(self.headers), raw)
        with server.lock:
            server.seen.append(request)
            server.now += 1
            server.most = max(server.most, server.now)
            fault = server.faults.popleft() if server.faults else server.always
        try:
            due = json.dumps(server.answer(request.body)).encode()
            if fault is None:
                self.reply(due)
            else:
                fault(self, due)
        finally:
            with server.lock:
                server.now -= 1

    def reply(self, body: bytes, status: int = 200, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
        """Say nothing."""


@contextmanager
def serving(answer: Callable[[Any], Any], port: int = 0) -> Iterator[Loopback]:
    """Run a server as long as the context lasts."""
    server = Loopback(answer, port)
    server.start()
    try:
        yield server
    finally:
        if server.thread.is_alive():
            server.kill()


def status(code: int, body: str = "the engine is gone", **headers: str) -> Fault:
    """Answer with an error; ``retry_after="1"`` is the header Retry-After."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda handler, due: handler.reply(body.encode(), code, named)


def hangs(seconds: float) -> Fault:
    """Say nothing for a while, then hang up."""

    def fault(handler: Handler, due: bytes) -> None:
        time.sleep(seconds)
        handler.close_connection = True

    return fault


def late(seconds: float) -> Fault:
    """Answer, but late."""

    def fault(handler: Handler, due: bytes) -> None:
        time.sleep(seconds)
        handler.reply(due)

    return fault


def trickles(handler: Handler, due: bytes) -> None:
    """Send a byte now and then: there is always something to read, and never the whole."""
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(due)))
    handler.end_headers()
    for byte in due:
        time.sleep(0.05)
        handler.wfile.write(bytes([byte]))
        handler.wfile.flush()


def says(body: bytes) -> Fault:
    """Answer something else."""
    return lambda handler, due: handler.reply(body)


def truncated(handler: Handler, due: bytes) -> None:
    """Answer half of the JSON as if it were all."""
    handler.reply(due[: len(due) // 2])


def disconnects(handler: Handler, due: bytes) -> None:
    """Hang up in the middle of the answer."""
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(due)))
    handler.end_headers()
    handler.wfile.write(due[: len(due) // 2])
    handler.wfile.flush()
    handler.close_connection = True


def changed(change: Callable[[Any], Any]) -> Fault:
    """Change the answer's JSON: in place, or into what is returned."""

    def fault(handler: Handler, due: bytes) -> None:
        answer = json.loads(due)
        replaced = change(answer)
        handler.reply(json.dumps(answer if replaced is None else replaced).encode())

    return fault


def worth(text: object) -> float:
    """Return the score of what a server was sent of one text: any two differ."""
    return zlib.crc32(json.dumps(text, sort_keys=True).encode()) / 2**30 - 2


def vllm(body: Any) -> Any:
    """Answer as vLLM's ``/classify``, with the results out of order."""
    texts = [body["messages"]] if "messages" in body else body["input"]
    rows = [
        {"index": n, "label": "LABEL_0", "probs": [worth(text)], "num_classes": 1}
        for n, text in enumerate(texts)
    ]
    return {"id": "classify-1", "object": "list", "model": body["model"], "data": rows[::-1]}


def vllm_pooling(body: Any) -> Any:
    """Answer as vLLM's ``/pooling``."""
    rows = [{"index": row["index"], "object": "pooling", "data": row["probs"]} for row in vllm(body)["data"]]
    return {"object": "list", "data": rows}


def vllm_score(body: Any) -> Any:
    """Answer as vLLM's ``/score``."""
    texts = zip(body["text_1"], body["text_2"], strict=True)
    return {"data": [{"index": n, "object": "score", "score": worth(both)} for n, both in enumerate(texts)]}


def sglang(body: Any) -> Any:
    """Answer as SGLang's ``/classify``."""
    return [{"embedding": [worth(text)], "meta_info": {}} for text in body.get("text") or body["input_ids"]]


def openrlhf(body: Any) -> Any:
    """Answer as a remote reward model of OpenRLHF."""
    asked = zip(body["query"], body["prompts"], body["labels"], strict=True)
    rewards = [worth(text) for text in asked]
    return {"rewards": rewards, "scores": rewards, "extra_logs": {}}

"""The server that tests ask: what befalls its requests is seen through an ordinary client, over real sockets."""

from __future__ import annotations

import http.client
import json
import threading
from typing import Any

import pytest

from rewardrouter.testing.loopback import (
    Loopback,
    Request,
    changed,
    disconnects,
    hangs,
    late,
    running,
    says,
    serving,
    status,
    trickles,
    truncated,
)


def ask(server: Loopback, body: Any = None, timeout: float = 5.0) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=timeout)
    try:
        if body is None:
            connection.request("GET", "/things")
        else:
            connection.request("POST", "/double", json.dumps(body), {"X-Key": "hush"})
        found = connection.getresponse()
        return found.status, found.read()
    finally:
        connection.close()


def doubled(body: Any) -> Any:
    return {"n": 2 * body["n"]} if body else []


def test_it_answers_by_its_function_and_remembers_what_was_asked() -> None:
    with serving(doubled) as server:
        assert ask(server, {"n": 2}) == (200, b'{"n": 4}')
        assert ask(server) == (200, b"[]")
    first, second = server.seen
    assert (first.path, first.body, first.headers["X-Key"]) == ("/double", {"n": 2}, "hush")
    assert (second.path, second.body) == ("/things", None)


def test_faults_befall_one_request_each_and_then_all_or_none() -> None:
    with serving(doubled) as server:
        server.faults.extend([status(503, "later", retry_after="1"), says(b"?"), truncated])
        server.faults.append(changed(lambda answer: answer.update(n=0)))
        server.faults.append(changed(lambda answer: [answer]))
        found = [ask(server, {"n": 2}) for _ in range(6)]
        server.always = status(500)
        found += [ask(server, {"n": 2}) for _ in range(2)]
    assert found[:3] == [(503, b"later"), (200, b"?"), (200, b'{"n"')]
    assert found[3:6] == [(200, b'{"n": 0}'), (200, b'[{"n": 4}]'), (200, b'{"n": 4}')]
    assert [code for code, _ in found[6:]] == [500, 500]
    assert len(server.seen) == 8


def test_answers_that_do_not_come_whole_or_in_time() -> None:
    with serving(doubled) as server:
        for fault in (disconnects, hangs(0.05)):
            server.faults.append(fault)
            with pytest.raises((http.client.HTTPException, OSError)):
                ask(server, {"n": 2})
        for fault in (late(1.0), trickles):
            server.faults.append(fault)
            with pytest.raises(TimeoutError):
                ask(server, {"n": 2}, timeout=0.03)


def test_the_most_at_once_and_whoever_is_connected_is_cut_off_by_a_kill() -> None:
    server = Loopback(doubled)
    server.always = hangs(30)
    failures: list[BaseException] = []

    def waits() -> None:
        try:
            ask(server, {"n": 2}, timeout=20)
        except (http.client.HTTPException, OSError) as error:
            failures.append(error)

    with running(server):
        asking = [threading.Thread(target=waits) for _ in range(3)]
        for thread in asking:
            thread.start()
        while server.most < 3:
            pass
        server.kill()
        for thread in asking:
            thread.join()
    assert len(failures) == 3
    with pytest.raises(ConnectionRefusedError):
        ask(server, {"n": 2})
    with serving(doubled, server.port) as again:
        assert ask(again, {"n": 1}) == (200, b'{"n": 2}')


class ByPath(Loopback):
    """Another server: its answers and faults depend on the path."""

    def due(self, request: Request) -> tuple[int, bytes]:
        return super().due(request) if request.path == "/double" else (404, b"no such path")


def test_another_answer_by_the_path() -> None:
    with running(ByPath(doubled)) as server:
        assert ask(server) == (404, b"no such path")
        assert ask(server, {"n": 3}) == (200, b'{"n": 6}')

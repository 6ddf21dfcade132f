"""The loop of requests: one for all threads, a new one in a forked process, nothing left when work is broken off."""

import asyncio
import os
import signal
import threading

import pytest

from rewardrouter.config.servers import ServerConfig
from rewardrouter.http.background import run
from rewardrouter.http.endpoint import Endpoint
from rewardrouter.testing.loopback import serving


def ask(endpoint):
    return run(endpoint.ask({"n": 1}, lambda answer: answer)).value


def echo(body):
    return body


def test_all_threads_share_one_loop():
    async def thread():
        await asyncio.sleep(0.01)
        return threading.current_thread()

    found = []
    callers = [threading.Thread(target=lambda: found.append(run(thread()))) for _ in range(4)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert len(set(found)) == 1
    assert found[0].name == "rewardrouter-http"
    assert found[0] is not threading.current_thread()


def test_errors_come_to_the_caller():
    async def fails():
        raise KeyError("x")

    with pytest.raises(KeyError):
        run(fails())


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_process_asks_in_a_loop_of_its_own():
    with serving(echo) as server:
        endpoint = Endpoint(ServerConfig(name="rm", url=server.url), "/")
        assert ask(endpoint) == {"n": 1}
        child = os.fork()
        if child == 0:
            signal.alarm(20)  # a test that fails must not hang
            os._exit(0 if ask(endpoint) == {"n": 1} else 1)
        assert os.waitpid(child, 0)[1] == 0

"""The process: told to stop, it finishes; killed, it has lost nothing that it acknowledged."""

from __future__ import annotations

import contextlib
import http.client
import json
import multiprocessing
import os
import random
import re
import resource
import signal
import threading
import time
from pathlib import Path

import pytest
from gateways import Client, engine, outcomes, pairs, same_state, serve_in, settings, wait_until

from rewardrouter.annotators import Outcome
from rewardrouter.pairs import PreferencePair
from rewardrouter.serve.labelled import Labelled
from rewardrouter.serve.store import LOG_FILE, Store

KILLS = 20


class Process:
    """A gateway in a process of its own, forked from one that has imported everything: it starts at once."""

    def __init__(self, folder, *overrides):
        folder.mkdir(exist_ok=True)
        self._said, before = folder / "stderr.txt", 0
        if self._said.exists():
            before = self._said.stat().st_size
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(
            ["pytest", "gateways", "rewardrouter.serve.server", "rewardrouter.cli.main"]
        )
        self.process = context.Process(target=serve_in, args=(folder, overrides))
        self.process.start()
        wait_until(lambda: self._said.exists() and b"http://" in self._said.read_bytes()[before:])
        found = re.search(r"http://127\.0\.0\.1:(\d+) ", self.said[before:])
        assert found, self.said
        self.client = Client(int(found[1]))

    @property
    def said(self):
        return self._said.read_text(encoding="utf-8")

    def kill(self):
        self.process.kill()
        self.process.join()

    def tell_to_stop(self):
        os.kill(self.process.pid, signal.SIGTERM)

    def ended(self):
        self.process.join(30)
        return self.process.exitcode

    def stop(self):
        self.tell_to_stop()
        return self.ended()


def state_of(folder, *overrides):
    """Return the state that a restart would find."""
    config = settings(folder, *overrides)
    one, store = engine(config), Store(Path(config.state))
    if (state := store.state()) is not None:
        one.load_state_dict(state)
    for event in store.events(one.seq):
        one.replay(event)
    store.close()
    return one.state_dict()


def uninterrupted(folder, batches, *overrides):
    """Return the state of one that was told the same and never killed."""
    one = engine(settings(folder, *overrides))
    for n in range(batches):
        given = [PreferencePair(p["id"], p["prompt"], p["response_a"], p["response_b"]) for p in pairs(4, n)]
        reply, _ = one.annotate(Labelled(given, f"b{n}", n), 0.0)
        told = outcomes(reply["annotations"])
        one.observe({name: Outcome(**numbers) for name, numbers in told.items()}, 0.0)
    return one.state_dict()


@pytest.mark.slow
def test_killed_under_load_again_and_again_nothing_acknowledged_is_lost(tmp_path):
    chance, batch, acknowledged = random.Random(0), 0, []
    for _ in range(KILLS):
        at = Process(tmp_path, "--saving.every_events=7")
        noise = threading.Event()
        others = [threading.Thread(target=_other_load, args=(at.client, noise)) for _ in range(3)]
        for thread in others:
            thread.start()
        killer = threading.Timer(chance.uniform(0.05, 0.8), at.kill)
        killer.start()
        with contextlib.suppress(OSError, http.client.HTTPException):
            while True:  # what got no answer is asked again after the restart
                body = {"pairs": pairs(4, batch), "batch_id": f"b{batch}", "step": batch}
                told = outcomes(at.client.done("/v1/annotate", body)["annotations"])
                received = at.client.done("/v1/feedback", {"outcomes": told})
                assert not received.get("unknown") and not received.get("conflicting")  # noqa: PT018
                acknowledged += told
                batch += 1
        killer.join()
        assert at.process.exitcode == -signal.SIGKILL
        noise.set()
        for thread in others:
            thread.join()
    at = Process(tmp_path)
    body = {"pairs": pairs(4, batch), "batch_id": f"b{batch}", "step": batch}
    at.client.done(
        "/v1/feedback", {"outcomes": outcomes(at.client.done("/v1/annotate", body)["annotations"])}
    )
    assert at.stop() == 0
    assert batch > KILLS
    found, expected = state_of(tmp_path), uninterrupted(tmp_path, batch + 1)
    settled = {name for name, *_, outcome in found.metadata["memory"]["ledger"] if outcome is not None}
    assert settled >= set(acknowledged)
    # But for the load of the others, which only scores completions and looks.
    for one in (found, expected):
        one.metadata["memory"]["prompts"].clear()
        for name in ("scores", "calls", "history"):
            one.metadata["memory"]["counts"][name] = {} if name != "history" else {"spans": []}
        one.metadata["seq"] = 0
        for name in [name for name in one.arrays if name.startswith("memory.scales")]:
            del one.arrays[name]
    same_state(found, expected)


def test_a_cascade_that_is_killed_keeps_what_its_threshold_has_come_to(tmp_path):
    cascade = "strategy=router+cascade@1.35:keep_budget=true"
    for batches in (range(4), range(4, 6)):
        at = Process(tmp_path, cascade, "saving.every_events=3")
        for n in batches:
            body = {"pairs": pairs(4, n), "batch_id": f"b{n}", "step": n}
            reply = at.client.done("/v1/annotate", body)
            at.client.done("/v1/feedback", {"outcomes": outcomes(reply["annotations"])})
        at.kill()
    found = state_of(tmp_path, cascade)
    same_state(found, uninterrupted(tmp_path, 6, cascade))
    assert found.metadata["annotator"]["correction"] != 0


def test_on_a_full_disk_nothing_is_acknowledged_and_later_all_goes_on(tmp_path):
    """No file, stderr's among them, may grow beyond 100 bytes for a while."""

    def allow(size):
        resource.prlimit(at.process.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

    at = Process(tmp_path, "saving.every_seconds=0.2")
    first = at.client.done("/v1/annotate", {"pairs": pairs(2), "batch_id": "b0"})
    allow(100)
    for _ in range(40):
        refused = at.client.post("/v1/annotate", {"pairs": pairs(2, 1), "batch_id": "b1"})
        assert refused.status == 503
        assert refused.json == {"error": "nothing was done: the state cannot be written: File too large"}
    assert at.client.get("/healthz").status == 503
    assert at.client.done("/v1/annotate", {"pairs": pairs(2), "batch_id": "b0"}) == first
    allow(resource.RLIM_INFINITY)
    wait_until(lambda: at.client.get("/healthz").json == {"status": "ok"})  # nobody has to try
    at.client.done("/v1/annotate", {"pairs": pairs(2, 2), "batch_id": "b2"})
    at.kill()
    kept = {name for name, *_ in state_of(tmp_path).metadata["memory"]["ledger"]}
    assert kept == {"b0/p0", "b0/p1", "b2/p0", "b2/p1"}


def _other_load(client, done):
    n = 0
    while not done.is_set():
        n += 1
        with contextlib.suppress(OSError, http.client.HTTPException, ValueError):
            client.post("/openrlhf", {"query": [f"p{n % 9}answer {n}"], "prompts": [f"p{n % 9}"]})
            client.get("/v1/router")


def test_told_to_stop_it_finishes_refuses_saves_and_ends_well(tmp_path):
    at = Process(tmp_path, "--completions.hold_seconds=1.5")
    first = at.client.done("/v1/annotate", {"pairs": pairs(2), "batch_id": "b0"})
    held = []
    waiting = threading.Thread(
        target=lambda: held.append(at.client.done("/openrlhf", {"query": ["ab"], "prompts": ["a"]}))
    )
    open_connection = http.client.HTTPConnection("127.0.0.1", at.client.port, timeout=10)
    open_connection.request("GET", "/healthz")
    open_connection.getresponse().read()
    waiting.start()
    time.sleep(0.4)
    at.tell_to_stop()
    wait_until(lambda: at.client.get("/healthz").status == 503)
    assert at.client.get("/healthz").json == {"status": "draining"}
    refused = at.client.post("/v1/feedback", {"outcomes": outcomes(first["annotations"])})
    assert refused.status == 503
    assert "retry-after" in refused.headers
    waiting.join()
    assert len(held[0]["rewards"]) == 1
    assert at.ended() == 0
    open_connection.close()
    assert (tmp_path / "state" / LOG_FILE).read_bytes() == b""
    at = Process(tmp_path)
    view = at.client.get("/v1/router").json
    assert (view["counts"]["pairs"], view["counts"]["events"]) == (2, 2)
    assert at.stop() == 0


def test_what_does_not_end_is_not_waited_for_for_ever(tmp_path):
    at = Process(tmp_path, "--completions.hold_seconds=60", "--limits.drain_seconds=0.3")
    gone = threading.Thread(target=_ask_in_vain, args=(at.client,))
    gone.start()
    time.sleep(0.3)
    begun = time.monotonic()
    assert at.stop() == 0
    assert time.monotonic() - begun < 10
    assert "1 requests were not finished" in at.said
    gone.join()


def _ask_in_vain(client):
    with contextlib.suppress(OSError, http.client.HTTPException):
        client.post("/openrlhf", {"query": ["ab"], "prompts": ["a"]})


def test_the_log_is_read_when_the_state_was_never_saved(tmp_path):
    at = Process(tmp_path)
    reply = at.client.done("/v1/annotate", {"pairs": pairs(4, 0), "batch_id": "b0", "step": 0})
    at.client.done("/v1/feedback", {"outcomes": outcomes(reply["annotations"])})
    at.kill()
    assert [json.loads(line)["kind"] for line in (tmp_path / "state" / LOG_FILE).open()] == [
        "annotate",
        "observe",
    ]
    same_state(state_of(tmp_path), uninterrupted(tmp_path, 1))

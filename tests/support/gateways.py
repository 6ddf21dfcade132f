"""Gateways without models: contexts are digests of the texts, RMs functions of them."""

from __future__ import annotations

import contextlib
import dataclasses
import http.client
import json
import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from calibrated import CalibratedScorer
from scripted_scorer import ScriptedScorer
from text_rewards import TextJudge, TextScorer, hashed

from rewardrouter.calibration import Signals
from rewardrouter.config.loading import load_config
from rewardrouter.config.serve import ServeConfig
from rewardrouter.online.shift import ContextReference
from rewardrouter.pairs import PreferencePair
from rewardrouter.reward_models.pool import RewardModelPool
from rewardrouter.router import Arm
from rewardrouter.serve.engine import Engine
from rewardrouter.serve.gateway import Gateway, make_gateway
from rewardrouter.serve.protection import Protection
from rewardrouter.state import State

ARMS = ("rm0", "rm1", "rm2")


class Router(ScriptedScorer):
    """A scripted router that saw its arms' scores; it was calibrated, and fitted to contexts like these."""

    reference = ContextReference.of(np.random.default_rng(0).standard_normal((300, 5)))
    _calibrated = CalibratedScorer(ARMS)
    held_out = _calibrated.held_out

    def signals(self, pairs: Sequence[PreferencePair]) -> Signals:
        return self._calibrated.signals(pairs)

    @property
    def arm_records(self) -> tuple[Arm, ...]:
        means = {"rm0": 0.0, "rm1": 7.0, "rm2": 0.0, "spare": 0.0}
        stds = {"rm0": 0.6, "rm1": 29.0, "rm2": 0.006, "spare": 1.0}
        return tuple(Arm(name, 100, 0, 0, 0.7, means[name], stds[name]) for name in self.arms)


class Switched(TextScorer):
    """A scorer that can be switched off: it then fails on all pairs, or takes its time."""

    down = False
    seconds = 0.0

    def judge(self, pairs):
        if self.seconds:
            time.sleep(self.seconds)
        score, self._score = self._score, (lambda _: None) if self.down else self._score
        try:
            return super().judge(pairs)
        finally:
            self._score = score


class SwitchedJudge(Switched, TextJudge):
    """The same for a judge that names winners."""


def reward_models(judges: Sequence[str] = ()) -> dict[str, Switched]:
    """Return the three arms' RMs and a spare one, by name."""
    scores = {
        "rm0": hashed("0"), "rm1": hashed("1", 50.0, 7.0), "rm2": hashed("2", 0.01), "spare": hashed("3")
    }  # fmt: skip
    return {name: (SwitchedJudge if name in judges else Switched)(name, one) for name, one in scores.items()}


def settings(folder: Path, *overrides: str) -> ServeConfig:
    """Return settings; the state lies in ``folder``."""
    given = ["router=scripted", "pool=scripted", f"state={json.dumps(str(folder / 'state'))}", "port=0"]
    return load_config(ServeConfig, None, [*given, *overrides])


def router() -> Router:
    return Router(ARMS)


def gateway(config: ServeConfig, models: dict[str, Switched] | None = None) -> Gateway:
    models = models or reward_models()
    return make_gateway(config, router(), RewardModelPool(models.values()), "scripted")


def engine(config: ServeConfig, models: dict[str, Switched] | None = None) -> Engine:
    """Return an engine without anything around it."""
    models = models or reward_models()
    identity = {"router": "scripted", "strategy": config.strategy, "seed": config.seed}
    return Engine(router(), RewardModelPool(models.values()), config, identity)


@dataclasses.dataclass(frozen=True)
class Reply:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclasses.dataclass
class Client:
    """Asks one gateway."""

    port: int
    headers: dict[str, str] = dataclasses.field(default_factory=dict)

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Reply:
        """Send one request on a connection of its own; ``body`` is bytes or becomes JSON."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        kind = {} if body is None else {"Content-Type": "application/json"}
        try:
            connection.request(method, path, data, {**kind, **self.headers, **headers})
            answer = connection.getresponse()
            return Reply(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def get(self, path: str, **headers: str) -> Reply:
        return self.ask("GET", path, **headers)

    def post(self, path: str, body: Any, **headers: str) -> Reply:
        return self.ask("POST", path, body, **headers)

    def done(self, path: str, body: Any) -> Any:
        """Post what must be answered with 200."""
        reply = self.post(path, body)
        assert reply.status == 200, reply.body
        return reply.json


@dataclasses.dataclass
class Running:
    """A gateway at work in this process."""

    client: Client
    gateway: Gateway
    models: dict[str, Switched]
    protected: Protection


@contextlib.contextmanager
def running(
    folder: Path, *overrides: str, models: dict[str, Switched] | None = None, token: str | None = None
) -> Iterator[Running]:
    """Serve in a thread of this process."""
    from rewardrouter.serve.app import make_app
    from rewardrouter.serve.server import GatewayServer

    models = models or reward_models()
    made = gateway(settings(folder, *overrides), models)
    _, protected = make_app(made, token)
    server = GatewayServer(made, protected)
    made.worker.start()
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        wait_until(lambda: server.started)
        yield Running(Client(server.port), made, models, protected)
    finally:
        server.should_exit = True
        thread.join()
        made.worker.stop()


def wait_until(true: Any, seconds: float = 20.0) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it takes too long"
        time.sleep(0.005)


def pairs(count: int, batch: int = 0, **more: Any) -> list[dict[str, Any]]:
    """Return the pairs of one batch as JSON."""
    return [
        {
            "id": f"p{n}",
            "prompt": f"q{batch}/{n}",
            "response_a": f"a{batch}/{n}",
            "response_b": f"b{batch}/{n}",
        }
        | more
        for n in range(count)
    ]


def outcomes(annotations: Sequence[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Return an outcome for every labelled pair, a function of its decision id."""
    margin = hashed("margin", 2.0)
    found = {}
    for one in annotations:
        if one["label"] is not None:
            m = margin(one["decision_id"])
            assert m is not None
            found[one["decision_id"]] = {"loss": 1.0 - m, "swapped_loss": 1.0 + m, "margin": m}
    return found


def same_state(one: State, other: State, *, timed: bool = False) -> None:
    """Compare two states of engines bit by bit; unless ``timed``, but for when things happened."""
    left, right = (state.metadata if timed else _untimed(state.metadata) for state in (one, other))
    assert left == right
    assert one.arrays.keys() == other.arrays.keys()
    for name, array in one.arrays.items():
        np.testing.assert_array_equal(array, other.arrays[name], err_msg=name)


def _untimed(metadata: Mapping[str, Any]) -> dict[str, Any]:
    found = json.loads(json.dumps(metadata))
    history = found["memory"]["counts"].pop("history")
    found["answered"] = sum((Counter(span[0]) for span in history["spans"]), Counter())
    for prompt in found["memory"]["prompts"]:
        prompt[2] = None
    for calls in found["memory"]["counts"]["calls"].values():
        calls[3] = None
    return found


def serve_in(folder: Path, overrides: Sequence[str]) -> None:
    """Serve in this process until it is told to stop, without a token; stderr goes to a file in ``folder``."""
    from rewardrouter.serve.server import serve

    with (folder / "stderr.txt").open("ab", buffering=0) as file:
        os.dup2(file.fileno(), sys.stderr.fileno())
    serve(gateway(settings(folder, *overrides)), None)

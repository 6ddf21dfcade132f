"""Reward models behind real servers on the loopback interface that fail on demand, for ``fault_matrix.py``.

Every response tells its worth, and a server's scores are these numbers: so which label is right is known, and a score
that lands on another text is a wrong label.
"""

from __future__ import annotations

import dataclasses
import json
import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, TypeAlias

from rewardrouter.config.servers import JudgeConfig, OpenRlhfConfig, SglangConfig, VllmConfig
from rewardrouter.reward_models import RewardModel
from rewardrouter.reward_models.http.pointwise import ServerRewardModel
from rewardrouter.reward_models.judges.model import JudgeRewardModel
from rewardrouter.testing.loopback import (
    Fault,
    Handler,
    Loopback,
    Request,
    disconnects,
    hangs,
    late,
    status,
    truncated,
)

NAME = "faulty"

Share: TypeAlias = Literal["some", "all"]
"""Which requests a fault befalls: every second one, or each."""

TIMEOUT, PROBE_AFTER, LATE = 0.2, 0.1, 0.03
QUICK = {
    "timeout": TIMEOUT,
    "tries": 3,
    "first_wait": 0.02,
    "open_after": 3,
    "probe_after": PROBE_AFTER,
    "concurrency": 4,
}
"""Settings of the servers: as users have them, in less time."""


@dataclasses.dataclass(frozen=True)
class Protocol:
    """How one kind of server is asked and answers.

    ``model`` is made of its server's address and the texts of a request at most. ``texts`` are those of a request;
    ``reply`` makes the answer of the worths of its texts, with the results in the order of ``places``; ``tells`` says
    whether the results tell their places. A judge's request is one text, which tells two worths.
    """

    model: Callable[[str, int], RewardModel]
    texts: Callable[[Any], Sequence[Any]]
    reply: Callable[[Sequence[float], Sequence[int]], Any]
    tells: bool = True

    def scores(self, body: Any) -> list[float]:
        """Return what the texts of a request are worth."""
        found = [worths(text) for text in self.texts(body)]
        return found[0] if len(found[0]) > 1 else [one for (one,) in found]


def worths(text: Any) -> list[float]:
    """Return what a text says that its responses are worth."""
    return [float(found) for found in re.findall(r"worth (\d+)", json.dumps(text))]


def _vllm(endpoint: str, key: str, wrap: Callable[[float], Any], **more: Any) -> Protocol:
    def model(url: str, most: int) -> RewardModel:
        config = VllmConfig(
            name=NAME, url=url, model="m", endpoint=endpoint, batch_size=most, **QUICK, **more
        )
        return ServerRewardModel(config)

    def texts(body: Any) -> Sequence[Any]:
        return [body["messages"]] if "messages" in body else body.get("input") or body["text_2"]

    def reply(scores: Sequence[float], places: Sequence[int]) -> Any:
        return {"data": [{"index": place, key: wrap(scores[place])} for place in places]}

    return Protocol(model, texts, reply)


def _sglang() -> Protocol:
    def model(url: str, most: int) -> RewardModel:
        return ServerRewardModel(SglangConfig(name=NAME, url=url, template="none", batch_size=most, **QUICK))

    def reply(scores: Sequence[float], places: Sequence[int]) -> Any:
        return [{"embedding": [scores[place]]} for place in places]

    return Protocol(model, lambda body: body["text"], reply, tells=False)


def _openrlhf() -> Protocol:
    def model(url: str, most: int) -> RewardModel:
        return ServerRewardModel(OpenRlhfConfig(name=NAME, url=f"{url}/get_reward", batch_size=most, **QUICK))

    def reply(scores: Sequence[float], places: Sequence[int]) -> Any:
        return {"rewards": [scores[place] for place in places]}

    return Protocol(model, lambda body: body["query"], reply, tells=False)


def _judge(order: str) -> Protocol:
    template = {"user": "{question}\nA: {answer_a}\nB: {answer_b}", "verdict": r"\[\[(\w+)\]\]"}

    def model(url: str, most: int) -> RewardModel:  # noqa: ARG001 - a request is one question
        config = JudgeConfig(name=NAME, url=url, model="m", template=template, order=order, **QUICK)
        return JudgeRewardModel(config)

    def reply(scores: Sequence[float], places: Sequence[int]) -> Any:
        said = "A" if scores[0] > scores[1] else "B" if scores[1] > scores[0] else "neither"
        choices = [{"index": 0, "message": {"content": f"[[{said}]]"}, "finish_reason": "stop"}]
        if list(places) != [0, 1]:  # too many results, or in another order: a second choice that comes first
            choices.insert(0, {**choices[0], "index": 1, "message": {"content": "[[A]]"}})
        return {"choices": choices}

    return Protocol(model, lambda body: [body["messages"]], reply)


PROTOCOLS: Mapping[str, Protocol] = {
    "vllm classify": _vllm("classify", "probs", lambda score: [score]),
    "vllm classify, texts": _vllm("classify", "probs", lambda score: [score], template="none"),
    "vllm score": _vllm("score", "score", lambda score: score),
    "vllm pooling": _vllm("pooling", "data", lambda score: [score], template="none"),
    "sglang": _sglang(),
    "openrlhf": _openrlhf(),
    "judge": _judge("random"),
    "judge, both orders": _judge("both"),
}
"""What servers speak, by kind."""


class Server(Loopback):
    """Answers right, or as ``fault`` says."""

    def __init__(self, protocol: Protocol, port: int = 0) -> None:
        super().__init__(
            lambda body: protocol.reply(scores := protocol.scores(body), range(len(scores))), port
        )
        self.protocol = protocol
        self.fault: Fault | None = None
        self.share: Share = "all"
        self.start()

    def next_fault(self, request: Request) -> Fault | None:  # noqa: ARG002
        return None if self.share == "some" and len(self.seen) % 2 else self.fault


def _otherwise(change: Callable[[Sequence[float]], tuple[Sequence[float], Sequence[int]]]) -> Fault:
    """Answer with other scores, or the results of other places."""

    def fault(handler: Handler, due: bytes) -> None:  # noqa: ARG001 - this is sent instead
        protocol = handler.server.protocol
        handler.reply(json.dumps(protocol.reply(*change(protocol.scores(handler.asked.body)))).encode())

    return fault


FAULTS: Mapping[str, Fault] = {
    "refused": late(LATE),
    "hang": hangs(2 * TIMEOUT),
    "slow": late(LATE),
    "500": status(500),
    "429": status(429, "later, please", retry_after="0.02"),
    "truncated JSON": truncated,
    "wrong length": _otherwise(lambda scores: (scores, [*range(len(scores)), 0])),
    "NaN": _otherwise(lambda scores: ([float("nan")] * len(scores), range(len(scores)))),
    "wrong order": _otherwise(lambda scores: (scores, range(len(scores))[::-1])),
    "disconnect mid-body": disconnects,
    "killed and back": late(LATE),
}
"""By name: what a server does with a request instead of answering it. One that is *refused* or *killed* is not there:
of that, ``some`` means that it soon comes back."""


class ServedModel:
    """A reward model, and its server."""

    def __init__(self, kind: str, fault: str) -> None:
        self._protocol, self._fault = PROTOCOLS[kind], fault
        self._server: Server | None = Server(self._protocol)
        self._port = self._server.port
        self._timers: list[threading.Timer] = []
        # Results that do not tell their places are not to be told from right ones in another order: the remedy is
        # one text a request (``batch_size: 1``).
        most = 1 if fault == "wrong order" and not self._protocol.tells else 4
        self.model = self._protocol.model(f"http://127.0.0.1:{self._port}", most)

    def fail(self, share: Share) -> None:
        """Let the fault befall the requests from now on."""
        assert self._server is not None
        self._server.fault, self._server.share = FAULTS[self._fault], share
        if self._fault == "refused":
            self._kill()
        elif self._fault == "killed and back":
            self._later(LATE / 2, self._kill)
        if self._fault in ("refused", "killed and back") and share == "some":
            self._later(LATE, self._start)

    def heal(self) -> None:
        """Answer right again."""
        for timer in self._timers:
            timer.join()
        self._timers.clear()
        if self._server is None:
            self._start()
        else:
            self._server.fault = None
        time.sleep(PROBE_AFTER)

    def close(self) -> None:
        """End the server."""
        self.heal()
        self._kill()

    def names(self, reason: str) -> bool:
        """Tell whether a failure's reason says where it happened, and something besides."""
        address = f"http://127.0.0.1:{self._port}"
        return address in reason and len(reason) > len(address) + 10

    def _later(self, seconds: float, work: Callable[[], None]) -> None:
        self._timers.append(threading.Timer(seconds, work))
        self._timers[-1].start()

    def _kill(self) -> None:
        if self._server is not None:
            self._server.kill()
            self._server = None

    def _start(self) -> None:
        if self._server is None:
            self._server = Server(self._protocol, self._port)

"""Requests to a server, each made once: a reply is on disk before the next step, under a digest of its request.

A run that was killed, or a second one with other settings, asks only what has no reply yet. Where a server refuses what
one request says (HTTP 400, 413, 422: its length, or what a content filter makes of it), or its reply is no completion,
that is the reply, with a name for what is wrong; it is not kept. Where a request fails in any other way, no new ones
are begun; when those under way have ended, the run stops, and the same command goes on.
"""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
import json
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from rewardrouter.config.benchmark import JudgeServer, PolicyServer, XfinderServer
from rewardrouter.config.servers import ServerConfig
from rewardrouter.errors import UserError
from rewardrouter.files import AppendOnlyLines
from rewardrouter.http.background import run
from rewardrouter.http.endpoint import BadAnswerError, Endpoint, RequestError
from rewardrouter.progress import progress
from rewardrouter.reward_models.judges.opinion import read_completion

Body = Mapping[str, Any]


@dataclasses.dataclass(frozen=True, slots=True)
class Call:
    """One request, by an id that is unique in its benchmark; ``body`` is without what the server's settings add.

    A reply without a verdict may have to be followed by the same request with that reply behind it: ``rounds`` is how
    often at most the server is asked, this time included.
    """

    id: str
    body: Body
    rounds: int = 1


@dataclasses.dataclass(frozen=True, slots=True)
class Reply:
    """What a server replied.

    ``cut`` where it ended because of its length. ``top`` holds the likeliest first tokens and their log-probabilities,
    where they were asked for. ``failure`` names what is wrong with it before anything is read in it, if something is:
    ``REFUSED``, where the model or a filter behind it said that it does not answer, ``REJECTED``, where the server
    refused the request, or ``UNREADABLE``; ``detail`` says more.
    """

    text: str
    cut: bool = False
    top: tuple[tuple[str, float], ...] = ()
    input_tokens: int = 0
    output_tokens: int = 0
    failure: str | None = None
    detail: str = ""


REFUSED = "refused by the model"
REJECTED = "rejected by the server"
UNREADABLE = "unreadable replies"


@dataclasses.dataclass(slots=True)
class Tally:
    """Requests made now and replies found, each counted once; tokens of both, and of those found alone."""

    made: int = 0
    kept: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    kept_input_tokens: int = 0
    kept_output_tokens: int = 0


@dataclasses.dataclass(frozen=True, slots=True)
class Service:
    """How one server is asked: its settings, the path, the fields that every request has, and how a reply is read."""

    settings: ServerConfig
    path: str
    fields: Body
    read: Callable[[Any], Reply]

    def body(self, call: Call) -> dict[str, Any]:
        """Return a request in full; a field that is null is left out."""
        return {name: value for name, value in {**call.body, **self.fields}.items() if value is not None}


def chat_service(settings: JudgeServer | PolicyServer) -> Service:
    """Return an OpenAI-compatible server's chat completions."""
    path = "/chat/completions" if urlsplit(settings.url).path else "/v1/chat/completions"
    return Service(settings, path, {"model": settings.model, **settings.extra}, read_chat)


def xfinder_service(settings: XfinderServer) -> Service:
    """Return a served xFinder, asked as its package asks one (xfinder 0.2.6)."""
    return Service(settings, "", {}, read_text)


class CachedCalls:
    """Asks one server, and keeps its replies.

    Parameters
    ----------
    service
        The server.
    path
        The file of replies, begun where it does not exist.
    asks
        False only reads what is there, for a plan: neither key nor folder is needed.

    Raises
    ------
    ConfigError
        If the variable that should hold the key is not set.
    DataError
        If the file is broken.
    """

    def __init__(self, service: Service, path: Path, *, asks: bool = True) -> None:
        self._service = service
        self.name = service.settings.name
        self._open: tuple[Endpoint, AppendOnlyLines] | None = None
        self._replies: dict[str, Reply] = {}
        if asks:
            endpoint = Endpoint(service.settings, service.path, self.name)
            path.parent.mkdir(parents=True, exist_ok=True)
            self._open = endpoint, AppendOnlyLines(path)
        if path.exists():
            self._replies = dict(_kept(path))
        self._counted: set[str] = set()
        self.tally = Tally()

    def body(self, call: Call) -> dict[str, Any]:
        """Return what is sent for a call."""
        return self._service.body(call)

    def missing(self, calls: Sequence[Call]) -> list[Call]:
        """Return the calls that have no reply yet; of those that ask the same, the first."""
        first: dict[str, Call] = {}
        for call in calls:
            first.setdefault(self._key(call), call)
        return [call for key, call in first.items() if key not in self._replies]

    def there(self, calls: Sequence[Call]) -> list[tuple[Call, Reply]]:
        """Return the calls that have a reply, with it."""
        return [(call, self._replies[key]) for call in calls if (key := self._key(call)) in self._replies]

    def ask(self, calls: Sequence[Call], task: str) -> dict[str, Reply]:
        """Return the replies by the calls' ids; ``task`` is for the reader of the file.

        Raises
        ------
        UserError
            If a request fails, and not because of what it says.
        """
        wanted = self.missing(calls)
        now = {self._key(call) for call in wanted}
        for key in {self._key(call) for call in calls} - now - self._counted:
            self.tally.kept += 1
            self.tally.kept_input_tokens += self._replies[key].input_tokens
            self.tally.kept_output_tokens += self._replies[key].output_tokens
            self._count(key, self._replies[key])
        failures: dict[str, Reply] = {}
        if wanted:
            with progress(f"{task}: {self.name}", len(wanted)) as advance:
                failures = run(self._ask_all(wanted, task, advance))
        for key in now - failures.keys():
            self._count(key, self._replies[key])
        return {
            call.id: failures.get(key) or self._replies[key] for call in calls for key in [self._key(call)]
        }

    def _count(self, key: str, reply: Reply) -> None:
        self._counted.add(key)
        self.tally.input_tokens += reply.input_tokens
        self.tally.output_tokens += reply.output_tokens

    async def _ask_all(
        self, calls: Sequence[Call], task: str, advance: Callable[[int], None]
    ) -> dict[str, Reply]:
        """Ask, as many at once as the settings allow; return what is not kept, by key."""
        if self._open is None:
            raise RuntimeError("opened to read only")
        endpoint, lines = self._open
        waiting, failures, stopped = deque(calls), dict[str, Reply](), list[str]()

        async def work() -> None:
            while waiting and not stopped:
                call = waiting.popleft()
                key = self._key(call)
                try:
                    reply = (await endpoint.ask(self.body(call), self._read)).value
                except RequestError as error:
                    if not error.content:
                        stopped.append(str(error))
                        continue
                    reply = Reply("", failure=REJECTED, detail=str(error))
                self.tally.made += 1
                if reply.failure in (REJECTED, UNREADABLE):
                    failures[key] = reply
                else:
                    row = {"id": key, "call": f"{task}/{call.id}", "reply": dataclasses.asdict(reply)}
                    lines.append([row])
                    self._replies[key] = reply
                advance(1)

        await asyncio.gather(*(work() for _ in range(self._service.settings.concurrency)))
        if stopped:
            raise UserError(
                f"{self.name}: {stopped[0]}; {len(waiting) + len(stopped):,} of {len(calls):,} requests have no reply."
                " Those that have one are kept: the same command goes on"
            )
        return failures

    def _read(self, answer: Any) -> Reply:
        try:
            return self._service.read(answer)
        except BadAnswerError as error:
            return Reply("", failure=UNREADABLE, detail=str(error))

    def _key(self, call: Call) -> str:
        asked = json.dumps([self._service.path, self.body(call)], sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(asked.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def read_chat(answer: Any) -> Reply:
    """Return the reply in a chat completion.

    Raises
    ------
    BadAnswerError
        If it is none.
    """
    output = read_completion(answer)
    choice = answer["choices"][0]
    message = choice["message"]  # read_completion has looked at both
    refused = bool(message.get("refusal")) or choice.get("finish_reason") == "content_filter"
    usage = answer.get("usage")
    counts = usage if isinstance(usage, dict) else {}
    return Reply(
        output.text.encode("utf-16", "surrogatepass").decode("utf-16", "replace"),
        output.cut,
        _top(output.tokens),
        _count(counts.get("prompt_tokens")),
        _count(counts.get("completion_tokens")),
        REFUSED if refused else None,
    )


def read_text(answer: Any) -> Reply:
    """Return the reply of a server that answers ``{"text": ["..."]}``.

    Raises
    ------
    BadAnswerError
        If it does not.
    """
    found = answer.get("text") if isinstance(answer, dict) else None
    if not isinstance(found, list) or len(found) != 1 or not isinstance(found[0], str):
        raise BadAnswerError('the answer is not {"text": ["..."]}')
    return Reply(found[0])


def _top(tokens: Sequence[Any]) -> tuple[tuple[str, float], ...]:
    """Return the alternatives at the first token, those that are text with a number."""
    first = tokens[0] if tokens else None
    given = first.get("top_logprobs") if isinstance(first, dict) else None
    return tuple(
        (one["token"], float(one["logprob"]))
        for one in (given if isinstance(given, list) else ())
        if isinstance(one, dict)
        and isinstance(one.get("token"), str)
        and isinstance(one.get("logprob"), int | float)
        and abs(one["logprob"]) < float("inf")  # NaN is not less either, and JSON could not hold it
    )


def _count(value: Any) -> int:
    return value if type(value) is int and value >= 0 else 0


def _kept(path: Path) -> Iterator[tuple[str, Reply]]:
    """Yield the replies in a file by their keys, but for a last line that was not written to its end."""
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            if line.endswith("\n"):
                row = json.loads(line)
                top = tuple((str(token), float(value)) for token, value in row["reply"]["top"])
                yield row["id"], Reply(**{**row["reply"], "top": top})

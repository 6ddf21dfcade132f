"""One address of a server, asked with all the care that a network needs.

A request waits for one of ``concurrency`` slots, is sent, and its answer is read. It is sent again, after a wait that
doubles and is jittered, where that may help: no connection, a connection lost, no whole answer in time, HTTP 429 or
5xx; a wait that the server asks for (``Retry-After``) is kept. An answer that is there but cannot be used fails at
once. What fails for good counts in the circuit breaker where it is the server's fault (it cannot be reached, fails, or
was given a wrong address, name or key), not where it is this one request's: refused for what it says, or answered with
what cannot be used, as content filters do.
"""

from __future__ import annotations

import asyncio
import dataclasses
import email.utils
import json
import math
import random
import time
from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar
from urllib.parse import urlsplit

import httpx2

from rewardrouter.config.servers import ServerConfig
from rewardrouter.http.background import client
from rewardrouter.http.breaker import Breaker, CircuitOpenError
from rewardrouter.http.secret import Secret

T = TypeVar("T")

_LONGEST_WAIT = 30.0
_LONGEST_ANSWER = 64 * 2**20
"""Bytes of an answer at most."""

_CONTENT_REFUSED = (400, 413, 422)
"""Statuses by which a server refuses what was sent, and might take half of it."""


_MISCONFIGURED = (401, 403, 404, 405, 407)
"""Statuses that every request would get: a key, an address or a model's name is wrong."""


@dataclasses.dataclass(frozen=True, slots=True)
class Answer(Generic[T]):
    """What was read of an answer, and how long it took: all tries and the waits between, in seconds."""

    value: T
    seconds: float


class BadAnswerError(Exception):
    """An answer that is not of the protocol's form; the message says how."""


class RequestError(Exception):
    """A request that failed for good; the message names address and reason."""

    def __init__(
        self, reason: str, *, served: bool = False, content: bool = False, answered: bool = False
    ) -> None:
        super().__init__(reason)
        self.served = served or answered
        """Whether the server does its work, and only this request failed."""
        self.content = content
        """Whether it refused what was sent, so that a part of it may pass."""
        self.answered = answered
        """Whether it gave an answer, which cannot be used."""
        self.unusable = False
        """Whether that answer is of the protocol's language, and says no more than it said."""
        self.refused = False
        """Whether the server said no (a status from 400 on, of the client's): the same again has no better answer."""
        self.seconds = 0.0

    @property
    def repeats(self) -> bool:
        """Whether the same request would fail again, as far as can be told: refused for what it says."""
        return self.content or self.unusable


class _TryAgainError(Exception):
    """A try that failed in a way that may pass; ``after`` is the wait in seconds that the server asks for."""

    def __init__(self, reason: str, after: float | None = None) -> None:
        super().__init__(reason)
        self.after = after


class Endpoint:
    """An address that JSON is posted to, or fetched from.

    Parameters
    ----------
    settings
        Of the server.
    path
        What follows ``settings.url``.
    owner
        Whose it is, for messages; by default ``reward model NAME``.
    parse
        Makes of an answer's bytes what is read; it raises ``ValueError`` where they are no JSON. ``bytes`` takes them
        as they are.
    hints
        What to do about an HTTP status, in place of what is said of it otherwise.

    Attributes
    ----------
    url
        The whole address.
    path
        Its path on the server.

    Raises
    ------
    ConfigError
        If the variable that should hold the key is not set.
    """

    def __init__(
        self,
        settings: ServerConfig,
        path: str,
        owner: str | None = None,
        *,
        parse: Callable[[bytes], Any] = json.loads,
        hints: Mapping[int, str] | None = None,
    ) -> None:
        self.url = settings.url + path
        self.path = urlsplit(self.url).path
        self._settings = settings
        self._secret = Secret(owner or f"reward model {settings.name}", settings.key_env)
        self._parse = parse
        self._hints = {
            401: self._secret.hint,
            403: self._secret.hint,
            404: "is this the address, and the model's name, that the server was started with?",
            **(hints or {}),
        }
        self._breaker = Breaker(settings.open_after, settings.probe_after)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._slots = asyncio.Semaphore(settings.concurrency)

    async def ask(self, body: Mapping[str, Any] | None, read: Callable[[Any], T]) -> Answer[T]:
        """Post ``body``, or fetch where there is none, and return what ``read`` makes of the answer's JSON.

        Only for use in the loop.

        Raises
        ------
        RequestError
            If it fails, ``read`` raising ``BadAnswerError`` included.
        """
        self._bind()
        payload = None
        if body is not None:
            payload = json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")
        async with self._slots:
            start = time.perf_counter()
            try:
                return Answer(await self._guarded(payload, read), time.perf_counter() - start)
            except RequestError as error:
                error.seconds = time.perf_counter() - start
                raise

    def _bind(self) -> None:
        """Take a new start where the loop is another one: in a forked process."""
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            self._loop = loop
            self._slots = asyncio.Semaphore(self._settings.concurrency)
            self._breaker = Breaker(self._settings.open_after, self._settings.probe_after)

    async def _guarded(self, payload: bytes | None, read: Callable[[Any], T]) -> T:
        try:
            probe = await self._breaker.enter()
        except CircuitOpenError as error:
            raise RequestError(f"{self.url}: {error}") from None
        try:
            value = await self._insist(payload, read, tries=1 if probe else self._settings.tries)
        except RequestError as error:
            if error.served:
                self._breaker.succeeded()
            else:
                self._breaker.failed(str(error).removeprefix(f"{self.url}: "), probe=probe)
            raise
        except BaseException:
            self._breaker.abandoned(probe=probe)
            raise
        self._breaker.succeeded()
        return value

    async def _insist(self, payload: bytes | None, read: Callable[[Any], T], tries: int) -> T:
        """Send until there is an answer."""
        for attempt in range(1, tries + 1):
            try:
                return self._read(await self._send(payload), read)
            except _TryAgainError as error:
                reason, wait = str(error), error.after
            if wait is None:
                # Jittered, so that those that failed together do not come back together. Not seeded: it decides when
                # a request is sent, and nothing else.
                doubled = self._settings.first_wait * 2 ** (attempt - 1)
                wait = min(_LONGEST_WAIT, doubled) * random.uniform(0.5, 1.5)
            elif wait > self._settings.timeout:
                raise self._error(f"{reason}; asks for a wait of {wait:g} s, longer than the timeout")
            if attempt < tries:
                await asyncio.sleep(wait)
        raise self._error(reason if tries == 1 else f"{reason}, {tries} times in a row")

    async def _send(self, payload: bytes | None) -> bytes:
        headers = {"Content-Type": "application/json", **self._secret.headers}
        method, limit = "GET" if payload is None else "POST", self._settings.timeout
        try:
            async with (
                asyncio.timeout(limit),
                client().stream(method, self.url, content=payload, headers=headers) as answer,
            ):
                found = await _body(answer)
        except TimeoutError:
            raise _TryAgainError(f"no whole answer within {limit:g} s") from None
        except httpx2.ConnectError as error:
            raise _TryAgainError(
                f"no connection ({self._shown(str(error))}); is the server running?"
            ) from None
        except httpx2.TransportError as error:
            what = str(error) or type(error).__name__
            raise _TryAgainError(f"the connection was lost ({self._shown(what)})") from None
        except (httpx2.HTTPError, BadAnswerError) as error:
            raise self._error(f"unreadable answer ({self._shown(str(error))})", answered=True) from None
        if answer.is_success:
            return found
        raise self._refusal(answer, found)

    def _refusal(self, answer: httpx2.Response, body: bytes) -> Exception:
        """Return the error that an answer without success stands for."""
        status = answer.status_code
        said = f"HTTP {status} ({self._shown(_message(body))})"
        if status == 429 or status >= 500:
            return _TryAgainError(said, _retry_after(answer.headers) if status in (429, 503) else None)
        if status in self._hints:
            said += f"; {self._hints[status]}"
        served = 400 <= status < 500 and status not in _MISCONFIGURED
        error = self._error(said, served=served, content=status in _CONTENT_REFUSED)
        error.refused = 400 <= status < 500
        return error

    def _read(self, body: bytes, read: Callable[[Any], T]) -> T:
        try:
            found = self._parse(body)
        except (ValueError, RecursionError):
            raise self._error(f"the answer is no JSON: {self._quoted(body)}", answered=True) from None
        try:
            return read(found)
        except BadAnswerError as error:
            reason = f"{self._secret.removed(str(error))}: {self._quoted(body)}"
            unusable = self._error(reason, answered=True)
            unusable.unusable = True
            raise unusable from None

    def _error(
        self, reason: str, *, served: bool = False, content: bool = False, answered: bool = False
    ) -> RequestError:
        return RequestError(f"{self.url}: {reason}", served=served, content=content, answered=answered)

    def _quoted(self, body: bytes) -> str:
        return self._shown(body.decode("utf-8", "replace"))

    def _shown(self, text: str) -> str:
        return self._secret.excerpt(text)


async def _body(answer: httpx2.Response) -> bytes:
    """Return the answer's body.

    Raises
    ------
    BadAnswerError
        If it does not end.
    """
    parts, size = [], 0
    async for part in answer.aiter_bytes():
        parts.append(part)
        size += len(part)
        if size > _LONGEST_ANSWER:
            raise BadAnswerError(f"more than {_LONGEST_ANSWER // 2**20} MiB")
    return b"".join(parts)


def _message(body: bytes) -> str:
    """Return what a server says of an error: the field that vLLM, SGLang and OpenAI put it into, or all."""
    try:
        found = json.loads(body)
        error = found.get("error", found.get("detail", found))
        return str(error.get("message", error) if isinstance(error, dict) else error)
    except (ValueError, RecursionError, AttributeError):
        return body.decode("utf-8", "replace")


def _retry_after(headers: httpx2.Headers) -> float | None:
    """Return the wait in seconds that a server asks for, as a number or as a date."""
    asked = headers.get("Retry-After", "")
    try:
        seconds = float(asked)
    except ValueError:
        try:
            seconds = email.utils.parsedate_to_datetime(asked).timestamp() - time.time()
        except ValueError:
            return None
    return None if math.isnan(seconds) else max(0.0, seconds)

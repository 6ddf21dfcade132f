"""What is said to a vLLM server over HTTP, with the patience that it takes to restart one.

Every request may be sent twice without harm: completions carry their seed, and adapters are loaded under names that
no other weights have. So what fails in a way that may pass is sent again until ``patience`` runs out, with a line on
stderr now and then.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from rewardrouter.config.base import validate
from rewardrouter.config.generation import VllmSettings
from rewardrouter.config.servers import ServerConfig
from rewardrouter.errors import OutageError
from rewardrouter.http.endpoint import BadAnswerError, Endpoint, RequestError
from rewardrouter.progress import LINE_SECONDS, log

T = TypeVar("T")

KEY_VARIABLE = "VLLM_API_KEY"
"""Environment variable of the server's key."""

_FIRST_WAIT = 0.5
_LONGEST_WAIT = 10.0
"""Seconds before the second try; they double with every further one, up to the longest."""

_NEVER = 10**9
"""Failures in a row before the server is left alone: waiting is this module's affair."""

_CLOSING_SECONDS = 10.0
"""How long the server may take to forget an adapter at the end."""

_OWNER = "generation.vllm"


class VllmError(OutageError):
    """The vLLM server cannot be reached, refuses, or answers what cannot be used."""

    def __init__(self, message: str, *, refused: bool = False) -> None:
        super().__init__(message)
        self.refused = refused
        """Whether the server does its work, and refused this request."""


class VllmServer:
    """A vLLM server at an address.

    Raises
    ------
    ConfigError
        If the environment holds what cannot be a key.
    """

    def __init__(self, settings: VllmSettings) -> None:
        self.url = settings.url
        """Its address."""
        self._patience, self._told = settings.patience, 0.0
        given = settings.model_dump(include={"url", "concurrency", "timeout"})
        given |= {"name": _OWNER, "tries": 1, "open_after": _NEVER}
        if os.environ.get(KEY_VARIABLE):
            given["key_env"] = KEY_VARIABLE
        server = validate(ServerConfig, given, source=_OWNER)
        refused = f"set {KEY_VARIABLE} to the server's key"
        no_adapters = (
            "start it with --enable-lora, and VLLM_ALLOW_RUNTIME_LORA_UPDATING=True in its environment"
        )

        def endpoint(path: str, **options: Any) -> Endpoint:
            hints = {401: refused, 403: refused, **options.pop("hints", {})}
            return Endpoint(server, path, _OWNER, hints=hints, **options)

        self._completions = endpoint("/v1/completions")
        self._models = endpoint("/v1/models")
        self._loading = endpoint("/v1/load_lora_adapter", parse=bytes, hints={404: no_adapters})
        self._unloading = endpoint("/v1/unload_lora_adapter", parse=bytes)

    async def complete(self, request: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Return the choices that answer a request for completions, in the order of their numbers.

        Only for use in the loop of :mod:`rewardrouter.http.background`.

        Raises
        ------
        VllmError
            If there is no answer, or not of that form.
        """
        choices = await self._asked(
            self._completions, request, lambda answer: _objects(answer, "choices"), self._patience
        )
        return sorted(choices, key=lambda choice: int(choice.get("index", 0)))

    async def models(self) -> set[str]:
        """Return the names of all that it serves: the base model and the adapters loaded.

        Raises
        ------
        VllmError
            If there is no answer, or not of that form.
        """
        cards = await self._asked(self._models, None, lambda answer: _objects(answer, "data"), self._patience)
        return {str(card.get("id")) for card in cards}

    async def load_adapter(self, name: str, folder: str) -> None:
        """Have an adapter loaded under a name, unless it is.

        Raises
        ------
        VllmError
            If it refuses.
        """
        try:
            await self._asked(self._loading, {"lora_name": name, "lora_path": folder}, bytes, self._patience)
        except VllmError as error:
            # Another process of this run, or a try that got no answer, may have loaded the same one.
            if not error.refused or name not in await self.models():
                raise

    async def unload_adapter(self, name: str) -> None:
        """Have it forget an adapter, if it is there; it is not waited for.

        Raises
        ------
        VllmError
            If it cannot be reached or refuses.
        """
        try:
            async with asyncio.timeout(_CLOSING_SECONDS):
                await self._asked(self._unloading, {"lora_name": name}, bytes, 0.0)
        except TimeoutError:
            raise VllmError(f"{self._unloading.url}: no answer within {_CLOSING_SECONDS:g} s") from None
        except VllmError as error:
            if not error.refused or name in await self.models():
                raise

    async def _asked(
        self, endpoint: Endpoint, body: Mapping[str, Any] | None, read: Callable[[Any], T], patience: float
    ) -> T:
        failed, wait = 0.0, _FIRST_WAIT
        while True:
            try:
                return (await endpoint.ask(body, read)).value
            except RequestError as error:
                failed = failed or time.monotonic()
                left = failed + patience - time.monotonic()
                if error.refused or error.answered or left <= 0:
                    waited = f", waited for {patience:g} s" if left <= 0 < patience else ""
                    raise VllmError(f"{error}{waited}", refused=error.refused) from error
                self._tell(str(error), left)
            await asyncio.sleep(min(wait, left))
            wait = min(2 * wait, _LONGEST_WAIT)

    def _tell(self, reason: str, left: float) -> None:
        """Say what is waited for, once for all the requests that wait."""
        now = time.monotonic()
        if now - self._told >= LINE_SECONDS:
            self._told = now
            log(f"{_OWNER}: {reason}; asked again for another {left:.0f} s (generation.vllm.patience)")


def _objects(answer: Any, field: str) -> list[dict[str, Any]]:
    found = answer.get(field) if isinstance(answer, dict) else None
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise BadAnswerError(f"the answer has no {field}")
    return found

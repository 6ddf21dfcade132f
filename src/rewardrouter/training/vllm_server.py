"""What is said to a vLLM server over HTTP, with the care that reward models behind a server are asked with.

Every request may be sent twice without harm: completions carry their seed, and adapters are loaded under names that
no other weights have.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from rewardrouter.config.base import validate
from rewardrouter.config.generation import VllmSettings
from rewardrouter.config.servers import ServerConfig
from rewardrouter.errors import UserError
from rewardrouter.http.background import run
from rewardrouter.http.endpoint import BadAnswerError, Endpoint, RequestError

T = TypeVar("T")

KEY_VARIABLE = "VLLM_API_KEY"
"""Environment variable of the server's key."""

_FIRST_WAIT = 0.5
"""Seconds before the second try, about; they double with every further one."""

_OWNER = "generation.vllm"


class VllmError(UserError):
    """The vLLM server cannot be reached, refuses, or answers what cannot be used."""


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
        given = settings.model_dump(include={"url", "concurrency", "timeout", "tries"})
        given |= {"name": _OWNER, "first_wait": _FIRST_WAIT}
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

    def complete(self, request: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Return the choices that answer a request for completions, in the order of their numbers.

        Raises
        ------
        VllmError
            If there is no answer, or not of that form.
        """
        choices = _asked(self._completions, request, lambda answer: _objects(answer, "choices"))
        return sorted(choices, key=lambda choice: int(choice.get("index", 0)))

    def models(self) -> set[str]:
        """Return the names of all that it serves: the base model and the adapters loaded.

        Raises
        ------
        VllmError
            If there is no answer, or not of that form.
        """
        cards = _asked(self._models, None, lambda answer: _objects(answer, "data"))
        return {str(card.get("id")) for card in cards}

    def load_adapter(self, name: str, folder: str) -> None:
        """Have an adapter loaded under a name.

        Raises
        ------
        VllmError
            If it refuses.
        """
        _asked(self._loading, {"lora_name": name, "lora_path": folder}, bytes)

    def unload_adapter(self, name: str) -> None:
        """Have it forget an adapter.

        Raises
        ------
        VllmError
            If it refuses.
        """
        _asked(self._unloading, {"lora_name": name}, bytes)


def _asked(endpoint: Endpoint, body: Mapping[str, Any] | None, read: Callable[[Any], T]) -> T:
    try:
        return run(endpoint.ask(body, read)).value
    except RequestError as error:
        raise VllmError(str(error)) from error


def _objects(answer: Any, field: str) -> list[dict[str, Any]]:
    found = answer.get(field) if isinstance(answer, dict) else None
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise BadAnswerError(f"the answer has no {field}")
    return found

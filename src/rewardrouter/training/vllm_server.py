"""What is said to a vLLM server over HTTP.

A request that times out, or that the server fails on (5xx), is sent again after a while, the longer the more often;
anything else is an error at once. Every request may be sent twice without harm: completions carry their seed, and
adapters are loaded under names that no other weights have.
"""

from __future__ import annotations

import http.client
import json
import os
import random
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any

from rewardrouter.config.generation import VllmSettings
from rewardrouter.errors import UserError
from rewardrouter.reward_models.http.secret import Secret

KEY_VARIABLE = "VLLM_API_KEY"
"""Environment variable of the server's key."""

_FIRST_WAIT = 0.5
_LONGEST_WAIT = 30.0
"""Seconds between two tries; they double, and are made longer or shorter by up to a half at random."""


class VllmError(UserError):
    """The vLLM server cannot be reached, refuses, or answers what cannot be used."""


class VllmServer:
    """A vLLM server at an address."""

    def __init__(self, settings: VllmSettings) -> None:
        self._settings = settings
        self._jitter = random.Random()

    @property
    def url(self) -> str:
        """Its address."""
        return self._settings.url

    @property
    def _secret(self) -> Secret:
        return Secret("generation.vllm", KEY_VARIABLE if os.environ.get(KEY_VARIABLE) else None)

    def complete(self, request: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Return the choices that answer a request for completions, in the order of their numbers.

        Raises
        ------
        VllmError
            If there is no answer, or not of that form.
        """
        answer = self._json("/v1/completions", request)
        choices = answer.get("choices") if isinstance(answer, dict) else None
        if not isinstance(choices, list) or not all(isinstance(choice, dict) for choice in choices):
            raise VllmError(f"{self.url}/v1/completions: the answer has no choices: {self._shown(answer)}")
        return sorted(choices, key=lambda choice: int(choice.get("index", 0)))

    def models(self) -> set[str]:
        """Return the names of all that it serves: the base model and the adapters loaded.

        Raises
        ------
        VllmError
            If there is no answer, or not of that form.
        """
        answer = self._json("/v1/models")
        found = answer.get("data") if isinstance(answer, dict) else None
        if not isinstance(found, list) or not all(isinstance(card, dict) for card in found):
            raise VllmError(f"{self.url}/v1/models: the answer names no models: {self._shown(answer)}")
        return {str(card.get("id")) for card in found}

    def load_adapter(self, name: str, folder: str) -> None:
        """Have an adapter loaded under a name.

        Raises
        ------
        VllmError
            If it refuses.
        """
        self._call("/v1/load_lora_adapter", {"lora_name": name, "lora_path": folder})

    def unload_adapter(self, name: str) -> None:
        """Have it forget an adapter.

        Raises
        ------
        VllmError
            If it refuses.
        """
        self._call("/v1/unload_lora_adapter", {"lora_name": name})

    def _json(self, path: str, body: Mapping[str, Any] | None = None) -> Any:
        answer = self._call(path, body)
        try:
            return json.loads(answer)
        except ValueError as error:
            raise VllmError(f"{self.url}{path}: the answer is no JSON: {self._shown(answer)}") from error

    def _call(self, path: str, body: Mapping[str, Any] | None = None) -> bytes:
        """Send a request, again where that may help, and return the answer's body."""
        for attempt in range(self._settings.tries):
            if attempt:
                wait = min(_LONGEST_WAIT, _FIRST_WAIT * 2 ** (attempt - 1))
                time.sleep(wait * self._jitter.uniform(0.5, 1.5))
            try:
                return self._send(path, body)
            except _TryAgainError as error:
                reason = str(error)
        raise VllmError(f"{self.url}{path}: {reason}, {self._settings.tries} times in a row")

    def _send(self, path: str, body: Mapping[str, Any] | None) -> bytes:
        headers = {"Content-Type": "application/json", **self._secret.headers}
        data = None if body is None else json.dumps(body).encode()
        address = f"{self.url}{path}"
        request = urllib.request.Request(address, data, headers)  # noqa: S310 - the settings allow only http(s)
        try:
            with urllib.request.urlopen(request, timeout=self._settings.timeout) as answer:  # noqa: S310
                return bytes(answer.read())
        except urllib.error.HTTPError as error:
            with error:
                said = self._message(error.read())
            if error.code >= 500:
                raise _TryAgainError(f"HTTP {error.code} ({said})") from error
            raise VllmError(f"{address}: HTTP {error.code} ({said}){_hint(error.code, path)}") from error
        except (OSError, http.client.HTTPException) as error:
            cause = error.reason if isinstance(error, urllib.error.URLError) else error
            if isinstance(cause, TimeoutError):
                raise _TryAgainError(f"no answer within {self._settings.timeout:g} s") from error
            raise VllmError(f"{address}: {cause or type(cause).__name__}; is the server running?") from error

    def _message(self, body: bytes) -> str:
        """Return what the server said of an error: vLLM's own field where there is one."""
        try:
            return self._secret.excerpt(str(json.loads(body)["error"]["message"]))
        except (ValueError, KeyError, TypeError):
            return self._shown(body)

    def _shown(self, answer: object) -> str:
        """Return the beginning of an answer in one line, without the key: servers repeat what they were sent."""
        return self._secret.excerpt(
            answer.decode("utf-8", "replace") if isinstance(answer, bytes) else json.dumps(answer)
        )


class _TryAgainError(Exception):
    """A request that may succeed later."""


def _hint(status: int, path: str) -> str:
    if status in (401, 403):
        return f"; set {KEY_VARIABLE} to the server's key"
    if status == 404 and path == "/v1/load_lora_adapter":
        return "; start it with --enable-lora, and VLLM_ALLOW_RUNTIME_LORA_UPDATING=True in its environment"
    return ""

"""A server on the loopback interface that speaks vLLM's protocol, with a real policy and real adapters behind it.

It follows vLLM 0.10.2 and later in what rewardrouter asks of it: completions of token ids by the adapter's name, the
list of models, adapters loaded from a folder and forgotten again, errors with their status and form.
"""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import torch
from peft import PeftModel
from transformers import GenerationConfig, PreTrainedModel

Answer = tuple[int, bytes]
Fault = Callable[[Answer], Answer]
"""Turns the answer that is due into the one that is sent."""


def sample(model: PreTrainedModel, request: Mapping[str, Any]) -> list[list[int]]:
    """Return the token ids of ``n`` responses, each drawn with the request's seed and its own number."""
    config = GenerationConfig(
        do_sample=True,
        temperature=request["temperature"],
        top_k=request["top_k"],
        top_p=request["top_p"],
        max_new_tokens=request["max_tokens"],
        eos_token_id=request["stop_token_ids"],
        pad_token_id=request["stop_token_ids"][0],
    )
    ids = torch.tensor([request["prompt"]])
    written = []
    for number in range(request["n"]):
        with torch.random.fork_rng():
            torch.manual_seed(request["seed"] + number)
            output = model.generate(
                input_ids=ids, attention_mask=torch.ones_like(ids), generation_config=config
            )
        written.append(output[0, ids.shape[1] :].tolist())
    return written


class VllmLike(ThreadingHTTPServer):
    """The server. ``faults`` befall the next requests to ``faulty``; ``seen`` holds what was asked."""

    daemon_threads = True

    def __init__(self, base: PreTrainedModel, *, key: str | None = None, updates: bool = True) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.base, self.key, self.updates = base, key, updates
        self.wrapped: PeftModel | None = None
        self.adapters: dict[str, str] = {}
        self.faulty = "/v1/completions"
        self.faults: deque[Fault] = deque()
        self.seen: list[tuple[str, dict[str, Any]]] = []
        self.at_once = self.most_at_once = 0
        self.lock, self.counting = threading.Lock(), threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def asked(self, path: str) -> list[dict[str, Any]]:
        """Return the bodies of the requests to a path."""
        return [body for found, body in self.seen if found == path]

    def answer(self, path: str, body: dict[str, Any]) -> Answer:
        """Return status and body."""
        if path == "/v1/models":
            cards = [{"id": name, "object": "model"} for name in ["base", *self.adapters]]
            return 200, json.dumps({"object": "list", "data": cards}).encode()
        if path == "/v1/completions":
            return self._complete(body)
        if path == "/v1/load_lora_adapter" and self.updates:
            return self._load(body["lora_name"], body["lora_path"])
        if path == "/v1/unload_lora_adapter" and self.updates:
            return self._unload(body["lora_name"])
        return 404, b'{"detail":"Not Found"}'

    def _complete(self, body: dict[str, Any]) -> Answer:
        if body["model"] not in self.adapters:
            return _error(404, f"The model `{body['model']}` does not exist.")
        assert self.wrapped is not None
        self.wrapped.set_adapter(body["model"])
        choices = [
            {
                "index": index,
                "text": "is not looked at",
                "finish_reason": "stop" if ids[-1] in body["stop_token_ids"] else "length",
                "token_ids": ids if body.get("return_token_ids") else None,
            }
            for index, ids in enumerate(sample(self.wrapped, body))
        ]
        return 200, json.dumps({"object": "text_completion", "choices": choices[::-1]}).encode()

    def _load(self, name: str, path: str) -> Answer:
        if name in self.adapters:
            return _error(400, f"The lora adapter '{name}' has already been loaded.")
        if self.wrapped is None:
            self.wrapped = PeftModel.from_pretrained(self.base, path, adapter_name=name)
        else:
            self.wrapped.load_adapter(path, adapter_name=name)
        self.wrapped.eval()
        self.adapters[name] = path
        return 200, f"Success: LoRA adapter '{name}' added successfully.".encode()

    def _unload(self, name: str) -> Answer:
        if name not in self.adapters:
            return _error(404, f"The lora adapter '{name}' cannot be found.")
        assert self.wrapped is not None
        self.wrapped.delete_adapter(name)
        del self.adapters[name]
        return 200, f"Success: LoRA adapter '{name}' removed successfully.".encode()


class _Handler(BaseHTTPRequestHandler):
    server: VllmLike

    def do_GET(self) -> None:
        self._respond({})

    def do_POST(self) -> None:
        self._respond(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
        """Say nothing."""

    def _respond(self, body: dict[str, Any]) -> None:
        server = self.server
        with server.counting:
            server.at_once += 1
            server.most_at_once = max(server.at_once, server.most_at_once)
            server.seen.append((self.path, body))
            fault = server.faults.popleft() if self.path == server.faulty and server.faults else None
        if server.key and self.headers.get("Authorization") != f"Bearer {server.key}":
            status, answer = 401, b'{"error":"Unauthorized"}'
        else:
            with server.lock:
                status, answer = server.answer(self.path, body)
        if fault:
            status, answer = fault((status, answer))
        with server.counting:
            server.at_once -= 1
        try:
            self.send_response(status)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)
        except (BrokenPipeError, ConnectionResetError):
            """Whoever asked has given up."""


@contextmanager
def running(base: PreTrainedModel, **options: Any) -> Iterator[VllmLike]:
    """Run a server as long as the context lasts."""
    server = VllmLike(base, **options)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def fails(_: Answer) -> Answer:
    """Answer as vLLM does when its engine fails."""
    return _error(500, "EngineCore encountered an issue.")


def slowly(seconds: float) -> Fault:
    """Return a fault that keeps the answer back."""

    def fault(answer: Answer) -> Answer:
        time.sleep(seconds)
        return answer

    return fault


def changed(change: Callable[[list[dict[str, Any]]], object]) -> Fault:
    """Return a fault that changes the choices of an answer, in place."""

    def fault(answer: Answer) -> Answer:
        whole = json.loads(answer[1])
        change(whole["choices"])
        return answer[0], json.dumps(whole).encode()

    return fault


def _error(status: int, message: str) -> Answer:
    return status, json.dumps({"error": {"message": message, "code": status}}).encode()

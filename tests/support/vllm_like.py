"""A server on the loopback interface that speaks vLLM's protocol, with a real policy and real adapters behind it.

It follows vLLM 0.10.2 and later in what rewardrouter asks of it: completions of token ids by the adapter's name, the
list of models, adapters loaded from a folder and forgotten again, errors with their status and form.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any

import torch
from peft import PeftModel
from transformers import GenerationConfig, PreTrainedModel

from rewardrouter.testing.loopback import Fault, Loopback, Request, running

Answer = tuple[int, bytes]


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


class VllmLike(Loopback):
    """The server. ``faults`` befall the next requests to ``faulty``."""

    def __init__(self, base: PreTrainedModel, *, key: str | None = None, updates: bool = True) -> None:
        super().__init__(self._complete)
        self.base, self.key, self.updates = base, key, updates
        self.wrapped: PeftModel | None = None
        self.adapters: dict[str, str] = {}
        self.faulty = "/v1/completions"
        self.working = threading.Lock()

    def asked(self, path: str) -> list[dict[str, Any]]:
        """Return the bodies of the requests to a path."""
        return [request.body for request in self.seen if request.path == path]

    def aside(self, path: str) -> Answer | None:
        return None

    def next_fault(self, request: Request) -> Fault | None:
        return super().next_fault(request) if request.path == self.faulty else None

    def due(self, request: Request) -> tuple[int, bytes]:
        if self.key and request.headers.get("Authorization") != f"Bearer {self.key}":
            return 401, b'{"error":"Unauthorized"}'
        path, body = request.path, request.body
        with self.working:
            if path == "/v1/models":
                cards = [{"id": name, "object": "model"} for name in ["base", *self.adapters]]
                return 200, json.dumps({"object": "list", "data": cards}).encode()
            if path == "/v1/completions" and body["model"] not in self.adapters:
                return _error(404, f"The model `{body['model']}` does not exist.")
            if path == "/v1/completions":
                return super().due(request)
            if path == "/v1/load_lora_adapter" and self.updates:
                return self._load(body["lora_name"], body["lora_path"])
            if path == "/v1/unload_lora_adapter" and self.updates:
                return self._unload(body["lora_name"])
        return 404, b'{"detail":"Not Found"}'

    def _complete(self, body: dict[str, Any]) -> dict[str, Any]:
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
        return {"object": "text_completion", "choices": choices[::-1]}

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


def serving(base: PreTrainedModel, **options: Any) -> AbstractContextManager[VllmLike]:
    """Run a server as long as the context lasts."""
    return running(VllmLike(base, **options))


def _error(status: int, message: str) -> Answer:
    return status, json.dumps({"error": {"message": message, "code": status}}).encode()

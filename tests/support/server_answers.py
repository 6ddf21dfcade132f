"""Answers as the servers give them that reward models stand behind; for :mod:`rewardrouter.testing.loopback`."""

from __future__ import annotations

import json
import zlib
from typing import Any


def worth(text: object) -> float:
    """Return the score of what a server was sent of one text: any two differ."""
    return zlib.crc32(json.dumps(text, sort_keys=True).encode()) / 2**30 - 2


def vllm(body: Any) -> Any:
    """Answer as vLLM's ``/classify``, with the results out of order."""
    texts = [body["messages"]] if "messages" in body else body["input"]
    rows = [
        {"index": n, "label": "LABEL_0", "probs": [worth(text)], "num_classes": 1}
        for n, text in enumerate(texts)
    ]
    return {"id": "classify-1", "object": "list", "model": body["model"], "data": rows[::-1]}


def vllm_pooling(body: Any) -> Any:
    """Answer as vLLM's ``/pooling``."""
    rows = [{"index": row["index"], "object": "pooling", "data": row["probs"]} for row in vllm(body)["data"]]
    return {"object": "list", "data": rows}


def vllm_score(body: Any) -> Any:
    """Answer as vLLM's ``/score``."""
    texts = zip(body["text_1"], body["text_2"], strict=True)
    return {"data": [{"index": n, "object": "score", "score": worth(both)} for n, both in enumerate(texts)]}


def sglang(body: Any) -> Any:
    """Answer as SGLang's ``/classify``."""
    return [{"embedding": [worth(text)], "meta_info": {}} for text in body.get("text") or body["input_ids"]]


def openrlhf(body: Any) -> Any:
    """Answer as a remote reward model of OpenRLHF."""
    asked = zip(body["query"], body["prompts"], body["labels"], strict=True)
    rewards = [worth(text) for text in asked]
    return {"rewards": rewards, "scores": rewards, "extra_logs": {}}

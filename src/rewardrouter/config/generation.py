"""Settings of generation: how responses are sampled from the policy, and by whom.

Defaults are the paper's (section 4.1): 6 responses per prompt at temperature 0.8, of at most 256 tokens.
"""

from __future__ import annotations

from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from rewardrouter.config.base import StrictModel


class VllmSettings(StrictModel):
    """A vLLM server (0.10.2 or later) that holds the policy's base model and is sent its adapter at every step.

    The server is started with ``--enable-lora --max-lora-rank RANK`` and ``VLLM_ALLOW_RUNTIME_LORA_UPDATING=True`` in
    its environment. Its key, where it wants one, is read from the environment variable ``VLLM_API_KEY``.
    """

    url: str
    """Where it listens, without ``/v1``: ``http://127.0.0.1:8000``."""

    adapter_folder: str = Field(min_length=1)
    """A folder that this process and the server see under the same path; adapters are passed through it."""

    concurrency: int = Field(default=16, ge=1)
    """Prompts that are asked at once."""

    timeout: float = Field(default=300.0, gt=0, allow_inf_nan=False)
    """Seconds without the whole answer after which a request has failed."""

    patience: float = Field(default=300.0, ge=0, allow_inf_nan=False)
    """Seconds for which a server that is away or fails is asked again, so that it can be restarted meanwhile: after no
    connection, no answer in time, HTTP 429 or 5xx only."""

    @field_validator("url")
    @classmethod
    def _is_address(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise ValueError(f"{url!r} is no address of a server, such as http://127.0.0.1:8000")
        if parts.username is not None or parts.password is not None:
            raise ValueError("a password does not belong in an address; set VLLM_API_KEY instead")
        if parts.path.rstrip("/").endswith("/v1"):
            raise ValueError("give the address without /v1")
        return url.rstrip("/")


class SamplingSettings(StrictModel):
    """How responses are sampled."""

    responses: int = Field(default=6, ge=1)
    """Responses to every prompt."""

    temperature: float = Field(default=0.8, ge=0, allow_inf_nan=False)
    """The logits are divided by it; 0 takes the likeliest token, and then there is but one response."""

    top_p: float = Field(default=1.0, gt=0, le=1)
    """Only the likeliest tokens that together have this probability are drawn; 1 draws all."""

    top_k: int = Field(default=0, ge=0)
    """Only this many of the likeliest tokens are drawn; 0 draws all."""

    max_new_tokens: int = Field(default=256, ge=1)
    """Tokens of a response, at most; one that reaches it is cut there."""

    batch_size: int = Field(default=96, ge=1)
    """Responses written at once by ``transformers``; halved where a GPU has no room for them."""

    engine: Literal["transformers", "vllm"] = "transformers"
    """Who samples: this process, or a vLLM server."""

    vllm: VllmSettings | None = None
    """The server, for ``engine: vllm``."""

    @model_validator(mode="after")
    def _consistent(self) -> SamplingSettings:
        if self.temperature == 0 and self.responses > 1:
            raise ValueError(
                f"temperature 0 would give {self.responses} times the same response; give a temperature above 0,"
                " or responses 1"
            )
        if self.engine == "vllm" and self.vllm is None:
            raise ValueError("engine vllm: its server is not named; give vllm.url and vllm.adapter_folder")
        return self

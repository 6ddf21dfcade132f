"""Reward models behind a server: what a pool file says of each.

::

    rms:
      - name: Skywork
        kind: vllm                    # a classifier served by vLLM, one score per response
        url: http://127.0.0.1:8000
        model: Skywork/Skywork-Reward-V2-Qwen3-0.6B
      - name: Critic
        kind: judge                   # an LLM that names the better response
        url: http://127.0.0.1:8001/v1
        model: Skywork/Skywork-Critic-Llama-3.1-8B
        template: skywork-critic
        key_env: CRITIC_KEY           # the environment variable that holds the key, never the key

A request is sent again, up to ``tries`` times, after no connection, no answer in time, HTTP 429 or 5xx; nothing else
would go better the second time.Where ``open_after`` requests in a row have failed for good, the server is
left alone (one that answers with what cannot be used, or refuses a request for what it says, has not failed)
for ``probe_after`` seconds, in which every call fails at once; then one request tries whether it is back.
"""

from __future__ import annotations

import re
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from rewardrouter.config.costs import Cost
from rewardrouter.config.judging import JudgeTemplate
from rewardrouter.config.ray import RayPlaced
from rewardrouter.config.text_form import TextForm
from rewardrouter.config.window import WindowConfig


class ServerConfig(WindowConfig):
    """What every reward model over HTTP has."""

    name: str = Field(min_length=1)
    """The RM's name in the pool."""

    url: str
    """The server's address."""

    key_env: str | None = None
    """The environment variable that holds the server's key, sent as a bearer token; unset sends none."""

    concurrency: int = Field(default=8, ge=1)
    """Requests under way at once."""

    timeout: float = Field(default=60.0, gt=0, allow_inf_nan=False)
    """Seconds without the whole answer after which a request has failed; also the longest that is waited where a
    server says when to come back (``Retry-After``)."""

    tries: int = Field(default=4, ge=1, le=100)
    """How often a request is sent at most."""

    first_wait: float = Field(default=0.5, ge=0, allow_inf_nan=False)
    """Seconds before the second try, about; they double with every further one, up to 30."""

    open_after: int = Field(default=5, ge=1)
    """Requests that fail in a row, after all their tries, before the server is left alone."""

    probe_after: float = Field(default=30.0, ge=0, allow_inf_nan=False)
    """Seconds for which it is left alone."""

    cost: Cost | None = None
    """Price of one verdict, in a unit of your own; ``collect`` adds it up."""

    @field_validator("url")
    @classmethod
    def _is_address(cls, url: str) -> str:
        # Without the address in the message: a key in it would be shown.
        try:
            parts = urlsplit(url)
            named = bool(parts.hostname) and parts.port != 0
        except ValueError:
            named = False
        if not named or parts.scheme not in ("http", "https") or re.search(r"[^!-~]", url):
            raise ValueError("no address of a server, such as http://127.0.0.1:8000")
        if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
            raise ValueError(
                "no key or password belongs in an address: give scheme, host, port and path, and key_env"
            )
        return url.rstrip("/")

    @field_validator("key_env")
    @classmethod
    def _is_variable(cls, name: str | None) -> str | None:
        if name is not None and not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
            raise ValueError("no name of an environment variable; put the key into one, and its name here")
        return name


class PointwiseServerConfig(ServerConfig, RayPlaced):
    """A server that scores texts.

    A prompt and a response are written as one text here where ``tokenizer`` is given, as a reward model that runs
    here would read it, and sent as token ids: so no beginning-of-text token is doubled, and what is too long is cut
    as it is here.
    """

    tokenizer: str | None = Field(default=None, min_length=1)
    """Folder, relative to the pool file, or hub id of the RM's tokenizer."""

    revision: str | None = None
    """Branch, tag or commit of a hub tokenizer; unset means its default branch."""

    template: Literal["auto", "none"] = "auto"
    """``auto``: the chat template; ``none``: the response follows the prompt."""

    form: TextForm | None = None
    """A text form of the model's own, in place of a template; unset means what is known of ``model``, if anything."""

    system: str | None = Field(default=None, min_length=1)
    """A system message put before every prompt that has none of its own."""

    max_tokens: int | None = Field(default=None, ge=8)
    """Tokens of one text written here; never more than tokenizer, the settings beside it (``config.json``) and the
    server's list of models say; where nobody says anything, 2048."""

    send: Literal["tokens", "text"] = "tokens"
    """What is sent of a text written here; ``text`` for servers that read no token ids."""

    batch_size: int = Field(default=16, ge=1)
    """Texts of one request; a conversation that the server writes as text is always one of its own."""

    @model_validator(mode="after")
    def _consistent(self) -> PointwiseServerConfig:
        if self.tokenizer is None:
            for field in ("revision", "form", "max_tokens", "send"):
                if field in self.model_fields_set:
                    raise ValueError(
                        f"{field} is for texts written here; give tokenizer, or leave {field} out"
                    )
        return self


class VllmConfig(PointwiseServerConfig):
    """A classifier with one label, served by vLLM (``vllm serve MODEL``); its raw score is asked for.

    Without ``tokenizer``, the messages are sent and the server applies its chat template.
    """

    kind: Literal["vllm"] = "vllm"
    """A server that speaks vLLM's protocol."""

    model: str = Field(min_length=1)
    """The model's name on the server."""

    endpoint: Literal["classify", "score", "pooling"] = "classify"
    """Which of its endpoints: ``/classify``; ``/score``, for models that read prompt and response as a pair
    (BERT-like); ``/pooling`` with ``task: classify``."""

    @field_validator("url")
    @classmethod
    def _without_v1(cls, url: str) -> str:
        if urlsplit(url).path.endswith("/v1"):
            raise ValueError(
                "give the address without /v1: vLLM's /classify, /score and /pooling are not below it"
            )
        return url

    @model_validator(mode="after")
    def _pairs_as_they_are(self) -> VllmConfig:
        if self.endpoint == "score" and self.tokenizer is not None:
            raise ValueError("endpoint score sends prompt and response as a pair: leave tokenizer out")
        return self


class SglangConfig(PointwiseServerConfig):
    """A classifier with one label, served by SGLang with ``--is-embedding``; asked at ``/classify``, which is raw."""

    kind: Literal["sglang"] = "sglang"
    """A server that speaks SGLang's protocol."""

    model: str | None = Field(default=None, min_length=1)
    """The model's hub id, or another name for manifests; SGLang serves one and is not told. Unset, the address stands
    for it."""

    @model_validator(mode="after")
    def _has_template(self) -> SglangConfig:
        if self.tokenizer is None and self.template == "auto":
            raise ValueError(
                "SGLang's /classify applies no chat template: give tokenizer, usually the model's id,"
                " or template: none if the response is to follow the prompt"
            )
        return self


class OpenRlhfConfig(PointwiseServerConfig):
    """A remote reward model in OpenRLHF's form: ``{"query", "prompts", "labels"}`` to ``{"rewards"}``.

    The address is that of the endpoint itself, as in ``--reward.remote_url``. Without ``tokenizer``, a query is the
    prompt's text followed by the response's.
    """

    kind: Literal["openrlhf"] = "openrlhf"
    """A server that speaks the protocol of OpenRLHF's remote reward models."""

    send: Literal["text"] = "text"
    """The protocol knows text only."""

    model: str | None = Field(default=None, min_length=1)
    """The model's hub id, or another name for manifests; the server is not told. Unset, the address stands for it."""

    labels: str | None = Field(default=None, min_length=1)
    """The column of the pairs file that holds the gold answer; unset sends empty labels, as OpenRLHF does."""


class JudgeConfig(ServerConfig, RayPlaced):
    """An LLM that names the better of two responses, at an OpenAI-compatible server."""

    kind: Literal["judge"] = "judge"
    """A judge."""

    model: str = Field(min_length=1)
    """The model's name on the server."""

    template: str | JudgeTemplate = "generic"
    """How it is asked: ``skywork-critic``, ``selene-1-mini``, ``rise-judge``, ``mt-bench-pair``, ``generic``, or a
    section of your own with ``user`` and ``verdict``."""

    order: Literal["random", "both"] = "random"
    """Which response stands first. ``random``: drawn by the texts, so that a pair is asked in one way, however often
    and in whichever order it comes; ``both``: asked in both orders, and a tie where the two differ; with ``logprobs``,
    the probabilities of both orders are averaged."""

    seed: int = 0
    """Of the orders drawn."""

    temperature: float | None = Field(default=0.0, ge=0, allow_inf_nan=False)
    """Of the judge's answer; null leaves it to the server."""

    max_tokens: int | None = Field(default=None, ge=1)
    """Tokens of the judge's answer; unset means what the template says."""

    logprobs: bool = False
    """Ask for the log-probabilities of A and B where the verdict stands, and give them as scores. Where the server
    does not offer both, the verdict is a name only. Equal probabilities are a tie."""

    extra: dict[str, Any] = Field(default_factory=dict)
    """Further fields of the request, such as ``top_p`` or ``chat_template_kwargs``; null takes one out."""

    @field_validator("extra")
    @classmethod
    def _leaves_the_question(cls, extra: dict[str, Any]) -> dict[str, Any]:
        for field in ("model", "messages", "n", "stream"):
            if field in extra:
                raise ValueError(f"{field} cannot be set here")
        return extra

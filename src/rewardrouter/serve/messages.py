"""What requests and replies hold."""

from __future__ import annotations

import dataclasses
import math
from typing import Annotated, Any, TypeAlias

import numpy as np
from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag, model_validator

from rewardrouter.annotators import Outcome
from rewardrouter.datasets.texts import BadRow, read_message
from rewardrouter.pairs import Message, PreferencePair, Text
from rewardrouter.serve.labelled import Labelled

Name: TypeAlias = Annotated[str, Field(min_length=1, max_length=512)]


LARGEST = 1e30
"""Numbers beyond this are no more than infinite: what is computed of them would be."""


def _as_unknown(given: object) -> object:
    return None if isinstance(given, float) and not abs(given) <= LARGEST else given


Nats: TypeAlias = Annotated[float | None, BeforeValidator(_as_unknown)]


class Problem(BaseModel):
    """Why a request was not done."""

    error: str


class _Body(BaseModel):
    """What is sent: a null stands for what is not given, as tables write it in every row."""

    model_config = ConfigDict(frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        required = {name for name, field in cls.model_fields.items() if field.is_required()}
        return {name: value for name, value in given.items() if value is not None or name in required}


class _Request(_Body):
    model_config = ConfigDict(extra="forbid")


class MessageBody(BaseModel):
    """One turn of a conversation; content is text, parts of text, or null. Other keys are not read."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    role: str
    content: str | list[dict[str, Any]] | None = None

    @model_validator(mode="before")
    @classmethod
    def _by_the_rule(cls, given: Any) -> Any:
        try:
            return dataclasses.asdict(read_message(given))
        except BadRow as error:
            raise ValueError(error.words) from None

    def message(self) -> Message:
        """Return the message."""
        return Message(self.role, str(self.content))


TextBody: TypeAlias = Annotated[
    Annotated[str, Tag("text")] | Annotated[list[MessageBody], Field(min_length=1), Tag("messages")],
    Discriminator(lambda given: "text" if isinstance(given, str) else "messages"),
]
"""Plain text, or messages in order."""


class PairBody(_Request):
    """A prompt and two responses; ``metadata`` are columns of its data set, ``answer`` among them for verifiers."""

    id: Name
    prompt: TextBody
    response_a: TextBody
    response_b: TextBody
    metadata: dict[str, Any] = {}

    def pair(self) -> PreferencePair:
        """Return the pair."""
        response_a, response_b = text_of(self.response_a), text_of(self.response_b)
        return PreferencePair(self.id, text_of(self.prompt), response_a, response_b, self.metadata)


class AnnotateBody(_Request):
    """Pairs to label. ``batch_id`` names one training step's pairs, however many requests they come in."""

    pairs: Annotated[list[PairBody], Field(min_length=1)]
    batch_id: Name | None = None
    step: Annotated[int, Field(ge=0, le=2**53)] = 0
    prompt_embeddings: list[list[float]] | None = None

    @model_validator(mode="after")
    def _fits(self) -> AnnotateBody:
        ids = [pair.id for pair in self.pairs]
        if len(set(ids)) < len(ids):
            twice = next(one for one in ids if ids.count(one) > 1)
            raise ValueError(f"two pairs have the id {twice!r}")
        rows = self.prompt_embeddings
        if rows is not None and (len(rows) != len(ids) or len({len(row) for row in rows}) != 1):
            raise ValueError("prompt_embeddings: give one row for each pair, all of one length")
        if rows is not None and not all(abs(number) <= LARGEST for row in rows for number in row):
            raise ValueError("prompt_embeddings: hold a number that is not finite, or next to it")
        return self

    def labelled(self) -> Labelled:
        """Return the request."""
        rows = self.prompt_embeddings
        embeddings = None if rows is None else np.array(rows, np.float32)
        return Labelled([one.pair() for one in self.pairs], self.batch_id, self.step, embeddings)


class VerdictBody(BaseModel):
    """What one RM said."""

    rm: str
    winner: str | None
    score_a: float | None
    score_b: float | None
    error: str | None
    seconds: float | None


class AnnotationBody(BaseModel):
    """A pair's label; ``reason`` says why there is none."""

    decision_id: str
    id: str
    label: str | None
    rm: str | None
    rms: list[str]
    weight: float
    verdicts: list[VerdictBody]
    reason: str | None


class AnnotationsBody(BaseModel):
    """The labels, in the order of the pairs."""

    batch_id: str
    annotations: list[AnnotationBody]


class OutcomeBody(_Request):
    """How training went on a labelled pair, in nats; a number that was not finite is ``null``."""

    loss: Nats
    swapped_loss: Nats
    margin: Nats

    def outcome(self) -> Outcome:
        """Return the outcome."""
        numbers = [math.nan if one is None else one for one in (self.loss, self.swapped_loss, self.margin)]
        return Outcome(*numbers)


class FeedbackBody(_Request):
    """Outcomes by decision id."""

    outcomes: dict[Name, OutcomeBody]


class ReceivedBody(BaseModel):
    """The decision ids by what became of their outcomes."""

    accepted: list[str]
    duplicate: list[str] = []
    conflicting: list[str] = []
    unlabelled: list[str] = []
    unknown: list[str] = []


class ArmBody(_Request):
    """An RM of the pool; ``like`` names an arm that the router was fitted to, which it is first trusted like."""

    name: Name
    like: Name | None = None


class ArmsBody(BaseModel):
    """The arms now, and the pool's other RMs."""

    arms: list[str]
    others: list[str]


class HealthBody(BaseModel):
    """``ok``, ``draining`` or what is broken."""

    status: str


class _Foreign(_Body):
    """A request of others' making: what it holds besides is not read."""

    model_config = ConfigDict(extra="ignore")


class OpenRlhfBody(_Foreign):
    """OpenRLHF's: texts with template, prompts with template, gold answers."""

    query: Annotated[list[str], Field(min_length=1)]
    prompts: list[str] | None = None
    labels: list[Any] | None = None

    @model_validator(mode="after")
    def _equally_long(self) -> OpenRlhfBody:
        for name in ("prompts", "labels"):
            given = getattr(self, name)
            if given is not None and len(given) != len(self.query):
                raise ValueError(f"{name}: {len(given)} for {len(self.query)} queries")
        return self


class OpenRlhfReply(BaseModel):
    """What OpenRLHF reads; ``extra_logs`` are shares of the RMs, which its means turn into shares of the batch."""

    rewards: list[float]
    scores: list[float]
    extra_logs: dict[str, list[float]]


class ClassifyBody(_Foreign):
    """vLLM's: texts with template, or one conversation that ends with the response.

    ``metadata`` is ours: columns of the prompt's data set, as in ``/v1/annotate``.
    """

    model: str = ""
    input: str | Annotated[list[str], Field(min_length=1)] | None = None
    messages: Annotated[list[MessageBody], Field(min_length=2)] | None = None
    use_activation: bool | None = None
    metadata: dict[str, Any] = {}

    @model_validator(mode="after")
    def _one_of_two(self) -> ClassifyBody:
        if (self.input is None) == (self.messages is None):
            raise ValueError("give either input or messages")
        if self.messages is not None and self.messages[-1].role != "assistant":
            raise ValueError("messages: the last one must be the assistant's, the response")
        return self


class ClassBody(BaseModel):
    """One text's score."""

    index: int
    label: str = "LABEL_0"
    probs: list[float]
    num_classes: int = 1


class UsageBody(BaseModel):
    """vLLM's count of tokens, which nobody here counts."""

    prompt_tokens: int = 0
    total_tokens: int = 0
    completion_tokens: int = 0


class ClassifyReply(BaseModel):
    """What vLLM's clients read."""

    id: str
    object: str = "list"
    created: int
    model: str
    data: list[ClassBody]
    usage: UsageBody = UsageBody()


def text_of(body: TextBody) -> Text:
    """Return a text."""
    return body if isinstance(body, str) else tuple(one.message() for one in body)

"""The preference pair: one prompt and two responses, not yet labelled.

A prompt is text or a conversation; a response is text or the messages that
answer it. Both keep the form they came in, so that a labelled file goes back
to its owner as it was. The label is never part of a pair: whoever is handed
pairs to judge or to route cannot see it.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias

from rewardrouter.errors import DataError

Label: TypeAlias = Literal["A", "B"]
"""Which response is better: ``"A"`` or ``"B"``."""


@dataclasses.dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation.

    ``role`` is one of the chat roles of TRL and OpenAI: system, developer, user, assistant, tool.
    """

    role: str
    content: str


Text: TypeAlias = str | tuple[Message, ...]
"""A prompt or a response: plain text, or messages in order."""


@dataclasses.dataclass(frozen=True, slots=True)
class PreferencePair:
    """A prompt and two responses, unlabelled.

    ``metadata`` may carry ``group`` (pairs of one problem share it: splits never
    cut through a group), ``domain``, and further columns of the source. It never
    carries the label.
    """

    id: str
    prompt: Text
    response_a: Text
    response_b: Text
    metadata: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def group(self) -> str:
        """The unit of splitting: ``metadata["group"]``, else a digest of the prompt."""
        given = self.metadata.get("group")
        return str(given) if given is not None else digest(self.prompt)

    @property
    def domain(self) -> str:
        """The domain named by the source, or ``"all"``."""
        return str(self.metadata.get("domain") or "all")

    def swapped(self) -> PreferencePair:
        """Return the same pair with the two responses exchanged; its true label is the other one."""
        return dataclasses.replace(self, response_a=self.response_b, response_b=self.response_a)


def as_messages(text: Text, role: str) -> tuple[Message, ...]:
    """Return ``text`` as messages; plain text becomes one message of ``role``."""
    return (Message(role, text),) if isinstance(text, str) else text


def as_json(text: Text) -> str | list[dict[str, str]]:
    """Return ``text`` in TRL's form: a string, or a list of role and content."""
    if isinstance(text, str):
        return text
    return [{"role": message.role, "content": message.content} for message in text]


def digest(*texts: Text) -> str:
    """Return a 16-digit content hash of the texts, the same on every machine."""
    payload = json.dumps([as_json(text) for text in texts], ensure_ascii=False)
    return hashlib.sha256(payload.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def check_pairs(pairs: Sequence[PreferencePair]) -> None:
    """Check that everything in ``pairs`` is a pair: rows of a file are not.

    Raises
    ------
    DataError
        If one is something else.
    """
    for place, pair in enumerate(pairs):
        if not isinstance(pair, PreferencePair):
            raise DataError(
                f"pairs[{place}]: expected a PreferencePair, got {type(pair).__name__}; make it with"
                " PreferencePair(id=, prompt=, response_a=, response_b=), or read a file with load_pairs"
            )


def opposite(label: Label) -> Label:
    """Return the other label."""
    return "B" if label == "A" else "A"

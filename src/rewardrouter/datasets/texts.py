"""One prompt or response out of a row: a string, or a list of ``{"role", "content"}``.

A string stays a string, even where it looks like JSON: what a file does not say
is not guessed. Whatever cannot be a text raises :class:`BadRow` with the kind of
problem, for the reader of rows to count.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rewardrouter.pairs import Message, Text, as_messages

ROLES = frozenset({"system", "user", "assistant", "tool"})
"""The roles a message may have."""

_KEYS = ("role", "content")


class BadRow(Exception):  # noqa: N818 - says why a row is left out; no reader lets it escape
    """Why one row cannot be used: a kind of :class:`~rewardrouter.datasets.report.RowReport`."""

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind


def read_text(value: Any, *, may_be_blank: bool = False) -> Text:
    """Return a cell as a text.

    Parameters
    ----------
    value
        The cell: a string, a list of messages, or ``None``.
    may_be_blank
        Whether white space, or nothing between the quotes, is a text too: a model's empty answer is data, an
        empty prompt is none. A cell without a string or a message is missing either way.

    Raises
    ------
    BadRow
        ``missing_text``, ``malformed_messages``, ``broken_unicode``.
    """
    text: Text
    if value is None or value == []:
        raise BadRow("missing_text")
    if isinstance(value, str):
        text, contents = value, [value]
    elif isinstance(value, list):
        text = tuple(_read_message(message) for message in value)
        contents = [message.content for message in text]
    else:
        raise BadRow("malformed_messages")
    if not may_be_blank and is_blank(text):
        raise BadRow("missing_text")
    if not all(is_unicode(content) for content in contents):
        raise BadRow("broken_unicode")
    return text


def is_blank(text: Text) -> bool:
    """Tell whether a text says nothing: no character but white space in it."""
    return not any(message.content.strip() for message in as_messages(text, "user"))


def is_unicode(text: str) -> bool:
    """Tell whether ``text`` can be encoded; half a surrogate pair, as cut JSON escapes leave, cannot."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def has_extra_keys(value: Any) -> bool:
    """Tell whether a readable cell is messages that say more than role and content."""
    return isinstance(value, list) and any(
        found is not None for message in value for key, found in message.items() if key not in _KEYS
    )


def is_conversation(value: Any) -> bool:
    """Tell whether a readable cell is a whole conversation, not only the assistant's answer."""
    return isinstance(value, list) and bool(value) and value[0].get("role") != "assistant"


def shared_prefix(chosen: Sequence[Any], rejected: Sequence[Any]) -> int:
    """Return how many characters, or messages, two whole conversations share as their prompt.

    As ``trl.extract_prompt`` counts: up to the first difference, but a space before it belongs to the
    responses, and where one is the beginning of the other, its last element does. Neither may be empty.
    """
    shorter = min(len(chosen), len(rejected))
    length = next((i for i in range(shorter) if chosen[i] != rejected[i]), shorter - 1)
    differs = chosen[length] != rejected[length]
    return length - 1 if differs and length > 0 and chosen[length - 1] == " " else length


def _read_message(value: Any) -> Message:
    if not isinstance(value, dict):
        raise BadRow("malformed_messages")
    role, content = (value.get(key) for key in _KEYS)
    if not (isinstance(role, str) and role in ROLES and isinstance(content, str)):
        raise BadRow("malformed_messages")
    return Message(role, content)

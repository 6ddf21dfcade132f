"""One prompt or response as it comes: a string, or messages. Files, ``train``, trainers and the gateway read it so.

A string stays a string, even where it looks like JSON: what a file does not say is not guessed. Of a message:

* ``content`` is text, or parts of text, which are joined; an image, or whatever else is no text, is refused by name;
* ``content: null`` is an empty turn: so stands a message that only calls a tool, or one out of a table whose column
  holds none;
* every other key (``name``, ``tool_calls`` ...) is left out; who reads rows counts those that say something.

Whatever cannot be a text raises :class:`BadRow` with the kind of problem, for the reader of rows to count, and in
words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rewardrouter.pairs import Message, Text, as_messages

ROLES = ("system", "developer", "user", "assistant", "tool")
"""The roles a message may have."""

_KEYS = ("role", "content")
_CALLS = ("tool_calls", "function_call")
_TEXT_PARTS = (None, "text", "input_text", "output_text")
"""The types of a part that is text: of chat completions (or none given), and of OpenAI's responses."""


class BadRow(Exception):  # noqa: N818 - says why a row is left out; no reader lets it escape
    """Why one row cannot be used: a kind of :class:`~rewardrouter.datasets.report.RowReport`, and in words."""

    def __init__(self, kind: str, words: str | None = None) -> None:
        super().__init__(kind)
        self.kind = kind
        self.words = words or kind.replace("_", " ")


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
        ``missing_text``, ``malformed_messages``, ``holds_image``, ``holds_other_media``, ``broken_unicode``.
    """
    text = None if value is None else as_text(value)
    if not (text or isinstance(text, str)) or (not may_be_blank and is_blank(text)):
        raise BadRow("missing_text")
    if not all(is_unicode(message.content) for message in as_messages(text, "user")):
        raise BadRow("broken_unicode")
    return text


def as_text(value: Any) -> Text:
    """Return a string or messages as a text, whatever it says: also nothing.

    Raises
    ------
    BadRow
        ``malformed_messages``, ``holds_image``, ``holds_other_media``.
    """
    if isinstance(value, str):
        return value
    value = _listed(value)
    if not isinstance(value, list | tuple):
        raise BadRow("malformed_messages", f"neither text nor a list of messages, but {type(value).__name__}")
    return tuple(map(read_message, value))


def read_message(value: Any) -> Message:
    """Return one message, by the rule above.

    Raises
    ------
    BadRow
        As :func:`as_text`.
    """
    if not isinstance(value, Mapping):
        raise BadRow("malformed_messages", f"a message is {type(value).__name__}, expected role and content")
    role, content = (value.get(key) for key in _KEYS)
    if not (isinstance(role, str) and role in ROLES):
        raise BadRow(
            "malformed_messages", f"a message has the role {role!r}, expected one of {', '.join(ROLES)}"
        )
    if content is None and ("content" in value or any(value.get(key) for key in _CALLS)):
        content = ""
    return Message(role, _joined(role, content))


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
    """Tell whether a readable cell is messages that say more than role and content; null says nothing."""
    value = _listed(value)
    return isinstance(value, list | tuple) and any(
        not _says_nothing(found) for message in value for key, found in message.items() if key not in _KEYS
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


def _joined(role: str, content: Any) -> str:
    """Return a message's content: text, or its parts joined."""
    if isinstance(content, str):
        return content
    parts = [content] if isinstance(content, Mapping) else _listed(content)
    if not isinstance(parts, list | tuple):
        raise BadRow("malformed_messages", f"a {role} message without content")
    return "".join(_part(role, part) for part in parts)


def _part(role: str, part: Any) -> str:
    if isinstance(part, str):
        return part
    kind = part.get("type") if isinstance(part, Mapping) else type(part).__name__
    if isinstance(part, Mapping) and kind in _TEXT_PARTS and isinstance(part.get("text"), str):
        return str(part["text"])
    if isinstance(part, Mapping) and kind in _TEXT_PARTS:
        raise BadRow("malformed_messages", f"a {role} message has a part without text")
    words = f"a {role} message holds {kind}: the router and its reward models read text alone; leave such prompts out"
    raise BadRow("holds_image" if "image" in str(kind) else "holds_other_media", words)


def _listed(value: Any) -> Any:
    """Return an array of a data frame, or of verl, as a list."""
    return value.tolist() if hasattr(value, "tolist") else value


def _says_nothing(value: Any) -> bool:
    return value is None or (isinstance(value, list | tuple | dict | str) and not value)

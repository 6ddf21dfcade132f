"""Where the prompt ends in two whole texts or conversations that begin with it.

A text may be a transcript: who speaks is marked, by ``Human:`` and ``Assistant:`` on lines of their own, ``Q:`` and
``A:``, ``### Instruction:`` and ``### Response:``, or the control tokens of a chat template. The prompt then ends with
the mark of the last answer that both begin, so that all pairs of one question have one prompt, whatever their answers
share. A text without marks is cut after the last line or sentence that both share, else between words: never inside
a word. Where a prompt stands beside whole transcripts or conversations that repeat it, it is taken out of them.
"""

from __future__ import annotations

import dataclasses
import re
from itertools import takewhile

from rewardrouter.datasets.texts import BadRow, is_blank, shared_prefix
from rewardrouter.pairs import Message, Text, as_messages

_ASKS = r"human|user|h|q|question|prompt|instruction|input|customer|student"
_ANSWERS = r"assistant|ai|bot|chatbot|model|gpt|a|answer|response|output|tl;dr"
_MARK = re.compile(
    rf"^[ \t]*(?:\#+[ \t]*|\*\*)?(?:(?P<ask>{_ASKS})|(?P<answer>{_ANSWERS})|(?:system|context)):(?:\*\*)?"
    r"|<\|(?:im_start\|>|start_header_id\|>)?(?:(?P<ask_token>user|human)|(?P<answer_token>assistant)|system)"
    r"(?:\|>|<\|end_header_id\|>)?\n*"
    r"|<start_of_turn>(?:(?P<ask_turn>user)|(?P<answer_turn>model))\n?"
    r"|(?P<ask_inst>\[INST\])|(?P<answer_inst>\[/INST\])",
    re.IGNORECASE | re.MULTILINE,
)
_ALONE = re.compile(r"[#<\[;]")
"""In a mark that begins an answer also where no question is marked."""
_SENTENCE_END = re.compile(r"\n|[.?!](?=\s)|[。？！]")


@dataclasses.dataclass(frozen=True, slots=True)
class Parted:
    """A prompt, and what each of two continues it with."""

    prompt: Text
    one: Text
    other: Text


def part(one: Text, other: Text) -> Parted:
    """Return the prompt that two whole conversations or texts share, and what each adds to it.

    Raises
    ------
    BadRow
        ``malformed_messages`` where one is text and the other messages; ``missing_text`` where they share no
        prompt; ``prompts_differ`` where two transcripts differ in their first question.
    """
    if isinstance(one, str) != isinstance(other, str):
        raise BadRow("malformed_messages")
    if not (one and other):
        raise BadRow("missing_text")
    length = (
        _cut(one, other) if isinstance(one, str) and isinstance(other, str) else shared_prefix(one, other)
    )
    if is_blank(one[:length]):
        raise BadRow("missing_text")
    return Parted(one[:length], one[length:], other[length:])


def without_prompt(prompt: Text, one: Text, other: Text) -> Parted:
    """Return a prompt and two responses, taking the prompt out of both where they are whole and repeat it."""
    if isinstance(one, str) and isinstance(other, str):
        return _without_text(prompt, one, other) or Parted(prompt, one, other)
    if isinstance(one, str) or isinstance(other, str):
        return Parted(prompt, one, other)
    asked = as_messages(prompt, "user")
    shared = next(
        (n for n, (m, k) in enumerate(zip(one, other, strict=False)) if m != k), min(len(one), len(other))
    )
    shared = min(shared, len(one) - 1, len(other) - 1)
    for end in range(len(asked), shared + 1):
        if _same(one[end - len(asked) : end], asked) and all(
            m.role == "system" for m in one[: end - len(asked)]
        ):
            return Parted(one[:end] if end > len(asked) else prompt, one[end:], other[end:])
    return Parted(prompt, one, other)


def _without_text(prompt: Text, one: str, other: str) -> Parted | None:
    """Return the parts of two transcripts that hold the prompt; ``None`` where they are none."""
    if isinstance(prompt, str) and _opens(prompt):
        start = prompt.rstrip()
        if one.startswith(start) and other.startswith(start):
            return Parted(prompt, one[len(start) :], other[len(start) :])
    if not (_opens(one) and _opens(other)):
        return None
    length = _cut(one, other, whole=True)
    said = " ".join(" ".join(message.content for message in as_messages(prompt, "user")).split())
    if length == 0 or said not in " ".join(one[:length].split()):
        return None
    if said == " ".join(_MARK.sub("", one[:length]).split()):  # a single question, which needs no marks
        return Parted(prompt, *(text[length:].removeprefix(" ") for text in (one, other)))
    return Parted(one[:length], one[length:], other[length:])


def _opens(text: str) -> bool:
    """Tell whether a text begins with a speaker's mark, as transcripts do."""
    return _MARK.match(text.lstrip()) is not None


def _same(some: tuple[Message, ...], others: tuple[Message, ...]) -> bool:
    return [(m.role, m.content.strip()) for m in some] == [(m.role, m.content.strip()) for m in others]


def _cut(one: str, other: str, *, whole: bool = False) -> int:
    """Return where the prompt of two texts ends; with ``whole`` only as a transcript's, else 0."""
    shared = sum(1 for _ in takewhile(lambda both: both[0] == both[1], zip(one, other, strict=False)))
    ends = [end for end in _answers(one) if end <= shared]
    if ends and ends[-1] in _answers(other):
        return ends[-1]
    if whole:
        return 0
    if _opens(one) and _opens(other) and _answers(one) and _answers(other):
        raise BadRow("prompts_differ")
    if shared == min(len(one), len(other)):
        shared -= 1  # where one is the beginning of the other, its last word is the response
    if ends := [end for end in _sentences(one) if end <= shared and end in _sentences(other)]:
        return ends[-1]
    places = [n for n in range(shared, 0, -1) if not any(_inside_word(text, n) for text in (one, other))]
    return next((n for n in places if one[n].isspace() and not one[n - 1].isspace()), max(places, default=0))


def _sentences(text: str) -> list[int]:
    return [found.end() for found in _SENTENCE_END.finditer(text)]


def _answers(text: str) -> list[int]:
    """Return where the marks of answers end: of those that follow a question, or come first.

    What an answer itself says, such as a line ``A: ...`` in a list, begins no other one.
    """
    ends, asked, answering = [], False, False
    for mark in _MARK.finditer(text):
        kind = mark.lastgroup or ""
        if kind.startswith("ask"):
            asked, answering = True, False
        elif kind.startswith("answer") and not answering and (asked or _ALONE.search(mark[0])):
            ends.append(mark.end())
            answering = True
    return ends


def _inside_word(text: str, at: int) -> bool:
    return _is_letter(text[at - 1]) and _is_letter(text[at : at + 1])


def _is_letter(character: str) -> bool:
    """Tell whether a character is part of a word that spaces part from others: Chinese and the like are not."""
    return character.isalnum() and character < "\u2e80"

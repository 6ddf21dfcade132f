"""What a model says after it has thought: the one place that strips thoughts, for judges and policies alike.

Reasoning models write their thoughts between two marks, mostly ``<think>`` and ``</think>``, before they answer. What
stands there may name every answer in turn; only what follows is the model's own. Three cases:

- The opening mark may be missing, because the chat template wrote it into the prompt: then everything up to the last
  closing mark is thought.
- Thoughts that never end are no answer, even where they hold one.
- A mark in quotes or backticks is spoken of, not used.
"""

from __future__ import annotations

import re

_TAGS = ("think", "thinking", "thought", "thoughts", "reasoning", "seed:think")
_PAIRS = (
    (rf"<(?:{'|'.join(_TAGS)})>", rf"</(?:{'|'.join(_TAGS)})>"),
    (r"\[THINK\]", r"\[/THINK\]"),  # Mistral's reasoning models
    (r"◁think▷", r"◁/think▷"),  # Kimi
    (r"<\|begin_of_thought\|>", r"<\|end_of_thought\|>"),
    (r"<\|channel\|>\s*(?:analysis|thought)", r"<\|channel\|>\s*final\s*<\|message\|>"),  # gpt-oss
)
_QUOTES = ("``", "''", '""', "“”", "‘’")
_MARK = re.compile(
    "|".join(f"(?P<open{i}>{a})|(?P<close{i}>{b})" for i, (a, b) in enumerate(_PAIRS)),
    re.IGNORECASE,
)


def answer_start(text: str, *, opened: bool = False) -> int | None:
    """Return where the answer begins in ``text``; None where its thoughts do not end.

    Parameters
    ----------
    text
        What the model wrote.
    opened
        Whether the prompt already opened the thoughts (see :func:`opens_thoughts`).
    """
    start = 0
    for mark in _MARK.finditer(text):
        if text[mark.start() - 1 : mark.start()] + text[mark.end() : mark.end() + 1] in _QUOTES:
            continue
        opened = mark.lastgroup is not None and mark.lastgroup.startswith("open")
        if not opened:
            start = mark.end()
    return None if opened else start


def answer_of(text: str, *, opened: bool = False) -> str | None:
    """Return what follows the thoughts in ``text``; None where they do not end."""
    start = answer_start(text, opened=opened)
    return None if start is None else text[start:]


def opens_thoughts(prompt: str) -> bool:
    """Return whether a prompt ends inside thoughts, as templates of reasoning models do."""
    return answer_start(prompt) is None

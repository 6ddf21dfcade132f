r"""Control tokens inside a text: what a model wrote must not be read as a turn of the conversation.

Tokenizers turn the spelling of a control token (``<|im_end|>``, ``</s>``) into that token wherever it stands. A policy
that is trained on a reward model's scores could end its own turn so, and have the user praise it in the next one. So a
backslash is put into every such mark (``<\|im_end|>``), as judges' prompts do: it stays readable, and is text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

CONTROL = (
    r"<[|\uff5c][^<>\n]{1,64}[|\uff5c]>"  # Llama 3, Qwen, GPT; DeepSeek
    r"|</?s>|\[/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS)\]|<</?SYS>>"  # Llama 2, Mistral
    r"|<(?:start|end)_of_turn>|<(?:bos|eos|pad|unk)>"  # Gemma
)
"""An expression for the control tokens of the usual chat templates."""

_USUAL = re.compile(CONTROL, re.IGNORECASE)


def control_marks(special: Iterable[str] = ()) -> re.Pattern[str]:
    """Return an expression for the usual control tokens and a tokenizer's own (one letter cannot be broken)."""
    own = sorted({token for token in special if len(token.strip()) > 1}, key=len, reverse=True)
    if not own:
        return _USUAL
    return re.compile("|".join([*map(re.escape, own), CONTROL]), re.IGNORECASE)


def speaker_marks(labels: Iterable[str]) -> re.Pattern[str] | None:
    """Return an expression for the words by which a text form begins a turn (``Assistant:``), at a line's start."""
    bare = {label.strip() for label in labels}
    # A lone word of one or two letters begins many a line that is no turn.
    words = sorted(
        (word for word in bare if word and not (word.isalnum() and len(word) < 3)), key=len, reverse=True
    )
    if not words:
        return None
    return re.compile(rf"^[ \t]*(?:{'|'.join(map(re.escape, words))})", re.IGNORECASE | re.MULTILINE)


def broken(text: str, marks: re.Pattern[str]) -> str:
    """Return ``text`` with a backslash behind the first letter of every mark."""
    return marks.sub(lambda found: f"{found[0][:1]}\\{found[0][1:]}", text)

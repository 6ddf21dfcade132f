r"""The question that a judge is asked, in which no answer can pose as anything but an answer.

An answer is written by a model in training, and what wins is reinforced: sooner or later one ends with ``[[A]]``, or
closes its own block and opens another. Only the judge's own output is ever read for a verdict; and so that the judge
itself is not misled, whatever in question or answers looks like a part of the prompt is defused by a backslash:

* the template's delimiters, which are the lines that frame a place, or stand before it in its line (``[The End of
  Assistant A's Answer\]``);
* a verdict (``[[\A]]``), also in other brackets, which a judge that quotes an answer might repeat as well;
* control tokens of chat templates (``<\|im_end|>``), which servers read as such wherever they stand.

Where a template fences its places with three backquotes, code in an answer is left as it is; the fences grow longer
than any run in the texts, as Markdown has it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from rewardrouter.config.judging import PLACES, JudgeTemplate
from rewardrouter.pretrained.marks import broken, control_marks
from rewardrouter.reward_models.judges.reading import pair_reader

_PLACE = re.compile(r"\{(" + "|".join(PLACES) + r")\}")
_FENCE = "```"
_CONTROL = control_marks()

_SHORT = 3
"""What has fewer signs than this delimits only at the beginning of a line, and with a letter in it: ``A:``."""


_ATTEMPTS = 3
"""At defusing a text: a verdict's expression that takes anything for one is left to whoever wrote it."""


class JudgePrompt:
    """Writes questions in the form of a template."""

    def __init__(self, template: JudgeTemplate) -> None:
        self._template = template
        self._verdict = re.compile(template.verdict)
        self._reader = pair_reader(template.a, template.b, template.tie, template.verdict)
        self._delimiters = [_pattern(delimiter) for delimiter in delimiters(template.user)]

    def messages(self, question: str, answer_a: str, answer_b: str) -> list[dict[str, str]]:
        """Return the messages that ask which of two answers is better."""
        texts = {"question": question, "answer_a": answer_a, "answer_b": answer_b}
        safe = {place: self.defused(text) for place, text in texts.items()}
        user = {"role": "user", "content": _filled(self._template.user, safe)}
        if self._template.system is None:
            return [user]
        return [{"role": "system", "content": self._template.system}, user]

    def defused(self, text: str) -> str:
        """Return ``text`` with a backslash in whatever looks like a part of the prompt."""
        text = broken(text, _CONTROL)
        for pattern in self._delimiters:
            for _ in range(_ATTEMPTS):  # signs in a row, such as six quotes, may hold several that overlap
                text = pattern.sub(lambda found: _broken(found[0], len(found[0].rstrip()) - 1), text)
        return self._without_verdict(text)

    def _without_verdict(self, text: str) -> str:
        for place in reversed(self._reader.brackets(text)):
            text = _broken(text, place)
        for attempt in range(_ATTEMPTS):
            for found in reversed(list(self._verdict.finditer(text))):
                if found[1] is None or found[0] == found[1]:
                    continue  # a bare word, which any text may hold
                if attempt == 0:
                    text = _broken(text, found.start(1))
                elif self._template.winner(
                    found[1]
                ):  # one that the first hid, or that looks past a backslash
                    apart = "\\".join(found[0])
                    text = f"{text[: found.start()]}{apart}{text[found.end() :]}"
        return text


def delimiters(user: str) -> tuple[str, ...]:
    """Return what frames the places of a template: a label in the same line, else the lines around, to a blank one."""
    found = []
    for place in _PLACE.finditer(user):
        before, after = user[: place.start()].split("\n"), user[place.end() :].split("\n")
        found += [before[-1]] if before[-1].strip() else _block(before[-2::-1])
        found += [after[0]] if after[0].strip() else _block(after[1:])
    # A line may hold several places; of what split gives, every second part is a place's name.
    parts = (part.strip() for line in found for part in _PLACE.split(line)[::2])
    return tuple(dict.fromkeys(part for part in parts if len(part) >= _SHORT or any(map(str.isalnum, part))))


def _block(lines: list[str]) -> list[str]:
    """Return the lines up to a blank one, or to a fence, which delimits by itself."""
    found: list[str] = []
    for line in lines:
        if not line.strip() or line.strip() == _FENCE:
            break
        found.append(line)
    return found


def _pattern(delimiter: str) -> re.Pattern[str]:
    """Return an expression for a delimiter, however it is spaced and capitalised."""
    words = r"\s+".join(re.escape(word) for word in delimiter.split())
    if len(delimiter) < _SHORT:
        words = rf"^[ \t]*{words}" + (
            r"(?!\w)" if delimiter[-1].isalnum() else ""
        )  # "A:x" begins with a label
    return re.compile(words, re.IGNORECASE | re.MULTILINE)


def _broken(text: str, at: int) -> str:
    return f"{text[:at]}\\{text[at:]}"


def _filled(user: str, texts: Mapping[str, str]) -> str:
    """Return the template with the texts in their places; what stands in a text is no place."""
    runs = [len(run) for text in texts.values() for run in re.findall(r"`{3,}", text)]
    fence = "`" * (max(runs, default=2) + 1)
    parts = _PLACE.split(user)  # text, place, text, place, ..., text
    return "".join(texts[part] if n % 2 else part.replace(_FENCE, fence) for n, part in enumerate(parts))

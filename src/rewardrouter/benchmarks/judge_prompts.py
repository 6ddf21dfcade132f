r"""What judges are asked: the benchmarks' own prompts (``judge_prompts.yaml``), with answers that cannot pose as more.

An answer may hold ``[[10]]``, or close its own frame and open another; policies that are trained on verdicts come to do
so. Whatever in an answer looks like a verdict, a line of a prompt's frame or a control token is defused by a backslash,
as :mod:`rewardrouter.reward_models.judges.prompt` does it; all other answers are shown as they are. The published
code does nothing of the kind.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TypeVar

from rewardrouter.benchmarks.calls import Reply
from rewardrouter.config.base import StrictModel, validate
from rewardrouter.config.judging import JudgeTemplate
from rewardrouter.config.loading import read_yaml
from rewardrouter.reward_models.judges.prompt import JudgePrompt
from rewardrouter.reward_models.judges.reading import VerdictReader
from rewardrouter.reward_models.judges.templates import find_template
from rewardrouter.thoughts import answer_of

T = TypeVar("T")

_FILE = Path(__file__).with_name("judge_prompts.yaml")
_PLACE = re.compile(r"\{(\w+)\}")

_FRAMES = """\
[Question]
[User Question]
{question}

[The Start of Assistant's Answer]
[The Start of Assistant A's Answer]
### Assistant A:
{answer_a}
[The End of Assistant's Answer]
[The End of Assistant A's Answer]
[The Start of Reference Answer]
[The End of Reference Answer]

[The Start of Assistant B's Answer]
### Assistant B:
{answer_b}
[The End of Assistant B's Answer]
### Reference answer:
### User:"""
"""The lines that frame answers in the prompts; those with ``<|`` are control tokens in any case."""

NEVER = r"(?!)(never)"
"""The expression of a verdict that no text can hold: AlpacaEval's is a single letter."""


class _Prompt(StrictModel):
    """One of the prompts."""

    system: str
    user: str


def judge_messages(name: str, texts: Mapping[str, str]) -> list[dict[str, str]]:
    """Return the messages that ask a judge by the prompt of that name, with ``texts`` in its places."""
    prompt = _prompts()[name]
    user = _PLACE.sub(lambda place: texts[place[1]], prompt.user)
    return [{"role": "system", "content": prompt.system}, {"role": "user", "content": user}]


def defused(answer: str, verdict: str) -> str:
    """Return an answer that cannot be taken for a part of the prompt, or for what ``verdict`` matches."""
    return _guard(verdict).defused(answer)


def read_last(reader: VerdictReader[T], reply: Reply) -> T | str:
    """Return the last verdict in a judge's reply, or the name of why there is none."""
    if reply.failure is not None:
        return reply.failure
    said = answer_of(reply.text)
    found = None if said is None else reader.last(said, cut=reply.cut)
    if said is None or found is None or found.value is None:
        return "none given"
    return "cut off behind one" if reply.cut and said[found.end :].strip() else found.value


@cache
def _guard(verdict: str) -> JudgePrompt:
    if verdict == NEVER:
        return JudgePrompt(
            JudgeTemplate(user="{question}{answer_a}{answer_b}", verdict=verdict, a="m", b="M")
        )
    return JudgePrompt(JudgeTemplate(user=_FRAMES, verdict=verdict, tie="C"))


@cache
def _prompts() -> dict[str, _Prompt]:
    document = read_yaml(_FILE)
    found = {name: validate(_Prompt, data, source=_FILE.name) for name, data in document.data.items()}
    pair = find_template("mt-bench-pair")
    return {**found, "pair-v2": _Prompt(system=pair.system or "", user=pair.user)}

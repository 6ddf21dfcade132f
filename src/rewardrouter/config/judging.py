r"""How a judge is asked, and how its answer is read.

A template is a message with three places, ``{question}``, ``{answer_a}`` and ``{answer_b}``, and a regular expression
for the verdict in the judge's answer::

    template:
      user: |
        Question: {question}
        <answer_a>{answer_a}</answer_a>
        <answer_b>{answer_b}</answer_b>
        End with "Better: A" or "Better: B".
      verdict: 'Better: (\w+)'

What the expression's one group holds must be one of the words for A, B and a tie. The last match is the verdict, unless
something behind it looks like another: a judge that ends with ``[[ B ]]`` or ``**Final verdict: B**`` is read as well
(:mod:`rewardrouter.reward_models.judges.reading`). Words are read in whatever case, unless case tells them apart.
"""

from __future__ import annotations

import re
from typing import Literal

from pydantic import Field, field_validator, model_validator

from rewardrouter.config.base import StrictModel

PLACES = ("question", "answer_a", "answer_b")
"""What a template has a place for."""


class JudgeTemplate(StrictModel):
    """How a judge is asked."""

    system: str | None = Field(default=None, min_length=1)
    """The system message, where there is one."""

    user: str
    """The user message, with each of the three places once."""

    verdict: str
    """A regular expression with one group, which holds a word for A, B or a tie."""

    a: str = Field(default="A", min_length=1)
    """The word for the first response."""

    b: str = Field(default="B", min_length=1)
    """The word for the second response."""

    tie: str | None = Field(default=None, min_length=1)
    """The word for a tie, where the judge may name one."""

    max_tokens: int = Field(default=2048, ge=1)
    """Tokens of the judge's answer."""

    @field_validator("user")
    @classmethod
    def _has_places(cls, user: str) -> str:
        for place in PLACES:
            if user.count(f"{{{place}}}") != 1:
                raise ValueError(
                    f"{{{place}}} must stand in it once, found {user.count(f'{{{place}}}')} times"
                )
        return user

    @field_validator("verdict")
    @classmethod
    def _has_one_group(cls, verdict: str) -> str:
        try:
            groups = re.compile(verdict).groups
        except re.error as error:
            raise ValueError(f"no regular expression: {error}") from None
        if groups != 1:
            raise ValueError(f"found {groups} groups, expected one, (...), that holds the word for A or B")
        return verdict

    @model_validator(mode="after")
    def _words_differ(self) -> JudgeTemplate:
        words = [word for word in (self.a, self.b, self.tie) if word is not None]
        if len(set(words)) != len(words):
            raise ValueError(f"the words for A, B and a tie must differ, found {', '.join(words)}")
        return self

    def winner(self, word: str | None) -> Literal["A", "B", "tie"] | None:
        """Return what a word in the verdict's group stands for; ``None`` where it is no word of the template."""
        words: dict[str | None, Literal["A", "B", "tie"]] = {self.a: "A", self.b: "B"}
        if self.tie is not None:
            words[self.tie] = "tie"
        return words.get(word)

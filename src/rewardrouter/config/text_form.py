r"""A text form: how a conversation is written before a reward model that has one of its own.

::

    form:
      begin: "[INST] Rate the assistant's response from 0 to 100.\n"
      user: "\nUser: {content}"
      assistant: "\nAssistant: {content}"

It stands in place of the tokenizer's chat template: ``begin``, then each message by the form of its role, then
``end``. A prompt with a role that has no form is handed over as one user message with the roles written out, as it is
where a chat template rejects them.
"""

from __future__ import annotations

from pydantic import Field, field_validator

from rewardrouter.config.base import StrictModel

CONTENT = "{content}"
"""Where a message's text goes; other braces stand for themselves."""


class TextForm(StrictModel):
    """How prompt and response are written as one text."""

    begin: str = ""
    """What comes first."""

    user: str = Field(default=...)
    """A user's message, ``{content}`` being its text."""

    assistant: str = Field(default=...)
    """An assistant's message, the response among them."""

    system: str | None = None
    """A system message; unset where there is no form for one."""

    end: str = ""
    """What comes behind the response."""

    @field_validator("user", "assistant", "system")
    @classmethod
    def _has_content(cls, value: str | None) -> str | None:
        if value is not None and value.count(CONTENT) != 1:
            raise ValueError(f"found {value!r}, expected a text with {CONTENT} in it, once")
        return value

    def turn(self, role: str) -> str | None:
        """Return the form of a role's messages; ``None`` where there is none."""
        return {"user": self.user, "assistant": self.assistant, "system": self.system}.get(role)

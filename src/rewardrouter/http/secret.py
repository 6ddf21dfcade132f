"""The key of a server: taken from the environment, sent, and shown to nobody.

Servers repeat what they were sent in their errors, so whatever is quoted of an answer is cleared of the key first,
and of whatever else looks like one.
"""

from __future__ import annotations

import json
import os
import re
from urllib.parse import quote

from rewardrouter.errors import ConfigError

_SHOWN = 200
"""Characters quoted of an answer."""

_LIKE_A_KEY = re.compile(r"(?i)\b(bearer\s+|(?:sk|hf|gsk|xai)[-_])[^\s\"',;)}\]]+")


class Secret:
    """A server's key, or none.

    Parameters
    ----------
    owner
        Whose it is, for messages: ``reward model NAME``.
    variable
        The environment variable that holds the key; ``None`` where the server wants none.

    Raises
    ------
    ConfigError
        If the variable is not set, or holds what cannot be a key.
    """

    def __init__(self, owner: str, variable: str | None) -> None:
        self._variable = variable
        self._key = "" if variable is None else os.environ.get(variable, "").strip()
        if variable is not None and not self._key:
            raise ConfigError(f"{owner}: the environment variable {variable} (key_env) is not set")
        if re.search(r"[^!-~]", self._key):
            raise ConfigError(
                f"{owner}: the environment variable {variable} (key_env) holds spaces or signs beyond"
                " ASCII, which no key has"
            )

    def __repr__(self) -> str:
        return f"Secret({self._variable})"

    @property
    def headers(self) -> dict[str, str]:
        """What is sent with a request."""
        return {"Authorization": f"Bearer {self._key}"} if self._key else {}

    @property
    def hint(self) -> str:
        """What to do where the server refuses access."""
        return (
            f"is the key in {self._variable} right?"
            if self._key
            else "name the variable with its key in key_env"
        )

    def removed(self, text: str) -> str:
        """Return ``text`` without the key, in whatever form it may be repeated."""
        if self._key:
            escaped = json.dumps(self._key)[1:-1]
            for form in (self._key, escaped, escaped.replace("/", "\\/"), quote(self._key, safe="")):
                text = text.replace(form, "***")
        return _LIKE_A_KEY.sub(r"\1***", text)

    def excerpt(self, text: str) -> str:
        """Return the beginning of ``text`` in one line, without the key."""
        line = " ".join(self.removed(text).split()) or "empty"
        return line if len(line) <= _SHOWN else f"{line[: _SHOWN - 3]}..."

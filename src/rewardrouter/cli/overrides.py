"""Settings given as ``--a.b=c`` behind a command's options."""

from __future__ import annotations

from collections.abc import Sequence

import click

from rewardrouter.errors import did_you_mean


def check_overrides(words: Sequence[str]) -> None:
    """Refuse, of the words that are no option of the command, those that cannot be a setting.

    Raises
    ------
    click.UsageError
        At the first one, with the option that may be meant.
    """
    for word in words:
        if not (word.startswith("--") and "=" in word):
            options = [name for known in click.get_current_context().command.params for name in known.opts]
            hint = did_you_mean(word, options) or " A setting is given as --a.b=c."
            raise click.UsageError(f"unexpected argument {word}.{hint}")

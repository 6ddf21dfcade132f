"""What can go wrong, said so that its reader can mend it.

A :class:`UserError` is the caller's to mend: the command line prints it as one
line and exits with code 2. Anything else that escapes is ours: a traceback and
exit code 1. A reward model that fails on a pair is neither; it is data, a
:class:`rewardrouter.verdicts.Verdict` with its reason.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class RewardRouterError(Exception):
    """Base class of every error that this package raises on purpose."""


class UserError(RewardRouterError):
    """A mistake in what the user gave: says what, where, what was found and how to mend it."""


class DataError(UserError):
    """A pairs or verdicts file that cannot be used as asked."""


class ConfigError(UserError):
    """An unknown or invalid setting."""


class CheckpointError(UserError):
    """A saved router or encoder that is missing, broken or does not fit."""


class TrainingError(UserError, RuntimeError):
    """Training that cannot go on: the policy diverged, or nobody labels its pairs."""


class OutageError(TrainingError):
    """Training that stopped because something outside failed for too long: once that is mended it can be resumed."""


class MissingDependencyError(UserError):
    """An optional package that is not installed; the message holds the install command."""

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        super().__init__(f"{purpose} needs the package {package}: pip install 'rewardrouter[{extra}]'")


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ``" Did you mean X?"`` for the closest known word, or the empty string."""
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f" Did you mean {close[0]}?" if close else ""


def one_line(error: BaseException) -> str:
    """Return an error's message in one line of at most 200 characters."""
    line = " ".join(str(error).split()) or type(error).__name__
    return line if len(line) <= 200 else f"{line[:197]}..."

"""What both checks share: the error they raise, and pairs to ask about."""

from __future__ import annotations

from collections.abc import Sequence

from rewardrouter.pairs import Message, PreferencePair


class ConformanceError(AssertionError):
    """A law of a contract that is broken: who broke it, and how it showed."""


def sample_pairs() -> tuple[PreferencePair, ...]:
    """Return six pairs of the kinds that real files hold; no two share an id or a text.

    Plain text, chat, several turns under a system message, scripts and signs beyond ASCII, an empty
    response, and a response of 60,000 characters beside a short one.
    """
    prime = (Message("user", "Name a prime number above ten."),)
    capitals = (
        Message("system", "You are terse."),
        Message("user", "Capital of France?"),
        Message("assistant", "Paris."),
        Message("user", "And of Japan?"),
    )
    greeting = "Übersetze „guten Tag“ 👋🏽"
    return (
        PreferencePair("sample/plain", "What is 2 + 2?", "2 + 2 = 4.", "It is five, I think."),
        PreferencePair("sample/chat", prime, _answer("Twelve is one."), _answer("Eleven.")),
        PreferencePair("sample/turns", capitals, _answer("Tokyo."), _answer("It is Kyoto.")),
        PreferencePair("sample/unicode", greeting, "こんにちは — \u202bשלום\u202c", "e\u0301 is é; 1\u00a0€"),
        PreferencePair("sample/empty", "Say something.", "", "Something."),
        PreferencePair("sample/long", "Count.", "one, two, three " * 3750, "One, two, three and so on."),
    )


def pairs_to_ask(pairs: Sequence[PreferencePair] | None) -> tuple[PreferencePair, ...]:
    """Return the caller's pairs, or the samples.

    Raises
    ------
    ValueError
        If there is none, or two share an id.
    """
    asked = sample_pairs() if pairs is None else tuple(pairs)
    if not asked or len({pair.id for pair in asked}) != len(asked):
        raise ValueError(f"give at least one pair, and each id once; found {[pair.id for pair in asked][:8]}")
    return asked


def shown(error: BaseException) -> str:
    """Return an exception as one line."""
    return " ".join(f"{type(error).__name__}: {error}".split())


def _answer(text: str) -> tuple[Message, ...]:
    return (Message("assistant", text),)

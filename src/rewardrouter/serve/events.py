"""Events, and what they hold as JSON.

An event is what the log keeps: a number, the time, what kind of change it tells of, and all that came from outside
while it was made.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from rewardrouter.annotators import Outcome
from rewardrouter.pairs import Message, PreferencePair, Text, as_json
from rewardrouter.serve.completions import Answered
from rewardrouter.serve.tape import Calls

Event: TypeAlias = dict[str, Any]
"""``seq``, ``at`` (seconds since 1970), ``kind``, and what the kind has."""


def pair_as_json(pair: PreferencePair) -> list[Any]:
    """Return a pair."""
    texts = (pair.prompt, pair.response_a, pair.response_b)
    return [pair.id, *map(as_json, texts), dict(pair.metadata)]


def pair_from_json(saved: Sequence[Any]) -> PreferencePair:
    """Return the pair."""
    name, prompt, response_a, response_b, metadata = saved
    return PreferencePair(name, _text(prompt), _text(response_a), _text(response_b), metadata)


def _text(saved: str | list[dict[str, str]]) -> Text:
    return saved if isinstance(saved, str) else tuple(Message(one["role"], one["content"]) for one in saved)


def answered_as_json(one: Answered) -> list[Any]:
    """Return what came of completions, with every bit of their scores."""
    scores = {key: score.hex() for key, score in one.scores.items()}
    return [one.prompt, one.rm, scores, list(one.texts), one.reason]


def answered_from_json(saved: Sequence[Any]) -> Answered:
    """Return what came of completions."""
    prompt, rm, scores, texts, reason = saved
    return Answered(prompt, rm, {key: float.fromhex(one) for key, one in scores.items()}, texts, reason)


def outcomes_as_json(outcomes: Mapping[str, Outcome]) -> dict[str, list[str]]:
    """Return outcomes with every bit of their numbers."""
    return {name: [float(x).hex() for x in dataclasses.astuple(one)] for name, one in outcomes.items()}


def outcomes_from_json(saved: Mapping[str, Sequence[str]]) -> dict[str, Outcome]:
    """Return the outcomes."""
    return {name: Outcome(*map(float.fromhex, one)) for name, one in saved.items()}


def calls_as_json(calls: Mapping[str, Calls]) -> dict[str, list[Any]]:
    """Return counts of calls, by RM."""
    return {rm: list(dataclasses.astuple(one)) for rm, one in calls.items()}


def calls_from_json(saved: Mapping[str, Sequence[Any]]) -> dict[str, Calls]:
    """Return the counts."""
    return {rm: Calls(*parts) for rm, parts in saved.items()}

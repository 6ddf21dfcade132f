"""How servers of reward models are asked for scores, and how their answers are read.

Each answer must hold one number per text, known to be of that text: by its ``index`` where the protocol has one, else
by its place in a list of the right length. Anything else is refused whole, since a score that is given to the wrong
text is a wrong label. A number that is missing or not finite is a failure of its text alone.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from rewardrouter.http.endpoint import BadAnswerError


@dataclasses.dataclass(frozen=True, slots=True)
class NoScore:
    """Why a text has no score."""

    reason: str


Found: TypeAlias = float | NoScore


@dataclasses.dataclass(frozen=True, slots=True)
class Protocol:
    """One way to ask for scores.

    ``body`` makes the request of the texts of a batch, ``read`` the scores of the answer to n texts.
    """

    path: str
    body: Callable[[str | None, Sequence[Any]], dict[str, Any]]
    read: Callable[[Any, int], list[Found]]


def _classify(model: str | None, texts: Sequence[Any]) -> dict[str, Any]:
    # The default activation is a sigmoid, in which high scores tie.
    return {"model": model, **_input(texts), "use_activation": False}


def _pooling(model: str | None, texts: Sequence[Any]) -> dict[str, Any]:
    return {"model": model, "task": "classify", **_input(texts), "use_activation": False}


def _input(texts: Sequence[Any]) -> dict[str, Any]:
    if isinstance(texts[0], list) and isinstance(texts[0][0], Mapping):
        (messages,) = texts
        return {"messages": messages}
    return {"input": list(texts)}


def _score(model: str | None, texts: Sequence[Any]) -> dict[str, Any]:
    prompts, answers = [prompt for prompt, _ in texts], [answer for _, answer in texts]
    return {"model": model, "text_1": prompts, "text_2": answers, "use_activation": False}


def _sglang(model: str | None, texts: Sequence[Any]) -> dict[str, Any]:  # noqa: ARG001 - serves one model
    return {"text" if isinstance(texts[0], str) else "input_ids": list(texts)}


def _openrlhf(model: str | None, texts: Sequence[Any]) -> dict[str, Any]:  # noqa: ARG001 - as above
    return {
        "query": [query for query, _, _ in texts],
        "prompts": [prompt for _, prompt, _ in texts],
        "labels": [label for _, _, label in texts],
    }


def _by_index(key: str) -> Callable[[Any, int], list[Found]]:
    """Return a reader of vLLM's ``data``, in which the score stands under ``key``, in lists of one or bare."""

    def read(answer: Any, count: int) -> list[Found]:
        rows = _rows(answer.get("data") if isinstance(answer, dict) else None, "data", count)
        found: dict[int, Found] = {}
        for row in rows:
            index = row.get("index") if isinstance(row, dict) else None
            if type(index) is not int or not 0 <= index < count or index in found:
                raise BadAnswerError(f"the indices of {count} results are not 0 to {count - 1}, each once")
            found[index] = read_number(_alone(row.get(key), key))
        return [found[index] for index in range(count)]

    return read


def _read_sglang(answer: Any, count: int) -> list[Found]:
    rows = _rows([answer] if isinstance(answer, dict) else answer, "the answer", count)
    if not all(isinstance(row, dict) for row in rows):
        raise BadAnswerError("the answer is no list of results")
    return [read_number(_alone(row.get("embedding"), "embedding")) for row in rows]


def _read_openrlhf(answer: Any, count: int) -> list[Found]:
    rewards = answer.get("rewards") if isinstance(answer, dict) else None
    rows = _rows(rewards if isinstance(rewards, list) else [rewards], "rewards", count)
    return [read_number(_alone(row, "reward")) for row in rows]


PROTOCOLS: Mapping[str, Protocol] = {
    "vllm/classify": Protocol("/classify", _classify, _by_index("probs")),
    "vllm/score": Protocol("/score", _score, _by_index("score")),
    "vllm/pooling": Protocol("/pooling", _pooling, _by_index("data")),
    "sglang": Protocol("/classify", _sglang, _read_sglang),
    "openrlhf": Protocol("", _openrlhf, _read_openrlhf),
}
"""By kind and endpoint."""


def _rows(found: Any, what: str, count: int) -> list[Any]:
    if not isinstance(found, list):
        raise BadAnswerError(f"{what} is no list of results")
    if len(found) != count:
        raise BadAnswerError(f"{len(found)} results for {count} texts")
    return found


def _alone(value: Any, key: str) -> Any:
    """Return the one value of lists of one, however deep."""
    while isinstance(value, list):
        if len(value) != 1:
            raise BadAnswerError(
                f"{key} holds {len(value)} values, expected 1: is it a reward model with one label, and the right"
                " endpoint?"
            )
        value = value[0]
    return value


def read_number(value: Any) -> Found:
    """Return a JSON value as a finite number, or why it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return NoScore(
            f"the score is {'missing' if value is None else f'no number but {type(value).__name__}'}"
        )
    try:
        score = float(value)
    except OverflowError:
        return NoScore("the score is beyond every float")
    return score if math.isfinite(score) else NoScore(f"the score is {score}")

"""What a judge said: read from its own output, by the last verdict in it, or not at all.

Reasoning that a model writes between ``<think>`` and ``</think>`` is not its answer. An answer that was cut off counts
only if the verdict is the last thing in it: what comes before a conclusion may name either response. The last match
of the template's expression decides; where its word is none of the template's, there is no verdict, whatever earlier
matches say.

Where the server gives log-probabilities, the token that holds the verdict's word is found by its place in the text,
and the same token with the other word tells the probability of the other verdict.
"""

from __future__ import annotations

import dataclasses
import re
from typing import Any

from rewardrouter.config.judging import JudgeTemplate
from rewardrouter.errors import one_line
from rewardrouter.http.endpoint import BadAnswerError
from rewardrouter.reward_models.http.protocols import NoScore, read_number
from rewardrouter.verdicts import Winner


@dataclasses.dataclass(frozen=True, slots=True)
class Output:
    """A judge's output, as a chat completion holds it."""

    text: str
    cut: bool
    """Whether it ended because of its length."""
    tokens: tuple[Any, ...]
    """The log-probabilities' ``content``, as it came; empty where there is none."""
    failure: str | None = None
    """Why it is no answer, if it is none: refused, filtered, nothing but reasoning."""


@dataclasses.dataclass(frozen=True, slots=True)
class Opinion:
    """Which response a judge found better, the first being A; or why that cannot be said."""

    winner: Winner | None
    reason: str | None = None
    logprobs: tuple[float, float] | None = None
    """log P(A), log P(B) of the verdict's word, where both are known and the winner is the likelier one."""


def read_output(answer: Any) -> Output:
    """Return the output in a chat completion.

    Raises
    ------
    BadAnswerError
        If it is none, or none that answers: refused, filtered, or nothing but reasoning.
    """
    output = read_completion(answer)
    if output.failure is not None:
        raise BadAnswerError(output.failure)
    return output


def read_completion(answer: Any) -> Output:
    """Return the output in a chat completion, be it one that does not answer.

    Raises
    ------
    BadAnswerError
        If it is no chat completion with one choice.
    """
    choices = answer.get("choices") if isinstance(answer, dict) else None
    if choices == []:
        raise BadAnswerError("the answer has no choices, as where a content filter took them")
    if not isinstance(choices, list) or len(choices) != 1 or not isinstance(choices[0], dict):
        raise BadAnswerError("the answer is no chat completion with one choice")
    choice = choices[0]
    message = choice.get("message")
    if not isinstance(message, dict):
        raise BadAnswerError("the answer's choice has no message")
    text = _joined(message.get("content"))
    logprobs = choice.get("logprobs")
    tokens = logprobs.get("content") if isinstance(logprobs, dict) else None
    return Output(
        text,
        choice.get("finish_reason") == "length",
        tuple(tokens) if isinstance(tokens, list) else (),
        _failure(choice, message, text),
    )


def _joined(content: Any) -> str:
    """Return a message's text: a string, or the text parts of a list; nothing where it is null."""
    if isinstance(content, list):
        parts = [part.get("text") if isinstance(part, dict) else part for part in content]
        return "".join(part for part in parts if isinstance(part, str))
    if content is not None and not isinstance(content, str):
        raise BadAnswerError("the answer's message has no text")
    return content or ""


def _failure(choice: dict[str, Any], message: dict[str, Any], text: str) -> str | None:
    """Return why what a choice holds is no answer, if it is none."""
    if choice.get("finish_reason") == "content_filter":
        return "the answer was stopped by a content filter"
    parts = message.get("content")
    kinds = [part.get("type") for part in parts if isinstance(part, dict)] if isinstance(parts, list) else []
    if message.get("refusal") or "refusal" in kinds:
        return "the model refused to answer"
    if not text.strip() and (message.get("reasoning_content") or message.get("reasoning")):
        return "there is reasoning, but no answer behind it"
    return None


def read_opinion(template: JudgeTemplate, output: Output) -> Opinion:
    """Return the opinion in a judge's output."""
    start = output.text.rfind("</think>") + len("</think>") if "</think>" in output.text else 0
    said = output.text[start:]
    if said.lstrip().startswith("<think>"):
        return _none("its reasoning did not end", output)
    found = None
    for found in re.finditer(template.verdict, said):  # noqa: B007 - the last one
        pass
    if found is None:
        return _none("no verdict in its answer", output)
    winner = template.winner(found[1])
    if winner is None:
        return _none(f"its verdict is {one_line(ValueError(found[1]))!r}", output)
    if output.cut and said[found.end() :].strip():
        return _none("its answer was cut off behind a verdict", output)
    return Opinion(winner, None, _logprobs(template, output, winner, start + found.start(1)))


def _none(reason: str, output: Output) -> Opinion:
    ending = " ".join(output.text[-400:].split())
    shown = ending if len(ending) <= 120 else f"...{ending[-117:]}"
    cut = ", which was cut off at max_tokens" if output.cut else ""
    return Opinion(None, f"{reason}{cut}: {shown or 'empty'}")


def _logprobs(
    template: JudgeTemplate, output: Output, winner: Winner, place: int
) -> tuple[float, float] | None:
    """Return log P(A) and log P(B) at the verdict's word, which begins at ``place`` in the text."""
    if winner == "tie":
        return None
    word = (template.a if winner == "A" else template.b).encode()
    wanted = len(output.text[:place].encode("utf-8", "replace"))
    whole, behind = output.text.encode("utf-8", "replace"), 0
    for token in output.tokens:
        text = _bytes(token)
        if text is None or whole[behind : behind + len(text)] != text:
            return None
        if behind + len(text) > wanted:
            before, after = text[: wanted - behind], text[wanted - behind + len(word) :]
            if text != before + word + after:
                return None
            found = _alternatives(token)
            a, b = (found.get(before + name.encode() + after) for name in (template.a, template.b))
            if a is None or b is None or (a > b) != (winner == "A") or a == b:
                return None
            return a, b
        behind += len(text)
    return None


def _alternatives(token: Any) -> dict[bytes, float]:
    """Return the log-probability of each token that might have stood there."""
    others = token.get("top_logprobs")
    found: dict[bytes, float] = {}
    for other in [token, *(others if isinstance(others, list) else ())]:
        text = _bytes(other)
        value = read_number(other.get("logprob")) if isinstance(other, dict) else NoScore("")
        if text is not None and not isinstance(value, NoScore):
            found[text] = value
    return found


def _bytes(token: Any) -> bytes | None:
    """Return a token's text; its ``bytes``, where given, are exact also for parts of a character."""
    if not isinstance(token, dict):
        return None
    given, text = token.get("bytes"), token.get("token")
    if isinstance(given, list) and all(type(byte) is int and 0 <= byte < 256 for byte in given):
        return bytes(given)
    return text.encode("utf-8", "replace") if isinstance(text, str) else None

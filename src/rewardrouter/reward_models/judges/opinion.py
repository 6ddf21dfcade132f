"""What a judge said: read from its own output, by the last verdict in it, or not at all.

Thoughts are not its answer (:mod:`rewardrouter.thoughts`), also where the template has opened them. The last verdict
decides, however it is spelled (:mod:`rewardrouter.reward_models.judges.reading`). An answer that was cut off counts
only if the verdict is the last thing in it: what comes before a conclusion may name either response.

Where the server gives log-probabilities, the token that holds the verdict's word is found by its place in the text,
and the same token with the other word tells the probability of the other verdict. Equal probabilities are a tie.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Iterable
from typing import Any

from rewardrouter.config.judging import PLACES, JudgeTemplate
from rewardrouter.http.endpoint import BadAnswerError
from rewardrouter.reward_models.http.protocols import NoScore, read_number
from rewardrouter.reward_models.judges.reading import pair_reader
from rewardrouter.thoughts import answer_start, opens_thoughts
from rewardrouter.verdicts import Winner

_PLACE = re.compile("|".join(rf"\{{{place}\}}" for place in PLACES))

SAME = 1e-9
"""Log-probabilities that differ by less are equal: the arithmetic of servers is no finer."""


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
    """log P(A), log P(B) where the verdict's word stands, if both are known; the less likely may have been sampled."""


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
    behind = _PLACE.split(template.user)[-1]
    start = answer_start(output.text, opened=opens_thoughts(behind))
    if start is None:
        return _none("its reasoning did not end", output)
    said = output.text[start:]
    reader = pair_reader(template.a, template.b, template.tie, template.verdict)
    found = reader.last(said, cut=output.cut)
    if found is None:
        return _none("no verdict in its answer", output)
    word = said[slice(*found.word)]
    if found.value is None:
        contradicted = ", which is denied or contradicted" if reader.value(word) else ""
        return _none(f"its verdict is {' '.join(word.strip(' *_`').split())!r}{contradicted}", output)
    if output.cut and said[found.end :].strip():
        return _none("its answer was cut off behind a verdict", output)
    if found.value == "tie":
        return Opinion("tie")
    logprobs = _logprobs(template, output, start + found.word[0], word)
    tied = logprobs is not None and math.isclose(*logprobs, rel_tol=0, abs_tol=SAME)
    return Opinion("tie" if tied else found.value, None, logprobs)


def _none(reason: str, output: Output) -> Opinion:
    ending = " ".join(output.text[-400:].split())
    shown = ending if len(ending) <= 120 else f"...{ending[-117:]}"
    cut = ", which was cut off at max_tokens" if output.cut else ""
    return Opinion(None, f"{reason}{cut}: {shown or 'empty'}")


def _logprobs(template: JudgeTemplate, output: Output, place: int, word: str) -> tuple[float, float] | None:
    """Return log P(A) and log P(B) where the verdict's word stands, which begins at ``place`` in the text."""
    wanted, length = len(_encoded(output.text[:place])), len(_encoded(word))
    whole, behind = _encoded(output.text), 0
    for token in output.tokens:
        text = _bytes(token)
        if text is None or whole[behind : behind + len(text)] != text:
            return None
        if behind + len(text) > wanted:
            before, after = text[: wanted - behind], text[wanted - behind + length :]
            if text != before + _encoded(word) + after:
                return None
            fold = str.lower if word not in (template.a, template.b) else str
            a, b = (
                log_probability(_alternatives(token), before + _encoded(fold(name)) + after)
                for name in (template.a, template.b)
            )
            return None if a is None or b is None else (a, b)
        behind += len(text)
    return None


def log_probability(tokens: Iterable[tuple[bytes, float]], wanted: bytes) -> float | None:
    """Return the log-probability of a token, with or without white space around it; None where it is not known."""
    found = [value for text, value in set(tokens) if text.strip() == wanted.strip()]
    most = max(found, default=0.0)
    return most + math.log(sum(math.exp(value - most) for value in found)) if found else None


def _alternatives(token: Any) -> list[tuple[bytes, float]]:
    """Return each token that might have stood there, with its log-probability."""
    others = token.get("top_logprobs")
    found = {}
    for other in [token, *(others if isinstance(others, list) else ())]:
        text = _bytes(other)
        value = read_number(other.get("logprob")) if isinstance(other, dict) else NoScore("")
        if text is not None and not isinstance(value, NoScore):
            found[text] = value
    return [*found.items()]


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "replace")


def _bytes(token: Any) -> bytes | None:
    """Return a token's text; its ``bytes``, where given, are exact also for parts of a character."""
    if not isinstance(token, dict):
        return None
    given, text = token.get("bytes"), token.get("token")
    if isinstance(given, list) and all(type(byte) is int and 0 <= byte < 256 for byte in given):
        return bytes(given)
    return text.encode("utf-8", "replace") if isinstance(text, str) else None

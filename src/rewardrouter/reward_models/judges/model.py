"""A pairwise reward model behind an OpenAI-compatible server: an LLM that names the better response.

Judges favour places, so which response stands first must not follow from the pair: with ``order: random`` it is drawn
by a hash of seed, prompt and responses, and the pair with its responses exchanged is the same question. With ``order:
both`` each pair is asked twice, and is a tie where the answers differ; probabilities, where they come, are averaged.
"""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal
from urllib.parse import urlsplit

from rewardrouter.config.servers import JudgeConfig
from rewardrouter.errors import ConfigError
from rewardrouter.http.background import run
from rewardrouter.http.endpoint import Endpoint, RequestError
from rewardrouter.pairs import PreferencePair, Text, as_messages, digest
from rewardrouter.pretrained.conversation import answer_text, clean, continued, plain
from rewardrouter.reward_models.judges.opinion import SAME, Opinion, read_opinion, read_output
from rewardrouter.reward_models.judges.prompt import JudgePrompt
from rewardrouter.reward_models.judges.templates import find_template
from rewardrouter.verdicts import Unanswered, Verdict, Winner

_TOP_LOGPROBS = 20
"""The most that OpenAI, and vLLM as it is started by default, give."""

_FLIPPED: dict[Winner, Winner] = {"A": "B", "B": "A", "tie": "tie"}


@dataclasses.dataclass(frozen=True, slots=True)
class _Question:
    """A prompt and two responses, in the order in which they are shown."""

    prompt: Text
    first: Text
    second: Text

    def turned(self) -> _Question:
        return _Question(self.prompt, self.second, self.first)


@dataclasses.dataclass(frozen=True, slots=True)
class _Answer:
    opinion: Opinion
    seconds: float
    answered: bool = True
    repeats: bool = False
    """Whether the same question would fail again."""

    def turned(self) -> _Answer:
        """Return the answer as it would be to the question with its responses exchanged."""
        opinion = self.opinion
        if opinion.winner is None:
            return self
        logprobs = None if opinion.logprobs is None else (opinion.logprobs[1], opinion.logprobs[0])
        return _Answer(Opinion(_FLIPPED[opinion.winner], None, logprobs), self.seconds, self.answered)


class JudgeRewardModel:
    """An LLM as a judge.

    Raises
    ------
    ConfigError
        If there is no such template, or the key's variable is not set.
    """

    apart: Literal[True] = True

    def __init__(self, config: JudgeConfig) -> None:
        self.config = config
        try:
            found = config.template
            self._template = find_template(found) if isinstance(found, str) else found
        except ConfigError as error:
            raise ConfigError(f"reward model {config.name}: {error}") from None
        self._prompt = JudgePrompt(self._template)
        path = "/chat/completions" if urlsplit(config.url).path else "/v1/chat/completions"
        self._endpoint = Endpoint(config, path)

    @property
    def name(self) -> str:
        """The name in the pool."""
        return self.config.name

    @property
    def identity(self) -> Mapping[str, Any]:
        """What decides its verdicts, as far as this side knows; ``source`` says where it is asked."""
        config = self.config
        template = json.dumps(self._template.model_dump(), sort_keys=True)
        return {
            "kind": config.kind,
            "source": self._endpoint.url,
            "path": self._endpoint.path,
            "model": config.model,
            "template": f"sha256:{hashlib.sha256(template.encode()).hexdigest()}",
            "order": config.order,
            "seed": config.seed if config.order == "random" else None,
            "temperature": config.temperature,
            "max_tokens": config.max_tokens or self._template.max_tokens,
            "logprobs": config.logprobs,
            "extra": config.extra,
        }

    def judge(self, pairs: Sequence[PreferencePair]) -> list[Verdict]:
        """Return one verdict per pair; ``seconds`` is how long its request, or the slower of two, took.

        Equal responses tie without being asked about.
        """
        asked = [
            None if p.response_a == p.response_b else _Question(p.prompt, p.response_a, p.response_b)
            for p in pairs
        ]
        shown = list(dict.fromkeys(q for question in asked if question for q in self._shown(question)))
        answers = dict(zip(shown, run(self._ask_all(shown)), strict=True)) if shown else {}
        return [
            Verdict(self.name, "tie") if question is None else self._verdict(question, answers)
            for question in asked
        ]

    def _shown(self, question: _Question) -> list[_Question]:
        """Return the question in the order, or the orders, in which it is asked."""
        if self.config.order == "both":
            return [question, question.turned()]
        texts = digest(question.prompt, *sorted((question.first, question.second), key=digest))
        drawn = hashlib.sha256(f"{self.config.seed} {texts}".encode()).digest()[0] % 2 == 0
        ordered = digest(question.first) < digest(question.second)
        return [question if ordered == drawn else question.turned()]

    async def _ask_all(self, questions: Sequence[_Question]) -> list[_Answer]:
        return await asyncio.gather(*map(self._ask, questions))

    async def _ask(self, question: _Question) -> _Answer:
        try:
            answer = await self._endpoint.ask(self._request(question), read_output)
        except RequestError as error:
            repeats = error.repeats and self.config.temperature == 0
            return _Answer(Opinion(None, str(error)), error.seconds, error.answered, repeats)
        opinion = read_opinion(self._template, answer.value)
        if opinion.winner is None:
            opinion = Opinion(None, f"{self._endpoint.url}: {opinion.reason}")
        return _Answer(opinion, answer.seconds, repeats=self.config.temperature == 0)

    def _request(self, question: _Question) -> dict[str, Any]:
        config = self.config
        asked = as_messages(question.prompt, "user")
        prompts, answers = zip(
            *(continued(asked, as_messages(t, "assistant")) for t in (question.first, question.second)),
            strict=True,
        )
        shown = prompts[0] if prompts[0] == prompts[1] else asked
        texts = (answer_text(clean(answer)) for answer in answers)
        body = {
            "model": config.model,
            "messages": self._prompt.messages(plain(clean(shown)), *texts),
            "temperature": config.temperature,
            "max_tokens": config.max_tokens or self._template.max_tokens,
            **({"logprobs": True, "top_logprobs": _TOP_LOGPROBS} if config.logprobs else {}),
            **config.extra,
        }
        return {field: value for field, value in body.items() if value is not None}

    def _verdict(self, question: _Question, answers: Mapping[_Question, _Answer]) -> Verdict:
        found = [
            answers[shown] if shown == question else answers[shown].turned()
            for shown in self._shown(question)
        ]
        seconds = max(answer.seconds for answer in found)
        opinions = [answer.opinion for answer in found]
        for opinion, one in zip(opinions, found, strict=True):
            if opinion.winner is None:
                failed = Verdict.failed if any(answer.answered for answer in found) else Unanswered.failed
                return failed(self.name, opinion.reason or "no verdict", seconds, repeats=one.repeats)
        winners = {opinion.winner for opinion in opinions}
        named: Winner | None = opinions[0].winner if len(winners) == 1 else "tie"
        known = [opinion.logprobs for opinion in opinions if opinion.logprobs is not None]
        if len(known) < len(opinions):
            return Verdict(self.name, named, seconds=seconds)
        a, b = (_log_mean([logprobs[side] for logprobs in known]) for side in (0, 1))
        if abs(a - b) < SAME:
            a = b
        verdict = Verdict.from_scores(self.name, a, b, seconds)
        if len(winners) == 1 and verdict.winner != named:  # sampled against the odds
            return Verdict(self.name, named, seconds=seconds)
        return verdict


def _log_mean(values: Sequence[float]) -> float:
    """Return the logarithm of the mean of probabilities, of their logarithms."""
    most = max(values)
    return most + math.log(sum(math.exp(value - most) for value in values) / len(values))

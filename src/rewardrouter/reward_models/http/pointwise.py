"""A pointwise reward model behind a server: it scores each response, and the one with the higher score wins.

Each distinct prompt with a response is scored once, in batches that are asked at the same time. A batch that the
server refuses for what is in it (a text too long for the model) is asked again in halves, down to the text to blame.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeAlias

from rewardrouter.config.servers import OpenRlhfConfig, SglangConfig, VllmConfig
from rewardrouter.errors import ConfigError
from rewardrouter.http.background import run
from rewardrouter.http.endpoint import Endpoint, RequestError
from rewardrouter.pairs import PreferencePair, Text
from rewardrouter.reward_models.formats import Unreadable
from rewardrouter.reward_models.http.protocols import PROTOCOLS, NoScore
from rewardrouter.reward_models.http.texts import (
    Messages,
    PromptAndAnswer,
    Texts,
    Tokenized,
    choose_texts,
    plain_prompt,
)
from rewardrouter.reward_models.known import known_model, taken_over
from rewardrouter.verdicts import Unanswered, Verdict

ServerSettings: TypeAlias = VllmConfig | SglangConfig | OpenRlhfConfig


@dataclasses.dataclass(frozen=True, slots=True)
class _Item:
    """What is scored once: a prompt with a response, and the gold answer where the server is told it."""

    prompt: Text
    response: Text
    label: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class _Score:
    """An item's score, or why there is none; ``seconds`` is how long its request took, ``answered`` whether it was."""

    value: float | None
    error: str | None = None
    seconds: float = 0.0
    answered: bool = True
    repeats: bool = False


class ServerRewardModel:
    """A reward model that vLLM, SGLang, or a server of OpenRLHF's form answers for.

    Parameters
    ----------
    config
        Which server, and how it is asked.
    relative_to
        Where ``config.tokenizer`` is looked for, if it is the relative path of a folder.

    Raises
    ------
    CheckpointError
        If the tokenizer cannot be had.
    ConfigError
        If the key's variable is not set, the tokenizer reads pairs, or there is none for a model with a text form.
    """

    apart: Literal[True] = True

    def __init__(self, config: ServerSettings, *, relative_to: Path = Path()) -> None:
        self.config = config = _completed(config)
        if isinstance(config, OpenRlhfConfig) and config.labels is not None:
            # Found only where it is true: what reads more than texts is not cached.
            self.reads_metadata: Literal[True] = True
        self._kind = f"vllm/{config.endpoint}" if isinstance(config, VllmConfig) else config.kind
        self._protocol = PROTOCOLS[self._kind]
        self._endpoint = Endpoint(config, self._protocol.path)
        if self._kind == "vllm/score":
            self._texts: Texts = PromptAndAnswer(config.system)
        else:
            self._texts = choose_texts(config, relative_to, templates=config.kind == "vllm")
        self._limit_known = not isinstance(self._texts, Tokenized) or isinstance(config, OpenRlhfConfig)
        self._batch = 1 if isinstance(self._texts, Messages) else config.batch_size

    @property
    def name(self) -> str:
        """The name in the pool."""
        return self.config.name

    @property
    def identity(self) -> Mapping[str, Any]:
        """What decides its scores, as far as this side knows; ``source`` says where it is asked."""
        config = self.config
        told = {"labels": config.labels} if isinstance(config, OpenRlhfConfig) else {}
        # Two servers of models without a name must not pass for one.
        unnamed = {"address": config.url} if config.model is None else {}
        return {
            "kind": config.kind,
            "source": self._endpoint.url,
            "path": self._endpoint.path,
            "model": config.model,
            **self._texts.identity,
            **told,
            **unnamed,
        }

    def judge(self, pairs: Sequence[PreferencePair]) -> list[Verdict]:
        """Return one verdict per pair; ``seconds`` is how long the slower of its two responses took."""
        asked = [(self._item(pair, pair.response_a), self._item(pair, pair.response_b)) for pair in pairs]
        items = list(dict.fromkeys(item for both in asked for item in both))
        if not items:
            return []
        self._ask_limit()
        written = self._write(items)
        scores = {
            item: _Score(None, text.reason, answered=False, repeats=True)
            for item, text in written
            if isinstance(text, Unreadable)
        }
        readable = [(item, text) for item, text in written if not isinstance(text, Unreadable)]
        scores.update(run(self._score(readable)))
        return [self._verdict(scores[a], scores[b]) for a, b in asked]

    def notes(self) -> list[str]:
        """Return what a reader should know of the texts sent so far, a line each."""
        return self._texts.notes() if isinstance(self._texts, Tokenized) else []

    def _ask_limit(self) -> None:
        """Ask the server, once, how many tokens it reads (``max_model_len``): it may be started with fewer."""
        if self._limit_known or not isinstance(self._texts, Tokenized):
            return
        settings = self.config.model_copy(update={"tries": 1, "timeout": min(10.0, self.config.timeout)})
        try:
            answer = run(
                Endpoint(settings, "/v1/models").ask(None, partial(_served_limit, self.config.model))
            )
        except RequestError as error:
            self._limit_known = error.served  # it has no such list; another time it may be there
            return
        self._texts.serve(answer.value)
        self._limit_known = True

    def _item(self, pair: PreferencePair, response: Text) -> _Item:
        column = self.config.labels if isinstance(self.config, OpenRlhfConfig) else None
        label = pair.metadata.get(column) if column is not None else None
        return _Item(pair.prompt, response, "" if label is None else str(label))

    def _write(self, items: Sequence[_Item]) -> list[tuple[_Item, Any]]:
        texts = self._texts.write([(item.prompt, item.response) for item in items])
        if not isinstance(self.config, OpenRlhfConfig):
            return list(zip(items, texts, strict=True))
        return [
            (item, text if isinstance(text, Unreadable) else (text, self._question(item), item.label))
            for item, text in zip(items, texts, strict=True)
        ]

    def _question(self, item: _Item) -> str:
        if isinstance(self._texts, Tokenized):
            return self._texts.prompt(item.prompt)
        return plain_prompt(item.prompt, self.config.system)

    async def _score(self, texts: Sequence[tuple[_Item, Any]]) -> dict[_Item, _Score]:
        batches = [texts[start : start + self._batch] for start in range(0, len(texts), self._batch)]
        found = await asyncio.gather(*(self._ask(batch) for batch in batches))
        return {item: score for scores in found for item, score in scores.items()}

    async def _ask(self, batch: Sequence[tuple[_Item, Any]]) -> dict[_Item, _Score]:
        body = self._protocol.body(self.config.model, [text for _, text in batch])
        try:
            answer = await self._endpoint.ask(body, lambda found: self._protocol.read(found, len(batch)))
        except RequestError as error:
            if error.content and len(batch) > 1:
                half = len(batch) // 2
                halves = await asyncio.gather(self._ask(batch[:half]), self._ask(batch[half:]))
                return {**halves[0], **halves[1]}
            return {
                item: _Score(None, str(error), error.seconds, error.answered, error.content)
                for item, _ in batch
            }
        return {
            item: _Score(None, f"{self._endpoint.url}: {value.reason}", answer.seconds)
            if isinstance(value, NoScore)
            else _Score(value, None, answer.seconds)
            for (item, _), value in zip(batch, answer.value, strict=True)
        }

    def _verdict(self, a: _Score, b: _Score) -> Verdict:
        seconds = max(a.seconds, b.seconds)
        failed = Verdict.failed if a.answered or b.answered else Unanswered.failed
        if a.error is not None and a.error == b.error:
            return failed(self.name, a.error, seconds, repeats=a.repeats)
        for side, score in (("A", a), ("B", b)):
            if score.error is not None:
                return failed(self.name, f"response {side}: {score.error}", seconds, repeats=score.repeats)
        return Verdict.from_scores(self.name, a.value, b.value, seconds)


def _served_limit(model: str | None, found: Any) -> int | None:
    """Return ``max_model_len`` of a model in a server's list of models, of the only one where it is not named so."""
    rows = found.get("data") if isinstance(found, dict) else None
    cards = [card for card in rows if isinstance(card, dict)] if isinstance(rows, list) else []
    named = [card for card in cards if card.get("id") == model] or (cards if len(cards) == 1 else [])
    limit = named[0].get("max_model_len") if named else None
    return limit if type(limit) is int and limit > 0 else None


def _completed(config: ServerSettings) -> ServerSettings:
    """Return the settings with the text form that is known of the model, where they say nothing of it.

    Raises
    ------
    ConfigError
        If it takes a tokenizer to write that form.
    """
    source = config.model or config.tokenizer
    known = known_model(source) if source is not None else None
    if known is None:
        return config
    if config.tokenizer is not None:
        return taken_over(config, known)
    if known.form is not None and not config.model_fields_set & {"template", "form"}:
        raise ConfigError(
            f"reward model {config.name}: {source} reads texts in a form of its own; give tokenizer, usually its hub id"
        )
    return config

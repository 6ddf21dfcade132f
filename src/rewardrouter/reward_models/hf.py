"""A pointwise reward model that runs in this process: a sequence classifier of Hugging Face.

It reads a prompt with one response (``formats``; for public models as is ``known`` of them) and gives a number
(``scoring``); of a pair's two responses, the one with the higher number wins. Weights are loaded when the first pair is
judged, and given back by ``unload``.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from rewardrouter.config.pool import HfConfig
from rewardrouter.pairs import PreferencePair, Text
from rewardrouter.pretrained.loading import resolve_device
from rewardrouter.reward_models.formats import TextCounts, TextFormat, TokenText, Unreadable, text_limit
from rewardrouter.reward_models.hf_checkpoint import inspect_checkpoint, resolve_dtype
from rewardrouter.reward_models.known import completed, usual_dtype
from rewardrouter.reward_models.scoring import Score, TextScorer
from rewardrouter.verdicts import Verdict


class HfRewardModel:
    """A sequence classifier with one label.

    Parameters
    ----------
    config
        Which checkpoint, and how it reads.
    relative_to
        Where ``config.source`` is looked for, if it is the relative path of a folder.

    Attributes
    ----------
    config
        The settings, those not given as they are known of the model.
    max_tokens
        Tokens of a text: the settings' limit, or the checkpoint's if that is less.

    Raises
    ------
    CheckpointError
        If the checkpoint cannot be found, is broken, gives another number of scores than one, or this machine
        lacks the device.
    ConfigError
        If nothing is known of what the model is said to be like.

    Examples
    --------
    >>> rm = HfRewardModel(HfConfig(name="rm", source="Skywork/Skywork-Reward-V2-Qwen3-0.6B"))  # doctest: +SKIP
    >>> rm.judge(pairs)  # doctest: +SKIP
    """

    def __init__(self, config: HfConfig, *, relative_to: Path = Path()) -> None:
        self.config = config = completed(config)
        self._device = resolve_device(config.device)
        self._checkpoint = inspect_checkpoint(config, relative_to)
        self.max_tokens = text_limit(config.max_tokens, self._checkpoint.max_length)
        self._dtype = resolve_dtype(config.dtype, self._device, usual=usual_dtype(config))
        self._format = TextFormat(
            self._checkpoint.tokenizer, config.template, config.system, self.max_tokens, config.form
        )
        self._scorer: TextScorer | None = None
        self._turn = threading.RLock()  # neither tokenizer nor model is made for several threads
        self._counts = TextCounts()

    @property
    def name(self) -> str:
        """The name in the pool."""
        return self.config.name

    @property
    def identity(self) -> Mapping[str, Any]:
        """What decides its scores, up to rounding; ``source`` says where it was found."""
        return {
            "kind": "hf",
            "source": self.config.source,
            "revision": self.config.revision,
            "checkpoint": self._checkpoint.located.identity,
            "form": self._format.name,
            "system": self.config.system,
            "dtype": self._dtype,
            "max_tokens": self.max_tokens,
        }

    @property
    def loaded(self) -> bool:
        """Whether its weights are in memory."""
        return self._scorer is not None

    def judge(self, pairs: Sequence[PreferencePair]) -> list[Verdict]:
        """Return one verdict per pair; each distinct prompt with a response is scored once.

        ``seconds`` is an equal share of the call's time, loading left out.

        Raises
        ------
        CheckpointError
            If the weights cannot be loaded.
        """
        if not pairs:
            return []
        texts = dict.fromkeys((p.prompt, answer) for p in pairs for answer in (p.response_a, p.response_b))
        with self._turn:
            scorer = self._loaded()
            start = time.perf_counter()
            scores = dict(zip(texts, self._scores(scorer, list(texts)), strict=True))
            share = (time.perf_counter() - start) / len(pairs)
        return [
            self._verdict(scores[pair.prompt, pair.response_a], scores[pair.prompt, pair.response_b], share)
            for pair in pairs
        ]

    def notes(self) -> list[str]:
        """Return what a reader should know of the texts scored so far, a line each."""
        return self._counts.lines(self.name, self.max_tokens)

    def load(self) -> None:
        """Load the weights now.

        Raises
        ------
        CheckpointError
            If they cannot be loaded.
        """
        self._loaded()

    def unload(self) -> None:
        """Give the memory of the weights back; the next call loads them again."""
        self._scorer = None
        if self._device.type == "cuda":
            torch.cuda.empty_cache()

    def _loaded(self) -> TextScorer:
        with self._turn:
            if self._scorer is None:
                model = self._checkpoint.load(self._device, self._dtype)
                self._scorer = TextScorer(model, self._checkpoint.tokenizer, self.config.batch_tokens)
            return self._scorer

    def _scores(self, scorer: TextScorer, texts: Sequence[tuple[Text, Text]]) -> list[Score]:
        found = self._format.tokens(texts)
        readable = [text for text in found if isinstance(text, TokenText)]
        self._counts.add(found)
        scored = iter(scorer.score(readable))
        return [Score(None, text.reason) if isinstance(text, Unreadable) else next(scored) for text in found]

    def _verdict(self, a: Score, b: Score, seconds: float) -> Verdict:
        for side, score in (("A", a), ("B", b)):
            if score.error is not None:
                return Verdict.failed(self.name, f"response {side}: {score.error}", seconds)
        return Verdict.from_scores(self.name, a.value, b.value, seconds)

"""Reward models that are functions of the text, and a routed reward on them."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scripted_scorer import ScriptedScorer

from rewardrouter.integrations import NoFeedback, RoutedReward
from rewardrouter.pairs import PreferencePair, Text, as_messages
from rewardrouter.pretrained.conversation import answer_text
from rewardrouter.reward_models.pool import RewardModelPool
from rewardrouter.verdicts import Verdict, Winner

Score = Callable[[str], float | None]


def hashed(salt: str, scale: float = 1.0, shift: float = 0.0) -> Score:
    """Return a score that looks random and is the same for the same text."""
    return lambda text: shift + scale * (zlib.crc32(f"{salt}/{text}".encode()) / 2**31 - 1)


class TextScorer:
    """A pointwise RM; a text whose score is ``None`` makes its pair fail. ``calls`` holds the texts of each call."""

    def __init__(self, name: str, score: Score) -> None:
        self.name, self._score = name, score
        self.calls: list[list[tuple[str, str]]] = []

    def judge(self, pairs: Sequence[PreferencePair]) -> list[Verdict]:
        self.calls.append([(_plain(p.response_a), _plain(p.response_b)) for p in pairs])
        return [Verdict.from_scores(self.name, self._score(a), self._score(b)) for a, b in self.calls[-1]]


def _plain(text: Text) -> str:
    return answer_text(as_messages(text, "assistant"))


class TextJudge(TextScorer):
    """A pairwise RM: it names the winner by the scores, but does not tell them."""

    def judge(self, pairs: Sequence[PreferencePair]) -> list[Verdict]:
        found: list[Verdict] = []
        for verdict in super().judge(pairs):
            winner: Winner | None = verdict.winner
            found.append(Verdict(self.name, winner, error=verdict.error))
        return found


def pool_of(*models: TextScorer) -> RewardModelPool:
    return RewardModelPool(models)


def three_scorers() -> tuple[TextScorer, ...]:
    """Three RMs that disagree, in units of their own."""
    return (
        TextScorer("rm0", hashed("0")),
        TextScorer("rm1", hashed("1", 50.0, 7.0)),
        TextScorer("rm2", hashed("2", 0.01)),
    )


class SameForAll(ScriptedScorer):
    """A router to which all pairs look alike, and all arms at first."""

    def __init__(self, arms: Sequence[str]) -> None:
        super().__init__(arms, dimension=1)
        self.prior_mean = np.zeros((len(arms), 1))

    def contexts(self, pairs: Sequence[PreferencePair]) -> npt.NDArray[np.float64]:
        return np.ones((len(pairs), 1))


def routed(*models: TextScorer, **options: Any) -> RoutedReward:
    """Return a routed reward on scripted contexts."""
    models = models or three_scorers()
    router = options.pop("router", None) or ScriptedScorer([model.name for model in models])
    return RoutedReward(pool_of(*models), router, **{"feedback": NoFeedback(), **options})

"""Scores of single completions, each prompt's by one RM.

The arm of the highest mean answers: a score alone says nothing of whether the RM was right, so that nothing is learnt
here, and where nothing is learnt there is nothing to try out. What ``/v1/feedback`` teaches the bandit counts here
too. Within a call, a failed RM gives way to the next for all completions of its prompt; a prompt that has an RM
already keeps it, and where that one fails now, the one that answers in its place is the prompt's from then on.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from rewardrouter.annotators.contexts import PairScorer
from rewardrouter.integrations.groups import Group
from rewardrouter.integrations.judging import GroupJudge
from rewardrouter.online.arrays import Floats, Indices, Mask
from rewardrouter.online.policy import BanditPolicy
from rewardrouter.pairs import Text, digest
from rewardrouter.serve.errors import UnanswerableError
from rewardrouter.serve.prompts import RememberedPrompts
from rewardrouter.serve.tape import TapedPool


@dataclasses.dataclass(frozen=True, slots=True)
class Asked:
    """Distinct completions of one prompt; ``row`` are columns of its data, for verifiers."""

    prompt: Text
    responses: tuple[str, ...]
    row: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def key(self) -> str:
        """A digest of the prompt."""
        return digest(self.prompt)


@dataclasses.dataclass(frozen=True, slots=True)
class Answered:
    """What came of the completions of one prompt that had no score.

    ``rm`` and raw ``scores`` by the completions' digests, or the ``reason`` why no RM answered; ``texts`` are those
    that later ones can be compared with.
    """

    prompt: str
    rm: str | None
    scores: Mapping[str, float]
    texts: Sequence[str] = ()
    reason: str | None = None


class CompletionJudge:
    """Asks RMs about completions.

    Parameters
    ----------
    pool
        Of the policy's arms.
    policy
        The bandit; its draws are left alone.
    router, pairs_per_prompt, seed
        As in :class:`rewardrouter.integrations.judging.GroupJudge`.
    """

    def __init__(
        self, pool: TapedPool, policy: BanditPolicy, router: PairScorer, pairs_per_prompt: int, seed: int
    ) -> None:
        self._pool, self._names = pool, policy.names
        preferring: Any = _Preferring(policy)  # a GroupJudge asks for names and best alone
        self._judge = GroupJudge(pool, preferring, router, pairs_per_prompt, seed)

    def judge(self, asked: Sequence[Asked], known: RememberedPrompts, now: float) -> list[Answered]:
        """Return what came of the completions without a score; a prompt that has none such is left out."""
        groups: list[Group] = []
        rows: list[Mapping[str, Any]] = []
        new: list[list[str]] = []
        preferred = np.zeros((len(asked), len(self._names)))
        for one in asked:
            found = known.find(one.key, now)
            missing = [text for text in one.responses if found is None or digest(text) not in found.scores]
            if not missing:
                continue
            # An RM that gives scores needs no company; one that names winners needs somebody to compare with.
            company: list[str] = []
            if found is not None:
                company = [] if found.rm in self._pool.scoring else found.texts
                if found.rm in self._names:
                    preferred[len(groups), self._names.index(found.rm)] = 1.0
            groups.append(Group(one.prompt, (*company, *missing), 0))
            rows.append(one.row)
            new.append(missing)
        judged = self._judge.judge(groups, rows, preferred[: len(groups)])
        answered = []
        for group, texts, came in zip(groups, new, judged, strict=True):
            if came.rm is None:
                answered.append(Answered(digest(group.prompt), None, {}, (), came.reason))
                continue
            raw = dict(zip(group.distinct, came.scores.tolist(), strict=True))
            kept = [] if came.rm in self._pool.scoring else texts
            scores = {digest(text): raw[text] for text in texts}
            answered.append(Answered(digest(group.prompt), came.rm, scores, kept))
        return answered


class _Preferring:
    """A policy that takes ``deviations`` for a wish: the arm of the 1 in a row while it is left, else the best mean."""

    def __init__(self, policy: BanditPolicy) -> None:
        self._policy = policy

    @property
    def names(self) -> list[str]:
        return self._policy.names

    def best(self, contexts: npt.ArrayLike, deviations: Floats, allowed: Mask | None = None) -> Indices:
        wished = deviations if allowed is None else np.where(allowed, deviations, 0.0)
        best = self._policy.best(contexts, np.zeros_like(deviations), allowed)
        arms: Indices = np.where(wished.any(axis=1), wished.argmax(axis=1), best)
        return arms


@dataclasses.dataclass(frozen=True, slots=True)
class Score:
    """A completion's score on the common scale, by which RM; or why there is none."""

    value: float | None
    rm: str | None
    reason: str | None = None


def scores_or_raise(scores: Sequence[Score]) -> list[Score]:
    """Return the scores.

    Raises
    ------
    UnanswerableError
        If one is missing: a missing score must not be taken for one of 0.
    """
    for one in scores:
        if one.value is None:
            raise UnanswerableError(f"no reward model answered: {one.reason}")
    return list(scores)

"""One RM per group: chosen by the bandit, asked about the whole group, replaced as a whole where it fails.

The context of a group is the mean of h over its pairs. The RM chosen sees first as few pairs as show each completion
once. Where it gives scores (a pointwise RM) those are the completions' scores, at one text each. Where it only names
winners (a judge) it is asked about the group's other pairs too, and a completion's score is its win rate, a tie being
half a win. An RM that leaves a completion without a score has failed on the group: the whole group goes to the next
best arm of the same draw, so that scores of two RMs never stand beside each other. Equal scores are an answer.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from rewardrouter.annotators.calling import why_no_label
from rewardrouter.annotators.contexts import PairScorer
from rewardrouter.integrations.groups import Group, Opponents, covering, pairs_of
from rewardrouter.online.arrays import Floats
from rewardrouter.online.policy import BanditPolicy
from rewardrouter.pairs import PreferencePair
from rewardrouter.reward_models.pool import RewardModelPool
from rewardrouter.verdicts import Verdict


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class JudgedGroup:
    """What came of one group.

    ``context`` is ``float64 [d]``; ``scores``, ``float64 [n]``, those of its distinct completions in the unit of
    ``rm``. Where no RM answered, ``rm`` is ``None``, there are no scores, and ``reason`` says why.
    """

    context: Floats
    rm: str | None
    scores: Floats
    reason: str | None = None


@dataclasses.dataclass(slots=True, eq=False)
class _Open:
    """A group in work: its pairs, and what the RMs asked so far made of it."""

    count: int
    places: list[Opponents]
    pairs: list[PreferencePair]
    context: Floats
    rm: str | None = None
    scores: Floats = dataclasses.field(default_factory=lambda: np.empty(0))
    failures: list[Verdict] = dataclasses.field(default_factory=list)

    @property
    def first(self) -> int:
        """Pairs that show every completion."""
        return covering(self.count)


class GroupJudge:
    """Sends groups to RMs.

    ``pool`` holds the arms of ``policy``; ``router`` gives the contexts; ``limit`` is the most pairs of a group,
    ``seed`` that of which ones.
    """

    def __init__(
        self, pool: RewardModelPool, policy: BanditPolicy, router: PairScorer, limit: int, seed: int
    ) -> None:
        self._pool, self._policy, self._router = pool.select(policy.names), policy, router
        self._limit, self._seed = limit, seed

    def judge(
        self, groups: Sequence[Group], rows: Sequence[Mapping[str, Any]], deviations: Floats
    ) -> list[JudgedGroup]:
        """Return what came of K groups, in order.

        Parameters
        ----------
        groups, rows
            The groups, and the columns of the data set that their prompts came with.
        deviations
            ``[K, N]``: the bandit's draw for each (:meth:`BanditPolicy.deviations`).
        """
        if not groups:
            return []
        work = self._opened(groups, rows)
        contexts = np.stack([one.context for one in work])
        names = self._policy.names
        left = np.ones((len(work), len(names)), np.bool_)
        while len(waiting := np.flatnonzero(left.any(axis=1))):
            arms = self._policy.best(contexts[waiting], deviations[waiting], left[waiting])
            left[waiting, arms] = False
            asked: dict[str, list[_Open]] = {}
            for row, arm in zip(waiting.tolist(), arms.tolist(), strict=True):
                asked.setdefault(names[arm], []).append(work[row])
            self._ask(asked)
            left[[one.rm is not None for one in work]] = False
        return [
            JudgedGroup(one.context, one.rm, one.scores, None if one.rm else why_no_label(one.failures))
            for one in work
        ]

    def _opened(self, groups: Sequence[Group], rows: Sequence[Mapping[str, Any]]) -> list[_Open]:
        drawn = [
            pairs_of(group, self._limit, self._seed, row) for group, row in zip(groups, rows, strict=True)
        ]
        contexts = self._router.contexts([pair for _, pairs in drawn for pair in pairs])
        ends = np.cumsum([len(pairs) for _, pairs in drawn])
        return [
            _Open(len(group.distinct), places, pairs, own.mean(axis=0))
            for group, (places, pairs), own in zip(groups, drawn, np.split(contexts, ends[:-1]), strict=True)
        ]

    def _ask(self, asked: Mapping[str, Sequence[_Open]]) -> None:
        """Ask each RM about its groups, all RMs at the same time."""
        first = self._verdicts(
            {rm: [one.pairs[: one.first] for one in groups] for rm, groups in asked.items()}
        )
        further = {
            rm: [
                one.pairs[one.first :] if _answered(given) else []
                for one, given in zip(groups, first[rm], strict=True)
            ]
            for rm, groups in asked.items()
            if not any(_has_scores(verdict) for given in first[rm] for verdict in given)
        }
        rest = self._verdicts(further)
        for rm, groups in asked.items():
            more = rest.get(rm, [[] for _ in groups])
            for one, given, others in zip(groups, first[rm], more, strict=True):
                _settle(one, rm, [*given, *others])

    def _verdicts(
        self, asked: Mapping[str, Sequence[Sequence[PreferencePair]]]
    ) -> dict[str, list[list[Verdict]]]:
        """Ask each RM about all its groups' pairs in one call; return the verdicts group by group."""
        flat = {rm: [pair for pairs in groups for pair in pairs] for rm, groups in asked.items()}
        found = self._pool.judge_each({rm: pairs for rm, pairs in flat.items() if pairs})
        return {
            rm: [[next(verdicts) for _ in pairs] for pairs in groups]
            for rm, groups in asked.items()
            for verdicts in [iter(found.get(rm, []))]
        }


def completion_scores(count: int, places: Sequence[Opponents], verdicts: Sequence[Verdict]) -> Floats:
    """Return the score of each of ``count`` completions, ``float64 [count]``; NaN for one without.

    Scores where the RM gives any, else win rates over the pairs that it answered.
    """
    if any(_has_scores(verdict) for verdict in verdicts):
        scores = np.full(count, np.nan)
        for place, verdict in zip(places, verdicts, strict=True):
            if verdict.winner is not None and verdict.score_a is not None and verdict.score_b is not None:
                scores[place.a], scores[place.b] = verdict.score_a, verdict.score_b
        return scores
    wins, met = np.zeros(count), np.zeros(count)
    for place, verdict in zip(places, verdicts, strict=True):
        if verdict.winner is not None:
            share_of_a = {"A": 1.0, "tie": 0.5, "B": 0.0}[verdict.winner]
            np.add.at(wins, [place.a, place.b], (share_of_a, 1.0 - share_of_a))
            np.add.at(met, [place.a, place.b], 1.0)
    rates: Floats = np.divide(wins, met, out=np.full(count, np.nan), where=met > 0)
    return rates


def _settle(one: _Open, rm: str, verdicts: Sequence[Verdict]) -> None:
    """Give a group its scores, or note why the RM gave none."""
    scores = completion_scores(one.count, one.places[: len(verdicts)], verdicts)
    if np.isfinite(scores).all():
        one.rm, one.scores = rm, scores
        return
    without = Verdict.failed(rm, "a completion was left without a score")
    one.failures.append(next((verdict for verdict in verdicts if verdict.winner is None), without))


def _has_scores(verdict: Verdict) -> bool:
    return verdict.winner is not None and verdict.score_a is not None


def _answered(verdicts: Sequence[Verdict]) -> bool:
    return any(verdict.winner is not None for verdict in verdicts)

"""What a run will ask its judge, and at what price, before it asks.

Requests are counted exactly, but for those that ask a judge to go on; those that have a reply already cost nothing.
Tokens are estimated: four characters each, and a reply as ``judge.expected_tokens``, or as the most that the request
allows. Once some replies are there, of a trial or of a run that was killed, they say better how a judge counts and how
much it writes. Its own counts stand in the results afterwards.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

from rewardrouter.benchmarks.answers import Answer, Answers
from rewardrouter.benchmarks.calls import CachedCalls, Call, Reply
from rewardrouter.benchmarks.questions import Question
from rewardrouter.benchmarks.task import Task
from rewardrouter.config.benchmark import JudgeServer

_CHARACTERS = 4
"""Of a token, in English."""

_ENOUGH = 20
"""Replies from which it is told how long those to come will be."""


@dataclasses.dataclass(frozen=True, slots=True)
class TaskPlan:
    """What one benchmark asks; tokens are those of the requests that have no reply yet.

    ``kept`` of the ``calls`` are not made: their replies are there already, or they ask what another one asks.
    ``output_tokens`` are expected. ``most_input_tokens`` and ``most_output_tokens`` are of replies that are all as long
    as they may be, and of a judge that must be asked to go on as often as it may be.
    """

    task: str
    server: str | None
    questions: int
    calls: int
    kept: int
    input_tokens: int
    output_tokens: int
    most_input_tokens: int
    most_output_tokens: int


@dataclasses.dataclass(frozen=True, slots=True)
class Plan:
    """What all benchmarks of a run ask."""

    tasks: tuple[TaskPlan, ...]
    judge: JudgeServer | None
    assumed: int
    """Answers that are not there yet, and were taken to be as long as they may be."""

    @property
    def cost(self) -> float | None:
        """About how much the judge will cost; ``None`` without prices."""
        return price(
            self.judge,
            sum(one.input_tokens for one in self._judged),
            sum(one.output_tokens for one in self._judged),
        )

    @property
    def most_cost(self) -> float | None:
        """How much, if every reply is as long as it may be, and every judge that may be asked to go on must be."""
        return price(
            self.judge,
            sum(one.most_input_tokens for one in self._judged),
            sum(one.most_output_tokens for one in self._judged),
        )

    def lines(self) -> list[str]:
        """Return the plan for a reader."""
        width = max(len("benchmark"), *(len(one.task) for one in self.tasks))
        found = [
            f"{'benchmark':<{width}}  questions  asks     requests  there, alike  tokens read  written, about"
            "   at most"
        ]
        found += [
            f"{one.task:<{width}}  {one.questions:>9,}  {one.server or '-':<8} {one.calls:>8,}  {one.kept:>12,}"
            f"  {one.input_tokens:>11,}  {one.output_tokens:>14,}  {one.most_output_tokens:>8,}"
            for one in self.tasks
        ]
        if self.assumed:
            found.append(f"{self.assumed:,} answers are not there yet: taken to be as long as they may be")
        if not self._judged:
            return found
        if self.cost is not None and self.most_cost is not None:
            found.append(f"The judge costs about {self.cost:,.2f}, at most about {self.most_cost:,.2f}")
        else:
            found.append("The judge's prices are not given: judge.input_price, judge.output_price")
        return found

    @property
    def _judged(self) -> list[TaskPlan]:
        return [one for one in self.tasks if one.server == "judge"]


def price(judge: JudgeServer | None, input_tokens: int, output_tokens: int) -> float | None:
    """Return what tokens cost; ``None`` where a price is not given."""
    if judge is None or judge.input_price is None or judge.output_price is None:
        return None
    return (input_tokens * judge.input_price + output_tokens * judge.output_price) / 1e6


def plan_task(
    task: Task, answers: Answers, calls: CachedCalls | None, judge: JudgeServer | None, max_new_tokens: int
) -> tuple[TaskPlan, int]:
    """Return what a benchmark will ask, and how many answers were assumed."""
    assumed = [question for question in task.questions if question.id not in answers]
    stand_ins = {question.id: _stand_in(question, max_new_tokens) for question in assumed}
    asked = task.calls({**answers, **stand_ins}) if task.server else []
    missing = calls.missing(asked) if calls is not None else asked
    habits = _habits(calls.there(asked) if calls is not None else [], judge)
    bodies = [calls.body(call) if calls is not None else call.body for call in missing]
    read = [math.ceil(_characters(body) / habits.characters) for body in bodies]
    most = [_most(body) for body in bodies]
    rounds = [call.rounds for call in missing]
    found = TaskPlan(
        task.name,
        task.server,
        len(task.questions),
        len(asked),
        len(asked) - len(missing),
        sum(read),
        sum(min(habits.reply, limit) if task.server == "judge" else limit for limit in most),
        # In its second round a judge reads its first reply too, in its third both.
        sum(r * n + limit * (n * (n - 1) // 2) for r, limit, n in zip(read, most, rounds, strict=True)),
        sum(limit * n for limit, n in zip(most, rounds, strict=True)),
    )
    return found, len(assumed)


@dataclasses.dataclass(frozen=True, slots=True)
class _Habits:
    """How many characters a token of what a server reads has, and how many tokens a reply of it."""

    characters: float
    reply: int


def _habits(there: Sequence[tuple[Call, Reply]], judge: JudgeServer | None) -> _Habits:
    """Return them as the replies show that there are, where they are enough and the server counts tokens."""
    counted = [(call, reply) for call, reply in there if reply.input_tokens and reply.output_tokens]
    if len(counted) < _ENOUGH:
        return _Habits(_CHARACTERS, judge.expected_tokens if judge is not None else 0)
    read = sum(reply.input_tokens for _, reply in counted)
    written = sum(reply.output_tokens for _, reply in counted)
    characters = sum(_characters(call.body) for call, _ in counted) / read
    return _Habits(characters, math.ceil(written / len(counted)))


def _stand_in(question: Question, max_new_tokens: int) -> Answer:
    return Answer(tuple("?" * (_CHARACTERS * max_new_tokens) for _ in question.turns))


def _characters(body: Any) -> int:
    texts: Sequence[str] = [body.get("prompt", ""), *(one["content"] for one in body.get("messages", ()))]
    return sum(map(len, texts))


def _most(body: Any) -> int:
    return int(body.get("max_tokens") or body.get("max_completion_tokens") or 0)

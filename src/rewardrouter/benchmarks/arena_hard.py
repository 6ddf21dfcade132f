r"""Arena-Hard v0.1: 500 hard prompts, each answer against a baseline's in both orders (arXiv 2406.11939).

The judge answers the prompt itself, then gives one of five verdicts: ``[[A>>B]]``, ``[[A>B]]``, ``[[A=B]]``,
``[[B>A]]``, ``[[B>>A]]``; where it has given none, it is asked to go on. Of several the last counts, however it is
spelled (``[[A<B]]``, ``[[A ≫ B]]``); the published code takes none where they differ. In the first game the baseline is
A. A game counts once, thrice where the verdict is strong, a tie as half of
either.

The score is the win rate that a Bradley-Terry model of the games predicts. With two players its maximum likelihood is
the weighted share of points, so no regression is needed. The interval is a bootstrap over questions, both games of
each together; the published code draws games, as if those of one question were independent.

The native file is ``question.jsonl``: ``question_id`` and ``turns[0].content``, or ``uid`` and ``prompt``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from rewardrouter.benchmarks.answers import Answers, read_answers
from rewardrouter.benchmarks.calls import Call, Reply
from rewardrouter.benchmarks.intervals import Bootstrap
from rewardrouter.benchmarks.judge_prompts import defused, judge_messages
from rewardrouter.benchmarks.questions import Question, Row, check_ids, question_rows, text_of
from rewardrouter.benchmarks.results import BenchmarkScore
from rewardrouter.benchmarks.task import Ask, Server, answer_failures, summary
from rewardrouter.config.benchmark import BenchmarkConfig
from rewardrouter.errors import ConfigError
from rewardrouter.reward_models.judges.reading import VerdictReader
from rewardrouter.thoughts import answer_of

VERDICT = r"\[\[\s*([AB][AB<>=≫≪\s]*)\]\]"
"""What answers may not hold as it is."""

_POINTS = {"A>>B": (3.0, 3.0), "A>B": (1.0, 1.0), "A=B": (0.5, 1.0), "B>A": (0.0, 1.0), "B>>A": (0.0, 3.0)}
"""Of A, and how often the game counts."""

_SIGNS = {
    "&gt;": ">", "&lt;": "<", r"\gg": ">>", r"\ll": "<<",
    "≫": ">>", "≪": "<<", r"\approx": "=", "≈": "=", "~": "=", "==": "=",
}  # fmt: skip
_NAME = r"(?i:(?:assistant|response|answer|model)\s+)?(?P<%s>[ABab])"
_RELATION = rf"{_NAME % 'left'}\s*(?P<sign>{'|'.join(map(re.escape, _SIGNS))}|[<>=]+)\s*{_NAME % 'right'}"


def _relation(word: str) -> str | None:
    """Return the verdict that a relation is; None where it is none of the five."""
    if (found := re.fullmatch(_RELATION, word)) is None:
        return None
    left, sign, right = (
        found["left"].upper(),
        _SIGNS.get(found["sign"], found["sign"]),
        found["right"].upper(),
    )
    if "<" in sign or (sign == "=" and left == "B"):
        left, sign, right = right, sign.replace("<", ">"), left
    verdict = f"{left}{sign}{right}"
    return verdict if verdict in _POINTS else None


_WORDS = re.sub(r"\?P<\w+>", "?:", rf"(?<![A-Za-z0-9<>=]){_RELATION}(?![A-Za-z0-9<>=])")
_RELATIONS = VerdictReader(_WORDS, _relation, options=frozenset(_POINTS))

_GO_ON = "continue your judgment and finish by outputting a final verdict label"

GAMES = ("baseline-first", "policy-first")


class ArenaHard:
    """Arena-Hard v0.1.

    Raises
    ------
    ConfigError, DataError
        If its questions cannot be read.
    """

    name = "arena_hard"
    max_new_tokens = 4096
    server: Server | None = "judge"

    def __init__(self, config: BenchmarkConfig) -> None:
        self._settings = config.arena_hard
        self._bootstrap = Bootstrap(config.seed, config.resamples)
        rows = question_rows(self.name, self._settings.questions, config.limit)
        self.questions: Sequence[Question] = [
            self._question(number, row) for number, row in enumerate(rows, start=1)
        ]
        check_ids(self.name, self.questions)
        self._baseline: Answers = {}

    def load(self) -> None:
        """Read the baseline's answers.

        Raises
        ------
        ConfigError, DataError
            If there are none.
        """
        if self._settings.baseline is None:
            raise ConfigError(
                "arena_hard.baseline: not given; name a file of the answers to compare with, such as"
                " RUN/answers/arena_hard.jsonl of another run"
            )
        self._baseline = read_answers(self._settings.baseline, self.name, self.questions)

    def calls(self, answers: Answers) -> list[Call]:
        """Return two requests per answer, one for each order."""
        found = []
        for question in self.questions:
            if question.id not in answers:
                continue
            shown = [defused(of[question.id].turns[0], VERDICT) for of in (self._baseline, answers)]
            for game in GAMES:
                texts = {"question": question.turns[0], "answer_a": shown[0], "answer_b": shown[1]}
                body = {"messages": judge_messages("arena-hard", texts), "temperature": 0, "max_tokens": 4096}
                found.append(Call(f"{question.id}/{game}", body, self._settings.attempts))
                shown.reverse()
        return found

    def score(self, answers: Answers, ask: Ask) -> dict[str, BenchmarkScore]:
        """Return the win rate."""
        failures = answer_failures(self.questions, answers)
        calls = {call.id: call for call in self.calls(answers)}
        replies = dict(ask(list(calls.values())))
        said = {name: answer_of(reply.text) or "" for name, reply in replies.items()}
        for _ in range(1, self._settings.attempts):
            silent = [name for name, text in said.items() if _silent(replies[name], text)]
            calls |= {name: _further(calls[name], replies[name]) for name in silent}
            replies |= ask([calls[name] for name in silent]) if silent else {}
            said |= {name: f"{said[name]}\n{answer_of(replies[name].text) or ''}" for name in silent}
        values: dict[str, tuple[float, float]] = {}
        for question in self.questions:
            points = [0.0, 0.0]
            for game in GAMES:
                name = f"{question.id}/{game}"
                verdict = replies[name].failure or read_verdict(said[name])
                if verdict not in _POINTS:
                    failures[f"verdicts: {verdict}"] += 1
                    continue
                of_a, weight = _POINTS[verdict]
                points[0] += 100 * (of_a if game == "policy-first" else weight - of_a)
                points[1] += weight
            values[question.id] = (points[0], points[1])
        score = summary("win rate, %", self.questions, values, self._bootstrap, failures=failures)
        return {self.name: score}

    def _question(self, number: int, row: Row) -> Question:
        turns = row.get("turns")
        if isinstance(turns, list) and turns and isinstance(turns[0], Mapping):
            row = {**row, "prompt": turns[0].get("content")}
        given = row.get("question_id", row.get("uid"))
        return Question(
            id=str(number if given is None else given),
            category=str(row.get("category") or "all"),
            turns=(text_of(row, ("prompt",), self.name, number),),
            temperature=0.0,
        )


def read_verdict(text: str) -> str:
    """Return the verdict in what a judge said behind its thoughts, or the name of why there is none."""
    found = _RELATIONS.last(text)
    return found.value if found and found.value else "none given"


def _silent(reply: Reply, text: str) -> bool:
    """Tell whether a judge that can be asked has named no verdict yet."""
    return reply.failure is None and read_verdict(text) == "none given"


def _further(call: Call, reply: Reply) -> Call:
    """Return the request that asks a judge to go on."""
    messages = [
        *call.body["messages"],
        {"role": "assistant", "content": reply.text},
        {"role": "user", "content": _GO_ON},
    ]
    return Call(call.id, {**call.body, "messages": messages})

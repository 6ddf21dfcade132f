"""AlpacaEval 2: 805 instructions, each answer against a reference model's (arXiv 2404.04475).

The judge sees both outputs, as models ``m`` and ``M``, and names the better in one token. Which of them is the
policy's is drawn by a hash of seed and instruction; the preference is the probability of its letter among the two,
from the log-probabilities of the five likeliest tokens (annotator ``weighted_alpaca_eval_gpt4_turbo``). A letter with
white space before it is that letter; alpaca_eval leaves it out, and with ``" m"`` on top would go by the rest alone.
An output that is the reference's to the letter is a draw, of which the judge is not asked. The score is the
length-controlled win rate (:mod:`rewardrouter.benchmarks.length_control`); the plain one stands beside it.

The interval is a bootstrap over instructions, where alpaca_eval gives the standard error of the predictions. Its fits
have no penalty: that draws towards 50, and would make the interval too narrow, in the worst case one point. Where it
draws the score itself out of the interval, the interval is widened to hold it, and the notes say so.

The native file is ``alpaca_eval.json``, or any model's outputs: rows with ``instruction``, ``output`` and ``dataset``.
An instruction is known by its number in the file (or ``index``), which ``df_gamed.csv`` refers to.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rewardrouter.benchmarks.answers import Answer, Answers, read_answers
from rewardrouter.benchmarks.calls import Call, Reply
from rewardrouter.benchmarks.intervals import Bootstrap
from rewardrouter.benchmarks.judge_prompts import NEVER, defused, judge_messages
from rewardrouter.benchmarks.length_control import STRENGTHS, Gamed, LengthController, read_gamed
from rewardrouter.benchmarks.questions import Question, check_ids, question_rows, text_of
from rewardrouter.benchmarks.results import BenchmarkScore
from rewardrouter.benchmarks.task import Ask, Server, answer_failures, summary
from rewardrouter.config.benchmark import BenchmarkConfig, GlmName
from rewardrouter.errors import ConfigError, DataError
from rewardrouter.thoughts import answer_of

_LETTERS = ("m", "M")

_SPACES = " \t\r\n\u2581\u0120\u010a"
"""White space, and how tokenizers write it: a letter with it is that letter, as the judge would begin its answer."""


class AlpacaEval:
    """AlpacaEval 2.

    Raises
    ------
    ConfigError, DataError
        If its questions cannot be read.
    """

    name = "alpaca_eval"
    max_new_tokens = 2048
    server: Server | None = "judge"

    def __init__(self, config: BenchmarkConfig) -> None:
        self._config, self._settings = config, config.alpaca_eval
        self._rows = question_rows(self.name, self._settings.questions, config.limit)
        self.questions: Sequence[Question] = [
            Question(
                id=str(number if row.get("index") is None else row["index"]),
                category=str(row.get("dataset") or "all"),
                turns=(text_of(row, ("instruction",), self.name, number + 1),),
                temperature=0.0,
            )
            for number, row in enumerate(self._rows)
        ]
        check_ids(self.name, self.questions)
        self._baseline: Answers = {}
        self._gamed: Gamed | None = None
        self._glm: GlmName = self._settings.glm or (
            "length_controlled_minimal" if self._settings.gamed is None else "length_controlled_v1"
        )

    def load(self) -> None:
        """Read the reference model's outputs, and what the control of lengths needs.

        Raises
        ------
        ConfigError, DataError
            If they cannot be read, or hold too little.
        """
        if self._settings.baseline is not None:
            self._baseline = read_answers(self._settings.baseline, self.name, self.questions)
        else:
            self._baseline = _beside(self.questions, self._rows)
        if self._settings.gamed is not None:
            self._gamed = read_gamed(Path(self._settings.gamed).expanduser())
        self._check_difficulty()

    def calls(self, answers: Answers) -> list[Call]:
        """Return one request per answer that is not the reference's own."""
        weighted = {"logprobs": True, "top_logprobs": 5} if self._settings.weighted else {}
        found = []
        for question in self.questions:
            if question.id not in answers or self._is_draw(question, answers):
                continue
            shown = [self._baseline[question.id].turns[0], answers[question.id].turns[0]]
            if self._policy_first(question):
                shown.reverse()
            texts = {
                "instruction": question.turns[0],
                "output_1": defused(shown[0], NEVER),
                "output_2": defused(shown[1], NEVER),
            }
            body = {
                "messages": judge_messages("alpaca-eval", texts),
                "max_tokens": 1,
                "temperature": 1,
                **weighted,
            }
            found.append(Call(question.id, body))
        return found

    def score(self, answers: Answers, ask: Ask) -> dict[str, BenchmarkScore]:
        """Return the length-controlled win rate."""
        failures = answer_failures(self.questions, answers)
        preferences: dict[str, float] = {}
        for name, reply in ask(self.calls(answers)).items():
            first = self._preference_of_first(reply)
            if isinstance(first, str):
                failures[f"verdicts: {first}"] += 1
            else:
                preferences[name] = first
        flip = {question.id: not self._policy_first(question) for question in self.questions}
        preferences = {name: 1 - p if flip[name] else p for name, p in preferences.items()}
        draws = [question.id for question in self.questions if self._is_draw(question, answers)]
        preferences |= dict.fromkeys(draws, 0.5)
        plain = summary(
            "win rate, %",
            self.questions,
            {name: (100 * p, 1.0) for name, p in preferences.items()},
            Bootstrap(self._config.seed, self._config.resamples),
            failures=failures,
            notes=[f"outputs that are the reference's own, draws without a judge: {len(draws)}"]
            if draws
            else [],
        )
        if not preferences:
            return {self.name: plain}
        return {self.name: self._controlled(plain, preferences, answers)}

    def _controlled(
        self, plain: BenchmarkScore, preferences: Mapping[str, float], answers: Answers
    ) -> BenchmarkScore:
        """Return the score with its length controlled; categories keep their plain win rates."""
        judged = [question for question in self.questions if question.id in preferences]
        data = LengthController(
            np.array([preferences[question.id] for question in judged]),
            np.array([float(len(self._baseline[question.id].turns[0])) for question in judged]),
            np.array([float(len(answers[question.id].turns[0])) for question in judged]),
            self._numbers(judged),
            self._glm,
            self._gamed,
        )
        names = [*preferences.values()]
        more = {
            "win_rate": float(100 * np.mean(names)),
            "discrete_win_rate": float(100 * np.mean([(p > 0.5) + 0.5 * (p == 0.5) for p in names])),
            "mean_characters": float(np.mean([len(answers[question.id].turns[0]) for question in judged])),
            "mean_characters_baseline": float(
                np.mean([len(self._baseline[question.id].turns[0]) for question in judged])
            ),
        }
        if not data.controls:
            alike = "all outputs differ equally in length: the plain win rate"
            return plain.model_copy(update={"more": more, "notes": [*plain.notes, alike]})
        fitted = data.fit()
        score = 100 * fitted.win_rate
        notes = [*plain.notes, f"categories hold plain win rates; length controlled by {self._glm}"]
        if is_extreme_change(more["win_rate"], score):
            notes.append(
                f"the plain win rate is {more['win_rate']:.2f}: the control of lengths may have failed"
            )
        bootstrap = Bootstrap(self._config.seed, self._config.resamples)
        low, high = bootstrap.of(lambda counts: 100 * data.fit(counts, STRENGTHS[-1]).win_rate, len(judged))
        if not low <= score <= high:
            notes.append(
                f"the penalty of the fit (C={fitted.strength:.2g}) draws the score to {score:.2f}; without it the"
                f" interval is {low:.2f} to {high:.2f}, and was widened to hold the score"
            )
        return plain.model_copy(
            update={
                "metric": "length-controlled win rate, %",
                "score": score,
                "interval": (min(low, score), max(high, score)),
                "more": more,
                "notes": notes,
            }
        )

    def _is_draw(self, question: Question, answers: Answers) -> bool:
        """Whether the policy's output is the reference's, to the letter."""
        return answers[question.id].turns[0] == self._baseline[question.id].turns[0]

    def _preference_of_first(self, reply: Reply) -> float | str:
        """Return the probability that the first output is the better one, or the name of why there is none."""
        if reply.failure is not None:
            return reply.failure
        if not self._settings.weighted:
            said = (answer_of(reply.text) or "").strip(f"{_SPACES}.\"'`*")
            return float(said == _LETTERS[0]) if said in _LETTERS else "neither m nor M"
        if not reply.top:
            return "no log-probabilities (alpaca_eval.weighted=false does without)"
        weights = [
            sum(np.exp(value) for token, value in set(reply.top) if token.strip(_SPACES) == letter)
            for letter in _LETTERS
        ]
        return float(weights[0] / sum(weights)) if sum(weights) > 0 else "neither m nor M"

    def _policy_first(self, question: Question) -> bool:
        drawn = hashlib.sha256(f"{self._config.seed} {question.turns[0]}".encode("utf-8", "replace"))
        return drawn.digest()[0] % 2 == 0

    def _numbers(self, questions: Sequence[Question]) -> np.ndarray[Any, np.dtype[np.int64]]:
        needed = self._glm != "length_controlled_minimal"
        return np.array([int(question.id) if needed else 0 for question in questions], np.int64)

    def _check_difficulty(self) -> None:
        if self._glm == "length_controlled_minimal":
            return
        if self._gamed is None:
            raise ConfigError(
                f"alpaca_eval.glm: {self._glm} needs AlpacaEval's df_gamed.csv: give alpaca_eval.gamed"
            )
        known = {str(number) for number in np.flatnonzero(np.isfinite(self._gamed.difficulty))}
        missing = [question.id for question in self.questions if question.id not in known]
        if missing:
            raise DataError(
                f"alpaca_eval.gamed: holds no difficulty of instruction {missing[0]} and {len(missing) - 1} others;"
                " give AlpacaEval's own questions, or alpaca_eval.glm=length_controlled_minimal"
            )


def is_extreme_change(plain: float, controlled: float) -> bool:
    """Tell whether the control of lengths changes a win rate, in percent, so much that alpaca_eval warns.

    That is by more than 10 points, and by more than a quarter of what there is on that side: of ``plain`` downwards, of
    ``100 - plain`` upwards.
    """
    down, up = max(plain / 4, 10.0), max((100.0 - plain) / 4, 10.0)
    return controlled < plain - down or controlled > plain + up


def _beside(questions: Sequence[Question], rows: Sequence[Mapping[str, Any]]) -> dict[str, Answer]:
    """Return the outputs that stand beside the instructions."""
    for number, row in enumerate(rows, start=1):
        if not isinstance(row.get("output"), str):
            raise ConfigError(
                f"alpaca_eval.baseline: not given, and row {number} of the questions has no output: name a file of"
                " the outputs to compare with"
            )
    return {question.id: Answer((row["output"],)) for question, row in zip(questions, rows, strict=True)}

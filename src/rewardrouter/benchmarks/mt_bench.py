"""MT-Bench: 80 questions of two turns, in eight categories (Zheng et al., arXiv 2306.05685).

*Single grading*: the judge rates each turn from 1 to 10, ``[[rating]]``; the score is the mean. *Pairwise*: it compares
each turn with a baseline's, ``[[A]]``, ``[[B]]`` or ``[[C]]``, in both orders; an answer wins if it wins in both, all
else is a tie, which counts half. The judge sees the whole conversation where it looks at the second turn, and reference
answers in mathematics, reasoning and coding, where there are some, of both turns.

Of several verdicts in one reply the last counts, however it is spelled, as in all that we read of judges (FastChat
takes the first, and A before B). A turn without a verdict, or without one in either order, is left out of the score.

The native files are FastChat's ``question.jsonl`` (``question_id, category, turns``, and in later ones ``reference``,
which FastChat does not use, and which holds empty texts) and ``reference_answer/gpt-4.jsonl``, which it does.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence

from rewardrouter.benchmarks.answers import Answer, Answers, read_answers
from rewardrouter.benchmarks.calls import Call, Reply
from rewardrouter.benchmarks.intervals import Bootstrap
from rewardrouter.benchmarks.judge_prompts import defused, judge_messages, read_last
from rewardrouter.benchmarks.questions import Question, Row, check_ids, question_rows
from rewardrouter.benchmarks.results import BenchmarkScore
from rewardrouter.benchmarks.task import Ask, Server, answer_failures, summary
from rewardrouter.config.benchmark import BenchmarkConfig
from rewardrouter.errors import ConfigError, DataError
from rewardrouter.reward_models.judges.reading import VerdictReader, pair_reader
from rewardrouter.reward_models.judges.templates import find_template

TEMPERATURES = {
    **dict.fromkeys(("writing", "roleplay"), 0.7),
    **dict.fromkeys(("extraction", "math", "coding", "reasoning"), 0.0),
    **dict.fromkeys(("stem", "humanities"), 0.1),
}
"""At which answers are written, by category; 0.7 for any other."""

_WITH_REFERENCE = ("math", "reasoning", "coding")

_TURNS = (1, 2)
_ORDERS = ("policy-first", "baseline-first")

_VERDICT = r"\[\[\s*(-?\d+\.?\d*|[ABC])\s*\]\]"
"""What answers may not hold as it is."""

_GRADE = r"(?<![\w.,/-])-?\d+(?:\.\d+)?(?:\s*(?:/|(?i:out\s+of))\s*\d+)?(?!\d|\.\d)"


def _grade(word: str) -> float | None:
    """Return a grade; None of one on another scale than to 10."""
    grade, *scale = re.split(r"/|out\s+of", word, flags=re.IGNORECASE)
    return float(grade) if not scale or int(scale[0]) == 10 else None


_RATINGS = VerdictReader(_GRADE, _grade, grades=True)


class MtBench:
    """MT-Bench.

    Raises
    ------
    ConfigError, DataError
        If its questions cannot be read.
    """

    name = "mt_bench"
    max_new_tokens = 1024
    server: Server | None = "judge"

    def __init__(self, config: BenchmarkConfig) -> None:
        self._settings = config.mt_bench
        self._bootstrap = Bootstrap(config.seed, config.resamples)
        rows = question_rows(self.name, self._settings.questions, config.limit)
        self.questions: Sequence[Question] = [
            self._question(number, row) for number, row in enumerate(rows, start=1)
        ]
        check_ids(self.name, self.questions)
        self._references: Answers = {}
        self._baseline: Answers | None = None

    def load(self) -> None:
        """Read the references and the baseline's answers.

        Raises
        ------
        ConfigError, DataError
            If they cannot be read, or nothing is to be judged.
        """
        if not self._settings.single and self._settings.baseline is None:
            raise ConfigError(
                "mt_bench.baseline: not given, and mt_bench.single is false: nothing is to be judged"
            )
        self._references = self._read_references()
        if self._settings.baseline is not None:
            self._baseline = read_answers(self._settings.baseline, self.name, self.questions)

    def calls(self, answers: Answers) -> list[Call]:
        """Return a request per turn for grading, and two for comparing with the baseline."""
        there = [question for question in self.questions if question.id in answers]
        return [
            *(self._single_calls(there, answers) if self._settings.single else []),
            *self._pair_calls(there, answers),
        ]

    def score(self, answers: Answers, ask: Ask) -> dict[str, BenchmarkScore]:
        """Return the mean grade as ``mt_bench`` and the win rate as ``mt_bench_pairwise``, those that are asked for."""
        replies = ask(self.calls(answers))
        unguided = sum(
            question.category in _WITH_REFERENCE and question.id not in self._references
            for question in self.questions
        )
        notes = [f"{unguided} of math, reasoning and coding judged without a reference"] if unguided else []
        if self._references and self._settings.references is None:
            notes.append(
                f"references taken from beside the questions: {len(self._references)}; FastChat's own are in"
                " reference_answer/gpt-4.jsonl (mt_bench.references)"
            )
        found = {}
        if self._settings.single:
            found[self.name] = self._graded(answers, replies, notes)
        if self._baseline is not None:
            found[f"{self.name}_pairwise"] = self._compared(answers, replies, notes)
        return found

    def _graded(self, answers: Answers, replies: Mapping[str, Reply], notes: Sequence[str]) -> BenchmarkScore:
        failures = answer_failures(self.questions, answers)
        by_turn: dict[int, list[float]] = {turn: [] for turn in _TURNS}
        values: dict[str, tuple[float, float]] = {}
        for question in self.questions:
            ratings = []
            for turn in _TURNS:
                rating = read_rating(replies[_id(question, turn)])
                if isinstance(rating, str):
                    failures[f"verdicts: {rating}"] += 1
                else:
                    ratings.append(rating)
                    by_turn[turn].append(rating)
            values[question.id] = (sum(ratings), float(len(ratings)))
        more = {f"turn_{turn}": sum(ratings) / len(ratings) for turn, ratings in by_turn.items() if ratings}
        return summary(
            "mean grade, 1 to 10",
            self.questions,
            values,
            self._bootstrap,
            failures=failures,
            more=more,
            notes=notes,
        )

    def _compared(
        self, answers: Answers, replies: Mapping[str, Reply], notes: Sequence[str]
    ) -> BenchmarkScore:
        failures = answer_failures(self.questions, answers)
        outcomes: Counter[str] = Counter()
        values: dict[str, tuple[float, float]] = {}
        for question in self.questions:
            points = []
            for turn in _TURNS:
                winners = []
                for order in _ORDERS:
                    winner = read_winner(replies[_id(question, turn, order)])
                    if winner in ("A", "B", "C"):
                        winners.append(winner if order == "policy-first" else winner.translate(_EXCHANGED))
                    else:
                        failures[f"verdicts: {winner}"] += 1
                if len(winners) < len(_ORDERS):
                    continue
                outcome = winners[0] if winners[0] == winners[1] else "C"
                outcomes[outcome] += 1
                points.append({"A": 100.0, "B": 0.0, "C": 50.0}[outcome])
            values[question.id] = (sum(points), float(len(points)))
        more = {"wins": float(outcomes["A"]), "ties": float(outcomes["C"]), "losses": float(outcomes["B"])}
        return summary(
            "win rate, %, ties half",
            self.questions,
            values,
            self._bootstrap,
            failures=failures,
            more=more,
            notes=notes,
        )

    def _single_calls(self, questions: Sequence[Question], answers: Answers) -> list[Call]:
        found = []
        for question in questions:
            first, second = (defused(turn, _VERDICT) for turn in answers[question.id].turns)
            both = {"question_1": question.turns[0], "question_2": question.turns[1]}
            texts = {
                "question": question.turns[0],
                "answer": first,
                "answer_1": first,
                "answer_2": second,
                **both,
            }
            for turn in _TURNS:
                found.append(self._call(question, turn, "single", "v1", texts, _id(question, turn)))
        return found

    def _pair_calls(self, questions: Sequence[Question], answers: Answers) -> list[Call]:
        if self._baseline is None:
            return []
        found = []
        for question in questions:
            policy, baseline = (
                [defused(turn, _VERDICT) for turn in of[question.id].turns]
                for of in (answers, self._baseline)
            )
            for turn in _TURNS:
                for order in _ORDERS:
                    a, b = (policy, baseline) if order == "policy-first" else (baseline, policy)
                    texts = {
                        "question": question.turns[0],
                        "question_1": question.turns[0],
                        "question_2": question.turns[1],
                        "answer_a": a[0],
                        "answer_a_1": a[0],
                        "answer_a_2": a[1],
                        "answer_b": b[0],
                        "answer_b_1": b[0],
                        "answer_b_2": b[1],
                    }
                    found.append(self._call(question, turn, "pair", "v2", texts, _id(question, turn, order)))
        return found

    def _call(
        self, question: Question, turn: int, kind: str, general: str, texts: Mapping[str, str], name: str
    ) -> Call:
        reference = self._references.get(question.id) if question.category in _WITH_REFERENCE else None
        prompt = f"{kind}-{general}" if reference is None else f"{kind}-math-v1"
        if reference is not None:
            texts = {**texts, "ref_answer_1": reference.turns[0], "ref_answer_2": reference.turns[1]}
        messages = judge_messages(prompt if turn == 1 else f"{prompt}-multi-turn", texts)
        return Call(name, {"messages": messages, "temperature": 0, "max_tokens": 2048})

    def _read_references(self) -> Answers:
        wanted = [question for question in self.questions if question.category in _WITH_REFERENCE]
        if self._settings.references is not None:
            found = read_answers(self._settings.references, self.name, wanted)
        else:
            found = {question.id: Answer(question.references) for question in wanted if question.references}
        return {name: answer for name, answer in found.items() if not answer.empty}

    def _question(self, number: int, row: Row) -> Question:
        turns, category = row.get("turns"), str(row.get("category") or "all")
        if not isinstance(turns, list) or len(turns) != 2 or not all(isinstance(turn, str) for turn in turns):
            raise DataError(
                f"mt_bench.questions: row {number}: turns holds {turns!r:.60}, expected a list of two texts"
            )
        reference = row.get("reference")
        references = tuple(map(str, reference)) if isinstance(reference, list) and len(reference) == 2 else ()
        return Question(
            id=str(row.get("question_id", number)),
            category=category,
            turns=(turns[0], turns[1]),
            temperature=TEMPERATURES.get(category, 0.7),
            references=references,
        )


_EXCHANGED = str.maketrans("AB", "BA")


def read_rating(reply: Reply) -> float | str:
    """Return the rating in a judge's reply, or the name of why there is none."""
    rating = read_last(_RATINGS, reply)
    return rating if isinstance(rating, str) or 1 <= rating <= 10 else "beyond 1 to 10"


def read_winner(reply: Reply) -> str:
    """Return A, B or C (a tie), or the name of why there is none."""
    template = find_template("mt-bench-pair")
    winner = read_last(pair_reader(template.a, template.b, template.tie, template.verdict), reply)
    return "C" if winner == "tie" else winner


def _id(question: Question, turn: int, order: str = "single") -> str:
    return f"{question.id}/{turn}/{order}"

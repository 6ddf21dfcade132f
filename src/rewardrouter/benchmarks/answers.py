"""A policy's answers, and files of them: our own, and those that AlpacaEval, FastChat and Arena-Hard write.

A row says what it answers by ``id``, ``question_id`` or ``uid``, else by the question's text (``instruction``,
``question`` or ``prompt``). The answer is ``turns`` (a list), or ``output``, ``response``, ``completion``,
``generated_text`` or ``prediction``; FastChat and Arena-Hard v0.1 keep it in ``choices[0].turns``, Arena-Hard v2 in the
last of ``messages``. ``answer`` is taken only where a file has none of these: beside them it is the benchmark's own.

What is scored, or shown to a judge, is what follows a policy's thoughts; thoughts that do not end are no answer.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rewardrouter.benchmarks.options import LETTERS, settled_option
from rewardrouter.benchmarks.questions import Question, Row, read_source
from rewardrouter.errors import DataError
from rewardrouter.files import write_text_atomically
from rewardrouter.reward_models.verifiers.checks import ANSWER, exact
from rewardrouter.thoughts import answer_of

_IDS = ("id", "question_id", "uid")
_TEXTS = ("instruction", "question", "prompt")
_ANSWERS = ("output", "response", "completion", "generated_text", "prediction")
_HOLDERS = ("turns", "messages", *_ANSWERS)
_GOLD = "answer"


@dataclasses.dataclass(frozen=True, slots=True)
class Answer:
    """What a policy answered to one question, turn by turn.

    ``cut`` says of each turn whether it ended because of its length; ``error`` why there is no answer, in which case
    the turns are empty texts.
    """

    turns: tuple[str, ...]
    cut: tuple[bool, ...] = ()
    error: str | None = None

    @property
    def empty(self) -> bool:
        """Whether a turn has no text."""
        return not all(turn.strip() for turn in self.turns)

    def without_thoughts(self) -> Answer:
        """Return what is scored of it: a turn whose thoughts do not end is empty, and the error says so."""
        said = [answer_of(turn) for turn in self.turns]
        error = "thoughts do not end" if None in said and self.error is None else self.error
        return Answer(tuple(turn or "" for turn in said), self.cut, error)


Answers = Mapping[str, Answer]
"""By question id."""


def read_answers(source: str, task: str, questions: Sequence[Question]) -> dict[str, Answer]:
    """Return the answers in a file to each of ``questions``, without thoughts.

    Raises
    ------
    DataError
        If the file cannot be read, an answer is missing or has too few turns, or the answers are the benchmark's own.
    """
    by_id: dict[str, Row] = {}
    by_text: dict[str, Row] = {}
    rows = read_source(source)
    columns = (*_ANSWERS,) if any(name in row for row in rows for name in _HOLDERS) else (_GOLD,)
    native = Counter(question.native for question in questions)
    for row in rows:
        name = next((str(row[key]) for key in _IDS if row.get(key) is not None), None)
        if name is not None:
            by_id[name] = row
        for text in _question_text(row):
            by_text[text] = row
    found: dict[str, Answer] = {}
    missing, own = [], []
    for question in questions:
        texts = [text.strip() for text in (question.bare, question.turns[0])]
        if question.native is not None:
            texts.append(question.native.strip())
        named = by_id.get(question.id)
        if named is not None and _question_text(named) and not {*_question_text(named)} & {*texts}:
            named = None  # an id of its own, of another question
        unique = (
            texts if native[question.native] == 1 else texts[:2]
        )  # other options may make it another question
        answered = named or next((by_text[text] for text in unique if text in by_text), None)
        if answered is None:
            missing.append(question.id)
        else:
            found[question.id] = _answer(source, question, answered, columns).without_thoughts()
            own.append(columns == (_GOLD,) and _is_gold(question, answered))
    if missing:
        raise DataError(
            f"{source}: holds no answer to {len(missing):,} of {len(questions):,} questions of {task}"
            f" (the first: {missing[0]}); rows are found by {', '.join(_IDS)}, or by the question's text"
        )
    if own and all(own):
        raise DataError(
            f"{source}: its column answer holds the right answers of {task} itself; give the policy's in a column"
            f" {', '.join(_ANSWERS[:-1])} or {_ANSWERS[-1]}"
        )
    return found


def write_answers(
    path: Path, task: str, policy: str, questions: Sequence[Question], answers: Answers
) -> None:
    """Write answers in our own form, which :func:`read_answers` reads."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [
        json.dumps(
            {
                "id": question.id,
                "task": task,
                "policy": policy,
                "question": question.bare,
                "turns": list(answers[question.id].turns),
                "cut": list(answers[question.id].cut),
                "error": answers[question.id].error,
            },
            ensure_ascii=False,
        )
        for question in questions
    ]
    write_text_atomically(path, "\n".join(lines) + "\n")


def _question_text(row: Row) -> list[str]:
    return [row[key].strip() for key in _TEXTS if isinstance(row.get(key), str)]


def _is_gold(question: Question, row: Row) -> bool:
    """Return whether a row's ``answer`` is the right one and nothing else, however that is written."""
    if question.options and any(name in row for name in ("choices", "options", "A")):
        return True  # the question's own row
    given = " ".join(str(row.get(_GOLD)).split())
    bare = given.rpartition("####")[2].strip()
    for reference in question.references:
        gold = reference.rpartition("####")[2].strip()
        if given == " ".join(reference.split()) or bare == gold:
            return True
        if question.options:  # a letter, its option, or both
            option = question.options[LETTERS.index(gold)]
            listed = re.sub(rf"^\W*{gold}\W+", "", bare, flags=re.IGNORECASE)
            if any(
                settled_option(text, question.options) == gold and len(text) <= len(option) + 4
                for text in (bare, listed)
            ):
                return True
        elif bare and not re.search(r"[^\W\d]", bare) and exact(bare, {ANSWER: gold}):
            return True
    return False


def _answer(source: str, question: Question, row: Row, columns: Sequence[str]) -> Answer:
    turns = _turns(row, columns)
    if turns is None and columns == (_GOLD,) and _is_gold(question, row):
        return Answer(("",) * len(question.turns))
    if turns is None or len(turns) < len(question.turns):
        n = 0 if turns is None else len(turns)
        raise DataError(
            f"{source}: the answer to {question.id} has {n} turns, expected {len(question.turns)};"
            f" its columns: {', '.join(map(str, row))}"
        )
    cut, error = row.get("cut"), row.get("error")
    return Answer(
        turns[: len(question.turns)],
        tuple(map(bool, cut)) if isinstance(cut, list) else (),
        error if isinstance(error, str) else None,
    )


def _turns(row: Row, columns: Sequence[str]) -> tuple[str, ...] | None:
    found: Any = row.get("turns")
    choices, messages = row.get("choices"), row.get("messages")
    if found is None and isinstance(choices, list) and choices and isinstance(choices[0], Mapping):
        found = choices[0].get("turns")
    if found is None and isinstance(messages, list) and messages and isinstance(messages[-1], Mapping):
        content = messages[-1].get("content")
        found = [content.get("answer") if isinstance(content, Mapping) else content]
    if found is None:
        given = next((row[key] for key in columns if isinstance(row.get(key), str | list)), None)
        found = given if isinstance(given, list) else [given]
    if not isinstance(found, list):
        return None
    said = [turn.get("content") if isinstance(turn, Mapping) else turn for turn in found]
    texts = tuple(text for text in said if isinstance(text, str))
    return texts if texts and len(texts) == len(said) else None

"""What the policy answered to problems, on disk; and preference pairs made of it.

A pair is a right and a wrong response to one problem. Where it can be, both are in the same manner, so that the way of
putting it does not give the answer away. A problem that is always or never answered rightly gives no pair; those are
counted.
"""

from __future__ import annotations

import dataclasses
import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rewardrouter.files import write_text_atomically
from rewardrouter.sandbox.problems import Problem, manner_of, right
from rewardrouter.sandbox.tasks import KINDS


@dataclasses.dataclass(frozen=True, slots=True)
class Sample:
    """A problem and the different responses it got."""

    problem: Problem
    right: tuple[str, ...]
    wrong: tuple[str, ...]
    share_right: float
    """Of all responses, repeated ones included."""


@dataclasses.dataclass(frozen=True, slots=True)
class PairRows:
    """Labelled pairs as rows of a pairs file, and what became of the problems."""

    rows: list[dict[str, Any]]
    problems: int
    never_right: int
    never_wrong: int


def sample_of(problem: Problem, responses: Sequence[str]) -> Sample:
    """Sort a problem's responses by whether they are right."""
    correct = [right(problem, response) for response in responses]
    distinct = dict(zip(responses, correct, strict=True))
    return Sample(
        problem,
        tuple(response for response, is_right in distinct.items() if is_right),
        tuple(response for response, is_right in distinct.items() if not is_right and response),
        sum(correct) / len(correct),
    )


def write_samples(samples: Sequence[Sample], path: Path) -> None:
    """Write samples as JSON lines."""
    rows = [
        {
            **dataclasses.asdict(sample),
            "problem": {**_as_json(sample.problem), "kind": sample.problem.kind.name},
        }
        for sample in samples
    ]
    write_lines(rows, path)


def read_samples(path: Path) -> list[Sample]:
    """Read what :func:`write_samples` wrote."""
    samples = []
    for line in path.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        problem = Problem(**{**row["problem"], "kind": KINDS[row["problem"]["kind"]]})
        samples.append(Sample(problem, tuple(row["right"]), tuple(row["wrong"]), row["share_right"]))
    return samples


def pair_rows(samples: Sequence[Sample], per_problem: int, seed: int) -> PairRows:
    """Return up to ``per_problem`` labelled pairs of every problem; no response stands in two of them."""
    chance = random.Random(seed)
    rows = [
        row
        for sample in samples
        for number, (good, bad) in enumerate(_matched(sample, per_problem, chance))
        if (row := _row(sample.problem, number, good, bad, chance))
    ]
    return PairRows(
        rows,
        len(samples),
        sum(not s.right for s in samples),
        sum(bool(s.right and not s.wrong) for s in samples),
    )


def write_lines(rows: Sequence[dict[str, Any]], path: Path) -> None:
    """Write rows as JSON lines, all at once."""
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    write_text_atomically(path, text)


def _matched(sample: Sample, count: int, chance: random.Random) -> list[tuple[str, str]]:
    """Return disjoint (right, wrong) pairs, those in one manner first."""
    kind = sample.problem.kind
    every = [(good, bad) for good in sample.right for bad in sample.wrong]
    chance.shuffle(every)
    every.sort(key=lambda both: manner_of(kind, both[0]) != manner_of(kind, both[1]))
    taken: list[tuple[str, str]] = []
    for good, bad in every:
        if len(taken) < count and all(good != g and bad != b for g, b in taken):
            taken.append((good, bad))
    return taken


def _row(problem: Problem, number: int, good: str, bad: str, chance: random.Random) -> dict[str, Any]:
    label = chance.choice("AB")
    first, second = (good, bad) if label == "A" else (bad, good)
    return {
        "id": f"{problem.id} #{number}",
        "prompt": problem.prompt,
        "response_a": first,
        "response_b": second,
        "label": label,
        "domain": problem.kind.name,
        "group": problem.id,
        "difficulty": problem.difficulty,
        "answer": problem.answer,
        "manner_a": manner_of(problem.kind, first),
        "manner_b": manner_of(problem.kind, second),
    }


def _as_json(problem: Problem) -> dict[str, Any]:
    return {name: getattr(problem, name) for name in Problem.__slots__}

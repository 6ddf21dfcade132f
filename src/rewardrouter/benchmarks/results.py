"""What a run of benchmarks found, as it lies in ``results.json``: made by ``benchmark``.

Scores are in percent (accuracy, win rate), but for the grades of MT-Bench, from 1 to 10. A question that was answered
without anything in it that could be scored is wrong, or loses where the benchmark has it so; a verdict that cannot be
read is left out of the score. Either is counted in ``failures``, by name.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from rewardrouter.config.base import StrictModel
from rewardrouter.config.saved import write_saved
from rewardrouter.simulation.results import Figures, Interval


class CategoryScore(Figures):
    """The score of one category; ``None`` where nothing in it could be scored."""

    score: float | None
    n: int


class BenchmarkScore(Figures):
    """The score of one benchmark.

    ``n`` counts its questions, ``scored`` those that the score is of; ``more`` holds further figures by name.
    """

    metric: str
    score: float | None
    interval: Interval | None
    n: int
    scored: int
    failures: dict[str, int]
    by_category: dict[str, CategoryScore]
    more: dict[str, float]
    notes: list[str]


class Spent(Figures):
    """Requests to one server that the scores rest on, and their tokens as it counts them.

    Tokens and ``cost``, where a price is given, are of ``calls`` and ``kept`` together.
    """

    calls: int
    kept: int
    """Replies that were there from an earlier run."""
    input_tokens: int
    output_tokens: int
    cost: float | None
    cost_now: float | None = None
    """Of ``calls`` alone."""


class BenchmarkResults(StrictModel):
    """All of it."""

    kind: Literal["benchmark"] = "benchmark"
    policy: str
    judge: str | None
    seed: int
    limit: int | None
    scores: dict[str, BenchmarkScore]
    spent: dict[str, Spent]

    def write(self, path: Path) -> None:
        """Write the results, all at once."""
        write_saved(self, path)

    def text(self) -> str:
        """Return the table that ``benchmark`` prints."""
        width = max(len("benchmark"), *(len(name) for name in self.scores))
        lines = [f"{'benchmark':<{width}}   score  95 % interval         n  metric"]
        for name, found in self.scores.items():
            score = f"{_number(found.score)}  {_interval(found.interval):<16} {found.n:>6,}"
            lines.append(f"{name:<{width}}  {score}  {found.metric}")
        for name, found in self.scores.items():
            counted = ", ".join(f"{n:,} {what}" for what, n in found.failures.items())
            lines += [f"{name}: {counted}"] if counted else []
            lines += [f"{name}: {note}" for note in found.notes]
        lines += [_spent(server, spent) for server, spent in self.spent.items() if spent.calls or spent.kept]
        return "\n".join(lines)


def _spent(server: str, spent: Spent) -> str:
    """Return what one server was asked, for a reader; what was kept is paid already."""
    asked = f"{server}: {spent.calls:,} requests now, {spent.kept:,} kept from before"
    if not spent.input_tokens and not spent.output_tokens:
        return f"{asked}; it counts no tokens"
    tokens = f"{spent.input_tokens:,} tokens read, {spent.output_tokens:,} written"
    if spent.cost is None:
        return f"{asked}; {tokens}"
    now = f", {spent.cost_now:,.2f} of it now" if spent.kept and spent.cost_now is not None else ""
    return f"{asked}; {tokens}, cost {spent.cost:,.2f}{now}"


def _number(value: float | None) -> str:
    return "     -" if value is None else f"{value:>6.2f}"


def _interval(interval: Interval | None) -> str:
    return "" if interval is None else f"{interval[0]:.2f} to {interval[1]:.2f}"

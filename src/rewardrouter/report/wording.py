"""How the report writes numbers, and the sentences that give its answer without claiming more than was seen."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

from rewardrouter.simulation.results import Interval, ReplayResults

MISSING = "–"
"""Stands for a figure that does not exist."""

SINGLE = "single/"
"""How the names of strategies begin that ask one RM for everything."""


def signed(value: float, digits: int) -> str:
    """Return a number with its sign, a true minus, and none before a zero."""
    text = f"{value:+.{digits}f}".replace("-", "−")
    return text if any(digit in "123456789" for digit in text) else text[1:]


def plain(value: float, digits: int) -> str:
    """Return a number with a true minus and no other sign."""
    return signed(value, digits).removeprefix("+")


def share(value: float | None) -> str:
    """Return a share in [0, 1] as a percentage without its sign: ``"84.1"``."""
    return MISSING if value is None else plain(100 * value, 1)


def percent(value: float) -> str:
    """Return a share in [0, 1] as a percentage: ``"84.1 %"``, kept on one line."""
    return f"{share(value)}\u00a0%"


def points(value: float | None) -> str:
    """Return a difference of two shares in percentage points: ``"+3.12"``."""
    return MISSING if value is None else signed(100 * value, 2)


def decimal(value: float | None) -> str:
    """Return a number with three decimals, as AUCs are given."""
    return MISSING if value is None else plain(value, 3)


def duration(seconds: float) -> str:
    """Return a time in milliseconds, or from one second on in seconds."""
    if seconds >= 1:
        return f"{seconds:.2f}\u00a0s"
    return f"{1000 * seconds:.{1 if seconds >= 0.001 else 2}f}\u00a0ms"


def clock(seconds: float) -> str:
    """Return how long a run took, in the two largest of hours, minutes and seconds: ``"12 min 5 s"``."""
    if seconds < 59.95:
        return f"{seconds:.1f}\u00a0s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes}\u00a0min {rest}\u00a0s"
    return f"{minutes // 60:,}\u00a0h {minutes % 60}\u00a0min"


def listed(names: Sequence[str]) -> str:
    """Return ``"a, b and c"``."""
    return " and ".join([*filter(None, [", ".join(names[:-1])]), *names[-1:]])


def interval(given: Interval | None, write: Callable[[float], str]) -> str:
    """Return both ends: ``"83.9 to 84.4"``; nothing where there is no interval."""
    return "" if given is None else f"{write(given[0])} to {write(given[1])}"


def numbers(given: Sequence[int]) -> str:
    """Return ``"0 to 9"`` for consecutive numbers, else all of them."""
    first, last = given[0], given[-1]
    if len(given) > 2 and list(given) == list(range(first, last + 1)):
        return f"{first} to {last}"
    return ", ".join(map(str, given))


def count(n: int, noun: str) -> str:
    """Return ``"1 seed"`` or ``"10 seeds"``."""
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


def short(name: str, width: int) -> str:
    """Return a name cut to at most ``width`` characters, mostly of its end, where names of one kind differ."""
    if len(name) <= width:
        return name
    if width < 1:
        return ""
    end = 2 * (width - 1) // 3
    return f"{name[: width - 1 - end]}…{name[len(name) - end :]}"


def reads_labels(strategy: str) -> bool:
    """Whether a strategy is a ceiling or control that is told the human labels."""
    return strategy == "oracle" or "reward=truth" in strategy


def best_single(results: ReplayResults) -> str | None:
    """Return the most accurate strategy that asks one RM for everything, the reference apart."""
    singles = [name for name in results.strategies if name.startswith(SINGLE) and name != results.reference]
    return max(singles, key=lambda name: results.strategies[name].accuracy, default=None)


@dataclasses.dataclass(frozen=True)
class Gain:
    """The reference's accuracy less another strategy's, paired by seed; ``interval`` needs two seeds."""

    value: float
    interval: Interval | None


def gain_over(results: ReplayResults, strategy: str) -> Gain | None:
    """Return how far the reference is above ``strategy``; ``None`` where the run does not say."""
    figures = results.strategies[strategy]
    if figures.difference is None:
        return None
    between = figures.difference_interval if len(results.seeds) > 1 else None
    return Gain(-figures.difference, None if between is None else (-between[1], -between[0]))


def headline(results: ReplayResults) -> str:
    """Return the answer: how accurate the reference is, the best single RM, and what the difference can bear."""
    reference, rival = results.reference, best_single(results)
    accuracy = percent(results.strategies[reference].accuracy)
    answer = f"{reference} gave the human’s label on {accuracy} of the kept pairs"
    if rival is None:
        return f"{answer}; no single reward model was replayed beside it."
    other = "other single" if reference.startswith(SINGLE) else "single"
    theirs = percent(results.strategies[rival].accuracy)
    answer = f"{answer}, the best {other} reward model, {rival.removeprefix(SINGLE)}, on {theirs}."
    gain = gain_over(results, rival)
    return answer if gain is None else f"{answer} {_verdict(gain, len(results.seeds))}"


def _verdict(gain: Gain, seeds: int) -> str:
    if gain.interval is None:
        return f"One seed gives no interval: {points(gain.value)} points here may be chance."
    low, high = gain.interval
    over = f"over {count(seeds, 'seed')}"
    if low <= 0 <= high:
        return (
            f"That is no difference that these seeds can show: {points(gain.value)} points,"
            f" 95\u00a0% interval {interval(gain.interval, points)} {over}."
        )
    size, ends = plain(100 * abs(gain.value), 2), sorted((abs(low), abs(high)))
    return (
        f"That is {size} points {'more' if gain.value > 0 else 'less'},"
        f" 95\u00a0% interval {plain(100 * ends[0], 2)} to {plain(100 * ends[1], 2)} {over}."
    )

"""What the parts of a step cost, measured apart from the steps that they are to predict.

A call of each reward model, by the size of its batch; how many calls a device runs at once; what choosing and learning
take where answers cost nothing; and, from a few steps under one reward model, what the policy takes.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping, Sequence

import numpy as np

from rewardrouter.annotators import Annotator, Outcome, StepContext
from rewardrouter.config.speed import SpeedConfig
from rewardrouter.efficiency.costs import FittedCost, TimedCall, Unit, fit_call_cost
from rewardrouter.efficiency.devices import DeviceCall, makespan
from rewardrouter.efficiency.measuring import Point, TimedSteps, strategies_of
from rewardrouter.efficiency.texts import texts_of
from rewardrouter.efficiency.workbench import Workbench
from rewardrouter.pairs import PreferencePair, Text, as_messages
from rewardrouter.phases import measured
from rewardrouter.reward_models.pool import RewardModelPool
from rewardrouter.simulation.learning import Bench
from rewardrouter.verdicts import Verdict

_STEPS = 6
"""Steps in which choosing and learning are timed; the first one does not count."""

_PAIRS_AT_ONCE = 16
"""Pairs of each call when a device is asked several at once."""


@dataclasses.dataclass(frozen=True)
class CallCosts:
    """Calls of a bench's reward models, by name, and by device how many run at once."""

    rms: Mapping[str, FittedCost]
    at_once: Mapping[str, float]


@dataclasses.dataclass(frozen=True, slots=True)
class Overhead:
    """Seconds that a strategy takes in a step beside the reward models: encoding, and choosing and learning."""

    encode: float
    route: float
    route_per_rm: float

    def route_seconds(self, size: int) -> float:
        """Return the seconds of choosing and learning in a pool of so many."""
        return self.route + self.route_per_rm * size


@dataclasses.dataclass(frozen=True)
class Policy:
    """What a step takes whatever the strategy, in seconds, and how long its texts are."""

    generate: float
    update: float
    tokens_per_text: float


def policy_costs(timed: TimedSteps, tokens: Mapping[tuple[Text, Text], int]) -> Policy:
    """Return what the policy takes, by steps under one reward model; ``tokens`` are those of their texts."""
    return Policy(
        generate=float(np.median([step.seconds.get("generate", 0.0) for step in timed.steps])),
        update=float(np.median([step.seconds.get("update", 0.0) for step in timed.steps])),
        tokens_per_text=float(np.mean(list(tokens.values()))),
    )


def call_costs(
    bench: Workbench,
    point: Point,
    pairs: Sequence[PreferencePair],
    tokens: Mapping[tuple[Text, Text], int],
    config: SpeedConfig,
) -> CallCosts:
    """Time calls of every reward model that differs, in batches of several sizes, and fit what they cost.

    Parameters
    ----------
    bench, point
        The models, and a pool of all of them that differ.
    pairs
        What they are asked.
    tokens
        Of every prompt with a response.
    config
        The sizes of the batches, and how often each is asked.
    """
    sizes = sorted({min(size, len(pairs)) for size in config.measure.calibration_pairs})
    models = {meter.name: meter for meter in point.meters if bench.original(meter.name) == meter.name}
    calls: dict[str, list[TimedCall]] = {name: [] for name in models}
    for model in models.values():
        model.judge(pairs[: sizes[0]])  # the first call of a model takes longer
    for turn in range(config.measure.repeats):
        for size in sizes:
            # Other pairs every time: nothing may be remembered.
            start = turn * size % (len(pairs) - size + 1)
            batch = pairs[start : start + size]
            read = sum(tokens[text] for text in texts_of(batch))
            for name, model in models.items():
                began = time.perf_counter()
                model.judge(batch)
                seconds = time.perf_counter() - began
                calls[name].append(TimedCall(read, size, seconds))
    fitted = {name: fit_call_cost(timed, unit_of(bench, name)) for name, timed in calls.items()}
    return CallCosts(fitted, _at_once(bench, point, list(models), pairs, config.measure.repeats))


def overheads(
    bench: Workbench,
    pairs: Sequence[PreferencePair],
    config: SpeedConfig,
    *,
    policy_width: int,
    fastest: str,
    slowest: str,
) -> dict[str, Overhead]:
    """Time every strategy on reward models that answer at once, in the smallest and the largest pool."""
    sizes = sorted({min(config.pool_sizes), max(config.pool_sizes)})
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in config.strategies}
    for size in sizes:
        router = bench.router(size, config.seed)
        pool = RewardModelPool([_Instant(name) for name in bench.names(size)])
        named = strategies_of(config.strategies, pool.names, fastest=fastest, slowest=slowest)
        for name, strategy in named.items():
            annotator = strategy.make(Bench(pool, router, policy_width), config.seed)
            found[name].append(_overhead(annotator, pairs, policy_width, config.seed))
    result = {}
    for name, timed in found.items():
        routes = [route for _, route in timed]
        slope = 0.0 if len(sizes) < 2 else max(0.0, (routes[-1] - routes[0]) / (sizes[-1] - sizes[0]))
        base = max(0.0, float(np.mean(routes)) - slope * float(np.mean(sizes)))
        result[name] = Overhead(float(np.mean([encode for encode, _ in timed])), base, slope)
    return result


def unit_of(bench: Workbench, name: str) -> Unit:
    """Return what a reward model's calls are paid by."""
    kind = next(entry.kind for entry in bench.entries if entry.name == bench.original(name))
    return "pairs" if kind in ("judge", "verifier") else "tokens"


def _overhead(
    annotator: Annotator, pairs: Sequence[PreferencePair], policy_width: int, seed: int
) -> tuple[float, float]:
    """Return the seconds of encoding, and of all else."""
    random = np.random.default_rng(seed)
    embeddings = random.standard_normal((len(pairs), policy_width)).astype(np.float32)
    encode, rest = [], []
    for number in range(1, _STEPS + 1):
        with measured("route") as seconds:
            annotations = annotator.annotate(
                [dataclasses.replace(pair) for pair in pairs],
                StepContext(f"step-{number}", number, embeddings),
            )
            annotator.observe(
                {
                    one.decision_id: Outcome(
                        float(random.uniform(0.5, 0.9)), float(random.uniform(0.5, 0.9)), 0.0
                    )
                    for one in annotations
                    if one.label is not None
                }
            )
        encode.append(seconds.get("encode", 0.0))
        rest.append(sum(seconds.values()) - encode[-1])
    return float(np.median(encode[1:])), float(np.median(rest[1:]))


def _at_once(
    bench: Workbench, point: Point, names: Sequence[str], pairs: Sequence[PreferencePair], repeats: int
) -> dict[str, float]:
    """Return by device how many calls run at once, so that the simulator's calls take as long as those asked here."""
    batch = pairs[:_PAIRS_AT_ONCE]
    found = dict.fromkeys((bench.device(name) for name in point.pool.names), 1.0)
    for device in found:
        here = [name for name in names if bench.device(name) == device]
        if len(here) < 2:
            continue
        alone: dict[str, list[float]] = {name: [] for name in here}
        together = []
        for _ in range(repeats):
            for name in here:
                began = time.perf_counter()
                point.pool.judge(name, batch)
                alone[name].append(time.perf_counter() - began)
            began = time.perf_counter()
            point.pool.judge_each(dict.fromkeys(here, batch))
            together.append(time.perf_counter() - began)
        calls = [DeviceCall(device, float(np.median(alone[name]))) for name in here]
        found[device] = calls_at_once(calls, float(np.median(together)))
    return found


def calls_at_once(calls: Sequence[DeviceCall], together: float) -> float:
    """Return how many calls of one device run at full speed, given the seconds of all of them together."""
    low, high = 1.0, float(len(calls))
    device = calls[0].device
    for _ in range(50):
        middle = (low + high) / 2
        if makespan(calls, {device: middle}) > together:
            low = middle
        else:
            high = middle
    return low


class _Instant:
    """A reward model whose answers cost nothing: the longer response."""

    def __init__(self, name: str) -> None:
        self.name = name

    def judge(self, pairs: Sequence[PreferencePair]) -> list[Verdict]:
        return [
            Verdict.from_scores(self.name, _length(pair.response_a), _length(pair.response_b) + 0.5)
            for pair in pairs
        ]


def _length(text: Text) -> int:
    return sum(len(message.content) for message in as_messages(text, "assistant"))

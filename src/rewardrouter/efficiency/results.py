"""What a measurement of efficiency found, as it lies in ``results.json``: made by ``speed``, read by ``report``.

Seconds of a strategy's step are medians over its steps, phase by phase for the phases, so that these need not add up;
intervals are 95 % bootstrap intervals over the steps. A ratio is to the first strategy, in the same pool. ``predicted``
are the simulator's seconds, ``error`` their relative error.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from rewardrouter.config.saved import write_saved
from rewardrouter.simulation.results import Figures, Interval


class StepTime(Figures):
    """A strategy's step in one pool.

    ``calls`` and ``asked`` are calls of reward models and pairs in them, ``rm_seconds`` what these worked, alone on
    their device, all together; ``cpu_seconds`` this process's CPU for labelling and learning. ``shares`` are each
    reward model's of the pairs asked.
    """

    seconds: float
    interval: Interval
    phases: dict[str, float]
    ratio: float
    ratio_interval: Interval
    calls: float
    asked: float
    rm_seconds: float
    cpu_seconds: float
    shares: dict[str, float]
    predicted: float
    error: float


class MeasuredPool(Figures):
    """The strategies in one pool; ``rm_width`` is its reward models' size, where they were built.

    ``one_call`` is the floor of whoever asks one reward model about a pair: the policy's seconds, and a call about all
    pairs of a step, of the pool's reward models in the mean, by the fitted costs. ``steps`` counts those of all
    strategies.
    """

    size: int
    rm_width: int | None
    steps: int
    one_call: float
    strategies: dict[str, StepTime]


class Scaling(Figures):
    """How a strategy's step grows with the pool.

    ``exponent`` is the slope of log seconds over log size: 0 for O(1), 1 for O(N). ``growth`` is the seconds in the
    largest pool over those in the smallest, ``judging`` the same of the phase ``judge`` alone. ``work_exponent`` and
    ``work`` are exponent and growth of this process's CPU seconds for labelling and learning: what else the machine
    does is no part of them.
    """

    exponent: float
    exponent_interval: Interval
    growth: float
    growth_interval: Interval
    judging: float
    work_exponent: float
    work: float


class RoutingOverhead(Figures):
    """What the router's step takes beside the verdicts, in seconds, in one pool.

    ``smaller_batches`` is what its calls cost more than the same pairs in whole batches, by the fitted costs: reward
    models' seconds, shared by the devices. ``share`` is that of encode and route in the step.
    """

    size: int
    encode: float
    route: float
    smaller_batches: float
    share: float


class FittedCall(Figures):
    """The cost of a reward model's calls, and its mean relative error on the batches that it was fitted to.

    Costs are fitted anew before each pool of ``size``.
    """

    rm: str
    size: int
    rm_width: int | None
    device: str
    base: float
    per_token: float
    per_pair: float
    error: float


class Check(Figures):
    """The simulator against real steps: the mean of the relative errors' sizes over pools and strategies."""

    n: int
    mean_error: float
    interval: Interval
    worst: float
    worst_where: str


class SimulatedStep(Figures):
    """A strategy's step on a cluster."""

    seconds: float
    judge: float
    overhead: float
    ratio: float
    calls: float
    asked: float
    rm_seconds: float


class SimulatedPool(Figures):
    """The strategies in one pool of a cluster."""

    size: int
    devices: int
    strategies: dict[str, SimulatedStep]


class SimulatedCluster(Figures):
    """A cluster that is not here: ``source`` says where the costs of its calls come from."""

    source: str
    repeats_on: str
    pools: list[SimulatedPool]


class EfficiencyResults(Figures):
    """All of it. ``reference`` is the strategy that ratios are to."""

    kind: Literal["efficiency"] = "efficiency"
    machine: str
    models: str
    reference: str
    pairs_per_step: int
    seed: int
    pools: list[MeasuredPool]
    widths: list[MeasuredPool]
    scaling: dict[str, Scaling]
    overheads: list[RoutingOverhead]
    costs: list[FittedCall]
    at_once: dict[str, float]
    check: Check | None
    cluster: SimulatedCluster | None

    def write(self, path: Path) -> None:
        """Write the results, all at once."""
        write_saved(self, path)

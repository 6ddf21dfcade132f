"""A measurement from its settings to its figures, killed and gone on with at will.

RUN/config.yaml             settings
    models/                 what was built
    choosing.json           what choosing and learning cost
    costs-SIZE-WIDTH.json   what single calls and the policy cost, measured right before
    steps-SIZE-WIDTH.json   the timed steps of one pool
    results.json            the figures, computed from these files
"""

from __future__ import annotations

import dataclasses
import os
import platform
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from functools import cached_property, partial
from pathlib import Path

import numpy as np
import torch

from rewardrouter.config.speed import GivenModels, SpeedConfig, TinyModels
from rewardrouter.efficiency import analysis
from rewardrouter.efficiency.calibrating import (
    CallCosts,
    Overhead,
    Policy,
    call_costs,
    overheads,
    policy_costs,
)
from rewardrouter.efficiency.cluster import simulate_cluster
from rewardrouter.efficiency.folder import SpeedFolder
from rewardrouter.efficiency.measuring import Point, TimedStep, strategies_of, threads
from rewardrouter.efficiency.pools import Measured, Wanted
from rewardrouter.efficiency.results import EfficiencyResults, FittedCall, MeasuredPool
from rewardrouter.efficiency.simulator import Placed, Simulator, Workload
from rewardrouter.efficiency.texts import token_counts
from rewardrouter.efficiency.workbench import (
    Workbench,
    given_workbench,
    names_in,
    tiny_name,
    tiny_workbench,
)
from rewardrouter.progress import progress


@dataclasses.dataclass(frozen=True)
class _Costs:
    """What the parts of a step cost on the machine as it was: others may be at work on it too."""

    policy: Policy
    calls: CallCosts


class SpeedRun:
    """A run of ``speed`` in a folder.

    Parameters
    ----------
    config
        What is measured.
    folder
        Where. One that holds a run of the same settings is gone on with.
    """

    def __init__(self, config: SpeedConfig, folder: Path) -> None:
        self._config, self._folder = config, SpeedFolder(folder)
        self._wanted = Wanted(config)
        self._benches: dict[int | None, Workbench] = {}

    def run(self) -> EfficiencyResults:
        """Measure what is missing, write the results and return them.

        Raises
        ------
        UserError
            If the folder, a setting or a model does not allow it.
        """
        check_strategies(self._config)
        with self._folder.opened(self._config), threads(self._config.measure.threads):
            results = self._results()
            results.write(self._folder.results)
        return results

    def _results(self) -> EfficiencyResults:
        config = self._config
        cluster = None if config.cluster is None else simulate_cluster(config, config.cluster)
        timed = self._measured()
        pools = {where: self._figures(where, steps) for where, steps in timed.items()}
        growing = [where for where in timed if where in self._wanted.growing]
        by_size = [(where.size, timed[where]) for where in growing]
        names = [name for name in config.strategies if timed]
        workload = Workload(
            config.prompts_per_step, config.generation.responses, config.pairs.per_prompt, 1.0
        )
        return EfficiencyResults(
            machine=_machine(config),
            models=_models(config),
            reference=config.strategies[0],
            pairs_per_step=workload.pairs,
            seed=config.seed,
            pools=[pools[where] for where in growing],
            widths=[pools[where] for where in timed if where in self._wanted.widths],
            scaling={name: analysis.scaling(by_size, name, config.seed) for name in names}
            if len(by_size) > 1
            else {},
            overheads=[
                analysis.routing_overhead(pools[where], self._simulator(where), "router", seed=config.seed)
                for where in growing
                if "router" in names
            ],
            costs=[fitted for where in timed for fitted in self._fitted(where)],
            at_once=self._at_once(growing),
            check=analysis.check(list(pools.values()), config.seed) if pools else None,
            cluster=cluster,
        )

    def _measured(self) -> dict[Measured, Sequence[TimedStep]]:
        """Return the timed steps of every pool."""
        rounds = self._config.measure.rounds
        missing = [where for where in self._wanted.all if not self._folder.holds(f"steps-{where.name}")]
        with progress("rounds", len(missing) * rounds) if missing else nullcontext(_nothing) as advance:
            return {
                where: self._folder.kept(
                    f"steps-{where.name}", list[TimedStep], partial(self._time, where, advance)
                )
                for where in self._wanted.all
            }

    def _time(self, where: Measured, advance: Callable[[int], None]) -> list[TimedStep]:
        bench = self._bench(where.width)
        fastest, slowest = self._extremes(where)
        point = Point(bench, where.size, self._config, fastest=fastest, slowest=slowest)
        steps: list[TimedStep] = []
        for _ in range(self._config.measure.rounds):
            steps += point.round().steps
            advance(1)
        return steps

    def _figures(self, where: Measured, steps: Sequence[TimedStep]) -> MeasuredPool:
        return analysis.measured_pool(
            steps,
            self._simulator(where),
            self._costs(where).policy,
            self._overheads,
            rm_width=where.width,
            seed=self._config.seed,
        )

    def _simulator(self, where: Measured) -> Simulator:
        config, bench, costs = self._config, self._bench(where.width), self._costs(where)
        workload = Workload(
            config.prompts_per_step,
            config.generation.responses,
            config.pairs.per_prompt,
            costs.policy.tokens_per_text,
        )
        names = bench.names(where.size)
        return Simulator(
            [Placed(n, bench.device(n), costs.calls.rms[bench.original(n)].cost) for n in names],
            {bench.device(name): costs.calls.at_once.get(bench.device(name), 1.0) for name in names},
            workload,
        )

    def _extremes(self, where: Measured) -> tuple[str, str]:
        """Return the reward models of a pool whose calls cost least and most."""
        simulator = self._simulator(where)
        ordered = sorted(
            simulator.rms,
            key=lambda rm: analysis.mean_step(rm.cost, simulator.workload, self._config.seed),
        )
        return ordered[0].name, ordered[-1].name

    @cached_property
    def _overheads(self) -> dict[str, Overhead]:
        """What every strategy takes beside the reward models."""

        def calibrate() -> dict[str, Overhead]:
            bench = self._bench(self._wanted.width)
            point = self._single(bench)
            pairs, first = point.round().pairs, point.pool.names[0]
            return overheads(
                bench, pairs, self._config, policy_width=point.policy_width, fastest=first, slowest=first
            )

        return self._folder.kept("choosing", dict[str, Overhead], calibrate)

    def _costs(self, where: Measured) -> _Costs:
        def calibrate() -> _Costs:
            bench = self._bench(where.width)
            point = self._single(bench)
            timed = point.round()
            tokens = token_counts(timed.pairs, point.load_policy().tokenizer)
            return _Costs(
                policy_costs(timed, tokens), call_costs(bench, point, timed.pairs, tokens, self._config)
            )

        return self._folder.kept(f"costs-{where.name}", _Costs, calibrate)

    def _single(self, bench: Workbench) -> Point:
        """Return a pool of the reward models that differ, of which the first labels everything."""
        first, size = bench.entries[0].name, max(2, min(len(bench.entries), max(self._config.pool_sizes)))
        config = self._config.model_copy(update={"strategies": (f"single/{first}",)})
        return Point(bench, size, config, fastest=first, slowest=first)

    def _fitted(self, where: Measured) -> Iterator[FittedCall]:
        bench = self._bench(where.width)
        for name, fitted in self._costs(where).calls.rms.items():
            yield FittedCall(
                rm=name,
                size=where.size,
                rm_width=where.width,
                device=bench.device(name),
                base=fitted.cost.base,
                per_token=fitted.cost.per_token,
                per_pair=fitted.cost.per_pair,
                error=fitted.error,
            )

    def _at_once(self, pools: Sequence[Measured]) -> dict[str, float]:
        """Return by device how many calls run at once, the median over what was found before each pool."""
        found: dict[str, list[float]] = {}
        for where in pools:
            for device, calls in self._costs(where).calls.at_once.items():
                found.setdefault(device, []).append(calls)
        return {device: float(np.median(calls)) for device, calls in found.items()}

    def _bench(self, width: int | None) -> Workbench:
        if width not in self._benches:
            models = self._config.models
            if isinstance(models, GivenModels):
                self._benches[width] = given_workbench(models)
            elif isinstance(models, TinyModels) and width is not None:
                self._benches[width] = tiny_workbench(
                    models, self._folder.models, rm_width=width, seed=self._config.seed
                )
            else:
                raise RuntimeError("nothing is measured, so there are no models")
        return self._benches[width]


def check_strategies(config: SpeedConfig) -> None:
    """Check every name before anything is built: in each pool, or in the cluster where that alone is computed.

    Raises
    ------
    UserError
        If there is no strategy of a name; if the models of ``given`` cannot be read.
    """
    models = config.models
    if isinstance(models, TinyModels):
        rms = [tiny_name(layers) for layers in models.rm_layers]
    elif models is not None:
        rms = [entry.name for entry in given_workbench(models).entries]
    else:
        rms = [] if config.cluster is None else [rm.name for rm in config.cluster.rms]
    for size in config.pool_sizes:
        names = names_in(rms, size)
        strategies_of(config.strategies, names, fastest=names[0], slowest=names[0])


def _nothing(count: int) -> None:
    """Show nothing: there is nothing to wait for."""


def _machine(config: SpeedConfig) -> str:
    """Return what the steps were measured on."""
    if config.models is None:
        return "nothing was measured"
    if torch.cuda.is_available():
        return f"{torch.cuda.device_count()} x {torch.cuda.get_device_name()}"
    used = "" if config.measure.threads is None else f", torch with {config.measure.threads} threads"
    return f"{platform.machine()} CPU with {os.cpu_count()} cores{used}"


def _models(config: SpeedConfig) -> str:
    """Return what models the steps were measured with."""
    models = config.models
    if isinstance(models, TinyModels):
        layers = ", ".join(map(str, models.rm_layers))
        return f"Llamas with random weights: reward models of {layers} layers, a policy of {models.layers}"
    return "none" if models is None else f"{models.policy}, judged by the pool of {models.pool}"

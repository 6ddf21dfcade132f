"""``engine: ray`` of a pool file: plan, cluster and reward models, in this order, and their end."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator, Sequence

from rewardrouter.config.pool import HfConfig, LiveConfig
from rewardrouter.config.ray import ClusterConfig
from rewardrouter.config.servers import ServerConfig
from rewardrouter.errors import ConfigError
from rewardrouter.http.secret import Secret
from rewardrouter.progress import log
from rewardrouter.reward_models.base import RewardModel
from rewardrouter.reward_models.ray.actor import Keys, Maker
from rewardrouter.reward_models.ray.cluster import (
    Cluster,
    check_installed,
    connected,
    local_machine,
    open_cluster,
)
from rewardrouter.reward_models.ray.plan import Machine, Need, Plan, make_plan

_SETTLING = 5.0
"""Seconds for which a plan is tried: what ended just now is free only a moment later."""


@contextlib.contextmanager
def on_ray(
    entries: Sequence[LiveConfig], settings: ClusterConfig, maker: Callable[[LiveConfig], Maker]
) -> Iterator[list[RewardModel]]:
    """Begin reward models on a cluster, in the order given, and end them with the block.

    The plan is told before anything is begun on the cluster.

    Parameters
    ----------
    entries
        Their entries in the pool file.
    settings
        Of the cluster.
    maker
        Returns what makes the RM of an entry; it is sent to where the RM runs.

    Raises
    ------
    MissingDependencyError
        If Ray is not installed.
    ConfigError
        If the cluster cannot be had or has no room, or a key is not set.
    UserError
        If a reward model cannot be made there.
    """
    if not entries:
        yield []
        return
    check_installed("engine: ray")
    keys = [_keys(entry) for entry in entries]
    begun_here = settings.address is None and not connected()
    if begun_here:  # what has no room is said before anything is begun
        machine = local_machine(settings)
        plan = make_plan(_needs(entries, machine.has_gpus), [machine])
        _tell(plan, "begins one on this machine, which ends with the pool")
    with contextlib.ExitStack() as opened:
        cluster = opened.enter_context(open_cluster(settings))
        if not begun_here:
            plan = _planned(entries, cluster)
            _tell(plan, "joins one that runs")

        # Ray is imported at the top of these.
        from rewardrouter.reward_models.ray.model import RayRewardModel
        from rewardrouter.reward_models.ray.replica import Recipe

        models = []
        for entry, need, hidden in zip(entries, plan.needs, keys, strict=True):
            recipe = Recipe(entry.name, maker(entry), hidden, entry.ray, need.gpus)
            models.append(RayRewardModel(recipe, [place.node for place in plan.places[entry.name]]))
            opened.callback(models[-1].close)
        for model in models:
            model.described()
        yield list(models)


def _planned(entries: Sequence[LiveConfig], cluster: Cluster) -> Plan:
    """Return the plan on a cluster that others may use too."""
    deadline = time.monotonic() + _SETTLING
    while True:
        machines = cluster.machines()
        try:
            return make_plan(_needs(entries, any(machine.has_gpus for machine in machines)), machines)
        except ConfigError:
            if time.monotonic() > deadline:
                raise
        time.sleep(0.2)


def _needs(entries: Sequence[LiveConfig], has_gpus: bool) -> list[Need]:
    """Return what each RM takes, where there are GPUs or are none."""
    needs = []
    for entry in entries:
        ray, device = entry.ray, entry.device if isinstance(entry, HfConfig) else "cpu"
        gpus = ray.gpus if ray.gpus is not None else float(device != "cpu" and has_gpus)
        if ":" in device:
            raise ConfigError(
                f"reward model {entry.name}: device {device}: under engine ray, which GPU it gets is Ray's to say;"
                " give device: cuda"
            )
        if device == "cuda" and not gpus:
            raise ConfigError(f"reward model {entry.name}: device cuda, but it is given no GPU (ray: gpus)")
        needs.append(Need(entry.name, entry.kind, ray.replicas, ray.cpus, gpus))
    return needs


def _keys(entry: LiveConfig) -> Keys:
    """Return the keys that an RM needs, taken from this process's environment.

    Raises
    ------
    ConfigError
        If one is not set.
    """
    variable = entry.key_env if isinstance(entry, ServerConfig) else None
    if variable is None:
        return Keys({})
    Secret(f"reward model {entry.name}", variable)  # which checks it
    return Keys({variable: os.environ[variable]})


def _tell(plan: Plan, which: str) -> None:
    machines: Sequence[Machine] = plan.machines
    cpus, gpus = sum(m.cpus for m in machines), sum(m.gpus for m in machines)
    where = f" on {len(machines)} machines" if len(machines) > 1 else ""
    log(f"Ray: {which}; {cpus:g} CPUs and {gpus:g} GPUs are free{where}")
    for line in plan.lines():
        log(line)

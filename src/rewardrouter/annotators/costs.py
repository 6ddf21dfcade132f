"""What a call to each reward model costs: nothing but itself, money, or time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from rewardrouter.calibration.choosing import Costs
from rewardrouter.errors import CheckpointError, ConfigError
from rewardrouter.pairs import PreferencePair
from rewardrouter.reward_models.pool import RewardModelPool
from rewardrouter.state import State

if TYPE_CHECKING:  # settings need pydantic; whoever passes some has imported it
    from rewardrouter.config.cascade import Unit

PROBED = 8
"""Pairs that every RM is asked about where its time is to be measured."""


def costs_of(
    pool: RewardModelPool,
    unit: Unit,
    pairs: Sequence[PreferencePair],
) -> Costs:
    """Return the costs of a pool's RMs, in its order.

    Parameters
    ----------
    pool
        Of N RMs.
    unit
        ``call``, ``cost`` (the pool file's) or ``second`` (measured).
    pairs
        The first :data:`PROBED` are judged by every RM where seconds are measured and none were yet.

    Raises
    ------
    ConfigError
        If an RM has no cost, or cannot be timed.
    """
    if unit == "call":
        return Costs.of_calls(len(pool))
    if unit == "cost":
        found = {name: account.price for name, account in pool.accounts().items()}
        fix = "give every reward model a cost in the pool file"
    else:
        check_timed(pool)
        new = [rm for rm in pool.names if not pool.accounts()[rm].pairs]
        for rm in new:
            pool.judge(rm, pairs[:PROBED])
        accounts = pool.accounts()
        found = {
            rm: account.seconds / account.pairs if account.pairs else None for rm, account in accounts.items()
        }
        fix = (
            "its verdicts came from the cache, which takes no time; leave `cache` out of the pool file, or budget"
            " calls or costs instead (unit=call, unit=cost)"
        )
    for name, cost in found.items():
        if cost is None or not (cost > 0 or (cost == 0 and unit == "cost")):
            has = "none" if cost is None else f"{cost:g}"
            raise ConfigError(f"a budget in {unit}s: {name} has {has}; {fix}")
    return Costs(np.array([found[name] for name in pool.names], np.float64), unit)


def check_timed(pool: RewardModelPool) -> None:
    """Refuse a pool whose seconds cannot be measured.

    Raises
    ------
    ConfigError
        If the verdicts of an RM are recorded.
    """
    if recorded := [rm for rm in pool.names if rm not in pool.live]:
        raise ConfigError(
            f"a budget in seconds: the verdicts of {', '.join(recorded)} are recorded, which take no time; budget"
            " calls or costs instead (unit=call, unit=cost)"
        )


def costs_from(state: State, n_rms: int, unit: Unit) -> Costs:
    """Return the costs that a state keeps.

    Raises
    ------
    CheckpointError
        If they are of another number of RMs, or one is negative.
    """
    values = state.floats("costs", n_rms)
    if not (values >= 0).all():
        raise CheckpointError("state: costs should not be negative")
    return Costs(values, unit)

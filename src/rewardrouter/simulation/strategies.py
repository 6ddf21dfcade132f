"""The strategies of the paper's tables by name, for a router and a pool."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from rewardrouter.annotators import (
    Annotator,
    LookupAnnotator,
    MajorityAnnotator,
    OfflineOnlyAnnotator,
    OracleAnnotator,
    RandomAnnotator,
    ScoreEnsembleAnnotator,
    SingleAnnotator,
    UwoAnnotator,
    score_scales,
)
from rewardrouter.annotators.cascade import CalibratedScorer
from rewardrouter.errors import ConfigError, did_you_mean
from rewardrouter.reward_models import RewardModelPool
from rewardrouter.router import Arm
from rewardrouter.simulation.beyond import BEYOND, BUDGETS, beyond, priced
from rewardrouter.verdicts import VerdictTable

CAUTION = 1.0
"""Standard deviations that the lower confidence bound takes off."""


class FittedRouter(CalibratedScorer, Protocol):
    """A router, or what was computed with one, and what training saw of its arms."""

    @property
    def arm_records(self) -> Sequence[Arm]:
        """The N arms."""


def strategies(
    router: FittedRouter,
    pool: RewardModelPool,
    *,
    seed: int,
    table: VerdictTable | None = None,
    costs: Mapping[str, float] | None = None,
) -> dict[str, Annotator]:
    """Return every strategy by its name in reports.

    ``oracle`` is among them only where ``table`` gives the labels. Nothing else reads it. Where every RM's cost per
    call is given, and the pool knows it, budgets of cost are among them too. No budget is where the router's held-out
    pairs have no verdict of its arms.
    """
    pool = pool.select(router.arms)
    scales = score_scales(router.arm_records)
    named: dict[str, Annotator] = {"router": OfflineOnlyAnnotator(pool, router)}
    plannable = bool(router.held_out.plannable.any())
    budgeted = [f"router+cascade@{budget!r}" for budget in BUDGETS if budget <= len(pool) and plannable]
    if costs is not None and plannable:
        budgeted += priced(router, [costs[rm] for rm in router.arms])
    named |= {whole: make(pool, router, seed) for whole, make in filter(None, map(beyond, budgeted))}
    named |= {f"single/{rm}": SingleAnnotator(pool, rm) for rm in pool.names}
    named |= {
        "lookup-by-domain": LookupAnnotator(pool, router.arm_records),
        "majority": MajorityAnnotator(pool, seed),
        "uwo": UwoAnnotator(pool, seed),
        "mean-score": ScoreEnsembleAnnotator(pool, scales),
        "lower-confidence-bound": ScoreEnsembleAnnotator(pool, scales, CAUTION),
        "random": RandomAnnotator(pool, seed),
    }
    if table is not None:
        named["oracle"] = OracleAnnotator(pool, table)
    return named


def strategy(name: str, router: FittedRouter, pool: RewardModelPool, *, seed: int) -> Annotator:
    """Return one strategy that needs no labels; beyond the paper's, ``router+cascade@1.35:low_evidence=weigh``.

    Raises
    ------
    ConfigError
        If there is none of that name, or it has no such setting.
    """
    if (found := beyond(name)) is not None:
        return found[1](pool, router, seed)
    known = strategies(router, pool, seed=seed)
    if name not in known:
        everything = [*known, *BEYOND]
        raise ConfigError(
            f"--strategy {name}: unknown.{did_you_mean(name, everything)} Known: {', '.join(everything)}"
        )
    return known[name]

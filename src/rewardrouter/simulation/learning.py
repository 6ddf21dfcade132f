"""The strategies that learn, made of a pool, a router's scores and their settings (config.strategies)."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from rewardrouter.annotators import Annotator
from rewardrouter.annotators.advantage import AdvantageAnnotator
from rewardrouter.annotators.bayesian_router import BayesianRouterAnnotator
from rewardrouter.annotators.factorial import FactorialAnnotator
from rewardrouter.annotators.laser import LaserAnnotator
from rewardrouter.annotators.neural_linear import NeuralLinearAnnotator
from rewardrouter.annotators.observations import KINDS, Kind
from rewardrouter.annotators.observing import Observer
from rewardrouter.annotators.online_only import OnlineOnlyAnnotator
from rewardrouter.annotators.rewards import Reward
from rewardrouter.annotators.weighted_score import WeightedScoreAnnotator
from rewardrouter.config.base import StrictModel
from rewardrouter.config.strategies import (
    FullAdvantageSettings,
    LaserSettings,
    LightAdvantageSettings,
    NeuralLinearSettings,
    NoSettings,
    RouterSettings,
    WeightedScoreSettings,
    WithoutOfflineSettings,
)
from rewardrouter.errors import ConfigError
from rewardrouter.reward_models import RewardModel, RewardModelPool
from rewardrouter.simulation.controls import ConstantReward, KnownLabels, ShuffledReward, TruthReward
from rewardrouter.simulation.strategies import FittedRouter
from rewardrouter.verdicts import VerdictTable


@dataclasses.dataclass(frozen=True)
class Bench:
    """What strategies are made of: a pool, a router (or its scores), and for oracle and controls the labels.

    ``policy_width`` is the size of the policy's prompt embeddings. ``gold`` judges pairs by what is known of them, as
    a verifier does, for audits; without it they read the table.
    """

    pool: RewardModelPool
    scores: FittedRouter
    policy_width: int
    table: VerdictTable | None = None
    gold: RewardModel | None = None

    @property
    def known_labels(self) -> RewardModel | None:
        """What knows right labels: ``gold``, or else the table's."""
        return KnownLabels(self.table) if self.gold is None and self.table is not None else self.gold


def _turned(pool: RewardModelPool, seed: int) -> RewardModelPool:
    """Return the pool beginning with another RM for every seed: LinUCB starts, and may stay, with the first."""
    start = seed % len(pool.names)
    return pool.select([*pool.names[start:], *pool.names[:start]])


def _reward(name: str, bench: Bench, seed: int) -> Reward | None:
    if name == "shuffled":
        return ShuffledReward(seed)
    if name == "constant":
        return ConstantReward()
    if name == "truth":
        if bench.table is None:
            raise ConfigError("reward=truth reads the labels of a replay's stream; there are none here")
        human = zip(bench.table.pairs, bench.table.labels, strict=True)
        return TruthReward({pair.id: "A" if code > 0 else "B" for pair, code in human})
    return None


def reads_losses(given: StrictModel) -> bool:
    """Return whether a strategy that learns, with these settings, learns from the policy's losses."""
    if not isinstance(given, RouterSettings | WithoutOfflineSettings):
        return True
    return not {"loss", "shuffled"}.isdisjoint(given.reward.split("+"))


def _observer(given: RouterSettings | WithoutOfflineSettings, bench: Bench, seed: int) -> Observer | None:
    kinds: list[Kind] = [kind for kind in KINDS if kind in given.reward.split("+")]
    if not kinds or kinds == ["loss"]:
        return None
    return Observer(
        kinds,
        bench.pool.select(bench.scores.arms).names,
        bench.scores,
        gold=bench.known_labels,
        audit=given.audit,
        probes=given.probes,
        seed=seed,
    )


def _router(bench: Bench, given: RouterSettings, seed: int) -> Annotator:
    prior_mean = bench.scores.prior_mean
    if given.prior == "permuted":
        # A cyclic shift leaves no arm its own row.
        shift = 1 + seed % (len(prior_mean) - 1)
        prior_mean = np.roll(prior_mean, shift, axis=0)
    return BayesianRouterAnnotator(
        bench.pool,
        bench.scores,
        prior_mean=prior_mean,
        prior_variance=given.prior_variance,
        noise_variance=given.noise_variance,
        discount=given.discount,
        widen_on_shift=given.widen_on_shift,
        reward=_reward(given.reward, bench, seed),
        observer=_observer(given, bench, seed),
        seed=seed,
    )


def _without_offline(bench: Bench, given: WithoutOfflineSettings, seed: int) -> Annotator:
    return OnlineOnlyAnnotator(
        bench.pool,
        bench.scores,
        contexts=given.contexts,
        prior_variance=given.prior_variance,
        noise_variance=given.noise_variance,
        discount=given.discount,
        reward=_reward(given.reward, bench, seed),
        observer=_observer(given, bench, seed),
        seed=seed,
    )


LEARNING: dict[str, tuple[type[StrictModel], Callable[[Bench, Any, int], Annotator]]] = {
    "router": (RouterSettings, _router),
    "without-offline": (WithoutOfflineSettings, _without_offline),
    "weighted-score": (
        WeightedScoreSettings,
        lambda bench, given, seed: WeightedScoreAnnotator(
            bench.pool, bench.scores, alpha=given.alpha, seed=seed
        ),
    ),
    "laser": (
        LaserSettings,
        lambda bench, given, seed: LaserAnnotator(
            _turned(bench.pool, seed), bench.policy_width, exploration=given.exploration, ridge=given.ridge
        ),
    ),
    "full-advantage": (
        FullAdvantageSettings,
        lambda bench, given, seed: AdvantageAnnotator(
            bench.pool, bench.scores, size=None, prior=given.prior == "offline", seed=seed
        ),
    ),
    "light-advantage": (
        LightAdvantageSettings,
        lambda bench, given, seed: AdvantageAnnotator(
            bench.pool, bench.scores, size=given.size, prior=given.prior == "offline", seed=seed
        ),
    ),
    "thompson-batch": (
        NoSettings,
        lambda bench, _, seed: FactorialAnnotator(
            bench.pool, bench.scores, bandit="thompson", per="batch", seed=seed
        ),
    ),
    "linucb-pair": (
        NoSettings,
        lambda bench, _, seed: FactorialAnnotator(
            _turned(bench.pool, seed), bench.scores, bandit="linucb", per="pair", seed=seed
        ),
    ),
    "linucb-batch": (
        NoSettings,
        lambda bench, _, seed: FactorialAnnotator(
            _turned(bench.pool, seed), bench.scores, bandit="linucb", per="batch", seed=seed
        ),
    ),
    "neural-linear": (
        NeuralLinearSettings,
        lambda bench, given, seed: NeuralLinearAnnotator(
            bench.pool, bench.scores, width=given.width, every=given.every, seed=seed
        ),
    ),
}
"""Name, settings, and how to make one for a seed."""

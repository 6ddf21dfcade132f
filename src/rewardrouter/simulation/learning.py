"""Every strategy of a replay by its name: those that learn, beside those of ``evaluate``.

``NAME:key=value`` is another value of a setting; see :mod:`rewardrouter.config.strategies`.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from rewardrouter.annotators import Annotator
from rewardrouter.annotators.advantage import AdvantageAnnotator
from rewardrouter.annotators.bayesian_router import BayesianRouterAnnotator
from rewardrouter.annotators.factorial import FactorialAnnotator
from rewardrouter.annotators.laser import LaserAnnotator
from rewardrouter.annotators.neural_linear import NeuralLinearAnnotator
from rewardrouter.annotators.online_only import OnlineOnlyAnnotator
from rewardrouter.annotators.rewards import Reward
from rewardrouter.annotators.weighted_score import WeightedScoreAnnotator
from rewardrouter.config.base import StrictModel
from rewardrouter.config.loading import load_config
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
from rewardrouter.errors import ConfigError, did_you_mean
from rewardrouter.reward_models import RewardModelPool
from rewardrouter.simulation.controls import ConstantReward, ShuffledReward, TruthReward
from rewardrouter.simulation.strategies import strategies
from rewardrouter.simulation.stream import KnownScores
from rewardrouter.verdicts import VerdictTable


@dataclasses.dataclass(frozen=True)
class Bench:
    """What strategies are made of: a pool, a router's scores, and for the oracle and controls the labels."""

    pool: RewardModelPool
    scores: KnownScores
    table: VerdictTable
    policy_width: int


@dataclasses.dataclass(frozen=True)
class Strategy:
    """One strategy, as asked for: ``make`` returns a new annotator for a seed.

    ``reads_prompts``: it routes on the policy's embeddings of the prompts. ``routes``: it chooses among RMs.
    ``learns``: outcomes change what it does.
    """

    name: str
    make: Callable[[Bench, int], Annotator]
    reads_prompts: bool = False
    routes: bool = True
    learns: bool = True


PAPER = (
    "router",
    "without-offline",
    "without-online",
    "weighted-score:alpha=0.25",
    "weighted-score",
    "weighted-score:alpha=0.75",
    "laser",
    "full-advantage",
    "light-advantage",
    "majority",
    "uwo",
    "random",
    "single",
    "oracle",
)
"""The rows of the paper's Tables 3, 6 and 7; ``single`` stands for every RM of the pool."""

LEAST_REFERENCES = 3
"""RMs that a pool must have for the light advantage as the paper has it."""

_NOT_ROUTED = ("majority", "uwo", "mean-score", "lower-confidence-bound", "oracle", "random", "single")


def strategy_of(text: str, arms: Sequence[str]) -> Strategy:
    """Return the strategy that ``NAME[:key=value,...]`` asks for.

    Raises
    ------
    ConfigError
        If there is none of that name, or it has no such setting.
    """
    name, _, given = text.partition(":")
    if name in _LEARNING:
        settings_class, make = _LEARNING[name]
        settings = _settings(settings_class, text, given)
        return Strategy(
            _canonical(name, settings),
            lambda bench, seed: make(bench, settings, seed),
            reads_prompts=name == "laser",
        )
    known = _fixed_names(arms)
    if name not in known:
        everything = [*_LEARNING, *known]
        raise ConfigError(
            f"strategy {name}: unknown.{did_you_mean(name, everything)} Known: {', '.join(everything)}"
        )
    if given:
        raise ConfigError(f"strategy {text}: {name} has no settings; leave out :{given}")
    routes = name.split("/")[0] not in _NOT_ROUTED
    return Strategy(name, lambda bench, seed: _fixed(bench, name, seed), routes=routes, learns=False)


def asked_for(text: str | None, arms: Sequence[str]) -> list[Strategy]:
    """Return the strategies that ``--strategies`` asks for, by default the paper's that the pool allows.

    Raises
    ------
    ConfigError
        If it names none, or one that there is not.
    """
    if text is None:
        return named(
            [one for one in PAPER if one != "light-advantage" or len(arms) >= LEAST_REFERENCES], arms
        )
    if not split_list(text):
        raise ConfigError("--strategies: names none; give for example router,without-online,random")
    return named(split_list(text), arms)


def split_list(text: str) -> list[str]:
    """Return the strategies in ``a,b:key=value,key=value,c``: what has ``=`` but no ``:`` belongs to the one before."""
    found: list[str] = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        if found and "=" in part and ":" not in part:
            found[-1] = f"{found[-1]},{part}"
        else:
            found.append(part)
    return found


def named(texts: Sequence[str], arms: Sequence[str]) -> list[Strategy]:
    """Return the strategies asked for, in order, each once; ``single`` stands for every RM."""
    spread = [
        one for text in texts for one in ([f"single/{rm}" for rm in arms] if text == "single" else [text])
    ]
    return list({one.name: one for one in (strategy_of(text, arms) for text in spread)}.values())


def _settings(cls: type[StrictModel], text: str, given: str) -> Any:
    """Return the settings in ``key=value,key=value``."""
    try:
        return load_config(cls, None, [part for part in given.split(",") if part])
    except ConfigError as error:
        # Where it stands is said in front: it is no option of its own.
        said = re.sub(r" \((?:--\S+ on the )?command line\)$", "", str(error))
        raise ConfigError(f"strategy {text}: {said}") from None


def _canonical(name: str, settings: StrictModel) -> str:
    """Return the one name of a strategy: settings that are the default are not part of it."""
    changed = settings.model_dump(exclude_defaults=True)
    values = ",".join(
        f"{key}={value:g}" if isinstance(value, float) else f"{key}={value}" for key, value in changed.items()
    )
    return f"{name}:{values}" if values else name


def _fixed_names(arms: Sequence[str]) -> list[str]:
    singles = [f"single/{rm}" for rm in arms]
    return ["without-online", *singles, "lookup-by-domain", "majority", "uwo", "mean-score",
            "lower-confidence-bound", "random", "oracle"]  # fmt: skip


def _fixed(bench: Bench, name: str, seed: int) -> Annotator:
    made = strategies(bench.scores, bench.pool, seed=seed, table=bench.table)
    return made["router" if name == "without-online" else name]


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
        human = zip(bench.table.pairs, bench.table.labels, strict=True)
        return TruthReward({pair.id: "A" if code > 0 else "B" for pair, code in human})
    return None


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
        reward=_reward(given.reward, bench, seed),
        seed=seed,
    )


def _without_offline(bench: Bench, given: WithoutOfflineSettings, seed: int) -> Annotator:
    return OnlineOnlyAnnotator(
        bench.pool,
        bench.scores,
        contexts=given.contexts,
        prior_variance=given.prior_variance,
        noise_variance=given.noise_variance,
        reward=_reward(given.reward, bench, seed),
        seed=seed,
    )


_LEARNING: dict[str, tuple[type[StrictModel], Callable[[Bench, Any, int], Annotator]]] = {
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

"""Every strategy of a replay by its name: those that learn, beside those of ``evaluate``.

``NAME:key=value`` is another value of a setting; see :mod:`rewardrouter.config.strategies`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

from rewardrouter.annotators import Annotator
from rewardrouter.errors import ConfigError, did_you_mean
from rewardrouter.simulation.asked import canonical, settings_of
from rewardrouter.simulation.beyond import BEYOND, beyond
from rewardrouter.simulation.learning import LEARNING, Bench, reads_losses
from rewardrouter.simulation.strategies import strategies


@dataclasses.dataclass(frozen=True)
class Strategy:
    """One strategy, as asked for: ``make`` returns a new annotator for a seed.

    ``reads_prompts``: it routes on the policy's embeddings of the prompts. ``routes``: it chooses among RMs.
    ``learns``: outcomes change what it does. ``reads_losses``: they do by the policy's losses, not only by what is
    known of the labels.
    """

    name: str
    make: Callable[[Bench, int], Annotator]
    reads_prompts: bool = False
    routes: bool = True
    learns: bool = True
    reads_losses: bool = False

    @property
    def reads_policy(self) -> bool:
        """Whether its labels depend on the policy that trains on them."""
        return self.reads_prompts or self.reads_losses


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
    if (found := beyond(text)) is not None:
        whole, make_beyond = found
        return Strategy(
            whole,
            lambda bench, seed: make_beyond(bench.pool, bench.scores, seed),
            learns=False,
        )
    name, colon, given = text.partition(":")
    if name in LEARNING:
        settings_class, make = LEARNING[name]
        settings = settings_of(settings_class, text)
        return Strategy(
            canonical(name, settings),
            lambda bench, seed: make(bench, settings, seed),
            reads_prompts=name == "laser",
            reads_losses=reads_losses(settings),
        )
    known = _fixed_names(arms)
    if name not in known:
        everything = [*LEARNING, *BEYOND, *known]
        raise ConfigError(
            f"strategy {name}: unknown.{did_you_mean(name, everything)} Known: {', '.join(everything)}"
        )
    if colon:
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


def _fixed_names(arms: Sequence[str]) -> list[str]:
    singles = [f"single/{rm}" for rm in arms]
    return ["without-online", *singles, "lookup-by-domain", "majority", "uwo", "mean-score",
            "lower-confidence-bound", "random", "oracle"]  # fmt: skip


def _fixed(bench: Bench, name: str, seed: int) -> Annotator:
    made = strategies(bench.scores, bench.pool, seed=seed, table=bench.table)
    return made["router" if name == "without-online" else name]

"""A pool: the reward models that a strategy may call, by name and in a fixed order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from rewardrouter.errors import ConfigError, did_you_mean
from rewardrouter.pairs import PreferencePair
from rewardrouter.phases import phase
from rewardrouter.reward_models.base import Identified, Immediate, Resident, RewardModel
from rewardrouter.verdicts import Verdict


class RewardModelPool:
    """N reward models with distinct names.

    Raises
    ------
    ConfigError
        If there is no RM, or two have one name.
    """

    def __init__(self, models: Iterable[RewardModel]) -> None:
        self._models: dict[str, RewardModel] = {}
        for model in models:
            if model.name in self._models:
                raise ConfigError(f"two reward models of the pool are named {model.name!r}")
            self._models[model.name] = model
        if not self._models:
            raise ConfigError("the pool holds no reward model")

    @property
    def names(self) -> tuple[str, ...]:
        """The names, in the order of the pool."""
        return tuple(self._models)

    @property
    def resident(self) -> tuple[str, ...]:
        """The names of those that run here and hold memory while they do."""
        return tuple(name for name, model in self._models.items() if isinstance(model, Resident))

    def __len__(self) -> int:
        return len(self._models)

    def select(self, names: Sequence[str]) -> RewardModelPool:
        """Return the pool of some RMs, in the order given.

        Raises
        ------
        ConfigError
            If a name is not in the pool.
        """
        return RewardModelPool(self._models[name] for name in check_names(names, known=self._models))

    def identity(self, rm: str) -> Mapping[str, Any]:
        """Return what an RM says it is, or its class where it says nothing."""
        model = self._models[rm]
        if isinstance(model, Identified):
            return model.identity
        return {"kind": f"{type(model).__module__}.{type(model).__qualname__}"}

    def unload(self, rm: str) -> list[str]:
        """Let an RM give its memory back; return what it has to say of the texts that it read."""
        model = self._models[rm]
        if not isinstance(model, Resident):
            return []
        model.unload()
        return model.notes()

    def judge_each(self, asked: Mapping[str, Sequence[PreferencePair]]) -> dict[str, list[Verdict]]:
        """Ask several RMs, each about its own pairs; those whose calls take time are asked at the same time.

        Raises
        ------
        RuntimeError
            As :meth:`judge`.
        """
        with phase("judge"):
            slow = [rm for rm in asked if not isinstance(self._models[rm], Immediate)]
            if len(slow) < 2:
                return {rm: self.judge(rm, pairs) for rm, pairs in asked.items()}
            for rm in slow:  # one after the other: loading changes settings of the whole process
                model = self._models[rm]
                if isinstance(model, Resident):
                    model.load()
            with ThreadPoolExecutor(len(slow)) as threads:
                calls = {rm: threads.submit(self.judge, rm, asked[rm]) for rm in slow}
                return {
                    rm: calls[rm].result() if rm in calls else self.judge(rm, pairs)
                    for rm, pairs in asked.items()
                }

    def judge(self, rm: str, pairs: Sequence[PreferencePair]) -> list[Verdict]:
        """Ask one RM, and hold it to its contract.

        Raises
        ------
        RuntimeError
            If the RM's reply has another length than ``pairs`` or speaks in another
            name: a misaligned reply must never become labels.
        """
        verdicts = self._models[rm].judge(pairs)
        if len(verdicts) != len(pairs):
            raise RuntimeError(f"{rm} answered {len(pairs)} pairs with {len(verdicts)} verdicts")
        for verdict in verdicts:
            if verdict.rm != rm:
                raise RuntimeError(f"{rm} answered in the name of {verdict.rm}")
        return verdicts


def check_names(names: Iterable[str], *, known: Iterable[str]) -> tuple[str, ...]:
    """Return ``names``, those of reward models that are known.

    Raises
    ------
    ConfigError
        If one is not.
    """
    wanted, there = tuple(names), tuple(known)
    for name in wanted:
        if name not in there:
            raise ConfigError(
                f"the pool has no reward model {name!r}.{did_you_mean(name, there)}"
                f" It holds: {', '.join(there)}"
            )
    return wanted

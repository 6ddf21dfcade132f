"""A pool: the reward models that a strategy may call, by name and in a fixed order.

Whatever asks an RM asks it here: the pool holds it to its contract, keeps its account, and looks in the verdict cache
first, where it has one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

from rewardrouter.errors import ConfigError, did_you_mean
from rewardrouter.pairs import PreferencePair
from rewardrouter.phases import phase
from rewardrouter.reward_models.accounts import Account, Ledger
from rewardrouter.reward_models.base import (
    Apart,
    Counting,
    Identified,
    Immediate,
    ReadsMetadata,
    Resident,
    RewardModel,
    identity_of,
)
from rewardrouter.reward_models.verdict_cache import VerdictCache
from rewardrouter.reward_models.window import BatchWindow
from rewardrouter.verdicts import Verdict

if TYPE_CHECKING:  # settings need pydantic; whoever passes some has imported it
    from rewardrouter.config.window import WindowConfig


class RewardModelPool:
    """N reward models with distinct names.

    Parameters
    ----------
    models
        The reward models.
    prices
        The price of a verdict, for RMs that have one.
    cache
        Where verdicts are kept of RMs that say what they are and read nothing but texts; those whose answers are at
        hand anyway are asked.
    windows
        When calls of several threads to an RM are made as one, for RMs of which they are; :meth:`judge` and
        :meth:`judge_each` may be called from any thread.
    closing
        Ends what the RMs need: called by :meth:`close`, which a block ``with pool:`` does at its end.

    Raises
    ------
    ConfigError
        If there is no RM, or two have one name.
    """

    def __init__(
        self,
        models: Iterable[RewardModel],
        *,
        prices: Mapping[str, float] | None = None,
        cache: VerdictCache | None = None,
        windows: Mapping[str, WindowConfig] | None = None,
        closing: Callable[[], None] | None = None,
    ) -> None:
        self._models: dict[str, RewardModel] = {}
        for model in models:
            if model.name in self._models:
                raise ConfigError(f"two reward models of the pool are named {model.name!r}")
            self._models[model.name] = model
        if not self._models:
            raise ConfigError("the pool holds no reward model")
        self._cache = cache
        self._cached: dict[str, Mapping[str, Any]] = {}
        if cache is not None:
            self._cached = {
                name: identity_of(model) for name, model in self._models.items() if _cacheable(model)
            }
        self._closing = closing
        self._ledger = Ledger(self._models, prices or {})
        self._windows = {
            rm: BatchWindow(partial(self._call, rm), window.batch_window, window.window_pairs)
            for rm, window in (windows or {}).items()
            if rm in self._models
        }

    def __enter__(self) -> RewardModelPool:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End what the RMs need to live, such as a cluster; they are not asked any more."""
        if self._closing is not None:
            self._closing()

    @property
    def models(self) -> tuple[RewardModel, ...]:
        """The RMs, in the order of the pool."""
        return tuple(self._models.values())

    @property
    def names(self) -> tuple[str, ...]:
        """The names, in the order of the pool."""
        return tuple(self._models)

    @property
    def live(self) -> tuple[str, ...]:
        """The names of those that are really asked: whose answers are not at hand."""
        return tuple(name for name, model in self._models.items() if not isinstance(model, Immediate))

    @property
    def apart(self) -> tuple[str, ...]:
        """The names of those that work elsewhere: that may be asked while others are."""
        return tuple(name for name, model in self._models.items() if isinstance(model, Apart))

    def __len__(self) -> int:
        return len(self._models)

    def select(self, names: Sequence[str]) -> RewardModelPool:
        """Return the pool of some RMs, in the order given; both pools keep the same accounts.

        Raises
        ------
        ConfigError
            If a name is not in the pool.
        """
        wanted = check_names(names, known=self._models)
        pool = RewardModelPool((self._models[name] for name in wanted), cache=self._cache)
        pool._ledger, pool._windows = self._ledger, self._windows
        return pool

    def accounts(self) -> dict[str, Account]:
        """Return what was asked of each RM so far and what came of it, in the order of the pool."""
        return {name: self._ledger.account(name) for name in self._models}

    def identity(self, rm: str) -> Mapping[str, Any]:
        """Return what an RM says it is, or its class where it says nothing."""
        return identity_of(self._models[rm])

    def unload(self, rm: str) -> list[str]:
        """Let an RM give its memory back; return what it has to say of the texts that it read."""
        model = self._models[rm]
        if isinstance(model, Resident):
            model.unload()
        return self.notes(rm)

    def notes(self, rm: str) -> list[str]:
        """Return what an RM has to say of the texts that it read."""
        model = self._models[rm]
        return model.notes() if isinstance(model, Counting) else []

    def load(self, rms: Iterable[str]) -> None:
        """Let RMs take their memory, one after the other: loading changes settings of the whole process."""
        for rm in rms:
            model = self._models[rm]
            if isinstance(model, Resident):
                model.load()

    def judge_each(self, asked: Mapping[str, Sequence[PreferencePair]]) -> dict[str, list[Verdict]]:
        """Ask several RMs, each about its own pairs; those whose calls take time are asked at the same time.

        Raises
        ------
        RuntimeError
            As :meth:`judge`.
        """
        with phase("judge"):
            known = {rm: self._known(rm, pairs) for rm, pairs in asked.items()}
            slow = [
                rm
                for rm, verdicts in known.items()
                if None in verdicts and not isinstance(self._models[rm], Immediate)
            ]
            self.load(slow)
            if len(slow) < 2:
                return {rm: self._ask(rm, pairs, known[rm]) for rm, pairs in asked.items()}
            threads = ThreadPoolExecutor(len(slow))
            try:
                calls = {rm: threads.submit(self._ask, rm, asked[rm], known[rm]) for rm in slow}
                return {
                    rm: calls[rm].result() if rm in calls else self._ask(rm, pairs, known[rm])
                    for rm, pairs in asked.items()
                }
            finally:
                threads.shutdown(wait=False, cancel_futures=True)  # who is interrupted waits for no RM

    def judge(self, rm: str, pairs: Sequence[PreferencePair]) -> list[Verdict]:
        """Ask one RM what the cache does not know, and hold it to its contract.

        Raises
        ------
        RuntimeError
            If the RM's reply has another length than what it was asked or speaks in another
            name: a misaligned reply must never become labels.
        """
        known = self._known(rm, pairs)
        if None in known:
            self.load([rm])  # before the clock is started
        return self._ask(rm, pairs, known)

    def _known(self, rm: str, pairs: Sequence[PreferencePair]) -> list[Verdict | None]:
        """Return what the cache knows of each pair."""
        if self._cache is None or rm not in self._cached:
            return [None] * len(pairs)
        return self._cache.fetch(rm, self._cached[rm], pairs)

    def _ask(
        self, rm: str, pairs: Sequence[PreferencePair], known: Sequence[Verdict | None]
    ) -> list[Verdict]:
        """Return what is known, and of the other pairs what the RM says."""
        asked = [pair for pair, verdict in zip(pairs, known, strict=True) if verdict is None]
        if len(asked) < len(pairs):
            self._ledger.remembered(rm, len(pairs) - len(asked))
        answers = self._asked(rm, asked) if asked else []
        if self._cache is not None and rm in self._cached:
            self._cache.store(self._cached[rm], asked, answers)
        rest = iter(answers)
        return [next(rest) if verdict is None else verdict for verdict in known]

    def _asked(self, rm: str, pairs: Sequence[PreferencePair]) -> list[Verdict]:
        """Ask the RM, together with other threads where it has a window."""
        window = self._windows.get(rm)
        return self._call(rm, pairs) if window is None else window.judge(pairs)

    def _call(self, rm: str, pairs: Sequence[PreferencePair]) -> list[Verdict]:
        start = time.perf_counter()
        verdicts = self._models[rm].judge(pairs)
        seconds = time.perf_counter() - start
        if len(verdicts) != len(pairs):
            raise RuntimeError(f"{rm} answered {len(pairs)} pairs with {len(verdicts)} verdicts")
        for verdict in verdicts:
            if verdict.rm != rm:
                raise RuntimeError(f"{rm} answered in the name of {verdict.rm}")
        self._ledger.asked(rm, verdicts, seconds)
        return verdicts


def _cacheable(model: RewardModel) -> bool:
    return isinstance(model, Identified) and not isinstance(model, Immediate | ReadsMetadata)


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

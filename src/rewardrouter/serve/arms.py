"""Arms that come and go while the gateway runs.

A router was fitted to certain RMs. One that joins later has no row of E_bt: it is trusted as much as the mean of the
router's arms, or like one of them that is named (its earlier version, say). What the bandit has learnt of the arms
that stay is carried over, bit by bit; an arm that joins starts as the strategy would start it; one that leaves takes
what was learnt of it along, and its decisions that wait for outcomes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from rewardrouter.annotators import Annotator
from rewardrouter.annotators.contexts import KnowsItsPairs
from rewardrouter.annotators.watching import HasReference
from rewardrouter.calibration import HeldOut, Signals
from rewardrouter.errors import ConfigError, did_you_mean
from rewardrouter.online.arrays import Floats
from rewardrouter.online.posterior import ArmPosteriors
from rewardrouter.online.shift import ContextReference
from rewardrouter.pairs import PreferencePair
from rewardrouter.router import Arm
from rewardrouter.serve.errors import ConflictError, NotFoundError
from rewardrouter.simulation.strategies import FittedRouter
from rewardrouter.state import State


@dataclasses.dataclass(frozen=True, slots=True)
class ArmChoice:
    """An RM that may be chosen; ``like`` names the router's arm that it is first trusted like."""

    name: str
    like: str | None = None

    def as_json(self) -> list[str | None]:
        """Return it as plain data."""
        return [self.name, self.like]


def check_pool(arms: Sequence[str], pool: Sequence[str], source: str) -> None:
    """Check that a pool, from the file ``source``, holds all arms.

    Raises
    ------
    ConfigError
        If it does not.
    """
    for arm in arms:
        if arm not in pool:
            raise ConfigError(
                f"{source}: the router may choose {arm!r}, which the pool lacks.{did_you_mean(arm, pool)}"
                f" It holds: {', '.join(pool)}"
            )


def with_arm(
    choices: Sequence[ArmChoice], added: ArmChoice, pool: Sequence[str], router: Sequence[str]
) -> tuple[ArmChoice, ...]:
    """Return the arms and one more, of the pool's RMs and like one of the router's.

    Raises
    ------
    ConflictError
        If it is an arm already.
    NotFoundError
        If the pool does not hold it, or the router was not fitted to ``like``.
    """
    name, like = added.name, added.like
    if name not in pool:
        raise NotFoundError(
            f"the pool has no reward model {name!r}.{did_you_mean(name, pool)} It holds: {', '.join(pool)}"
        )
    if any(one.name == name for one in choices):
        raise ConflictError(f"{name} is an arm already")
    if like is not None and like not in router:
        raise NotFoundError(f"like: the router was not fitted to {like!r}, but to: {', '.join(router)}")
    return (*choices, added)


def without_arm(choices: Sequence[ArmChoice], name: str) -> tuple[ArmChoice, ...]:
    """Return the arms but one.

    Raises
    ------
    ConflictError
        If it is the only one.
    NotFoundError
        If it is none.
    """
    names = [one.name for one in choices]
    if name not in names:
        raise NotFoundError(f"no arm {name!r}; there are: {', '.join(names)}")
    if len(names) == 1:
        raise ConflictError(f"{name} is the only arm; add another before removing it")
    return tuple(one for one in choices if one.name != name)


class ArmsView:
    """A router with other arms than it was fitted to."""

    def __init__(self, router: FittedRouter, choices: Sequence[ArmChoice]) -> None:
        self._router = router
        self._choices = tuple(choices)
        known = {name: n for n, name in enumerate(router.arms)}
        self._rows = [known.get(one.like or one.name) for one in self._choices]

    @property
    def arms(self) -> tuple[str, ...]:
        """The N names."""
        return tuple(one.name for one in self._choices)

    @property
    def prior_mean(self) -> Floats:
        """E_bt, ``float64 [N, d]``; the mean row for an arm that the router does not know."""
        return self._columns(self._router.prior_mean.T).T

    @property
    def arm_records(self) -> Sequence[Arm]:
        """What training saw of the arms that it saw."""
        records = {one.name: one for one in self._router.arm_records}
        unseen = {"observed": 0, "ties": 0, "failed": 0, "accuracy": None}
        return tuple(records.get(one.name) or Arm(one.name, **unseen) for one in self._choices)  # type: ignore[arg-type]

    def contexts(self, pairs: Sequence[PreferencePair]) -> Floats:
        """Return h, ``float64 [P, d]``: the same whatever the arms."""
        return self._router.contexts(pairs)

    def scores(self, pairs: Sequence[PreferencePair]) -> Floats:
        """Return the BT strengths, ``float64 [P, N]``."""
        return self._columns(self._router.scores(pairs))

    @property
    def held_out(self) -> HeldOut:
        """The pairs that calibration is fitted to; an arm that the router does not know was asked about none."""
        held_out = self._router.held_out
        unknown = held_out.signals.scores.shape[1]
        signals = held_out.signals
        with_mean = held_out.with_arm(signals.scores.mean(axis=1), signals.beliefs.mean(axis=1))
        return with_mean.arms([unknown if row is None else row for row in self._rows])

    def signals(self, pairs: Sequence[PreferencePair]) -> Signals:
        """Return what the router says of P pairs before any RM is asked."""
        found = self._router.signals(pairs)
        return Signals(self._columns(found.scores), self._columns(found.beliefs), found.reading)

    def shift(self, contexts: Floats) -> float:
        """Return how unlike the pairs are to those of the fit; NaN where that is not known."""
        return self._router.shift(contexts) if isinstance(self._router, KnowsItsPairs) else float("nan")

    @property
    def reference(self) -> ContextReference | None:
        """What the fitting pairs' contexts looked like, where that is known."""
        return self._router.reference if isinstance(self._router, HasReference) else None

    def encoder_features(self, pairs: Sequence[PreferencePair]) -> Floats:
        """Return the encoder's own features, ``float64 [P, F]``."""
        return self._router.encoder_features(pairs)

    def _columns(self, given: Floats) -> Floats:
        mean = given.mean(axis=1)
        return np.stack([mean if row is None else given[:, row] for row in self._rows], axis=1)


def carry_over(before: Annotator, after: Annotator, strategy: str) -> None:
    """Let an annotator go on where one with other arms stands.

    Raises
    ------
    ConflictError
        If what that one has learnt cannot be told apart by arms.
    """
    state, fresh = before.state_dict(), after.state_dict()
    if state.arrays.keys() <= {
        "costs"
    }:  # nothing of the arms but what a call to them costs, which is found out anew
        after.load_state_dict(State(metadata=state.metadata))
        return
    prefixes = [name.removesuffix(".mean") for name in state.arrays if name.endswith("posteriors.mean")]
    learnt = [name for name in state.arrays if name.startswith("policy.")]
    if len(prefixes) != 1 or not all(name.startswith(f"{prefixes[0]}.") for name in learnt):
        raise ConflictError(f"the strategy {strategy} cannot change its arms while it runs")
    prefix = prefixes[0]
    old, new = (ArmPosteriors.from_state(_inner(one, prefix)) for one in (state, fresh))
    leaving = [name for name in old.names if name not in new.names]
    for name in new.names:
        if name not in old.names:
            old.add_arm(name, new.mean[new.index(name)])
    for name in leaving:
        old.remove_arm(name)
    after.load_state_dict(_without_decisions(_replaced(state, prefix, old.state_dict()), set(leaving)))


def _inner(state: State, prefix: str) -> State:
    for part in prefix.split("."):
        state = state.part(part)
    return state


def _replaced(state: State, prefix: str, inner: State) -> State:
    """Return ``state`` with another state under ``prefix``."""
    arrays = {name: a for name, a in state.arrays.items() if not name.startswith(f"{prefix}.")}
    arrays |= {f"{prefix}.{name}": a for name, a in inner.arrays.items()}
    return State(arrays, _put(state.metadata, prefix.split("."), inner.metadata))


def _put(tree: Mapping[str, Any], keys: Sequence[str], value: Mapping[str, Any]) -> dict[str, Any]:
    first, *rest = keys
    return {**tree, first: _put(tree[first], rest, value) if rest else dict(value)}


def _without_decisions(state: State, leaving: set[str]) -> State:
    """Return the state of a routed annotator without the decisions that wait for RMs that leave."""
    pending = state.metadata["pending"]
    kept_rows, batches, row = [], [], 0
    for batch in pending["batches"]:
        waiting = []
        for one in batch["waiting"]:
            if one["rm"] not in leaving:
                waiting.append(one)
                kept_rows.append(row)
            row += 1
        if waiting:
            batches.append({**batch, "waiting": waiting})
    contexts = state.arrays["pending.contexts"]
    arrays = {**state.arrays, "pending.contexts": contexts[kept_rows] if kept_rows else np.empty((0, 0))}
    return State(arrays, {**state.metadata, "pending": {**pending, "batches": batches}})

"""What came from outside while an annotator worked, kept so that its work can be done again without it.

Whether an annotator's state can be had again by doing its work again depends on what it was told meanwhile: verdicts,
which may be others the next time, and the encoder's vectors, whose last bits depend on what shared a batch. A
:class:`Tape` takes down both in the order in which they were asked for, and gives them back in the same order.
"""

from __future__ import annotations

import base64
import dataclasses
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np

from rewardrouter.annotators.contexts import KnowsItsPairs
from rewardrouter.annotators.watching import HasReference
from rewardrouter.calibration import HeldOut, Signals
from rewardrouter.errors import DataError
from rewardrouter.online.arrays import Floats
from rewardrouter.online.shift import ContextReference
from rewardrouter.pairs import PreferencePair
from rewardrouter.reward_models.accounts import Account
from rewardrouter.reward_models.pool import RewardModelPool
from rewardrouter.router import Arm
from rewardrouter.simulation.strategies import FittedRouter
from rewardrouter.verdicts import Verdict

_T = TypeVar("_T")


class Tape:
    """Answers in the order in which they were asked for, each as JSON."""

    def __init__(self) -> None:
        self._taken: list[Any] = []
        self._given: deque[Any] | None = None

    def record(self) -> list[Any]:
        """Take down on a new tape, the list that is returned."""
        self._taken, self._given = [], None
        return self._taken

    def replay(self, taken: Sequence[Any]) -> None:
        """Give back what was taken down."""
        self._given = deque(taken)

    def end(self) -> None:
        """Say that the work is done.

        Raises
        ------
        DataError
            If answers are left.
        """
        if self._given:
            raise DataError("the log holds more answers than were asked for; it is of another version")
        self._taken, self._given = [], None  # what is asked for outside of any work is nobody's

    def answer(
        self, ask: Callable[[], _T], as_json: Callable[[_T], Any], from_json: Callable[[Any], _T]
    ) -> _T:
        """Ask and take down, or give back.

        Raises
        ------
        DataError
            If there is nothing to give back.
        """
        if self._given is None:
            found = ask()
            self._taken.append(as_json(found))
            return found
        if not self._given:
            raise DataError("the log holds fewer answers than were asked for; it is of another version")
        return from_json(self._given.popleft())


@dataclasses.dataclass(slots=True)
class Calls:
    """What was asked of one RM: verdicts, how many of them failed or tied, and the seconds that they took."""

    asked: int = 0
    failed: int = 0
    tied: int = 0
    seconds: float = 0.0

    def add(self, verdicts: Sequence[Verdict]) -> None:
        """Count verdicts."""
        self.asked += len(verdicts)
        self.failed += sum(verdict.winner is None for verdict in verdicts)
        self.tied += sum(verdict.winner == "tie" for verdict in verdicts)
        self.seconds += sum(verdict.seconds or 0.0 for verdict in verdicts)

    def join(self, other: Calls) -> None:
        """Add another's counts."""
        self.asked += other.asked
        self.failed += other.failed
        self.tied += other.tied
        self.seconds += other.seconds


class TapedPool(RewardModelPool):
    """A pool whose verdicts go through a tape, and are counted.

    Attributes
    ----------
    calls
        What was asked since :meth:`counted`, by RM.
    scoring
        The RMs that have given scores, not only winners.
    """

    def __init__(self, pool: RewardModelPool, tape: Tape) -> None:
        super().__init__(pool.models)
        self._pool, self._tape = pool, tape
        self.calls: dict[str, Calls] = {}
        self.scoring: set[str] = set()

    def select(self, names: Sequence[str]) -> TapedPool:
        """Return the pool of some RMs; it counts with this one."""
        part = TapedPool(self._pool.select(names), self._tape)
        part.calls, part.scoring = self.calls, self.scoring
        return part

    def judge_each(self, asked: Mapping[str, Sequence[PreferencePair]]) -> dict[str, list[Verdict]]:
        """Ask several RMs, or give back what they said."""
        found = self._tape.answer(
            lambda: self._pool.judge_each(asked), _verdicts_as_json, _verdicts_from_json
        )
        for rm, verdicts in found.items():
            self.calls.setdefault(rm, Calls()).add(verdicts)
            if any(verdict.score_a is not None for verdict in verdicts):
                self.scoring.add(rm)
        return found

    def judge(self, rm: str, pairs: Sequence[PreferencePair]) -> list[Verdict]:
        """Ask one RM, or give back what it said."""
        return self.judge_each({rm: pairs})[rm]

    def accounts(self) -> dict[str, Account]:
        """Return the accounts of the pool behind this one, or what they were."""
        return self._tape.answer(self._pool.accounts, _accounts_as_json, _accounts_from_json)

    def counted(self) -> dict[str, Calls]:
        """Return the calls since the last time, and begin anew."""
        found = dict(self.calls)
        self.calls.clear()
        return found


class TapedRouter:
    """A router whose numbers go through a tape.

    Attributes
    ----------
    seen
        What a bandit was shown last: contexts or features, ``float64 [P, d]``.
    """

    def __init__(self, router: FittedRouter, tape: Tape) -> None:
        self._router, self._tape = router, tape
        self.seen: Floats | None = None

    @property
    def arms(self) -> tuple[str, ...]:
        """The names of the reward models."""
        return self._router.arms

    @property
    def prior_mean(self) -> Floats:
        """E_bt, ``float64 [N, d]``."""
        return self._router.prior_mean

    @property
    def arm_records(self) -> Sequence[Arm]:
        """What training saw of them."""
        return self._router.arm_records

    def contexts(self, pairs: Sequence[PreferencePair]) -> Floats:
        """Return h, ``float64 [P, d]``."""
        self.seen = self._taped(lambda: self._router.contexts(pairs))
        return self.seen

    def scores(self, pairs: Sequence[PreferencePair]) -> Floats:
        """Return the BT strengths, ``float64 [P, N]``."""
        return self._taped(lambda: self._router.scores(pairs))

    @property
    def held_out(self) -> HeldOut:
        """The pairs that calibration is fitted to."""
        return self._router.held_out

    def signals(self, pairs: Sequence[PreferencePair]) -> Signals:
        """Return what the router says of P pairs before any RM is asked."""
        return self._tape.answer(
            lambda: self._router.signals(pairs),
            lambda found: [
                None if part is None else _floats_as_json(part)
                for part in (found.scores, found.beliefs, found.reading)
            ],
            lambda taken: Signals(
                _floats_from_json(taken[0]),
                _floats_from_json(taken[1]),
                None if taken[2] is None else _floats_from_json(taken[2]),
            ),
        )

    def encoder_features(self, pairs: Sequence[PreferencePair]) -> Floats:
        """Return the encoder's own features, ``float64 [P, F]``."""
        if not len(pairs):  # asked for its width when a strategy is made: nothing of that is random
            return self._router.encoder_features(pairs)
        self.seen = self._taped(lambda: self._router.encoder_features(pairs))
        return self.seen

    def shift(self, contexts: Floats) -> float:
        """Return how unlike the pairs are to those of the fit; NaN where that is not known."""
        return self._router.shift(contexts) if isinstance(self._router, KnowsItsPairs) else float("nan")

    @property
    def reference(self) -> ContextReference | None:
        """What the fitting pairs' contexts looked like, where that is known."""
        return self._router.reference if isinstance(self._router, HasReference) else None

    def _taped(self, compute: Callable[[], Floats]) -> Floats:
        return self._tape.answer(compute, _floats_as_json, _floats_from_json)


def _verdicts_as_json(found: Mapping[str, Sequence[Verdict]]) -> dict[str, list[list[Any]]]:
    return {
        rm: [[v.winner, v.score_a, v.score_b, v.error, v.seconds] for v in verdicts]
        for rm, verdicts in found.items()
    }


def _verdicts_from_json(taken: Mapping[str, Sequence[Sequence[Any]]]) -> dict[str, list[Verdict]]:
    return {rm: [Verdict(rm, *parts) for parts in verdicts] for rm, verdicts in taken.items()}


def _accounts_as_json(found: Mapping[str, Account]) -> dict[str, dict[str, Any]]:
    return {rm: dataclasses.asdict(account) for rm, account in found.items()}


def _accounts_from_json(taken: Mapping[str, Mapping[str, Any]]) -> dict[str, Account]:
    return {rm: Account(**account) for rm, account in taken.items()}


def _floats_as_json(found: Floats) -> dict[str, Any]:
    whole = np.ascontiguousarray(found, "<f8")
    return {"shape": list(whole.shape), "float64": base64.b64encode(whole.tobytes()).decode("ascii")}


def _floats_from_json(taken: Mapping[str, Any]) -> Floats:
    flat = np.frombuffer(base64.b64decode(taken["float64"]), "<f8")
    return flat.reshape(taken["shape"]).astype(np.float64)

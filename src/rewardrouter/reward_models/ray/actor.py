"""The process of a replica: it makes one reward model and answers for it.

Its methods give data and do not raise: what Ray makes of an exception loses its class, and what a reward model answers
is held to its contract here, before it travels.
"""

from __future__ import annotations

import dataclasses
import math
import os
import pickle
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from rewardrouter.errors import UserError, one_line
from rewardrouter.pairs import PreferencePair
from rewardrouter.reward_models.base import (
    Counting,
    Identified,
    ReadsMetadata,
    Resident,
    RewardModel,
    identity_of,
)
from rewardrouter.verdicts import Verdict

Maker: TypeAlias = Callable[[], RewardModel]
"""Makes a reward model; it is pickled, so its parts must be importable where it runs."""


class Keys:
    """Environment variables with keys, for the process of one replica; shown as names only."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = dict(values)

    def __repr__(self) -> str:
        return f"Keys({', '.join(self._values)})"

    def set(self) -> None:
        """Put them into this process's environment."""
        os.environ.update(self._values)


@dataclasses.dataclass(frozen=True, slots=True)
class Opened:
    """A replica that is ready, with its weights if ``loaded``.

    ``identity`` is what its RM says of itself, or its class; ``cacheable`` whether that and the texts decide verdicts.
    """

    pid: int
    loaded: bool
    identity: Mapping[str, Any]
    cacheable: bool


@dataclasses.dataclass(frozen=True, slots=True)
class Refused:
    """A reward model that cannot be made or loaded: the name of the error's class, if it is a ``UserError``."""

    kind: str | None
    reason: str


class ReplicaActor:
    """What runs in the process."""

    def __init__(self, gpus: float) -> None:
        if not gpus:  # Ray hides GPUs from who is given some, in newer versions not from who is given none
            os.environ["CUDA_VISIBLE_DEVICES"] = ""
        self._model: RewardModel | None = None

    def open(self, name: str, make: bytes, keys: Keys, paths: Sequence[str], load: bool) -> Opened | Refused:
        """Make the reward model where it is not made yet, and have its weights loaded if ``load``.

        ``make`` is a pickled :data:`Maker`, whose parts are also looked for in ``paths``, as in the process that asks.
        """
        try:
            if self._model is None:
                keys.set()
                sys.path += [path for path in paths if path not in sys.path]
                maker: Maker = pickle.loads(make)  # noqa: S301 - from our own driver
                self._model = maker()
            if self._model.name != name:
                raise UserError(f"reward model {name}: what was made is named {self._model.name!r}")
            if load and isinstance(self._model, Resident):
                self._model.load()
            cacheable = isinstance(self._model, Identified) and not isinstance(self._model, ReadsMetadata)
            return Opened(os.getpid(), load, dict(identity_of(self._model)), cacheable)
        except UserError as error:
            return Refused(type(error).__name__, str(error))
        except Exception as error:  # whatever a third party's code raises
            return Refused(None, f"{type(error).__name__}: {one_line(error)}")

    def judge(self, rm: str, pairs: Sequence[bytes]) -> list[Verdict]:
        """Return one verdict per pickled pair, in order."""
        verdicts: list[Verdict | None] = [None] * len(pairs)
        read: dict[int, PreferencePair] = {}
        for row, pair in enumerate(pairs):
            try:
                read[row] = pickle.loads(pair)  # noqa: S301 - from our own driver
            except Exception as error:  # a class of its metadata may be missing here
                verdicts[row] = Verdict.failed(rm, f"its pair cannot be read there: {one_line(error)}")
        for row, verdict in zip(read, self._judge(rm, list(read.values())), strict=True):
            verdicts[row] = verdict
        return [verdict for verdict in verdicts if verdict is not None]

    def unload(self) -> None:
        """Let the reward model give its memory back."""
        if isinstance(self._model, Resident):
            self._model.unload()

    def notes(self) -> list[str]:
        """Return what the reward model has to say of what it read."""
        return self._model.notes() if isinstance(self._model, Counting) else []

    def _judge(self, rm: str, pairs: Sequence[PreferencePair]) -> list[Verdict]:
        if not pairs:
            return []
        if self._model is None:
            raise RuntimeError("judge before open")
        try:
            verdicts = list(self._model.judge(pairs))
        except Exception as error:
            return [Verdict.failed(rm, f"it raised {type(error).__name__}: {one_line(error)}")] * len(pairs)
        if len(verdicts) != len(pairs):  # whose each is cannot be told
            reason = f"its reply has another length: {len(pairs)} pairs, {len(verdicts)} verdicts"
            return [Verdict.failed(rm, reason)] * len(pairs)
        return [_kept(rm, verdict) for verdict in verdicts]


def _kept(rm: str, verdict: Any) -> Verdict:
    """Return a verdict that keeps its contract, or a failed one that says how it does not."""
    if not isinstance(verdict, Verdict):
        return Verdict.failed(rm, f"it answered with a {type(verdict).__name__}, not a verdict")
    if verdict.rm != rm:
        return Verdict.failed(rm, f"it answered in the name of {verdict.rm!r}")
    scores = (verdict.score_a, verdict.score_b)
    if any(score is not None and not math.isfinite(score) for score in scores):
        return Verdict.failed(rm, f"score is not finite: {scores[0]}, {scores[1]}", verdict.seconds)
    return verdict

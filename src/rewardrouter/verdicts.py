"""What reward models said about pairs, and how often they were right.

A :class:`Verdict` is one RM's answer on one pair: the scores of both responses,
the winner (A, B or tie), or a failure with its reason. A :class:`VerdictTable`
holds the verdicts of N RMs on P human-labelled pairs.

*Behaviour* (paper 3.2) is ``delta[i, n] = 1`` where RM n's winner is the human
label, 0 where it is the other response. A tied or failed verdict has no
behaviour: it is missing, not wrong. The *disagreement set* is every
``(i, n, m)`` with ``delta[i, n] = 1`` and ``delta[i, m] = 0``.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from rewardrouter.errors import DataError, did_you_mean
from rewardrouter.pairs import Label, PreferencePair

Winner: TypeAlias = Literal["A", "B", "tie"]
"""Who won in the eyes of an RM."""

A, TIE, B, FAILED = 1, 0, -1, -9
"""Codes of a winner in :attr:`VerdictTable.winners`; labels use A and B of the same codes."""

_CODES: Mapping[str | None, int] = {"A": A, "B": B, "tie": TIE, None: FAILED}
_WINNERS: Mapping[int, Winner | None] = {A: "A", B: "B", TIE: "tie", FAILED: None}
_SWAPPED: Mapping[Winner, Winner] = {"A": "B", "B": "A", "tie": "tie"}


@dataclasses.dataclass(frozen=True, slots=True)
class Verdict:
    """One RM's answer on one pair.

    ``repeats`` is set on a failure that would be the same if the RM were asked again.
    ``winner`` is ``None`` exactly where ``error`` says why there is none.
    ``score_a`` and ``score_b`` are in the RM's own unit, ``None`` for an RM that
    only names a winner; ``seconds`` is the wall-clock of the call.
    """

    rm: str
    winner: Winner | None
    score_a: float | None = None
    score_b: float | None = None
    error: str | None = None
    seconds: float | None = None
    repeats: bool = dataclasses.field(default=False, compare=False)

    def __post_init__(self) -> None:
        if (self.winner is None) == (self.error is None):
            raise ValueError(
                f"verdict of {self.rm}: give a winner or an error, found {self.winner!r}, {self.error!r}"
            )

    @classmethod
    def from_scores(
        cls, rm: str, score_a: float | None, score_b: float | None, seconds: float | None = None
    ) -> Verdict:
        """Return the verdict of a pointwise RM: the higher score wins, equal scores tie, NaN fails."""
        if score_a is None or score_b is None:
            return cls.failed(rm, "no score", seconds)
        if not (math.isfinite(score_a) and math.isfinite(score_b)):
            return cls.failed(rm, f"score is not finite: {score_a}, {score_b}", seconds)
        winner: Winner = "A" if score_a > score_b else "B" if score_b > score_a else "tie"
        return cls(rm, winner, score_a, score_b, None, seconds)

    @classmethod
    def failed(cls, rm: str, error: str, seconds: float | None = None, *, repeats: bool = False) -> Verdict:
        """Return the record of a call that gave no usable answer."""
        return cls(rm, None, None, None, error, seconds, repeats)

    def swapped(self) -> Verdict:
        """Return the verdict on the pair with its two responses exchanged."""
        if self.winner is None:
            return self
        winner = _SWAPPED[self.winner]
        return dataclasses.replace(self, winner=winner, score_a=self.score_b, score_b=self.score_a)

    @property
    def answered(self) -> bool:
        """Whether an answer came, be it one that could not be read: what did not come is not paid."""
        return True

    @property
    def label(self) -> Label | None:
        """The label this verdict would give: its winner, or ``None`` for a tie or a failure."""
        return None if self.winner in (None, "tie") else self.winner  # type: ignore[return-value]


def _compared(verdict: Verdict) -> tuple[object, ...]:
    return dataclasses.astuple(verdict)[:-1]


class Unanswered(Verdict):
    """The record of a call that no answer came to: not made, not connected, broken off, refused."""

    __slots__ = ()

    @property
    def answered(self) -> bool:
        """``False``."""
        return False

    def __eq__(self, other: object) -> bool:
        """Compare as verdicts: read again from a file, one is no longer known to be unanswered."""
        return isinstance(other, Verdict) and _compared(self) == _compared(other)

    __hash__ = Verdict.__hash__


@dataclasses.dataclass(frozen=True)
class VerdictTable:
    """The verdicts of N RMs on P human-labelled pairs.

    Parameters
    ----------
    pairs
        The P pairs.
    labels
        ``int8 [P]``: human labels, codes ``A`` and ``B``.
    rms
        The N names, in the order of the columns below.
    winners
        ``int8 [P, N]``: codes ``A``, ``B``, ``TIE``, ``FAILED``.
    scores_a, scores_b
        ``float64 [P, N]``: scores in each RM's unit, NaN where there is none.
    """

    pairs: tuple[PreferencePair, ...]
    labels: npt.NDArray[np.int8]
    rms: tuple[str, ...]
    winners: npt.NDArray[np.int8]
    scores_a: npt.NDArray[np.float64]
    scores_b: npt.NDArray[np.float64]

    def __post_init__(self) -> None:
        shape = (len(self.pairs), len(self.rms))
        for name in ("winners", "scores_a", "scores_b"):
            found = getattr(self, name).shape
            if found != shape:
                raise ValueError(f"{name}: expected shape {shape} (pairs x RMs), got {found}")
        if self.labels.shape != shape[:1]:
            raise ValueError(f"labels: expected shape {shape[:1]}, got {self.labels.shape}")
        if not np.isin(self.labels, (A, B)).all():
            raise ValueError(f"labels: expected only {A} (A) and {B} (B), got {np.unique(self.labels)}")
        if not np.isin(self.winners, list(_WINNERS)).all():
            raise ValueError(
                f"winners: expected only {A} (A), {B} (B), {TIE} (tie) and {FAILED} (failed),"
                f" got {np.unique(self.winners)}"
            )

    def __len__(self) -> int:
        return len(self.pairs)

    @property
    def behaviour(self) -> npt.NDArray[np.float64]:
        """``float64 [P, N]``: 1 agrees with the human, 0 does not, NaN tied or failed (paper 3.2)."""
        observed = np.isin(self.winners, (A, B))
        return np.where(observed, (self.winners == self.labels[:, None]).astype(np.float64), np.nan)

    @property
    def kept(self) -> npt.NDArray[np.bool_]:
        """``bool [P]``: pairs that at least one RM gets right, on which accuracy is counted (paper 4.1)."""
        kept: npt.NDArray[np.bool_] = (self.behaviour == 1).any(axis=1)
        return kept

    @property
    def groups(self) -> npt.NDArray[np.str_]:
        """``str [P]``: the unit of splitting of each pair."""
        return np.array([pair.group for pair in self.pairs], dtype=np.str_)

    @property
    def domains(self) -> npt.NDArray[np.str_]:
        """``str [P]``: the domain of each pair."""
        return np.array([pair.domain for pair in self.pairs], dtype=np.str_)

    def disagreements(self) -> npt.NDArray[np.int64]:
        """Return ``int64 [K, 3]``: every ``(i, n, m)`` with RM n right and RM m wrong on pair i (Eq. 2)."""
        right, wrong = self.behaviour == 1, self.behaviour == 0
        return np.argwhere(right[:, :, None] & wrong[:, None, :])

    def select(self, rows: npt.ArrayLike) -> VerdictTable:
        """Return the table of some pairs: ``rows`` is a boolean mask ``[P]`` or indices."""
        index = np.asarray(rows)
        index = np.flatnonzero(index) if index.dtype == np.bool_ else index.astype(np.int64)
        return VerdictTable(
            tuple(self.pairs[int(i)] for i in index),
            self.labels[index],
            self.rms,
            self.winners[index],
            self.scores_a[index],
            self.scores_b[index],
        )

    def pool(self, rms: Sequence[str]) -> VerdictTable:
        """Return the table of some RMs, in the order given.

        Raises
        ------
        DataError
            If an RM is unknown or named twice.
        """
        for name in rms:
            if name not in self.rms:
                raise DataError(
                    f"reward model {name!r} has no verdicts here.{did_you_mean(name, self.rms)}"
                    f" Known: {', '.join(self.rms)}"
                )
        if len(set(rms)) != len(rms):
            raise DataError(f"a reward model is named twice: {', '.join(rms)}")
        columns = [self.rms.index(name) for name in rms]
        return VerdictTable(
            self.pairs,
            self.labels,
            tuple(rms),
            self.winners[:, columns],
            self.scores_a[:, columns],
            self.scores_b[:, columns],
        )

    def verdict(self, row: int, rm: str) -> Verdict:
        """Return one RM's verdict on the pair in ``row``."""
        column = self.rms.index(rm)
        winner = _WINNERS[int(self.winners[row, column])]
        if winner is None:
            return Verdict.failed(rm, "no usable verdict recorded")
        score_a, score_b = self.scores_a[row, column], self.scores_b[row, column]
        scored = np.isfinite(score_a) and np.isfinite(score_b)
        return Verdict(rm, winner, float(score_a) if scored else None, float(score_b) if scored else None)


def winner_code(winner: str | None) -> int:
    """Return the code of a winner (``"A"``, ``"B"``, ``"tie"`` or ``None``)."""
    return _CODES[winner]

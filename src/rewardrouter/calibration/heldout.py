"""Pairs whose signals came from models that did not see them, with the verdicts and the human's label.

Calibration must not be learnt where the router remembers: on its training pairs it looks surer than it is.
:func:`rewardrouter.offline.linear.fit_linear` scores every pair by a model of the other folds, a training by
gradient steps those of its validation split. These rows, kept with the router, are all that calibration,
evidence and budgets are fitted to; they are fitted anew, in well under a second, when first asked for.

An arm that joins later was asked about none of them. It may bring pairs of its own that the router never saw
(:meth:`HeldOut.with_later`); they are known by a digest, so that what the next arm says of them finds its row.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from rewardrouter.errors import CheckpointError
from rewardrouter.state import State

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

MOST_PAIRS = 20_000
"""Pairs kept at most: more change no digit that matters, and would make the router's folder large."""
_NO_MARGIN = -1.0


@dataclasses.dataclass(frozen=True)
class Signals:
    """What the router says of P pairs before any RM is asked.

    ``scores`` are the BT strengths, ``float64 [P, N]``; ``beliefs`` the logits of P(RM is right), ``[P, N]``, of the
    classification head, or without one the strengths less their mean over the RMs. ``reading`` is the router's own
    opinion of the pair, ``[P]``, positive for response A, in a unit of its own; ``None`` where it has none.
    Exchanging the responses changes the sign of ``reading`` and nothing else.
    """

    scores: Floats
    beliefs: Floats
    reading: Floats | None

    @classmethod
    def of(cls, scores: Floats, logits: Floats | None, reading: Floats | None) -> Signals:
        """Return the signals of scores ``[P, N]``, the classification head's logits if any, and a reading if any."""
        return cls(scores, scores - scores.mean(axis=1, keepdims=True) if logits is None else logits, reading)

    def select(self, rows: npt.NDArray[np.generic]) -> Signals:
        """Return the signals of some pairs."""
        return Signals(
            self.scores[rows], self.beliefs[rows], None if self.reading is None else self.reading[rows]
        )


@dataclasses.dataclass(frozen=True, eq=False)
class HeldOut:
    """P held-out pairs; two are equal only where they are the same object.

    Parameters
    ----------
    signals
        By models that did not see the pair.
    winners
        ``int64 [P, N]``: 1 where the RM prefers A, -1 for B, 0 where it gave no verdict (tied, failed or not asked).
    margins
        ``float64 [P, N]``: the distance of its two scores in its own unit, NaN where it gave none.
    labels
        ``int64 [P]``: the human's, 1 or -1.
    folds
        ``int64 [P]``: a part of each pair, never cutting through a group.
    digests
        ``int64 [P]``: names a pair that came later, with an arm; 0 for a pair of the fit. ``None``: all are of the fit.
    groups
        ``int64 [P]``: a digest of each pair's group, as pairs of one problem are right and wrong together. ``None``:
        each is a group of its own.
    """

    signals: Signals
    winners: Integers
    margins: Floats
    labels: Integers
    folds: Integers
    digests: Integers | None = None
    groups: Integers | None = None

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def answered(self) -> npt.NDArray[np.bool_]:
        """``bool [P, N]``: whether the RM named a winner."""
        named: npt.NDArray[np.bool_] = self.winners != 0
        return named

    @property
    def behaviour(self) -> Floats:
        """``float64 [P, N]``: 1 right, 0 wrong, NaN without a verdict (paper 3.2)."""
        return np.where(self.answered, (self.winners == self.labels[:, None]).astype(np.float64), np.nan)

    @property
    def later(self) -> Integers:
        """``int64 [P]``: the digest of a pair that came with an arm that joined, 0 for a pair of the fit."""
        return np.zeros(len(self), np.int64) if self.digests is None else self.digests

    @property
    def clusters(self) -> Integers:
        """``int64 [P]``: the same number for pairs of one group."""
        return np.arange(len(self)) if self.groups is None else self.groups

    @property
    def asked(self) -> npt.NDArray[np.bool_]:
        """``bool [P, N]``: whether the RM can have been asked; ties and failures are calls too.

        An RM without a verdict on any pair of the fit joined later. Of a pair that came later verdicts alone are known.
        """
        answered, of_fit = self.answered, self.later == 0
        asked: npt.NDArray[np.bool_] = np.where(of_fit[:, None], answered[of_fit].any(axis=0), answered)
        return asked

    @property
    def plannable(self) -> npt.NDArray[np.bool_]:
        """``bool [P]``: whether budgets are planned on it: half of the RMs, or more, can be asked about it.

        Where there is no such pair, the pairs about which most of them can; never one about which nobody can.
        """
        askable = self.asked.sum(axis=1)
        half = -(-self.winners.shape[1] // 2)
        plannable: npt.NDArray[np.bool_] = askable >= max(1, min(half, int(askable.max(initial=0))))
        return plannable

    def select(self, rows: npt.NDArray[np.generic]) -> HeldOut:
        """Return some of the pairs: a mask ``bool [P]`` or indices."""
        return HeldOut(
            self.signals.select(rows),
            self.winners[rows],
            self.margins[rows],
            self.labels[rows],
            self.folds[rows],
            None if self.digests is None else self.digests[rows],
            None if self.groups is None else self.groups[rows],
        )

    def parts(self) -> Iterator[tuple[HeldOut, npt.NDArray[np.bool_]]]:
        """Yield, for every fold, the pairs of the others, which may teach, and which pairs it holds, ``bool [P]``.

        Where there is but one fold, it is taught by itself.
        """
        for fold in np.unique(self.folds):
            held = self.folds == fold
            yield (self if held.all() else self.select(~held)), held

    def arms(self, columns: list[int]) -> HeldOut:
        """Return the pairs with some of the RMs, in the order given; a later pair that none of them judged goes."""
        signals = Signals(
            self.signals.scores[:, columns], self.signals.beliefs[:, columns], self.signals.reading
        )
        found = dataclasses.replace(
            self, signals=signals, winners=self.winners[:, columns], margins=self.margins[:, columns]
        )
        empty = (found.later != 0) & ~found.answered.any(axis=1)
        return found.select(~empty) if empty.any() else found

    def with_arm(self, scores: Floats, beliefs: Floats) -> HeldOut:
        """Return the same pairs with one more RM that was asked about none of them; ``[P]`` each."""
        signals = Signals(
            np.column_stack([self.signals.scores, scores]),
            np.column_stack([self.signals.beliefs, beliefs]),
            self.signals.reading,
        )
        nothing = np.zeros((len(self), 1))
        return dataclasses.replace(
            self,
            signals=signals,
            winners=np.column_stack([self.winners, nothing.astype(np.int64)]),
            margins=np.column_stack([self.margins, nothing * np.nan]),
        )

    def with_later(self, later: HeldOut) -> HeldOut:
        """Return these pairs and ``later`` ones, of the same RMs, the last of which brings them.

        A pair that came with another arm before stays one row: it gains verdicts that it lacked, and what is expected
        of the last RM.
        """
        row_of = {digest: row for row, digest in enumerate(self.later.tolist()) if digest}
        row = np.array([row_of.get(digest, -1) for digest in later.later.tolist()], np.int64)
        again, rows = later.select(row >= 0), row[row >= 0]
        scores, beliefs = self.signals.scores.copy(), self.signals.beliefs.copy()
        scores[rows, -1], beliefs[rows, -1] = again.signals.scores[:, -1], again.signals.beliefs[:, -1]
        winners, margins = self.winners.copy(), self.margins.copy()
        lacked = self.winners[rows] == 0
        winners[rows] = np.where(lacked, again.winners, winners[rows])
        margins[rows] = np.where(lacked, again.margins, margins[rows])
        new = later.select(row < 0)
        reading = None
        if self.signals.reading is not None and new.signals.reading is not None:
            reading = np.concatenate([self.signals.reading, new.signals.reading])
        groups = None
        if self.groups is not None and new.groups is not None:
            groups = np.concatenate([self.groups, new.groups])
        return HeldOut(
            Signals(
                np.concatenate([scores, new.signals.scores]),
                np.concatenate([beliefs, new.signals.beliefs]),
                reading,
            ),
            np.concatenate([winners, new.winners]),
            np.concatenate([margins, new.margins]),
            np.concatenate([self.labels, new.labels]),
            np.concatenate([self.folds, new.folds]),
            np.concatenate([self.later, new.later]),
            groups,
        )

    def sampled(self, seed: int, most: int = MOST_PAIRS) -> HeldOut:
        """Return at most so many of the pairs, drawn by ``seed``."""
        if len(self) <= most:
            return self
        return self.select(np.sort(np.random.default_rng(seed).permutation(len(self))[:most]))

    def state(self) -> State:
        """Return the rows as a state (``router.files`` writes it)."""
        arrays = {
            "scores": self.signals.scores,
            "beliefs": self.signals.beliefs,
            "winners": self.winners,
            "margins": np.where(np.isnan(self.margins), _NO_MARGIN, self.margins),
            "labels": self.labels,
            "folds": self.folds,
        }
        if self.signals.reading is not None:
            arrays["reading"] = self.signals.reading
        if self.digests is not None:
            arrays["digests"] = self.digests
        if self.groups is not None:
            arrays["groups"] = self.groups
        return State(arrays)

    @classmethod
    def from_state(cls, state: State, n_rms: int) -> HeldOut:
        """Return what :meth:`state` gave, for ``n_rms`` RMs.

        Raises
        ------
        CheckpointError
            If it is broken, or of another number of RMs.
        """
        scores = state.floats("scores", None, n_rms)
        n = len(scores)
        margins = state.floats("margins", n, n_rms)
        winners, labels = state.array("winners", (n, n_rms), np.int64), state.array("labels", (n,), np.int64)
        if not np.isin(winners, (-1, 0, 1)).all() or not np.isin(labels, (-1, 1)).all():
            raise CheckpointError("state: winners or labels hold other codes than -1, 0 and 1")
        return cls(
            Signals(
                scores,
                state.floats("beliefs", n, n_rms),
                state.floats("reading", n) if "reading" in state.arrays else None,
            ),
            winners,
            np.where(margins < 0, np.nan, margins),
            labels,
            state.array("folds", (n,), np.int64),
            state.array("digests", (n,), np.int64) if "digests" in state.arrays else None,
            state.array("groups", (n,), np.int64) if "groups" in state.arrays else None,
        )

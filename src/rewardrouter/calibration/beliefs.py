"""What is believed of P pairs, verdict by verdict, and what one more verdict would tell.

:class:`EvidenceModel` is fitted once; :meth:`EvidenceModel.begin` gives the :class:`Beliefs` of new pairs, which
begin with the router's own reading and are told every verdict.

**What RM n would tell.** Were it to answer with log odds l, the belief P(A) would become p+ or p-, by which response
it prefers. Beliefs must be expected to stay as they are, P(A) = q p+ + (1 - q) p-, which gives the probability q
that it prefers A without another model: a witness who repeats what was said moves little and is expected to agree. The
information gained is H(P(A)) - q H(p+) - (1 - q) H(p-), in nats, averaged over the RM's typical margins. It is never
zero for a useful RM, where the chance to flip the label is, as long as no single verdict could. An RM that is mostly
wrong tells as much as one that is as often right: its verdicts count the other way round.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt
from scipy.special import entr, expit

from rewardrouter.calibration.correctness import NODES, Correctness
from rewardrouter.calibration.heldout import HeldOut, Signals
from rewardrouter.calibration.logistic import fit_logistic
from rewardrouter.calibration.witnesses import INDEPENDENCE, Witnesses

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

_READING = np.array([0.01])


@dataclasses.dataclass(frozen=True)
class EvidenceModel:
    """Calibrated correctness of N RMs, and how their verdicts add up.

    ``reading_weight`` makes log odds of the router's reading, 0 where it has none. ``disagreement``, ``[N, N]``, is
    how often two RMs name different winners on the held-out pairs.
    """

    correctness: Correctness
    witnesses: Witnesses
    reading_weight: float
    disagreement: Floats

    @classmethod
    def fit(cls, held_out: HeldOut, *, independence: float = INDEPENDENCE) -> EvidenceModel:
        """Fit everything to held-out pairs."""
        correctness = Correctness.fit(held_out)
        reading = held_out.signals.reading
        weight = 0.0
        if reading is not None and len(held_out):
            spread = max(float(reading.std()), 1e-12)
            outcome = held_out.labels.astype(np.float64)
            found = fit_logistic(
                reading[:, None] / spread, outcome, centre=np.zeros(1), strength=_READING, lower=np.zeros(1)
            )
            weight = float(found[0]) / spread
        blank = cls(correctness, Witnesses(np.zeros((0, 0)), np.zeros(0)), weight, _disagreement(held_out))
        evidence = blank._evidence(held_out.signals, held_out.winners, held_out.margins)
        return dataclasses.replace(blank, witnesses=Witnesses(evidence, held_out.labels, independence))

    def begin(self, signals: Signals) -> Beliefs:
        """Return what is believed of P pairs before any verdict."""
        return Beliefs(self, signals)

    def _evidence(self, signals: Signals, winners: Integers, margins: Floats) -> Floats:
        """Return signed log odds, ``[P, N + 1]``; the last column is the router's reading."""
        spoken = winners * self.correctness.logits(margins, signals.beliefs)
        return np.column_stack([spoken, self._read(signals)])

    def _read(self, signals: Signals) -> Floats:
        if signals.reading is None:
            return np.zeros(len(signals.scores))
        return self.reading_weight * signals.reading


class Beliefs:
    """What is believed of P pairs.

    Attributes
    ----------
    log_odds
        ``float64 [P]``: of A being the better response.
    answered
        ``bool [P, N]``: whose verdict was told.
    """

    def __init__(self, model: EvidenceModel, signals: Signals) -> None:
        self._model = model
        self._signals = signals
        n_pairs, n_rms = signals.scores.shape
        self._reads = signals.reading is not None and model.reading_weight > 0
        self._typical = model.correctness.typical_logits(signals.beliefs)
        self._said = np.zeros((n_pairs, n_rms + 1))
        self._said[:, -1] = model._read(signals)
        self.answered: Mask = np.zeros((n_pairs, n_rms), np.bool_)
        self.log_odds: Floats = np.zeros(n_pairs)
        self._weigh(np.arange(n_pairs))

    @property
    def probability(self) -> Floats:
        """P(the likelier label is right), ``float64 [P]`` in [.5, 1]."""
        found: Floats = expit(np.abs(self.log_odds))
        return found

    def tell(self, rows: Integers, arms: Integers, winners: Integers, margins: Floats) -> None:
        """Hear verdicts: for each of W pairs the RM, its winner (1, -1, or 0 for none) and its margin (or NaN)."""
        every = np.full((len(rows), self.answered.shape[1]), np.nan)
        every[np.arange(len(rows)), arms] = margins
        logits = self._model.correctness.logits(every, self._signals.beliefs[rows])
        named = winners != 0
        self._said[rows[named], arms[named]] = (winners * logits[np.arange(len(rows)), arms])[named]
        self.answered[rows[named], arms[named]] = True
        self._weigh(rows[named])

    def gains(self, rows: Integers, candidates: Mask) -> Floats:
        """Return the information, in nats, that one more verdict would bring.

        ``candidates``, ``bool [W, N]``, are RMs that have not answered about each of the W pairs; the others get
        ``-inf``, in ``float64 [W, N]``.
        """
        gains = np.full(candidates.shape, -np.inf)
        before = expit(self.log_odds[rows])
        for members, places in self._groups(rows):
            for n in np.flatnonzero(candidates[places].any(axis=0)):
                some = places[candidates[places, n]]
                joined = tuple(sorted((*members, int(n))))
                weights = self._model.witnesses.weights(joined)
                at = joined.index(int(n))
                rest = [m for m in joined if m != n]
                others = self._said[np.ix_(rows[some], rest)] @ np.delete(weights, at)
                step = weights[at] * np.abs(self._typical[rows[some], n])
                gains[some, n] = _information(before[some], others, step)
        return gains

    def _weigh(self, rows: Integers) -> None:
        for members, places in self._groups(rows):
            if members:
                weights = self._model.witnesses.weights(members)
                self.log_odds[rows[places]] = self._said[np.ix_(rows[places], np.array(members))] @ weights

    def _groups(self, rows: Integers) -> list[tuple[tuple[int, ...], Integers]]:
        """Return each set of witnesses that spoke on some of the rows, and the places of those in ``rows``."""
        if not len(rows):
            return []
        spoke = np.column_stack([self.answered[rows], np.full(len(rows), self._reads)])
        sets, place = np.unique(spoke, axis=0, return_inverse=True)
        order = np.argsort(place.ravel(), kind="stable")
        parts = np.split(order, np.cumsum(np.bincount(place.ravel(), minlength=len(sets)))[:-1])
        return [
            (tuple(int(m) for m in np.flatnonzero(one)), part) for one, part in zip(sets, parts, strict=True)
        ]


def _information(before: Floats, others: Floats, step: Floats) -> Floats:
    """Return the expected loss of entropy, nats ``[W]``.

    ``before [W]`` is P(A), ``others [W]`` the log odds of the rest, ``step [W, K]`` what the verdict adds.
    """
    up, down = expit(others[:, None] + step), expit(others[:, None] - step)
    width = up - down
    with np.errstate(invalid="ignore", divide="ignore"):
        prefers_a = np.where(width > 1e-12, np.clip((before[:, None] - down) / width, 0.0, 1.0), 0.5)
    after = prefers_a * _entropy(up) + (1.0 - prefers_a) * _entropy(down)
    # Weights of the larger set may put what is believed now outside of both: then the verdict would tell nothing.
    gain: Floats = np.maximum(_entropy(before)[:, None] - after, 0.0).sum(axis=1) / NODES
    return gain


def _entropy(p: Floats) -> Floats:
    found: Floats = entr(p) + entr(1.0 - p)
    return found


def accuracy_of(held_out: HeldOut) -> Floats:
    """Return how often each RM is right, ``float64 [N]``; two verdicts of the mean RM are added to each."""
    right = np.nansum(held_out.behaviour, axis=0)
    counts = held_out.answered.sum(axis=0)
    mean = (right.sum() + 1.0) / (counts.sum() + 2.0)
    found: Floats = (right + 2.0 * mean) / (counts + 2.0)
    return found


def _disagreement(held_out: HeldOut) -> Floats:
    """Return how often two RMs name different winners, ``[N, N]``; two pairs of the mean couple are added to each."""
    seen, winners = held_out.answered.astype(np.float64), held_out.winners.astype(np.float64)
    both = seen.T @ seen
    disagree = (both - winners.T @ winners) / 2.0
    off = ~np.eye(len(both), dtype=bool)
    overall = disagree[off].sum() / max(float(both[off].sum()), 1.0)
    shrunk: Floats = (disagree + 2.0 * overall) / (both + 2.0)
    np.fill_diagonal(shrunk, 0.0)
    return shrunk

"""Whom to ask, at what cost.

**First**, before any verdict: the Bradley-Terry scores rank the RMs best (they were trained to), and say how much is
lost by taking RM n instead of the best, b: the two are right on different pairs, where they disagree, so

    accuracy_n - accuracy_b = -D_nb (2 sigmoid(s_b - s_n) - 1),

D_nb being how often they disagree. RM n is taken that has the highest accuracy less ``price * cost_n``. At price 0,
that is the router.

**Next**: the RM whose verdict is expected to tell most per cost (``calibration.beliefs``), among the
:data:`CANDIDATES` best scored that are left. Asking goes on until the label is sure enough, or :data:`MOST_CALLS`.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from rewardrouter.calibration.beliefs import Beliefs, EvidenceModel
from rewardrouter.calibration.heldout import Signals

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

MOST_CALLS = 8
"""Calls about one pair at most."""
CANDIDATES = 6
"""RMs that are weighed for the next call at most: the best scored of those left."""
_FREE = 1e-12
"""Share of the dearest call that one for nothing is taken to cost where gains are divided by costs."""


@dataclasses.dataclass(frozen=True)
class Costs:
    """What a call to each of N RMs costs, ``float64 [N]``, none negative, in one unit.

    ``unit`` is its name: ``call``, ``second`` or a currency.
    """

    values: Floats
    unit: str = "call"

    @classmethod
    def of_calls(cls, n_rms: int) -> Costs:
        """Return the cost of 1 per call."""
        return cls(np.ones(n_rms))

    @property
    def equal(self) -> bool:
        """Whether all cost the same, so that no price changes the choice."""
        return bool(np.ptp(self.values) <= 1e-12 * float(self.values.max()))


def relative_accuracy(scores: Floats, disagreement: Floats) -> Floats:
    """Return how much less often than the best-scored RM each is right, ``float64 [P, N]``, at most 0.

    ``scores`` are BT strengths ``[P, N]``, ``disagreement`` how often two RMs name different winners ``[N, N]``.
    """
    best = scores.argmax(axis=1)
    ahead = scores[np.arange(len(scores)), best][:, None] - scores
    loss: Floats = -disagreement[best] * (2.0 * expit(ahead) - 1.0)
    return loss


def net_accuracy(model: EvidenceModel, scores: Floats, costs: Costs, price: float) -> Floats:
    """Return the relative accuracy of each RM less what it costs, ``float64 [P, N]``, of BT strengths ``[P, N]``."""
    return relative_accuracy(scores, model.disagreement) - price * costs.values


def first_arms(model: EvidenceModel, signals: Signals, costs: Costs, price: float, left: Mask) -> Integers:
    """Return the RM to ask first about each of P pairs, ``int64 [P]``, among those ``left``, ``bool [P, N]``."""
    worth = signals.scores if price == 0.0 else net_accuracy(model, signals.scores, costs, price)
    found: Integers = np.where(left, worth, -np.inf).argmax(axis=1)
    return found


def next_arms(beliefs: Beliefs, signals: Signals, costs: Costs, rows: Integers, left: Mask) -> Integers:
    """Return the RM to ask next about each of W pairs, ``int64 [W]``, among those ``left``, ``bool [W, N]``."""
    scores = np.where(left, signals.scores[rows], -np.inf)
    place = np.argsort(np.argsort(-scores, axis=1, kind="stable"), axis=1, kind="stable")
    candidates = left & (place < CANDIDATES)
    # What is free comes first, and of several the one that tells most.
    dearest = float(costs.values.max())
    each = np.maximum(costs.values, _FREE * dearest) if dearest else np.ones_like(costs.values)
    value = beliefs.gains(rows, candidates) / each
    # Where nobody would tell anything, the best scored.
    value = np.where(candidates & (value <= 0.0), -1.0 - place, value)
    found: Integers = np.where(candidates, value, -np.inf).argmax(axis=1)
    return found

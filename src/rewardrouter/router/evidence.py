"""What calibration says of one pair: before any verdict, and as far as verdicts of it are recorded.

The numbers are those that a cascade works with (:mod:`rewardrouter.calibration`) where every call costs the same: it
asks the best-scored RM first, then the one that would tell most.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from scipy.special import expit

from rewardrouter.calibration.cascade import Cascade
from rewardrouter.calibration.choosing import Costs
from rewardrouter.offline.held_out import Said, said_of
from rewardrouter.pairs import Label
from rewardrouter.router.facade import BayesianRouter, Scored
from rewardrouter.verdicts import FAILED, Verdict, winner_code

_CALLS = 3
"""Calls of a cascade that are shown at most."""
_ROW = np.zeros(1, np.int64)


@dataclasses.dataclass(frozen=True)
class ArmEvidence:
    """One arm on one pair.

    ``expected`` is P(right) before any verdict, ``gain`` the information that its verdict would bring then, in nats.
    Where its verdict is recorded: ``verdict`` (``failed`` is one), ``margin`` in its own unit, ``None`` without scores,
    and ``calibrated``, P(right) given the margin, ``None`` where it named no winner.
    """

    name: str
    expected: float
    gain: float
    verdict: str | None = None
    margin: float | None = None
    calibrated: float | None = None


@dataclasses.dataclass(frozen=True)
class CascadeCall:
    """One call of a cascade that goes on.

    ``why``: it is asked as the best scored (``score``) or as the one that tells most (``gain``); ``gain`` in nats per
    call, as expected just before. Where its verdict is recorded: ``verdict``, then the likelier ``label`` and its
    probability; ``None`` before any RM named a winner.
    """

    name: str
    why: Literal["score", "gain"]
    gain: float
    verdict: str | None = None
    label: Label | None = None
    probability: float | None = None


@dataclasses.dataclass(frozen=True)
class PairEvidence:
    """One pair: ``sure`` is P(the likelier label is right) before any verdict, ``calls`` the cascade's first ones."""

    held_out: int
    sure: float
    arms: tuple[ArmEvidence, ...]
    calls: tuple[CascadeCall, ...]


def evidence_of(
    router: BayesianRouter, scored: Scored, verdicts: Mapping[str, Verdict]
) -> PairEvidence | None:
    """Return what calibration says of one pair, the arms in the router's order.

    ``None`` where the router keeps no held-out pairs. ``scored`` is of that pair alone; ``verdicts`` by the names of
    RMs, of all, some or none.
    """
    if not len(router.held_out):
        return None
    model, signals = router.evidence, scored.signals
    heard = [verdicts.get(name) for name in router.arms]
    said = _said(heard)
    beliefs = model.begin(signals)
    gains = beliefs.gains(_ROW, np.ones((1, len(heard)), np.bool_))[0]
    expected = model.correctness.expected(signals.beliefs)[0]
    calibrated = expit(model.correctness.logits(said.margins, signals.beliefs))[0]
    arms = []
    for n, (name, verdict) in enumerate(zip(router.arms, heard, strict=True)):
        margin, named = float(said.margins[0, n]), said.winners[0, n] != 0
        arms.append(
            ArmEvidence(
                name,
                float(expected[n]),
                float(gains[n]),
                _word(verdict),
                margin if np.isfinite(margin) else None,
                float(calibrated[n]) if named else None,
            )
        )
    cascade = Cascade(model, signals, Costs.of_calls(len(heard)), threshold=np.inf)
    return PairEvidence(
        len(router.held_out),
        float(beliefs.probability[0]),
        tuple(arms),
        _calls(cascade, router.arms, heard, said),
    )


def _calls(
    cascade: Cascade, names: Sequence[str], heard: Sequence[Verdict | None], said: Said
) -> tuple[CascadeCall, ...]:
    calls: list[CascadeCall] = []
    while len(calls) < min(_CALLS, len(names)):
        gains = cascade.beliefs.gains(_ROW, ~cascade.asked)[0]
        asked = cascade.ask()
        arm = int(asked.arms[0])
        why: Literal["score", "gain"] = "gain" if calls and gains[arm] > 0 else "score"
        call = CascadeCall(names[arm], why, float(gains[arm]), _word(heard[arm]))
        if heard[arm] is None:
            return (*calls, call)
        cascade.hear(asked, said.winners[0, [arm]], said.margins[0, [arm]])
        odds = float(cascade.beliefs.log_odds[0])
        if cascade.beliefs.answered.any() and odds != 0.0:
            label: Label = "A" if odds > 0 else "B"
            call = dataclasses.replace(call, label=label, probability=float(cascade.beliefs.probability[0]))
        calls.append(call)
    return tuple(calls)


def _said(heard: Sequence[Verdict | None]) -> Said:
    """Return verdicts as evidence, ``[1, N]``."""
    codes = [FAILED if verdict is None else winner_code(verdict.winner) for verdict in heard]
    scores = [(None, None) if verdict is None else (verdict.score_a, verdict.score_b) for verdict in heard]
    both = np.array(scores, np.float64)
    return said_of(np.array([codes], np.int8), both[None, :, 0], both[None, :, 1])


def _word(verdict: Verdict | None) -> str | None:
    return None if verdict is None else verdict.winner or "failed"

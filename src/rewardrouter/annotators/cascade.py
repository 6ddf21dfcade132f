"""The cascade: ask one RM, and others only where what was said is not sure enough (beyond the paper).

The paper throws away how decided the chosen RM was and how sure the router was. Here every verdict is evidence of
calibrated strength (:mod:`rewardrouter.calibration`): the router's own reading of the pair, then the RM that it trusts
most, then, until the label is sure enough, the one whose verdict would tell most per cost. The threshold is the one
that kept the budget on the router's held-out pairs; no other label is read.

A failed or tied call is no evidence; asking goes on. A label may differ from every verdict that was heard weakly. A
pair of which no RM named a winner has none. Where the held-out pairs, few perhaps, say that all this is right less
often than the router's RM by itself, it is that RM that labels.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np

from rewardrouter.annotators.admitted import Admitted
from rewardrouter.annotators.base import Annotation, StepContext, decision_id
from rewardrouter.annotators.calling import why_no_label
from rewardrouter.annotators.contexts import PairScorer
from rewardrouter.annotators.offline_only import OfflineOnlyAnnotator
from rewardrouter.annotators.planned import Planned
from rewardrouter.annotators.seeding import pair_generator
from rewardrouter.calibration import Beliefs, Costs, HeldOut, Plan, Signals
from rewardrouter.calibration.cascade import Asked, Cascade
from rewardrouter.errors import CheckpointError
from rewardrouter.pairs import Label, PreferencePair
from rewardrouter.reward_models.pool import RewardModelPool
from rewardrouter.state import State
from rewardrouter.verdicts import Verdict, winner_code

if TYPE_CHECKING:  # settings need pydantic; whoever passes some has imported it
    from rewardrouter.config.cascade import CascadeSettings

_PULL = 0.5
"""How far the threshold follows a large batch that missed the budget by its whole size, in log odds."""
_FEW = 32
"""Pairs of a batch that move it half as far as a large one."""
_SUREST = 10.0
"""Log odds that hardly any label reaches: the highest threshold that is moved to."""


@runtime_checkable
class CalibratedScorer(PairScorer, Protocol):
    """A router that also says what its arms' verdicts are worth."""

    @property
    def held_out(self) -> HeldOut:
        """The pairs that calibration is fitted to."""

    def signals(self, pairs: Sequence[PreferencePair]) -> Signals:
        """Return what it says of P pairs before any RM is asked."""


class CascadeAnnotator(Planned["_Budgeted"]):
    """Labels pairs with a budget of mean calls, money or time.

    Parameters
    ----------
    pool
        Holds the router's arms.
    router
        With held-out pairs.
    settings
        Budget, and what an ablation varies.
    seed
        Of ``order: random``.

    Raises
    ------
    ConfigError
        If an arm of the router is not in the pool.
    """

    _keeps = frozenset({"costs", "correction"})

    def __init__(
        self,
        pool: RewardModelPool,
        router: CalibratedScorer,
        settings: CascadeSettings,
        *,
        seed: int = 0,
    ) -> None:
        super().__init__(pool.select(router.arms), settings.unit)
        self._router = router
        self._settings = settings
        self._seed = seed
        self._alone = OfflineOnlyAnnotator(self._pool, router)
        self._correction = 0.0

    @property
    def moves(self) -> bool:
        """Whether what was labelled before changes what comes after."""
        return self._settings.keep_budget

    @property
    def plan(self) -> Plan | None:
        """Threshold and price, and what they cost on the held-out pairs; ``None`` before :meth:`prepare` or a batch."""
        return None if self._ready is None else self._ready.plan.kept

    def annotate(self, pairs: Sequence[PreferencePair], step: StepContext) -> list[Annotation]:
        """Return the labels; the annotation names every RM called, in order, and the weight of the label."""
        if not pairs:
            return []
        ready = self._prepared(pairs)
        admitted, plan = ready.plan.admitted, ready.plan.kept
        if plan.alone:
            return self._alone.annotate(pairs, step)
        signals = admitted.signals(
            self._router.signals(pairs),
            lambda: np.stack(
                [pair_generator(self._seed, pair, step).random(len(self._pool)) for pair in pairs]
            ),
        )
        cascade = Cascade(
            admitted.model,
            signals,
            ready.costs,
            threshold=max(0.0, plan.threshold + self._correction),
            price=plan.price,
            by=admitted.by,
        )
        heard: list[list[Verdict]] = [[] for _ in pairs]
        while len((asked := cascade.ask()).rows):
            found = self._judged(asked, pairs)
            for row, verdict in zip(asked.rows.tolist(), found, strict=True):
                heard[row].append(verdict)
            winners = np.array([winner_code(v.label) if v.label else 0 for v in found], np.int64)
            margins = np.array([margin_of(verdict) for verdict in found], np.float64)
            cascade.hear(asked, winners, admitted.margins(margins))
        if self._settings.keep_budget:
            self._follow(cascade, ready.costs, plan)
        return [
            self._annotation(pair, verdicts, cascade.beliefs, row, step)
            for row, (pair, verdicts) in enumerate(zip(pairs, heard, strict=True))
        ]

    def state_dict(self) -> State:
        """Return how far the threshold was moved to keep the budget, and the costs that were measured."""
        return State(super().state_dict().arrays, {"correction": self._correction})

    def load_state_dict(self, state: State) -> None:
        """Restore what :meth:`state_dict` returned.

        Raises
        ------
        CheckpointError
            If it is another strategy's, or of another number of RMs.
        """
        super().load_state_dict(state)
        correction = float(state.value("correction", float))
        if not math.isfinite(correction):
            raise CheckpointError(f"state: correction should be a finite number, but is {correction}")
        self._correction = correction

    def _plan(self, costs: Costs) -> _Budgeted:
        admitted = Admitted.of(self._settings.evidence, self._router.held_out, self._seed)
        return _Budgeted(admitted, admitted.plan(costs, self._settings.budget))

    def _follow(self, cascade: Cascade, costs: Costs, plan: Plan) -> None:
        """Move the threshold toward the budget, by what this batch missed it; few pairs say little."""
        n = len(cascade.asked)
        spent = float((cascade.asked @ costs.values).mean())
        missed = (self._settings.budget - spent) / self._settings.budget
        moved = plan.threshold + self._correction + _PULL * n / (n + _FEW) * missed
        # Within what changes anything, or it would have to come back from far where pairs change.
        self._correction = float(np.clip(moved, 0.0, max(_SUREST, plan.threshold))) - plan.threshold

    def _judged(self, asked: Asked, pairs: Sequence[PreferencePair]) -> list[Verdict]:
        """Return the verdict of each RM asked on its pair; pairs for one RM go to it in one call."""
        rows: dict[str, list[int]] = {}
        for place, arm in enumerate(asked.arms.tolist()):
            rows.setdefault(self._pool.names[arm], []).append(place)
        found = self._pool.judge_each(
            {rm: [pairs[int(asked.rows[place])] for place in places] for rm, places in rows.items()}
        )
        verdicts = {
            place: verdict
            for rm, places in rows.items()
            for place, verdict in zip(places, found[rm], strict=True)
        }
        return [verdicts[place] for place in range(len(asked.rows))]

    def _annotation(
        self,
        pair: PreferencePair,
        verdicts: Sequence[Verdict],
        beliefs: Beliefs,
        row: int,
        step: StepContext,
    ) -> Annotation:
        odds, probability = float(beliefs.log_odds[row]), float(beliefs.probability[row])
        settings = self._settings
        label: Label | None = None
        reason = None
        if not beliefs.answered[row].any():
            reason = why_no_label(verdicts)
        elif odds == 0.0:
            reason = "the evidence for both responses is equal"
        elif settings.low_evidence == "drop" and probability < settings.drop_below:
            reason = f"too little evidence: P(right) {probability:.2f}"
        else:
            label = "A" if odds > 0 else "B"
        return Annotation(
            decision_id=decision_id(pair, step),
            pair_id=pair.id,
            label=label,
            rms=tuple(verdict.rm for verdict in verdicts),
            rm=verdicts[0].rm if len(verdicts) == 1 and verdicts[0].label == label and label else None,
            weight=2.0 * probability - 1.0 if settings.low_evidence == "weigh" and label else 1.0,
            verdicts=tuple(verdicts),
            reason=reason,
        )


@dataclasses.dataclass(frozen=True, slots=True)
class _Budgeted:
    """What is evidence, and the threshold and price that keep the budget."""

    admitted: Admitted
    kept: Plan


def margin_of(verdict: Verdict) -> float:
    """Return the distance of a verdict's scores in the RM's unit.

    NaN without scores, where they deny the winner, or where their distance is no finite number.
    """
    if verdict.score_a is None or verdict.score_b is None or verdict.label is None:
        return float("nan")
    signed = (verdict.score_a - verdict.score_b) * winner_code(verdict.label)
    return signed if 0 < signed < math.inf else float("nan")

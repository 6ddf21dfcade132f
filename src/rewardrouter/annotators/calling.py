"""Calling reward models: one after the other until one answers, or all at once.

Rules of the design: both responses of a pair go to the same RM; a failed or
tied verdict fails over to the next RM of the pair's order; the annotation names
the RM that answered; where none does, the pair has no label and says why.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from rewardrouter.annotators.base import Annotation, StepContext, decision_id
from rewardrouter.pairs import PreferencePair
from rewardrouter.reward_models.pool import RewardModelPool
from rewardrouter.verdicts import Verdict


def call_in_order(
    pool: RewardModelPool,
    pairs: Sequence[PreferencePair],
    orders: Sequence[Sequence[str]],
    step: StepContext,
) -> list[Annotation]:
    """Ask each pair's first RM, the next one where that fails or ties, until a label or the end.

    ``orders[i]`` names the RMs for pair i, best first. Pairs that wait for the
    same RM in a round go to it in one call.
    """
    verdicts: list[list[Verdict]] = [[] for _ in pairs]
    waiting = [i for i, order in enumerate(orders) if order]
    while waiting:
        by_rm: dict[str, list[int]] = defaultdict(list)
        for i in waiting:
            by_rm[orders[i][len(verdicts[i])]].append(i)
        for rm, rows in by_rm.items():
            for i, verdict in zip(rows, pool.judge(rm, [pairs[i] for i in rows]), strict=True):
                verdicts[i].append(verdict)
        waiting = [i for i in waiting if verdicts[i][-1].label is None and len(verdicts[i]) < len(orders[i])]
    return [_annotation(pair, tuple(given), step) for pair, given in zip(pairs, verdicts, strict=True)]


def call_all(pool: RewardModelPool, pairs: Sequence[PreferencePair]) -> list[tuple[Verdict, ...]]:
    """Ask every RM of the pool about every pair; verdicts in the pool's order."""
    by_rm = [pool.judge(rm, pairs) for rm in pool.names]
    return [tuple(column[i] for column in by_rm) for i in range(len(pairs))]


def why_no_label(verdicts: Sequence[Verdict]) -> str:
    """Return one line that names each RM called and what came of it."""
    if not verdicts:
        return "no reward model was called"
    return "; ".join(f"{v.rm}: {'tie' if v.winner == 'tie' else v.error or v.winner}" for v in verdicts)


def _annotation(pair: PreferencePair, verdicts: tuple[Verdict, ...], step: StepContext) -> Annotation:
    answered = verdicts[-1] if verdicts and verdicts[-1].label is not None else None
    return Annotation(
        decision_id=decision_id(pair, step),
        pair_id=pair.id,
        label=answered.label if answered else None,
        rms=tuple(verdict.rm for verdict in verdicts),
        rm=answered.rm if answered else None,
        verdicts=verdicts,
        reason=None if answered else why_no_label(verdicts),
    )

"""Calling reward models: one after the other until one answers, or all at once.

Rules of the design: both responses of a pair go to the same RM; a failed or
tied verdict fails over to the next RM; the annotation names the RM that
answered; where none does, the pair has no label and says why. Who comes next is
the caller's to say: :func:`call_until_answered` hands it the RMs that are left.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

import numpy as np

from rewardrouter.annotators.base import Annotation, StepContext, decision_id
from rewardrouter.online.arrays import Indices, Mask
from rewardrouter.pairs import Label, PreferencePair
from rewardrouter.reward_models.pool import RewardModelPool
from rewardrouter.verdicts import Verdict

Choose: TypeAlias = Callable[[Indices, Mask], Indices]
"""Given the rows of W pairs ``[W]`` and the RMs left to each ``[W, N]``, returns one RM for each, ``int [W]``."""


def call_until_answered(
    pool: RewardModelPool,
    pairs: Sequence[PreferencePair],
    step: StepContext,
    names: Sequence[str],
    choose: Choose,
    *,
    allowed: Mask | None = None,
    known: Sequence[Mapping[str, Verdict]] | None = None,
) -> list[Annotation]:
    """Ask each pair's chosen RM; where it fails or ties, choose again among the others.

    Pairs that wait for the same RM in a round go to it in one call.

    Parameters
    ----------
    pool
        Holds all of ``names``.
    pairs, step
        The P pairs and where they come from.
    names
        The N RMs that may be chosen, in the order of the columns that ``choose`` sees.
    choose
        Called once per round with the pairs that wait. It must choose an RM that is left.
    allowed
        ``bool [P, N]``: the RMs that a pair may go to; ``None`` for all. A pair without any is not asked about.
    known
        Verdicts that were asked for before, per pair by the RM's name, in the order of the calls. They are not
        asked for again, and the annotation names their RMs among those called.

    Returns
    -------
    One annotation per pair.
    """
    left = np.ones((len(pairs), len(names)), np.bool_) if allowed is None else allowed.copy()
    verdicts = [{} for _ in pairs] if known is None else [dict(given) for given in known]
    answered: list[Verdict | None] = [None] * len(pairs)
    while len(waiting := np.flatnonzero(left.any(axis=1))):
        arms = choose(waiting, left[waiting])
        left[waiting, arms] = False
        asked = [(row, names[arm]) for row, arm in zip(waiting.tolist(), arms.tolist(), strict=True)]
        unknown: dict[str, list[int]] = {}
        for row, rm in asked:
            if rm not in verdicts[row]:
                unknown.setdefault(rm, []).append(row)
        found = pool.judge_each({rm: [pairs[row] for row in rows] for rm, rows in unknown.items()})
        for rm, rows in unknown.items():
            for row, verdict in zip(rows, found[rm], strict=True):
                verdicts[row][rm] = verdict
        for row, rm in asked:
            if verdicts[row][rm].label is not None:
                answered[row], left[row] = verdicts[row][rm], False
    return [
        _annotation(pair, tuple(given.values()), answer, step)
        for pair, given, answer in zip(pairs, verdicts, answered, strict=True)
    ]


def call_in_order(
    pool: RewardModelPool,
    pairs: Sequence[PreferencePair],
    orders: Sequence[Sequence[str]],
    step: StepContext,
) -> list[Annotation]:
    """Ask each pair's first RM, the next one where that fails or ties, until a label or the end.

    ``orders[i]`` names the RMs for pair i, best first.
    """
    column = {rm: n for n, rm in enumerate(pool.names)}
    place = np.full((len(pairs), len(pool)), len(pool))
    for row, order in zip(place, orders, strict=True):
        row[[column[rm] for rm in order]] = range(len(order))

    def choose(rows: Indices, left: Mask) -> Indices:
        first: Indices = np.where(left, place[rows], len(pool)).argmin(axis=1)
        return first

    return call_until_answered(pool, pairs, step, pool.names, choose, allowed=place < len(pool))


def call_all(pool: RewardModelPool, pairs: Sequence[PreferencePair]) -> list[tuple[Verdict, ...]]:
    """Ask every RM of the pool about every pair; verdicts in the pool's order."""
    found = pool.judge_each(dict.fromkeys(pool.names, pairs))
    return [tuple(found[rm][i] for rm in pool.names) for i in range(len(pairs))]


def joint_annotation(
    pair: PreferencePair,
    verdicts: tuple[Verdict, ...],
    label: Label | None,
    step: StepContext,
    reason: str | None = None,
) -> Annotation:
    """Return the annotation of a label that no RM gave alone; where there is none, ``reason`` says why."""
    return Annotation(
        decision_id=decision_id(pair, step),
        pair_id=pair.id,
        label=label,
        rms=tuple(verdict.rm for verdict in verdicts),
        verdicts=verdicts,
        reason=reason,
    )


def why_no_label(verdicts: Sequence[Verdict]) -> str:
    """Return one line that names each RM called and what came of it."""
    if not verdicts:
        return "no reward model was called"
    return "; ".join(f"{v.rm}: {'tie' if v.winner == 'tie' else v.error or v.winner}" for v in verdicts)


def _annotation(
    pair: PreferencePair, verdicts: tuple[Verdict, ...], answered: Verdict | None, step: StepContext
) -> Annotation:
    return Annotation(
        decision_id=decision_id(pair, step),
        pair_id=pair.id,
        label=answered.label if answered else None,
        rms=tuple(verdict.rm for verdict in verdicts),
        rm=answered.rm if answered else None,
        verdicts=verdicts,
        reason=None if answered else why_no_label(verdicts),
    )

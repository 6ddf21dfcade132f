"""Arms that come and go: a router with one reward model more or less, nothing else of it changed.

The contexts stay what they are, bit by bit, and so do the rows of the other arms: an arm that joins gets rows of E_bt
and E_cls (:mod:`rewardrouter.offline.joining`), one that leaves takes its own along. Surrogates imitate the RMs that
the router was fitted to; they are features of the pair and stay, whoever comes or goes.

Its verdicts are calibrated on its labelled pairs too (:mod:`rewardrouter.router.newcomers`).
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Sequence

import numpy as np

from rewardrouter.calibration.heldout import HeldOut
from rewardrouter.errors import ConfigError, DataError, did_you_mean
from rewardrouter.offline.joining import STRENGTH
from rewardrouter.offline.model import Heads
from rewardrouter.router.arms import Arm, arms_of
from rewardrouter.router.facade import BayesianRouter, Training
from rewardrouter.router.newcomers import heads_with_row, learnt, nothing_known, with_rows
from rewardrouter.verdicts import VerdictTable


def with_arm(
    router: BayesianRouter, name: str, table: VerdictTable | None = None, *, strength: float = STRENGTH
) -> BayesianRouter:
    """Return a router with one more arm, last in all arrays; ``router`` stays as it is.

    Parameters
    ----------
    router
        A fitted router.
    name
        Of the RM that joins.
    table
        Labelled pairs with its verdicts, and any of the other arms'; ``None`` or no pairs: it is taken for the mean of
        the others.
    strength
        How many pairs' worth the prior is, that it is like the mean of the others.

    Raises
    ------
    ConfigError
        If the name is empty or has space around it, it is an arm already, or ``strength`` is not positive.
    DataError
        If ``table`` has no verdicts of it.
    """
    if not name or name != name.strip():
        raise ConfigError(f"NAME {name!r}: a reward model's name is not empty and has no space around it")
    if name in router.arms:
        raise ConfigError(f"{name} is an arm already; remove it first, or give another name")
    if not 0 < strength < np.inf:
        raise ConfigError(f"strength: expected a positive number of pairs, found {strength}")
    arm = Arm(name, 0, 0, 0, None)
    if table is not None:
        table = _of_interest(router, name, table)
        arm = arms_of(table.pool([name]))[0]
        table = table.select(~np.isnan(table.behaviour[:, table.rms.index(name)]))
    signals = router.held_out.signals
    held_out = router.held_out.with_arm(signals.scores.mean(axis=1), signals.beliefs.mean(axis=1))
    training, joined = router.training, "added without labelled pairs"
    if table is None or not len(table):
        heads = heads_with_row(router.model, nothing_known(router.model), strength)
    else:
        found = learnt(router, name, table, strength)
        heads, held_out = found.heads, held_out.with_later(found.later).sampled(router.config.seed)
        training = dataclasses.replace(training, problems=training.problems.joined(table.pairs))
        pairs = "labelled pair" if len(table) == 1 else "labelled pairs"
        joined = f"added with {len(table):,} {pairs}, {found.new:,} of them new to the router"
    arms = [*router.arm_records, dataclasses.replace(arm, joined=joined)]
    return _changed(router, heads, arms, training, held_out)


def without_arm(router: BayesianRouter, name: str) -> BayesianRouter:
    """Return a router without an arm; ``router`` stays as it is.

    Raises
    ------
    ConfigError
        If it is none, or fewer than two would stay.
    """
    if name not in router.arms:
        raise ConfigError(
            f"no arm {name}.{did_you_mean(name, router.arms)} There are: {', '.join(router.arms)}"
        )
    if len(router.arms) <= 2:
        raise ConfigError(f"{name} is one of {len(router.arms)} arms; a router needs two, add another first")
    kept = [n for n, arm in enumerate(router.arms) if arm != name]
    heads = router.model.heads
    cls, bias = (None if rows is None else rows.detach()[kept] for rows in (heads.cls, heads.cls_bias))
    return _changed(
        router,
        with_rows(heads, heads.bt.detach()[kept], cls, bias),
        [router.arm_records[n] for n in kept],
        router.training,
        router.held_out.arms(kept),
    )


def _of_interest(router: BayesianRouter, name: str, table: VerdictTable) -> VerdictTable:
    """Return the columns of the new RM and of arms, refusing a table without the former."""
    if name not in table.rms:
        raise DataError(
            f"no verdicts of {name}.{did_you_mean(name, table.rms)} There are some of: {', '.join(table.rms)}"
        )
    return table.pool([rm for rm in table.rms if rm == name or rm in router.arms])


def _changed(
    router: BayesianRouter, heads: Heads, arms: Sequence[Arm], training: Training, held_out: HeldOut
) -> BayesianRouter:
    model = copy.deepcopy(router.model)
    model.heads = heads
    return BayesianRouter(
        router.encoder,
        model,
        arms,
        router.config,
        training,
        held_out,
        reference=router.reference,
        cache=router.cache,
        show_progress=router.show_progress,
    )

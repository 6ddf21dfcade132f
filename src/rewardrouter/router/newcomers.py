"""What a router learns of an arm that joins: its rows of the heads, and held-out pairs for its calibration.

Rows are learnt from all of its labelled pairs. Calibration must not be learnt where they are remembered, nor where the
router is sure because it was fitted to the problem. So a pair is either

- new to the router: held out for all RMs, the new one scored by rows that were learnt from other groups of pairs
  (cross-fitting); or
- of a problem that the router was fitted to: contexts, reading and scores remember it, so nothing is taken from it but
  the new arm's verdict and margin, beside what is believed of it on the mean: how often it is right, and what its
  margins mean.
"""

from __future__ import annotations

import copy
import dataclasses

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F  # noqa: N812 - the field's name for it
from torch import Tensor, nn

from rewardrouter.calibration.heldout import HeldOut, Signals
from rewardrouter.offline.fusion import LinearFusion
from rewardrouter.offline.held_out import labelled_rows
from rewardrouter.offline.joining import Known, fit_bt, fit_cls
from rewardrouter.offline.model import Heads, OfflineModel
from rewardrouter.offline.splits import group_folds
from rewardrouter.pairs import digest
from rewardrouter.router.facade import BayesianRouter, Scored
from rewardrouter.router.problems import as_integer
from rewardrouter.verdicts import FAILED, VerdictTable

_FOLDS = 5
"""Parts of the cross-fitting; of fewer groups, one each."""


@dataclasses.dataclass(frozen=True)
class Learnt:
    """Heads with one more row, and the pairs for its calibration, the new arm the last of their RMs.

    ``new`` of the pairs were new to the router.
    """

    heads: Heads
    later: HeldOut
    new: int


def learnt(router: BayesianRouter, name: str, table: VerdictTable, strength: float) -> Learnt:
    """Return what P >= 1 labelled pairs tell of the new arm ``name``.

    Parameters
    ----------
    router
        That it joins.
    name
        Of the new arm.
    table
        Verdicts of the new arm, which named a winner of every pair, and any of the router's arms.
    strength
        Of the prior, in pairs.
    """
    scored = router.score(table.pairs)
    known = _known(router, name, table, scored)
    heads = heads_with_row(router.model, known, strength)
    digests = np.array(
        [as_integer(digest(p.prompt, p.response_a, p.response_b)) for p in table.pairs], np.int64
    )
    earlier = router.held_out.later
    # A pair that came with another arm is of a known problem by now, but only that arm's row was learnt from it; its
    # row here has that arm's cross-fitted score, and keeps it.
    new = ~router.training.knows(table.pairs) | np.isin(digests, earlier[earlier != 0])
    parts = min(_FOLDS, len(set(table.groups)))
    new &= parts > 1
    folds = group_folds(table.groups, parts, router.config.seed)
    rows = labelled_rows(
        _in_order(table, (*router.arms, name)),
        _cross_fitted(router, scored, known, strength, folds),
        _parts_by_group(router.held_out, table.groups),
    )
    later = dataclasses.replace(rows, digests=digests).select(new)
    return Learnt(heads, later.with_later(_by_itself(rows, heads, known, name).select(~new)), int(new.sum()))


def nothing_known(model: OfflineModel) -> Known:
    """Return what is known of an arm without labelled pairs."""
    n_arms, width = model.heads.bt.shape
    return Known(*(torch.zeros(shape, dtype=torch.float64) for shape in ((0, width), (0,), (0, n_arms))))


def heads_with_row(model: OfflineModel, known: Known, strength: float) -> Heads:
    """Return the heads of a model with one more RM."""
    heads = model.heads
    if isinstance(model.fusion, LinearFusion):
        constant = F.one_hot(torch.tensor(model.fusion.width - 1), model.fusion.width).double()
    else:
        usual = model.context_mean.double()
        constant = usual / usual.square().sum().clamp(min=1e-9)
    bt = fit_bt(heads.embeddings.detach().double(), constant, known, strength)
    cls, bias = heads.cls, heads.cls_bias
    if cls is None:
        return with_rows(heads, _below(heads.bt, bt), None, None)
    if bias is None:
        row = fit_cls(cls.detach().double(), constant, known, strength)
        return with_rows(heads, _below(heads.bt, bt), _below(cls, row), None)
    # A bias is the weight of one more context that is always 1.
    wide = dataclasses.replace(known, h=F.pad(known.h, (0, 1), value=1.0))
    row = fit_cls(
        torch.cat([cls, bias[:, None]], dim=1).detach().double(),
        F.pad(0 * constant, (0, 1), value=1.0),
        wide,
        strength,
    )
    return with_rows(heads, _below(heads.bt, bt), _below(cls, row[:-1]), _below(bias, row[-1]))


def with_rows(heads: Heads, bt: Tensor, cls: Tensor | None, bias: Tensor | None) -> Heads:
    """Return a copy of heads with other rows."""
    changed = copy.deepcopy(heads)
    for name, rows in (("bt", bt), ("cls", cls), ("cls_bias", bias)):
        if rows is not None:
            setattr(changed, name, nn.Parameter(rows.clone()))
    return changed


def _below(rows: Tensor, row: Tensor) -> Tensor:
    return torch.cat([rows.detach(), row[None].to(rows.dtype)])


def _known(router: BayesianRouter, name: str, table: VerdictTable, scored: Scored) -> Known:
    # What the router expects of the others where they were not asked, or tied.
    beliefs = 1.0 / (1.0 + np.exp(-scored.signals.beliefs))
    others: npt.NDArray[np.float64] = scored.correctness if scored.correctness is not None else beliefs
    others = others.copy()
    behaviour = table.behaviour
    for n, arm in enumerate(router.arms):
        if arm in table.rms:
            seen = behaviour[:, table.rms.index(arm)]
            others[:, n] = np.where(np.isnan(seen), others[:, n], seen)
    right = behaviour[:, table.rms.index(name)]
    return Known(torch.from_numpy(scored.contexts), torch.from_numpy(right), torch.from_numpy(others))


def _cross_fitted(
    router: BayesianRouter, scored: Scored, known: Known, strength: float, folds: npt.NDArray[np.int64]
) -> Signals:
    """Return the router's signals, those of the new arm by rows that were learnt from the other folds."""
    bt, cls = router.model.heads.bt, router.model.heads.cls
    scores = np.zeros((len(folds), len(bt) + 1))
    logits = None if cls is None else np.zeros_like(scores)
    for fold in np.unique(folds):
        held, others = folds == fold, torch.from_numpy(folds != fold)
        taught = Known(known.h[others], known.right[others], known.others[others])
        found = _signals(heads_with_row(router.model, taught, strength), known.h[torch.from_numpy(held)])
        scores[held] = found.scores
        if logits is not None:
            logits[held] = found.beliefs
    return Signals.of(scores, logits, scored.signals.reading)


def _signals(heads: Heads, h: Tensor) -> Signals:
    with torch.no_grad():
        scores, logits = heads.scores(h.to(heads.bt.dtype)), heads.logits(h.to(heads.bt.dtype))
    return Signals.of(
        scores.double().numpy(), None if logits is None else logits.double().numpy(), reading=None
    )


def _by_itself(rows: HeldOut, heads: Heads, known: Known, name: str) -> HeldOut:
    """Return the pairs as if nothing were known of them but the new arm's verdicts."""
    beliefs = _signals(heads, known.h).beliefs.mean(axis=0)
    reading = None if rows.signals.reading is None else np.zeros(len(rows))
    winners, margins = rows.winners.copy(), rows.margins.copy()
    winners[:, :-1], margins[:, :-1] = 0, np.nan
    # Not the pairs' own digests: no other arm shall find these rows.
    digests = np.array([as_integer(digest(name, str(row))) for row in range(len(rows))], np.int64)
    signals = Signals(rows.signals.scores, np.tile(beliefs, (len(rows), 1)), reading)
    return HeldOut(signals, winners, margins, rows.labels, rows.folds, digests, rows.groups)


def _parts_by_group(held_out: HeldOut, groups: npt.NDArray[np.str_]) -> npt.NDArray[np.int64]:
    """Return a part of the held-out pairs for each pair, ``int64 [P]``.

    By the group's name alone, so that a group that comes again with another arm stays in one part.
    """
    n_parts = int(held_out.folds.max()) + 1 if len(held_out) else _FOLDS
    return np.array([as_integer(digest("group", group)) % n_parts for group in groups], np.int64)


def _in_order(table: VerdictTable, rms: tuple[str, ...]) -> VerdictTable:
    """Return the verdicts of ``rms`` in this order, without any of those that the table lacks."""
    absent = [rm for rm in rms if rm not in table.rms]
    shape = (len(table), len(absent))
    nothing = np.full(shape, np.nan)
    whole = VerdictTable(
        table.pairs,
        table.labels,
        (*table.rms, *absent),
        np.concatenate([table.winners, np.full(shape, FAILED, np.int8)], axis=1),
        np.concatenate([table.scores_a, nothing], axis=1),
        np.concatenate([table.scores_b, nothing], axis=1),
    )
    return whole.pool(rms)

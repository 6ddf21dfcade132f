"""Fitting the offline router on a frozen encoder: everything after the encoder, solved.

The strength of the prior on the heads and the trust in what a pair shows are
chosen by cross-validation by group: every training pair is scored once by a
model that saw neither it nor its problem, standardisation, components and
surrogates included. One candidate, trust 0, is the best single RM: a router that
does not beat it in cross-validation becomes it. The final model is then fitted on
all pairs with the choice. What cross-validation said of every pair is kept: verdicts are calibrated on it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from rewardrouter.calibration.heldout import HeldOut, Signals
from rewardrouter.config.offline import OfflineConfig
from rewardrouter.offline.fusion import LinearFusion
from rewardrouter.offline.held_out import held_out_rows
from rewardrouter.offline.inputs import fit_inputs
from rewardrouter.offline.losses import cls_loss
from rewardrouter.offline.model import Heads, OfflineModel
from rewardrouter.offline.solver import global_ranking, solve_head, solve_path, trusting
from rewardrouter.offline.splits import group_folds
from rewardrouter.offline.validation import Validation, routed_correctly, validate
from rewardrouter.offline.vectors import Block, PairVectors
from rewardrouter.verdicts import VerdictTable


@dataclasses.dataclass(frozen=True)
class LinearFit:
    """A fitted model, what cross-validation says of it, and what it said of every pair."""

    model: OfflineModel
    validation: Validation
    held_out: HeldOut


def fit_linear(
    blocks: tuple[Block, ...],
    vectors: PairVectors,
    table: VerdictTable,
    config: OfflineConfig,
    advance: Callable[[int], None] = lambda _: None,
) -> LinearFit:
    """Fit features, surrogates, linear fusion and both heads to P labelled pairs.

    Parameters
    ----------
    blocks
        Of the vectors.
    vectors
        Of the P pairs' texts.
    table
        The P pairs' verdicts.
    config
        Settings; ``config.solver`` holds the candidates.
    advance
        Called with 1 after each of the ``folds + 1`` fits: as many as groups, where those are fewer.

    Raises
    ------
    DataError
        If there are fewer than two groups.
    """
    solver, behaviour = config.solver, torch.from_numpy(table.behaviour)
    strengths = sorted(solver.prior_strength, reverse=True)
    candidates = [(strength, trust) for strength in strengths for trust in sorted(solver.trust)]
    folds = group_folds(table.groups, solver.folds, config.seed)
    n_folds = int(folds.max()) + 1
    held_out = {candidate: np.zeros(behaviour.shape) for candidate in candidates}
    parts: list[_Part] = []
    for fold in range(n_folds):
        inside, outside = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
        model, h = _fit_body(blocks, vectors.select(inside), table.select(inside), config)
        path = solve_path(h, behaviour[inside], strengths)
        ranking = global_ranking(behaviour[inside])
        unseen = vectors.select(outside)
        h_unseen = model.contexts(unseen.a, unseen.b).double()
        for strength, trust in candidates:
            scores = h_unseen @ trusting(path[strength], ranking, trust).T
            held_out[strength, trust][outside] = scores.numpy()
        parts.append(_Part(inside, outside, h, h_unseen, model.reading(unseen.a, unseen.b)))
        advance(1)
    kept = table.kept
    accuracy = {
        candidate: float(routed_correctly(scores, table.behaviour)[kept].mean())
        for candidate, scores in held_out.items()
    }
    # Of equals the first: the strongest prior, then the least trust in what the pair shows.
    strength, trust = max(candidates, key=lambda candidate: accuracy[candidate])
    model, h = _fit_body(blocks, vectors, table, config)
    _solve_heads(model.heads, h, behaviour, strength, trust, strengths)
    signals = _signals(parts, behaviour, config, strength, held_out[strength, trust])
    advance(1)
    tried = tuple({"prior_strength": c[0], "trust": c[1], "accuracy": accuracy[c]} for c in candidates)
    method = f"{n_folds}-fold cross-validation by group"
    return LinearFit(
        model,
        validate(
            method, held_out[strength, trust], table, {"prior_strength": strength, "trust": trust}, tried
        ),
        held_out_rows(table, signals, folds, config.seed),
    )


@dataclasses.dataclass(frozen=True)
class _Part:
    """One fold: the rows inside and outside, the contexts of both, and the reading of those outside."""

    inside: npt.NDArray[np.int64]
    outside: npt.NDArray[np.int64]
    h: Tensor
    h_unseen: Tensor
    reading: Tensor | None


def _signals(
    parts: Sequence[_Part],
    behaviour: Tensor,
    config: OfflineConfig,
    strength: float,
    scores: npt.NDArray[np.float64],
) -> Signals:
    """Return what the folds' models said of the pairs that they did not see."""
    logits = np.zeros(behaviour.shape) if config.heads.cls_weight > 0 else None
    reading = np.zeros(len(behaviour)) if all(part.reading is not None for part in parts) else None
    for part in parts:
        if logits is not None:
            weights = solve_head(part.h, behaviour[part.inside], cls_loss, strength)
            logits[part.outside] = (part.h_unseen @ weights.T).numpy()
        if reading is not None and part.reading is not None:
            reading[part.outside] = part.reading.numpy()
    return Signals.of(scores, logits, reading)


def _solve_heads(
    heads: Heads, h: Tensor, behaviour: Tensor, strength: float, trust: float, strengths: Sequence[float]
) -> None:
    embeddings = solve_path(h, behaviour, [s for s in strengths if s >= strength])[strength]
    with torch.no_grad():
        heads.bt.copy_(trusting(embeddings, global_ranking(behaviour), trust))
        if heads.cls is not None:
            heads.cls.copy_(solve_head(h, behaviour, cls_loss, strength))


def _fit_body(
    blocks: tuple[Block, ...], vectors: PairVectors, table: VerdictTable, config: OfflineConfig
) -> tuple[OfflineModel, Tensor]:
    """Return the model with untrained heads, and the training pairs' h with cross-fitted surrogates."""
    inputs = fit_inputs(blocks, vectors, table, config.features, config.seed)
    fusion = LinearFusion.fitted(inputs.rows, config.fusion.length(blocks[0].size))
    heads = Heads(fusion.width, len(table.rms), config.heads)
    return OfflineModel(inputs.features, inputs.surrogates, fusion, heads).eval(), fusion(inputs.rows)

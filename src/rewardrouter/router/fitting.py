"""Fitting a router: human-labelled pairs with verdicts in, :class:`BayesianRouter` out (paper 3.2)."""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from rewardrouter.config.offline import OfflineConfig
from rewardrouter.errors import ConfigError, DataError
from rewardrouter.offline.cache import EmbeddingCache
from rewardrouter.offline.encoder import PairEncoder
from rewardrouter.offline.gradient import GradientFit, fit_gradient, steps_of
from rewardrouter.offline.linear import LinearFit, fit_linear
from rewardrouter.offline.prepared import CutReport
from rewardrouter.offline.sources import EncodingSource, FrozenSource
from rewardrouter.offline.surrogates import FOLDS
from rewardrouter.offline.vectors import blocks_of, encode_pairs, visible
from rewardrouter.processes import one_thread
from rewardrouter.progress import counted, log, progress
from rewardrouter.router.arms import arms_of
from rewardrouter.router.facade import BayesianRouter, Training
from rewardrouter.router.problems import Problems
from rewardrouter.router.reference import reference_of
from rewardrouter.verdicts import VerdictTable

_SMALL = 10_000
"""Pairs up to which the heads are solved in one thread."""

_LOOKED_AT = 500
"""Pairs, about, that are encoded once more after an encoder was trained, to keep what contexts look like."""


def fit_router(
    table: VerdictTable,
    config: OfflineConfig,
    *,
    source: str = "a verdict table",
    report: Sequence[str] = (),
    cache: EmbeddingCache | None = None,
    resume_folder: Path | None = None,
) -> BayesianRouter:
    """Fit a router to a verdict table.

    Parameters
    ----------
    table
        Human-labelled pairs with the verdicts of N >= 2 RMs.
    config
        Settings: :func:`~rewardrouter.config.offline.frozen_preset`, ``full_preset`` or variations.
    source, report
        For the model card: where the table came from and what of it could not be used.
    cache
        Of a frozen encoder's vectors.
    resume_folder
        Where a gradient training keeps its checkpoint; one left there by an interrupted run is resumed.
        Whoever saves the router removes it afterwards (``checkpointing.remove_checkpoint``), not before.

    Raises
    ------
    ConfigError
        If settings exclude each other.
    DataError
        If there is nothing to learn from: fewer than two RMs, no disagreement, too few groups.
    """
    _check(table, config)
    groups = len(set(table.groups))
    folds = max(FOLDS, config.solver.folds if config.freeze_encoder else 0)
    if 1 < groups < folds:
        log(
            f"Only {groups} groups (problems or prompts): at most {groups} parts are held out in turn, not {folds}"
        )
    started = time.monotonic()
    encoder = PairEncoder.from_config(config.encoder)
    blocks = blocks_of(encoder, config.features)
    if config.features.surrogates and all(block.of_prompt for block in blocks):
        raise ConfigError("features.surrogates: they read the responses; add a pooling of all or response")
    fit: LinearFit | GradientFit
    cuts: CutReport
    if config.freeze_encoder:
        with counted("encode") as told:
            vectors, cuts = encode_pairs(encoder, table.pairs, config.features, cache=cache, progress=told)
        if config.fusion.kind == "linear":
            small = one_thread() if len(table) <= _SMALL else contextlib.nullcontext()
            with small, progress("fit", min(config.solver.folds, groups) + 1) as advance:
                fit = fit_linear(blocks, vectors, table, config, advance)
        else:
            with progress("train", steps_of(table, config)) as advance:
                fit = fit_gradient(
                    blocks, FrozenSource(vectors), table, config, resume_folder=resume_folder, advance=advance
                )
    else:
        prepared = encoder.prepare(visible(table.pairs, config.features))
        cuts = prepared.cuts
        with progress("train", steps_of(table, config)) as advance:
            fit = fit_gradient(
                blocks,
                EncodingSource(prepared, encoder),
                table,
                config,
                resume_folder=resume_folder,
                advance=advance,
            )
    seen = np.arange(len(table))
    if not config.freeze_encoder:
        seen = seen[:: max(1, len(table) // _LOOKED_AT)]
        vectors, _ = encode_pairs(encoder, [table.pairs[row] for row in seen], config.features)
    with torch.no_grad():
        h = fit.model.contexts(vectors.a, vectors.b)
        fit.model.note_contexts(h)
    reference = reference_of(fit.model, h, table.groups[seen], table.groups, config)
    training = Training(
        source=source,
        n_pairs=len(table),
        n_groups=len(set(table.groups)),
        n_disagreement=len(table.disagreements()),
        domains=dict(Counter(str(domain) for domain in table.domains)),
        cuts=cuts.lines(),
        report=list(report),
        seconds=round(time.monotonic() - started, 1),
        validation=fit.validation,
        problems=Problems.of(table.pairs),
    )
    return BayesianRouter(
        encoder, fit.model, arms_of(table), config, training, fit.held_out, reference=reference
    )


def _check(table: VerdictTable, config: OfflineConfig) -> None:
    if len(table.rms) < 2:
        raise DataError(f"a router needs at least two reward models, found {', '.join(table.rms) or 'none'}")
    if not len(table.disagreements()):
        raise DataError(
            f"nothing to learn: on none of the {len(table):,} pairs is one of {', '.join(table.rms)}"
            " right and another wrong"
        )
    fixed = {"fusion.kind": config.fusion.kind == "linear"} | {
        f"features.{name}": getattr(config.features, name)
        for name in ("standardise", "statistics", "surrogates")
    }
    if not config.freeze_encoder and any(fixed.values()):
        names = ", ".join(name for name, given in fixed.items() if given)
        raise ConfigError(
            f"{names}: made from fixed vectors, so it needs --freeze-encoder (freeze_encoder: true)"
        )
    if config.fusion.kind == "linear" and config.heads.normalise == "cosine":
        raise ConfigError(
            "heads.normalise: cosine scores are trained by gradient steps; give fusion.kind: mlp with it"
        )
    if config.features.surrogates and config.features.of == "prompt":
        raise ConfigError("features.surrogates: they read the responses, which features.of: prompt hides")

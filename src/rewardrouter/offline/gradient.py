"""Training the fusion MLP, the heads and, unless it is frozen, the encoder by gradient steps.

AdamW on ``L = L_bt + lambda L_cls`` (paper 3.2). A validation split by group is
measured several times an epoch; the state with the lowest validation loss is
kept, and training stops when it has not improved for ``patience`` measurements.

Every step draws its batch and its dropout from (seed, step) alone. So a run
needs no generator state to resume: a checkpoint is the tensors and the step,
and an interrupted training ends where an uninterrupted one does.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from rewardrouter.calibration.heldout import HeldOut, Signals
from rewardrouter.config.offline import OfflineConfig
from rewardrouter.errors import ConfigError, DataError
from rewardrouter.offline.checkpointing import Progress, TrainingCheckpoint
from rewardrouter.offline.features import PairFeatures
from rewardrouter.offline.fusion import MlpFusion
from rewardrouter.offline.held_out import held_out_rows
from rewardrouter.offline.inputs import fit_inputs
from rewardrouter.offline.losses import bt_loss, cls_loss
from rewardrouter.offline.model import Heads, OfflineModel
from rewardrouter.offline.sources import EncodingSource, FrozenSource
from rewardrouter.offline.splits import group_folds, holdout
from rewardrouter.offline.validation import Validation, validate
from rewardrouter.offline.vectors import Block
from rewardrouter.verdicts import VerdictTable

_EVALUATION_BATCH = 64
_FOLDS = 5
"""Parts of the validation split, for what is calibrated on it."""


@dataclasses.dataclass(frozen=True)
class GradientFit:
    """A trained model with the figures of its validation split, and what it said of those pairs.

    The encoder was trained in place.
    """

    model: OfflineModel
    validation: Validation
    held_out: HeldOut


def fit_gradient(
    blocks: tuple[Block, ...],
    source: FrozenSource | EncodingSource,
    table: VerdictTable,
    config: OfflineConfig,
    *,
    resume_folder: Path | None = None,
    advance: Callable[[int], None] = lambda _: None,
) -> GradientFit:
    """Train on P labelled pairs.

    Parameters
    ----------
    blocks
        Of the texts' vectors.
    source
        Where the vectors of a batch come from.
    table
        The P pairs' verdicts.
    config
        Settings; ``config.gradient`` holds those of the training.
    resume_folder
        Where checkpoints are written and, if there is one of the same settings and data, resumed from.
    advance
        Called with the number of steps done since the last call.

    Raises
    ------
    ConfigError
        If the training diverged.
    DataError
        If there are too few groups to keep some for validation, or the training or the
        validation pairs hold no disagreement.
    CheckpointError
        If ``resume_folder`` holds the checkpoint of another training, or a broken one.
    """
    aside = holdout(table.groups, config.gradient.validation, config.seed)
    _check_disagreement(table, aside)
    model = _new_model(blocks, source, table, config, ~aside)
    trainer = _Trainer(model, source, table, config, np.flatnonzero(~aside), np.flatnonzero(aside))
    checkpoint = TrainingCheckpoint(resume_folder, config, _digest(table, source)) if resume_folder else None
    trainer.run(checkpoint, advance)
    signals = trainer.signals(np.flatnonzero(aside))
    method = (
        f"the {int(aside.sum()):,} pairs of a validation split by group, which also chose the stopping point"
    )
    chosen = {"step": float(trainer.now.best_step), "validation_loss": trainer.now.best_loss}
    kept = table.select(aside)
    validation = validate(method, signals.scores, kept, chosen, tuple(trainer.now.history))
    folds = group_folds(kept.groups, min(_FOLDS, len(set(kept.groups))), config.seed)
    return GradientFit(model.cpu().eval(), validation, held_out_rows(kept, signals, folds, config.seed))


def steps_of(table: VerdictTable, config: OfflineConfig) -> int:
    """Return the most steps that a training on ``table`` takes: fewer where it stops early.

    Raises
    ------
    DataError
        If there are too few groups to keep some for validation.
    """
    aside = holdout(table.groups, config.gradient.validation, config.seed)
    return config.gradient.epochs * math.ceil(int((~aside).sum()) / config.gradient.batch_size)


def _check_disagreement(table: VerdictTable, aside: npt.NDArray[np.bool_]) -> None:
    for what, rows in (("training", ~aside), ("validation", aside)):
        if not len(table.select(rows).disagreements()):
            raise DataError(
                f"on none of the {int(rows.sum()):,} pairs kept for {what} is one reward model right and"
                " another wrong; give more pairs, or another gradient.validation or seed"
            )


def _digest(table: VerdictTable, source: FrozenSource | EncodingSource) -> str:
    """Name the data of a training: what is read, and what it is told."""
    digest = hashlib.sha256(source.digest().encode())
    digest.update(json.dumps([table.rms, table.groups.tolist()]).encode())
    for codes in (table.labels, table.winners, table.scores_a, table.scores_b):
        digest.update(np.ascontiguousarray(codes).tobytes())
    return digest.hexdigest()


def _new_model(
    blocks: tuple[Block, ...],
    source: FrozenSource | EncodingSource,
    table: VerdictTable,
    config: OfflineConfig,
    training: npt.NDArray[np.bool_],
) -> OfflineModel:
    torch.manual_seed(config.seed)
    features, surrogates = PairFeatures(blocks), None
    size = features.size
    if isinstance(source, FrozenSource):  # with vectors that change at every step there is nothing to fit to
        rows = np.flatnonzero(training)
        inputs = fit_inputs(
            blocks, source.vectors.select(rows), table.select(rows), config.features, config.seed
        )
        features, surrogates, size = inputs.features, inputs.surrogates, inputs.size
    fusion = MlpFusion(size, config.fusion.length(blocks[0].size), config.fusion.dropout)
    heads = Heads(fusion.width, len(table.rms), config.heads)
    return OfflineModel(features, surrogates, fusion, heads)


class _Trainer:
    """One training run."""

    def __init__(
        self,
        model: OfflineModel,
        source: FrozenSource | EncodingSource,
        table: VerdictTable,
        config: OfflineConfig,
        training: npt.NDArray[np.int64],
        held_out: npt.NDArray[np.int64],
    ) -> None:
        self.config, self.source = config, source
        self.training, self.held_out = training, held_out
        self.device = source.encoder.model.device if source.encoder else torch.device("cpu")
        self.model = model.to(self.device)
        self.behaviour = torch.from_numpy(table.behaviour).float().to(self.device)
        self.triples_per_pair = len(table.select(training).disagreements()) / len(training)
        modules = torch.nn.ModuleDict({"model": model})
        if source.encoder:
            modules["encoder"] = source.encoder.model
        matrices = [p for p in modules.parameters() if p.requires_grad and p.ndim > 1]
        others = [p for p in modules.parameters() if p.requires_grad and p.ndim <= 1]
        gradient = config.gradient
        optimiser = torch.optim.AdamW(
            [
                {"params": matrices, "weight_decay": gradient.weight_decay},
                {"params": others, "weight_decay": 0.0},
            ],
            lr=gradient.learning_rate,
        )
        self.steps_per_epoch = math.ceil(len(training) / gradient.batch_size)
        self.steps = gradient.epochs * self.steps_per_epoch
        self.every = max(1, self.steps_per_epoch // gradient.evaluations_per_epoch)
        self.now = Progress(modules, optimiser, self.device)

    def run(self, checkpoint: TrainingCheckpoint | None, advance: Callable[[int], None]) -> None:
        """Train to the end or until patience runs out, and restore the best state."""
        if checkpoint:
            checkpoint.load_into(self.now)
            advance(self.now.step)
        while self.now.step < self.steps and self.now.stale < self.config.gradient.patience:
            self._train_step()
            advance(1)
            if self.now.step % self.every == 0 or self.now.step == self.steps:
                self._evaluate()
            if checkpoint and self.now.step % self.config.gradient.checkpoint_steps == 0:
                checkpoint.save(self.now)
        if not self.now.best:
            raise ConfigError(
                f"gradient.learning_rate: training diverged with {self.config.gradient.learning_rate:g}"
                f" (the validation loss was never finite in {self.now.step:,} steps); give a smaller one"
            )
        self.now.modules.load_state_dict(self.now.best)

    def signals(self, rows: npt.NDArray[np.int64]) -> Signals:
        """Return what the model says of some pairs."""
        scores, logits = self._outputs(rows)
        reading = None
        if self.model.surrogates is not None:  # then the vectors are fixed, and cheap to get again
            with torch.no_grad():
                a, b = self.source.batch(rows)
                reading = self.model.reading(a.to(self.device), b.to(self.device))
        return Signals.of(
            scores.double().cpu().numpy(),
            None if logits is None else logits.double().cpu().numpy(),
            None if reading is None else reading.double().cpu().numpy(),
        )

    def _train_step(self) -> None:
        epoch, position = divmod(self.now.step, self.steps_per_epoch)
        order = np.random.default_rng([self.config.seed, epoch]).permutation(self.training)
        size = self.config.gradient.batch_size
        rows = order[position * size : (position + 1) * size]
        torch.manual_seed(self.config.seed * 1_000_003 + self.now.step)
        self.now.modules.train()
        warmup = self.config.gradient.warmup * self.steps
        for group in self.now.optimiser.param_groups:
            group["lr"] = self.config.gradient.learning_rate * min(
                1.0, (self.now.step + 1) / max(warmup, 1.0)
            )
        self.now.optimiser.zero_grad(set_to_none=True)
        self._loss(*self._forward(rows), rows, self.triples_per_pair).backward()  # type: ignore[no-untyped-call]
        self.now.optimiser.step()
        self.now.step += 1

    def _evaluate(self) -> None:
        scores, logits = self._outputs(self.held_out)
        loss = float(self._loss(scores, logits, self.held_out, None))
        self.now.evaluated(loss)

    def _outputs(self, rows: npt.NDArray[np.int64]) -> tuple[Tensor, Tensor | None]:
        self.now.modules.eval()
        with torch.no_grad():
            parts = [
                self._forward(rows[start : start + _EVALUATION_BATCH])
                for start in range(0, len(rows), _EVALUATION_BATCH)
            ]
        logits = [part[1] for part in parts if part[1] is not None]
        return torch.cat([part[0] for part in parts]), torch.cat(logits) if logits else None

    def _forward(self, rows: npt.NDArray[np.int64]) -> tuple[Tensor, Tensor | None]:
        a, b = self.source.batch(rows)
        h = self.model.contexts(a.to(self.device), b.to(self.device))
        return self.model.heads.scores(h), self.model.heads.logits(h)

    def _loss(
        self,
        scores: Tensor,
        logits: Tensor | None,
        rows: npt.NDArray[np.int64],
        triples_per_pair: float | None,
    ) -> Tensor:
        behaviour = self.behaviour[torch.from_numpy(rows).to(self.device)]
        loss = bt_loss(scores, behaviour, triples_per_pair)
        if logits is not None:
            loss = loss + self.config.heads.cls_weight * cls_loss(logits, behaviour)
        return loss

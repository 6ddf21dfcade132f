"""Small trainings that can be run again from their beginning, whole or interrupted."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from small_tables import BLOCKS, routable, written_table

from rewardrouter.config.encoder import EncoderConfig
from rewardrouter.config.offline import FeatureConfig, FusionConfig, GradientConfig, OfflineConfig
from rewardrouter.offline.encoder import PairEncoder
from rewardrouter.offline.gradient import GradientFit, fit_gradient
from rewardrouter.offline.sources import EncodingSource, FrozenSource
from rewardrouter.offline.vectors import PairVectors, blocks_of
from rewardrouter.verdicts import VerdictTable


@dataclasses.dataclass(frozen=True)
class Run:
    """A finished training."""

    fit: GradientFit
    source: FrozenSource | EncodingSource

    @property
    def weights(self) -> dict[str, torch.Tensor]:
        """All weights, those of an encoder that was trained included."""
        encoder = self.source.encoder.model.state_dict() if self.source.encoder else {}
        return dict(self.fit.model.state_dict()) | {
            f"encoder.{name}": value for name, value in encoder.items()
        }

    def outputs(self, rows: np.ndarray) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Scores and logits of some pairs, as the finished model gives them."""
        with torch.no_grad():
            h = self.fit.model.contexts(*self.source.batch(rows))
            return self.fit.model.heads.scores(h), self.fit.model.heads.logits(h)


@dataclasses.dataclass(frozen=True)
class Job:
    """A training to be run; without ``vectors`` the encoder of its settings is trained."""

    table: VerdictTable
    config: OfflineConfig
    vectors: PairVectors | None = None

    def run(self, folder: Path | None = None, advance: Callable[[int], None] = lambda _: None) -> Run:
        source: FrozenSource | EncodingSource
        if self.vectors is not None:
            blocks, source = BLOCKS, FrozenSource(self.vectors)
        else:
            encoder = PairEncoder.from_config(self.config.encoder)
            blocks = blocks_of(encoder, self.config.features)
            source = EncodingSource(encoder.prepare(self.table.pairs), encoder)
        fit = fit_gradient(blocks, source, self.table, self.config, resume_folder=folder, advance=advance)
        return Run(fit, source)

    def with_gradient(self, **settings: object) -> Job:
        gradient = self.config.gradient.model_copy(update=settings)
        return dataclasses.replace(self, config=self.config.model_copy(update={"gradient": gradient}))


GRADIENT = GradientConfig(
    learning_rate=1e-2, batch_size=8, epochs=3, patience=100, validation=0.25, warmup=0.2, checkpoint_steps=3
)


def frozen_job() -> Job:
    """Forty pairs with fixed vectors: four steps an epoch, twelve in all."""
    vectors, table = routable(40, 0)
    features = FeatureConfig(standardise=True, surrogates=True)
    fusion = FusionConfig(width=16, dropout=0.1)
    return Job(
        table,
        OfflineConfig(freeze_encoder=True, features=features, fusion=fusion, gradient=GRADIENT),
        vectors,
    )


def full_job(folder: Path) -> Job:
    """Forty written pairs and every parameter of the encoder in ``folder``: four steps an epoch, twelve in all."""
    encoder = EncoderConfig(checkpoint=str(folder), device="cpu", precision="fp32")
    gradient = GRADIENT.model_copy(update={"learning_rate": 2e-3})
    return Job(
        written_table(40, 0), OfflineConfig(encoder=encoder, fusion=FusionConfig(width=16), gradient=gradient)
    )

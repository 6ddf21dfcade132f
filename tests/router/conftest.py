"""Routers of every kind, each fitted once; tests that damage one work on a copy of its folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from small_tables import written_table

from rewardrouter.config.encoder import EncoderConfig
from rewardrouter.config.offline import (
    FeatureConfig,
    FusionConfig,
    GradientConfig,
    HeadConfig,
    OfflineConfig,
    SolverConfig,
    frozen_preset,
)
from rewardrouter.router import BayesianRouter, fit_router

torch.set_num_threads(
    1
)  # small matrices gain nothing from more, and threads that wait for each other lose much

KINDS = ("minilm", "linear", "mlp", "cosine", "full bert", "full qwen2")
"""Encoder by name and frozen, encoder from a folder and frozen (three), encoder trained (two)."""


def settings(kind: str, bert: Path, qwen2: Path) -> OfflineConfig:
    folder = qwen2 if kind.endswith("qwen2") else bert
    encoder = EncoderConfig(checkpoint=str(folder), device="cpu", precision="fp32")
    gradient = GradientConfig(learning_rate=3e-3, epochs=2, validation=0.2, checkpoint_steps=2)
    solver = SolverConfig(prior_strength=(2.0,), folds=2)
    if kind == "minilm":
        minilm = frozen_preset().encoder.model_copy(update={"device": "cpu", "precision": "fp32"})
        return frozen_preset().model_copy(update={"encoder": minilm, "solver": solver})
    if kind == "linear":
        poolings = ("prompt.mean@mid", "response.max@-1")
        return frozen_preset().model_copy(
            update={"encoder": encoder.model_copy(update={"poolings": poolings}), "solver": solver}
        )
    if kind in ("mlp", "cosine"):
        return OfflineConfig(
            encoder=encoder,
            freeze_encoder=True,
            features=FeatureConfig(standardise=True, surrogates=kind == "mlp"),
            fusion=FusionConfig(width=16),
            heads=HeadConfig(normalise="cosine", cls_weight=0) if kind == "cosine" else HeadConfig(),
            gradient=gradient,
        )
    return OfflineConfig(encoder=encoder, fusion=FusionConfig(width=16), gradient=gradient)


@pytest.fixture(scope="session")
def config_of(tiny_bert: Path, tiny_qwen2: Path) -> Callable[[str], OfflineConfig]:
    """Settings by kind."""
    return lambda kind: settings(kind, tiny_bert, tiny_qwen2)


@pytest.fixture(scope="session")
def router_of(config_of: Callable[[str], OfflineConfig]) -> Callable[[str], BayesianRouter]:
    """Fitted routers by kind."""
    fitted: dict[str, BayesianRouter] = {}

    def get(kind: str) -> BayesianRouter:
        if kind not in fitted:
            fitted[kind] = fit_router(
                written_table(48, 0), config_of(kind), source="tests", report=["1 row was dropped"]
            )
        return fitted[kind]

    return get


@pytest.fixture(scope="session")
def saved_of(
    router_of: Callable[[str], BayesianRouter], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Path]:
    """Folders of fitted routers by kind: not to be changed."""
    saved: dict[str, Path] = {}

    def get(kind: str) -> Path:
        if kind not in saved:
            saved[kind] = tmp_path_factory.mktemp("routers") / kind
            router_of(kind).save_pretrained(saved[kind])
        return saved[kind]

    return get

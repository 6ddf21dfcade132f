"""What is measured with: a policy, its prompts, reward models by the pool's size, and a router for them."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import math
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rewardrouter.config.encoder import EncoderConfig
from rewardrouter.config.loading import load_config
from rewardrouter.config.offline import FeatureConfig, FusionConfig, OfflineConfig, SolverConfig
from rewardrouter.config.pool import HfConfig, LiveConfig, PoolConfig, RecordedConfig
from rewardrouter.config.speed import GivenModels, TinyModels
from rewardrouter.datasets.rows import read_rows
from rewardrouter.efficiency.tiny_models import write_language_model, write_reward_model
from rewardrouter.errors import ConfigError
from rewardrouter.pairs import PreferencePair
from rewardrouter.pretrained.loading import resolve_device
from rewardrouter.reward_models.base import Resident, RewardModel
from rewardrouter.reward_models.loading import make_live
from rewardrouter.router import BayesianRouter
from rewardrouter.router.fitting import fit_router
from rewardrouter.sandbox.tasks import distinct_problems
from rewardrouter.sandbox.tokenizer import sandbox_tokenizer
from rewardrouter.verdicts import A, B, VerdictTable

_FITTED_TO = 120
"""Pairs that the router is fitted to."""

_RIGHT = 0.75
"""How often each reward model is right on them, whatever the pair."""


@dataclasses.dataclass(frozen=True)
class Workbench:
    """Models to measure with.

    Attributes
    ----------
    policy
        A hub id or a folder.
    lora
        Whether the policy is trained by an adapter.
    prompts
        Rows with ``id`` and ``prompt``.
    entries
        The reward models' entries, as in a pool file.
    pool_file
        What their sources are relative to.
    encoder
        Of the router.
    """

    policy: str
    lora: bool
    prompts: Sequence[Mapping[str, Any]]
    entries: Sequence[LiveConfig]
    pool_file: Path
    encoder: EncoderConfig

    def names(self, size: int) -> tuple[str, ...]:
        """Return the names in a pool of so many."""
        return tuple(entry.name for entry in self._entries(size))

    def original(self, name: str) -> str:
        """Return the name of the reward model that another one of a pool repeats."""
        return next(
            entry.name for entry in self.entries if name == entry.name or name.startswith(f"{entry.name} #")
        )

    def device(self, name: str) -> str:
        """Return where a reward model runs: a device of this machine, or a server of its own."""
        entry = next(entry for entry in self.entries if entry.name == self.original(name))
        return str(resolve_device(entry.device)) if isinstance(entry, HfConfig) else entry.name

    def on_cpu(self, name: str) -> bool:
        """Tell whether it runs on this machine's CPU."""
        return self.device(name) == "cpu"

    def reward_models(self, size: int) -> list[RewardModel]:
        """Return the reward models of a pool, not loaded yet; a larger one repeats them in turn.

        Raises
        ------
        CheckpointError
            If one cannot be found.
        """
        return [make_live(entry, self.pool_file) for entry in self._entries(size)]

    def router(self, size: int, seed: int) -> BayesianRouter:
        """Return a router for a pool, fitted to verdicts that are right by chance: time does not depend on them.

        Every reward model is right equally often, whatever the pair, so that choices spread over the pool: the
        smallest calls that there can be. Its margins are those that it really gives, and the larger, the more often
        it is right, so that a cascade has what it goes by.
        """
        rms, random, pairs = self.names(size), np.random.default_rng(seed), self._pairs
        labels = random.choice([A, B], size=len(pairs)).astype(np.int8)
        margins = np.stack([self._margins[self.original(rm)] for rm in rms], axis=1)
        right = np.zeros(margins.shape, np.bool_)
        for column, sizes in zip(right.T, np.nan_to_num(margins).T, strict=True):
            # Drawn with chances that rise with the margin, always as many.
            chances = 1.0 + 3.0 * sizes.argsort(kind="stable").argsort() / len(pairs)
            count = round(_RIGHT * len(pairs))
            column[random.choice(len(pairs), count, replace=False, p=chances / chances.sum())] = True
        winners = np.where(right, labels[:, None], -labels[:, None]).astype(np.int8)
        table = VerdictTable(pairs, labels, rms, winners, winners * margins / 2, -winners * margins / 2)
        return fit_router(table, _offline(self.encoder), source="verdicts by chance, to measure time with")

    @cached_property
    def _pairs(self) -> tuple[PreferencePair, ...]:
        """The pairs that routers are fitted to, of prompts alone."""
        texts = [row["prompt"] for row in self.prompts]
        drawn = np.random.default_rng(0).integers(len(texts), size=(_FITTED_TO, 3)).tolist()
        return tuple(
            PreferencePair(f"pair {n}", f"{n}. {texts[i]}", texts[j], f"{n} {texts[k]}")
            for n, (i, j, k) in enumerate(drawn)
        )

    @cached_property
    def _margins(self) -> dict[str, npt.NDArray[np.float64]]:
        """How far each reward model's scores are apart on those pairs; NaN where it gives none, ``float64 [P]``."""
        found = {}
        for model in self.reward_models(len(self.entries)):
            found[model.name] = np.array(
                [
                    abs(verdict.score_a - verdict.score_b)
                    if verdict.score_a is not None and verdict.score_b is not None
                    else np.nan
                    for verdict in model.judge(self._pairs)
                ]
            )
            if isinstance(model, Resident):
                model.unload()
        return found

    def _entries(self, size: int) -> list[LiveConfig]:
        names = names_in([entry.name for entry in self.entries], size)
        return [
            entry.model_copy(update={"name": name})
            for name, entry in zip(names, itertools.cycle(self.entries), strict=False)
        ]


def names_in(originals: Sequence[str], size: int) -> list[str]:
    """Return the names in a pool of so many; a larger one repeats its reward models in turn."""
    turns = range(math.ceil(size / len(originals)))
    return [name if turn == 0 else f"{name} #{turn + 1}" for turn in turns for name in originals][:size]


def tiny_name(layers: int) -> str:
    """Return the name of the tiny reward model of so many layers."""
    return f"{layers} layer{'s' * (layers > 1)}"


def tiny_workbench(config: TinyModels, folder: Path, *, rm_width: int, seed: int) -> Workbench:
    """Return tiny models, built in ``folder`` where they are not there yet."""
    make = functools.cache(sandbox_tokenizer)
    policy = folder / f"policy-{config.layers}x{config.width}-{seed}"
    if not policy.exists():
        write_language_model(policy, make(), width=config.width, layers=config.layers, seed=seed)
    entries = []
    for layers in config.rm_layers:
        rm = folder / f"rm-{layers}x{rm_width}-{seed}"
        if not rm.exists():
            write_reward_model(rm, make(), width=rm_width, layers=layers, seed=seed + layers)
        entries.append(HfConfig(name=tiny_name(layers), source=str(rm.absolute()), device="cpu"))
    prompts = [
        {"id": problem.id, "prompt": problem.prompt}
        for problem in distinct_problems("stream", config.prompts, seed)
    ]
    return Workbench(
        str(policy), False, prompts, entries, folder / "pool.yaml", EncoderConfig(checkpoint=str(policy))
    )


def given_workbench(config: GivenModels) -> Workbench:
    """Return models that a user names.

    Raises
    ------
    ConfigError
        If the pool file holds recordings.
    DataError
        If the prompts cannot be read.
    """
    path = Path(config.pool)
    entries = []
    for entry in load_config(PoolConfig, path).rms:
        if isinstance(entry, RecordedConfig):
            raise ConfigError(
                f"given.pool {path}: {entry.name or entry.source} is recorded, so that asking it takes no time;"
                " give reward models that are really asked"
            )
        entries.append(entry)
    rows = [row for row in read_rows(config.prompts) if isinstance(row.get("prompt"), str)]
    if not rows:
        raise ConfigError(f"given.prompts {config.prompts}: no row has a text as its prompt; give such rows")
    return Workbench(config.policy, True, rows, entries, path, config.encoder)


def _offline(encoder: EncoderConfig) -> OfflineConfig:
    return OfflineConfig(
        encoder=encoder,
        freeze_encoder=True,
        features=FeatureConfig(standardise=True),
        fusion=FusionConfig(kind="linear"),
        solver=SolverConfig(prior_strength=(1e6,), trust=(1.0,), folds=2),
    )

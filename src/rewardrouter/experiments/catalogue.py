"""The experiments that there are: the files of ``paper/``."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from rewardrouter.config.experiment import ExperimentConfig, FullScale, PaperNumbers
from rewardrouter.config.loading import load_config
from rewardrouter.errors import UserError, did_you_mean

FOLDER = Path(__file__).with_name("paper")
"""In the repository also ``examples/paper``."""

FIGURE = "figure2"
"""The paper's figure: a run of ``speed``, which is no table."""

POOL, TRAIN, BENCHMARK = (FOLDER / f"{name}.yaml" for name in ("pool", "train", "benchmark"))
"""Settings of the full scale, in the form of the commands that read them."""

CLUSTER = FOLDER / "figure2.yaml"
"""The same of ``speed``, for the paper's figure."""


def experiment_names() -> list[str]:
    """Return the names, tables first."""
    files = [*FOLDER.glob("table*.yaml"), *FOLDER.glob("ablation-*.yaml")]
    return sorted((file.stem for file in files), key=lambda name: (name.startswith("ablation"), name))


def experiment_named(name: str) -> ExperimentConfig:
    """Return one of them.

    Raises
    ------
    UserError
        If there is none of that name.
    """
    known = experiment_names()
    if name not in known:
        there = [*known, FIGURE]
        raise UserError(
            f"{name}: no such experiment.{did_you_mean(name, there)} There are {', '.join(there)}"
        )
    return load_config(ExperimentConfig, FOLDER / f"{name}.yaml")


@cache
def paper_numbers() -> PaperNumbers:
    """Return the paper's figures, as far as they are known."""
    return load_config(PaperNumbers, FOLDER / "numbers.yaml")


@cache
def full_scale() -> FullScale:
    """Return the paper's models and data."""
    return load_config(FullScale, FOLDER / "full.yaml")

"""Every file of examples/paper is what its reader expects, down to the settings of each row."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from rewardrouter.config.base import validate
from rewardrouter.config.benchmark import BenchmarkConfig
from rewardrouter.config.experiment import (
    SINGLES,
    ExperimentConfig,
    FullScale,
    Measure,
    PaperNumbers,
    Scale,
)
from rewardrouter.config.loading import load_config
from rewardrouter.config.offline import OfflineConfig, frozen_preset, full_preset
from rewardrouter.config.pool import PoolConfig
from rewardrouter.config.replay import ReplayConfig
from rewardrouter.config.speed import SpeedConfig
from rewardrouter.config.train import TrainConfig
from rewardrouter.datasets.sources import SOURCES
from rewardrouter.errors import ConfigError
from rewardrouter.simulation.named import strategy_of

PAPER = Path(__file__).resolve().parents[2] / "examples" / "paper"
EXPERIMENTS = sorted([*PAPER.glob("table*.yaml"), *PAPER.glob("ablation-*.yaml")])
OTHERS = {
    "benchmark": BenchmarkConfig,
    "figure2": SpeedConfig,
    "full": FullScale,
    "numbers": PaperNumbers,
    "pool": PoolConfig,
    "train": TrainConfig,
}
ARMS = ("one", "two", "three", "four")
SCALES: tuple[Scale, ...] = get_args(Scale)


def test_every_file_is_read_by_somebody() -> None:
    assert {file.stem for file in PAPER.glob("*.yaml")} == {file.stem for file in EXPERIMENTS} | set(OTHERS)
    assert [f"table{n}" for n in range(1, 8)] == [f.stem for f in EXPERIMENTS if f.stem.startswith("table")]


@pytest.mark.parametrize("name", OTHERS)
def test_settings_of_the_full_scale_are_valid(name: str) -> None:
    load_config(OTHERS[name], PAPER / f"{name}.yaml")


@pytest.mark.parametrize("file", EXPERIMENTS, ids=lambda file: file.stem)
def test_every_row_is_valid_at_every_scale(file: Path) -> None:
    config = load_config(ExperimentConfig, file)
    for scale in config.scales:
        rows = config.rows_at(scale)
        assert config.reference in {row.name for row in rows}
        for row in rows:
            if row.strategy not in ("single", "before", *SINGLES):
                strategy_of("without-online" if row.strategy == "oracle" else row.strategy, ARMS)
            given = [*config.fit.at(scale), *row.fit, *row.fit_at.at(scale)]
            load_config(
                OfflineConfig, None, given, defaults=full_preset() if scale == "full" else frozen_preset()
            )
        if config.measure == "simulate":
            load_config(ReplayConfig, None, config.settings.at(scale))


def test_the_papers_numbers_stand_in_rows_that_there_are() -> None:
    for name, rows in load_config(PaperNumbers, PAPER / "numbers.yaml").tables.items():
        config = load_config(ExperimentConfig, PAPER / f"{name}.yaml")
        for row, cells in rows.items():
            assert row in {one.name for one in config.rows_at("full")}
            assert set(cells) <= set(config.columns)
            assert all(0 <= value <= 100 for value in cells.values())


def test_the_full_scale_names_known_data_sets_and_columns() -> None:
    full = load_config(FullScale, PAPER / "full.yaml")
    words = [*full.fit_pairs, *full.columns.values(), *full.prompts.values(), *full.questions.values()]
    assert {one[0] for one in words} <= set(SOURCES)
    assert full.stream in full.columns
    assert set(full.benchmarks) == set(full.prompts)


SMALL = {
    "title": "t",
    "measure": "evaluate",
    "columns": ["id"],
    "reference": "a",
    "rows": [{"name": "a"}, {"name": "b"}],
}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"reference": "c"}, "'c' is none of the rows a, b"),
        ({"columns": ["accuracy"]}, "evaluate has no accuracy; it has id, ood"),
        ({"rows": [{"name": "a"}, {"name": "a"}]}, "two of them are named 'a'"),
        ({"rows": [{"name": "a", "share": 0}]}, "rows.0.share"),
        ({"refernce": "a"}, "Did you mean reference?"),
    ],
)
def test_mistakes_are_told_in_one_line(change: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError) as error:
        validate(ExperimentConfig, {**SMALL, **change}, source="mine.yaml")
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_every_measure_has_columns() -> None:
    assert set(get_args(Measure)) == {"evaluate", "simulate", "train"}
    assert validate(ExperimentConfig, SMALL, source="mine.yaml").rows_at("sandbox")[1].name == "b"

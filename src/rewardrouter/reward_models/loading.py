"""From a pool file to a pool."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from rewardrouter.config.loading import load_config
from rewardrouter.config.pool import PoolConfig, RecordedConfig
from rewardrouter.datasets.recordings import Recordings, load_recordings
from rewardrouter.errors import ConfigError, did_you_mean
from rewardrouter.reward_models.base import RewardModel
from rewardrouter.reward_models.pool import RewardModelPool
from rewardrouter.reward_models.recorded import RecordedRewardModel


def load_pool(path: Path) -> RewardModelPool:
    """Return the pool that a YAML file describes (see :mod:`rewardrouter.config.pool`).

    Raises
    ------
    ConfigError
        If the file is not a valid pool, two RMs have one name, or a source has no usable verdict of an RM.
    DataError
        If a source cannot be read.
    """
    config = load_config(PoolConfig, path)
    read: dict[Path, Recordings] = {}
    models: list[RewardModel] = []
    for entry in config.rms:
        source = path.parent / Path(entry.source).expanduser()
        if source not in read:
            read[source] = load_recordings(source)
        models.extend(_recorded(entry, read[source], path))
    try:
        return RewardModelPool(models)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error


def pool_files(path: Path) -> list[Path]:
    """Return every file that the pool's answers come from: the YAML file and its recordings, folders file by file."""
    files = [path]
    for entry in load_config(PoolConfig, path).rms:
        source = path.parent / Path(entry.source).expanduser()
        files += sorted(f for f in source.rglob("*") if f.is_file()) if source.is_dir() else [source]
    return files


def _recorded(entry: RecordedConfig, recordings: Recordings, path: Path) -> list[RewardModel]:
    models: list[RewardModel] = []
    for name in recordings.rms if entry.name is None else (entry.name,):
        record = entry.record or name
        if record not in recordings.rms:
            raise ConfigError(
                f"{path}: {entry.source} holds no usable verdict of {record!r}."
                f"{did_you_mean(record, recordings.rms)} It holds: {', '.join(recordings.rms)}"
            )
        column = recordings.rms.index(record)
        verdicts = [dataclasses.replace(row[column], rm=name) for row in recordings.verdicts]
        models.append(RecordedRewardModel(name, recordings.pairs, verdicts))
    return models

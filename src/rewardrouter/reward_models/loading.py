"""From a pool file to a pool."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from rewardrouter.config.loading import load_config
from rewardrouter.config.pool import HfConfig, PoolConfig, RecordedConfig
from rewardrouter.datasets.recordings import Recordings, load_recordings
from rewardrouter.errors import CheckpointError, ConfigError, did_you_mean
from rewardrouter.reward_models.base import RewardModel
from rewardrouter.reward_models.pool import RewardModelPool, check_names
from rewardrouter.reward_models.recorded import RecordedRewardModel


def load_pool(path: Path, rms: Sequence[str] | None = None) -> RewardModelPool:
    """Return the pool that a YAML file describes (see :mod:`rewardrouter.config.pool`).

    Weights of models that run here are loaded when they are first asked.

    Parameters
    ----------
    path
        The pool file.
    rms
        The RMs wanted, in order; ``None`` takes all. Checkpoints of others are not looked for.

    Raises
    ------
    ConfigError
        If the file is not a valid pool, two RMs have one name, the pool lacks one of ``rms``, or a source has no
        usable verdict of an RM.
    CheckpointError
        If a checkpoint cannot be found or is no reward model.
    DataError
        If a source cannot be read.
    """
    makers: dict[str, Callable[[], RewardModel]] = {}
    read: dict[Path, Recordings] = {}
    for entry in load_config(PoolConfig, path).rms:
        for name, make in _makers(entry, path, read).items():
            if name in makers:
                raise ConfigError(f"{path}: two reward models of the pool are named {name!r}")
            makers[name] = make
    try:
        wanted = check_names(makers if rms is None else rms, known=makers)
        return RewardModelPool(makers[name]() for name in wanted)
    except (CheckpointError, ConfigError) as error:
        raise type(error)(f"{path}: {error}") from error


def recorded_files(path: Path) -> list[Path]:
    """Return every file that the pool's recorded verdicts come from, folders file by file."""
    files = []
    for source in recorded_sources(path):
        files += sorted(f for f in source.rglob("*") if f.is_file()) if source.is_dir() else [source]
    return files


def recorded_sources(path: Path) -> list[Path]:
    """Return the files and folders that the pool's recorded verdicts come from."""
    entries = load_config(PoolConfig, path).rms
    return [_source(entry, path) for entry in entries if isinstance(entry, RecordedConfig)]


def costs(path: Path) -> dict[str, float]:
    """Return the price of a verdict, for each RM of the pool that has one."""
    entries = load_config(PoolConfig, path).rms
    return {e.name: e.cost for e in entries if isinstance(e, HfConfig) and e.cost is not None}


def _source(entry: RecordedConfig, path: Path) -> Path:
    return path.parent / Path(entry.source).expanduser()


def _makers(
    entry: RecordedConfig | HfConfig, path: Path, read: dict[Path, Recordings]
) -> dict[str, Callable[[], RewardModel]]:
    """Return what makes each RM of an entry, by name; recordings that were read are kept in ``read``."""
    if isinstance(entry, HfConfig):
        return {entry.name: partial(_hf, entry, path)}
    source = _source(entry, path)
    recordings = read[source] if source in read else load_recordings(source)
    read[source] = recordings
    names = recordings.rms if entry.name is None else (entry.name,)
    return {name: partial(_recorded, name, entry, recordings) for name in names}


def _hf(entry: HfConfig, path: Path) -> RewardModel:
    # Imported here: torch and transformers take seconds, which a pool of recordings does not need.
    from rewardrouter.reward_models.hf import HfRewardModel

    return HfRewardModel(entry, relative_to=path.parent)


def _recorded(name: str, entry: RecordedConfig, recordings: Recordings) -> RewardModel:
    record = entry.record or name
    if record not in recordings.rms:
        raise ConfigError(
            f"{entry.source} holds no usable verdict of {record!r}."
            f"{did_you_mean(record, recordings.rms)} It holds: {', '.join(recordings.rms)}"
        )
    column = recordings.rms.index(record)
    verdicts = [dataclasses.replace(row[column], rm=name) for row in recordings.verdicts]
    return RecordedRewardModel(name, recordings.pairs, verdicts)

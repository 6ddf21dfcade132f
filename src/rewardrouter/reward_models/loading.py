"""From a pool file to a pool."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from rewardrouter.config.loading import load_config
from rewardrouter.config.pool import HfConfig, PoolConfig, RecordedConfig, RewardModelConfig
from rewardrouter.config.servers import JudgeConfig, OpenRlhfConfig, SglangConfig, VllmConfig
from rewardrouter.config.verifier import VerifierConfig
from rewardrouter.datasets.recordings import Recordings, load_recordings
from rewardrouter.errors import CheckpointError, ConfigError, MissingDependencyError, did_you_mean
from rewardrouter.reward_models.base import RewardModel
from rewardrouter.reward_models.pool import RewardModelPool, check_names
from rewardrouter.reward_models.recorded import RecordedRewardModel
from rewardrouter.reward_models.verdict_cache import VerdictCache, default_folder


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
    config = load_config(PoolConfig, path)
    for entry in config.rms:
        for name, make in _makers(entry, path, read).items():
            if name in makers:
                raise ConfigError(f"{path}: two reward models of the pool are named {name!r}")
            makers[name] = make
    try:
        wanted = check_names(makers if rms is None else rms, known=makers)
        return RewardModelPool(
            [makers[name]() for name in wanted], prices=_prices(config), cache=_cache(config, path)
        )
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


def _prices(config: PoolConfig) -> dict[str, float]:
    priced = [entry for entry in config.rms if not isinstance(entry, RecordedConfig)]
    return {entry.name: entry.cost for entry in priced if entry.cost is not None}


def _cache(config: PoolConfig, path: Path) -> VerdictCache | None:
    if config.cache is False:
        return None
    if config.cache is True:
        return VerdictCache(default_folder())
    return VerdictCache(path.parent / Path(config.cache).expanduser())


def _source(entry: RecordedConfig, path: Path) -> Path:
    return path.parent / Path(entry.source).expanduser()


def _makers(
    entry: RewardModelConfig, path: Path, read: dict[Path, Recordings]
) -> dict[str, Callable[[], RewardModel]]:
    """Return what makes each RM of an entry, by name; recordings that were read are kept in ``read``."""
    if isinstance(entry, HfConfig):
        return {entry.name: partial(_hf, entry, path)}
    if isinstance(entry, VerifierConfig):
        return {entry.name: partial(_verifier, entry)}
    if isinstance(entry, JudgeConfig):
        return {entry.name: partial(_judge, entry)}
    if not isinstance(entry, RecordedConfig):
        return {entry.name: partial(_server, entry, path)}
    source = _source(entry, path)
    recordings = read[source] if source in read else load_recordings(source)
    read[source] = recordings
    names = recordings.rms if entry.name is None else (entry.name,)
    return {name: partial(_recorded, name, entry, recordings) for name in names}


def _hf(entry: HfConfig, path: Path) -> RewardModel:
    # Imported here: torch and transformers take seconds, which a pool of recordings does not need.
    from rewardrouter.reward_models.hf import HfRewardModel

    return HfRewardModel(entry, relative_to=path.parent)


def _verifier(entry: VerifierConfig) -> RewardModel:
    from rewardrouter.reward_models.verifiers import VerifierRewardModel

    return VerifierRewardModel(entry)


def _server(entry: VllmConfig | SglangConfig | OpenRlhfConfig, path: Path) -> RewardModel:
    _need_http(entry.kind)
    from rewardrouter.reward_models.http.pointwise import ServerRewardModel

    return ServerRewardModel(entry, relative_to=path.parent)


def _judge(entry: JudgeConfig) -> RewardModel:
    _need_http(entry.kind)
    from rewardrouter.reward_models.judges.model import JudgeRewardModel

    return JudgeRewardModel(entry)


def _need_http(kind: str) -> None:
    if find_spec("httpx2") is None:
        raise MissingDependencyError("httpx2", "http", f"a reward model of kind {kind}")


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

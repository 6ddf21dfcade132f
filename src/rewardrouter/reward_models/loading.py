"""From a pool file to a pool."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from rewardrouter.config.loading import load_config
from rewardrouter.config.pool import HfConfig, LiveConfig, PoolConfig, RecordedConfig, RewardModelConfig
from rewardrouter.config.servers import JudgeConfig
from rewardrouter.config.verifier import VerifierConfig
from rewardrouter.config.window import WindowConfig
from rewardrouter.datasets.recordings import Recordings, load_recordings
from rewardrouter.errors import CheckpointError, ConfigError, MissingDependencyError, did_you_mean
from rewardrouter.reward_models.base import RewardModel
from rewardrouter.reward_models.pool import RewardModelPool, check_names
from rewardrouter.reward_models.recorded import RecordedRewardModel
from rewardrouter.reward_models.verdict_cache import VerdictCache, default_folder


def load_pool(path: Path | str, rms: Sequence[str] | None = None) -> RewardModelPool:
    """Return the pool that a YAML file describes (see :mod:`rewardrouter.config.pool`).

    Weights of models that run here are loaded when they are first asked. Under ``engine: ray`` the cluster and its
    processes begin now; they end with :meth:`RewardModelPool.close`, or with this process.

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
    MissingDependencyError
        If a package that an RM or the engine needs is not installed.
    """
    path = Path(path).expanduser()
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
        ours = set(wanted) - _live(config).keys() if config.engine == "ray" else wanted
        models = {name: makers[name]() for name in wanted if name in ours}
        cache = _cache(config, path)
        with contextlib.ExitStack() as opened:
            if len(models) < len(wanted):
                models |= _on_ray(config, path, [name for name in wanted if name not in models], opened)
            return RewardModelPool(
                [models[name] for name in wanted],
                prices=_prices(config),
                cache=cache,
                windows=_windows(config),
                closing=opened.pop_all().close,
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


def _live(config: PoolConfig) -> dict[str, LiveConfig]:
    """Return the entries of reward models that are really asked."""
    return {entry.name: entry for entry in config.rms if not isinstance(entry, RecordedConfig)}


def _prices(config: PoolConfig) -> dict[str, float]:
    return {entry.name: entry.cost for entry in config.rms if entry.name and entry.cost is not None}


def _windows(config: PoolConfig) -> dict[str, WindowConfig]:
    return {name: entry for name, entry in _live(config).items() if entry.batch_window}


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
    if not isinstance(entry, RecordedConfig):
        return {entry.name: partial(make_live, entry, path)}
    source = _source(entry, path)
    recordings = read[source] if source in read else load_recordings(source)
    read[source] = recordings
    names = recordings.rms if entry.name is None else (entry.name,)
    return {name: partial(_recorded, name, entry, recordings) for name in names}


def make_live(entry: LiveConfig, path: Path) -> RewardModel:
    """Return a reward model of the pool file ``path`` that is really asked, to run in this process.

    Raises
    ------
    CheckpointError
        If a checkpoint cannot be found or is no reward model.
    ConfigError
        If the settings do not fit, or a key is not set.
    MissingDependencyError
        If a package that its kind needs is not installed.
    """
    # Imported here: torch and transformers take seconds, which a pool of recordings does not need.
    if isinstance(entry, HfConfig):
        from rewardrouter.reward_models.hf import HfRewardModel

        return HfRewardModel(entry, relative_to=path.parent)
    if isinstance(entry, VerifierConfig):
        from rewardrouter.reward_models.verifiers import VerifierRewardModel

        return VerifierRewardModel(entry)
    _need_http(entry.kind)
    if isinstance(entry, JudgeConfig):
        from rewardrouter.reward_models.judges.model import JudgeRewardModel

        return JudgeRewardModel(entry)
    from rewardrouter.reward_models.http.pointwise import ServerRewardModel

    return ServerRewardModel(entry, relative_to=path.parent)


def _on_ray(
    config: PoolConfig, path: Path, names: Sequence[str], opened: contextlib.ExitStack
) -> dict[str, RewardModel]:
    """Begin reward models on a cluster; ``opened`` ends them."""
    from rewardrouter.reward_models.ray.engine import on_ray

    live, whole = _live(config), path.absolute()  # another process may have another working folder
    models = opened.enter_context(
        on_ray([live[name] for name in names], config.cluster, lambda entry: partial(make_live, entry, whole))
    )
    return {model.name: model for model in models}


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

"""A gateway made of its settings: everything that they name is loaded, and the state on disk gone on with."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from rewardrouter.annotators.planned import Planned
from rewardrouter.config.serve import ServeConfig
from rewardrouter.errors import CheckpointError, one_line
from rewardrouter.reward_models import RewardModelPool
from rewardrouter.serve.chat import ChatReader, PlainReader
from rewardrouter.serve.completions import Asked, Score
from rewardrouter.serve.engine import Engine
from rewardrouter.serve.store import Store
from rewardrouter.serve.waiting_room import WaitingRoom
from rewardrouter.serve.worker import Worker
from rewardrouter.simulation.strategies import FittedRouter

Reader: TypeAlias = ChatReader | PlainReader


@dataclasses.dataclass(frozen=True, eq=False)
class Gateway:
    """All that answers requests.

    ``reader`` and ``classify_reader`` undo the chat templates of the two drop-in endpoints; ``reward_models`` is what
    the RMs of the pool say they are.
    """

    config: ServeConfig
    worker: Worker
    room: WaitingRoom
    reader: Reader
    classify_reader: Reader
    reward_models: Mapping[str, Mapping[str, Any]]


@contextlib.contextmanager
def load_gateway(config: ServeConfig, *, no_cache: bool = False) -> Iterator[Gateway]:
    """Load router, pool and state; the pool is closed at the end of the block.

    Raises
    ------
    CheckpointError
        If the router, a tokenizer or the state cannot be loaded, or do not fit.
    ConfigError
        If settings do not fit, or another gateway uses the state's folder.
    """
    from rewardrouter.offline.cache import EmbeddingCache, default_folder
    from rewardrouter.reward_models.loading import load_pool
    from rewardrouter.router import BayesianRouter
    from rewardrouter.router.files import router_fingerprint

    with load_pool(Path(config.pool)) as pool:
        cache = EmbeddingCache(None if no_cache else default_folder())
        router = BayesianRouter.from_pretrained(config.router, cache=cache)
        yield make_gateway(config, router, pool, f"sha256:{router_fingerprint(Path(config.router))}")


def make_gateway(
    config: ServeConfig, router: FittedRouter, pool: RewardModelPool, router_identity: str
) -> Gateway:
    """Return the gateway of a router and a pool.

    Raises
    ------
    CheckpointError
        If a tokenizer or the state cannot be loaded, or do not fit.
    ConfigError
        If settings do not fit, or another gateway uses the state's folder.
    """
    given = config.completions
    readers = {name: _reader(name) for name in (given.tokenizer, given.classify_tokenizer or given.tokenizer)}
    identity = {"router": router_identity, "strategy": config.strategy, "seed": config.seed}
    # What does not fit, a budget that cannot be kept too, is said before a folder is made.
    annotator = Engine(router, pool, config, identity).annotator
    if isinstance(annotator, Planned):
        annotator.prepare()
    store = Store(Path(config.state))
    try:
        worker = Worker(
            lambda: Engine(router, pool, config, identity), store, config.saving, config.limits.pairs
        )
    except BaseException:
        store.close()
        raise

    async def judge(asked: Asked) -> Sequence[Score]:
        return await asyncio.wrap_future(worker.score(asked))

    return Gateway(
        config=config,
        worker=worker,
        room=WaitingRoom(judge, worker.knows, given.hold_seconds, given.responses),
        reader=readers[given.tokenizer],
        classify_reader=readers[given.classify_tokenizer or given.tokenizer],
        reward_models={rm: dict(pool.identity(rm)) for rm in pool.names},
    )


def _reader(tokenizer: str | None) -> Reader:
    if tokenizer is None:
        return PlainReader()
    from transformers import AutoTokenizer

    try:
        return ChatReader(AutoTokenizer.from_pretrained(tokenizer), tokenizer)
    except (OSError, ValueError) as error:
        raise CheckpointError(f"tokenizer {tokenizer}: cannot be loaded: {one_line(error)}") from error

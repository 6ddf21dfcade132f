"""A gateway in a process of its own that costs next to nothing besides itself; for ``gateway.py``."""

from __future__ import annotations

import multiprocessing
import os
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from rewardrouter.config.loading import load_config
from rewardrouter.config.serve import ServeConfig
from rewardrouter.pairs import PreferencePair, digest
from rewardrouter.reward_models.pool import RewardModelPool
from rewardrouter.router import Arm
from rewardrouter.serve.gateway import make_gateway
from rewardrouter.serve.server import serve
from rewardrouter.verdicts import Verdict

DIMENSION = 576
NAMES = ("a", "b", "c", "d")


class Instant:
    """A reward model that answers at once."""

    immediate = True

    def __init__(self, name: str) -> None:
        self.name = name

    def judge(self, pairs: Sequence[PreferencePair]) -> list[Verdict]:
        return [
            Verdict.from_scores(self.name, self._score(p.response_a), self._score(p.response_b))
            for p in pairs
        ]

    def _score(self, text: object) -> float:
        return hash((self.name, text)) % 1000 / 1000


class InstantRouter:
    """Contexts that are normal numbers belonging to the prompt."""

    arms = NAMES
    prior_mean = np.random.default_rng(0).standard_normal((len(NAMES), DIMENSION)) * 0.05
    arm_records = tuple(Arm(name, 100, 0, 0, 0.7, 0.5, 0.3) for name in NAMES)

    def contexts(self, pairs: Sequence[PreferencePair]) -> np.ndarray:
        rows = [
            np.random.default_rng(int(digest(pair.prompt), 16)).standard_normal(DIMENSION) for pair in pairs
        ]
        return np.array(rows).reshape(len(pairs), DIMENSION)

    def scores(self, pairs: Sequence[PreferencePair]) -> np.ndarray:
        return self.contexts(pairs) @ self.prior_mean.T

    encoder_features = contexts


def serve_in(folder: str, port: int, overrides: Sequence[str]) -> None:
    """Serve in this process until it is killed or told to stop."""
    sys.stderr = Path(folder, "stderr.txt").open("a")  # noqa: SIM115 (until the process ends)
    given = [f"router={folder}", f"pool={folder}", f"state={folder}/state", f"port={port}"]
    config = load_config(ServeConfig, None, [*given, "completions.hold_seconds=0", *overrides])
    serve(make_gateway(config, InstantRouter(), RewardModelPool(map(Instant, NAMES)), "instant"), None)


class Served:
    """A gateway in a process of its own."""

    def __init__(self, folder: Path, *overrides: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.port = _free_port()
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["rewardrouter.serve.server", "rewardrouter.router"])
        self.process = context.Process(target=serve_in, args=(str(folder), self.port, overrides))
        self.process.start()

    def kill(self) -> None:
        self.process.kill()
        self.process.join()

    @property
    def cpu_seconds(self) -> float:
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    @property
    def resident_mib(self) -> float:
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])

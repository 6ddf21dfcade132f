"""The folder of a replay, and the rule that a run goes on only with what it was begun with.

RUN/config.yaml            settings, and digests of what the run reads
inputs/                the router's scores of the stream; the policy; the stream prepared for it
units/STRATEGY/SEED/   records of a unit (``simulation.records``)
results.json           the figures (``simulation.results``)
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from urllib.parse import quote

from rewardrouter import run_folders
from rewardrouter.config.loading import dump_config, load_config
from rewardrouter.config.run import RunConfig, RunContent
from rewardrouter.errors import ConfigError, UserError
from rewardrouter.files import write_text_atomically
from rewardrouter.pairs import PreferencePair
from rewardrouter.router.files import router_fingerprint
from rewardrouter.simulation.records import UnitFiles
from rewardrouter.simulation.stream import digest_of
from rewardrouter.verdicts import VerdictTable


def unit_folder(run: Path, strategy: str, seed: int) -> Path:
    """Return the folder of one unit; a strategy's name may hold any character."""
    return run / "units" / quote(strategy, safe="=,@+") / str(seed)


class RunFolder:
    """A run's folder and settings; what any process needs to run one of its units."""

    def __init__(self, folder: Path, config: RunConfig) -> None:
        self.folder = folder
        self.config = config
        self.inputs = folder / "inputs"
        self.scores = self.inputs / "scores.safetensors"
        self.policy = self.inputs / "policy"
        self.prepared = self.inputs / "prepared.safetensors"

    def unit(self, strategy: str, seed: int) -> UnitFiles:
        """Return the files of one unit."""
        return UnitFiles(unit_folder(self.folder, strategy, seed))

    def opened(self, *, resume: bool) -> AbstractContextManager[bool]:
        """Begin the run, or go on with it, while nobody else does; yield whether it is begun.

        A run that is begun in vain, ending in the user's mistake before it has a unit, leaves no folder.

        Raises
        ------
        UserError
            If the folder holds something else, a run where none is resumed, or another process is at work in it.
        ConfigError
            If the run in it has other settings or read something else.
        """
        return run_folders.opened(
            self.folder,
            begin=self._write,
            go_on=lambda written: self._check(written, resume),
            undo=self._undo,
        )

    def _undo(self) -> bool:
        if (self.folder / "units").exists():
            return False
        shutil.rmtree(self.inputs, ignore_errors=True)
        return True

    def _write(self, path: Path) -> None:
        write_text_atomically(path, dump_config(self.config))

    def _check(self, written: Path, resume: bool) -> None:
        if not resume:
            raise UserError(
                f"--out {self.folder}: holds a run already; give --resume to go on with it, or another folder"
            )
        before = load_config(RunConfig, written)
        for name, of in (("verdicts", self.config.verdicts), ("router", self.config.router)):
            there, now = getattr(before.content, name), getattr(self.config.content, name)
            if getattr(before, name) == of and there != now:
                raise ConfigError(
                    f"--resume: {of} holds something else than when the run was begun; give what it was, or"
                    f" another --out ({written})"
                )
        if (before.replay.policy is None) != (self.config.replay.policy is None):
            told = (
                "was run with --policy none; give it again"
                if before.replay.policy is None
                else "was run with a policy; leave out --policy none"
            )
            raise ConfigError(f"--resume: {told}, or give another --out ({written})")
        if before != self.config:
            raise ConfigError(
                f"--resume: {_difference(before.model_dump(), self.config.model_dump())} ({written})"
            )


def content_of(
    table: VerdictTable, router: Path, policy_pairs: Sequence[PreferencePair] | None
) -> RunContent:
    """Return the digests of a stream, of the router in a folder and of the small policy's texts."""
    return RunContent(
        verdicts=table_digest(table),
        router=router_fingerprint(router)[:16],
        policy_texts=None if policy_pairs is None else digest_of(policy_pairs),
    )


def table_digest(table: VerdictTable) -> str:
    """Return 16 hexadecimal digits of a table's texts, labels, verdicts and domains."""
    verdicts = hashlib.sha256(digest_of(table.pairs).encode())
    for array in (table.labels, table.winners, table.scores_a, table.scores_b):
        verdicts.update(array.tobytes())
    verdicts.update("\0".join(table.domains.tolist()).encode())
    return verdicts.hexdigest()[:16]


def _difference(before: Mapping[str, object], now: Mapping[str, object], path: str = "") -> str:
    for key, old in before.items():
        new = now[key]
        if isinstance(old, dict) and isinstance(new, dict) and old != new:
            return _difference(old, new, f"{path}{key}.")
        if old != new:
            return f"{path}{key} was {old!r} and is {new!r} now; give the same, or another --out"
    return "the settings differ; give the same, or another --out"

"""The folder of a replay, and the rule that a run goes on only with what it was begun with.

RUN/config.yaml            settings, and digests of what the run reads
inputs/                the router's scores of the stream; the policy; the stream prepared for it
units/STRATEGY/SEED/   records of a unit (``simulation.records``)
results.json           the figures (``simulation.results``)
"""

from __future__ import annotations

import contextlib
import hashlib
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from urllib.parse import quote

from filelock import FileLock, Timeout

from rewardrouter.config.loading import dump_config, load_config
from rewardrouter.config.run import RunConfig, RunContent
from rewardrouter.errors import ConfigError, UserError
from rewardrouter.files import write_atomically
from rewardrouter.pairs import PreferencePair
from rewardrouter.simulation.records import UnitFiles
from rewardrouter.simulation.stream import digest_of
from rewardrouter.verdicts import VerdictTable

_ROUTER_FILES = ("config.json", "model.safetensors", "arms.json")


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
        """Return the files of one unit; a strategy's name may hold any character."""
        return UnitFiles(self.folder / "units" / quote(strategy, safe="=,@+") / str(seed))

    @contextlib.contextmanager
    def opened(self, *, resume: bool) -> Iterator[bool]:
        """Begin the run, or go on with it, while nobody else does; yield whether it is begun.

        A run that is begun in vain, ending in the user's mistake before it has a unit, leaves no folder.

        Raises
        ------
        UserError
            If the folder holds something else, a run where none is resumed, or another process is at work in it.
        ConfigError
            If the run in it has other settings or read something else.
        """
        written = self.folder / "config.yaml"
        lock = self.folder / ".lock"
        held = {lock.name, f".{written.name}.tmp"}
        if self.folder.exists() and not self.folder.is_dir():
            raise UserError(f"--out {self.folder}: is a file; give a folder")
        if not written.exists() and self.folder.exists() and {f.name for f in self.folder.iterdir()} - held:
            raise UserError(f"--out {self.folder}: is not empty and holds no run; give another folder")
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            with FileLock(lock, timeout=0):
                begun = not written.exists()
                if begun:
                    self._write(written)
                else:
                    self._check(written, resume)
                try:
                    yield begun
                except UserError:
                    if begun and not (self.folder / "units").exists():
                        shutil.rmtree(self.inputs, ignore_errors=True)
                        written.unlink()
                    raise
        except Timeout:
            raise UserError(
                f"--out {self.folder}: another process is at work in it; wait for it, or stop it"
            ) from None

    def _write(self, path: Path) -> None:
        text = dump_config(self.config)

        def fill(file: Path) -> None:
            file.write_text(text, encoding="utf-8")

        write_atomically(path, fill)

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
        if before != self.config:
            raise ConfigError(
                f"--resume: {_difference(before.model_dump(), self.config.model_dump())} ({written})"
            )


def content_of(
    table: VerdictTable, router: Path, policy_pairs: Sequence[PreferencePair] | None
) -> RunContent:
    """Return the digests of a stream, of the router in a folder and of the small policy's texts."""
    verdicts = hashlib.sha256(digest_of(table.pairs).encode())
    for array in (table.labels, table.winners, table.scores_a, table.scores_b):
        verdicts.update(array.tobytes())
    verdicts.update("\0".join(table.domains.tolist()).encode())
    fitted = hashlib.sha256()
    for name in _ROUTER_FILES:
        fitted.update((router / name).read_bytes())
    return RunContent(
        verdicts=verdicts.hexdigest()[:16],
        router=fitted.hexdigest()[:16],
        policy_texts=None if policy_pairs is None else digest_of(policy_pairs),
    )


def _difference(before: Mapping[str, object], now: Mapping[str, object], path: str = "") -> str:
    for key, old in before.items():
        new = now[key]
        if isinstance(old, dict) and isinstance(new, dict) and old != new:
            return _difference(old, new, f"{path}{key}.")
        if old != new:
            return f"{path}{key} was {old!r} and is {new!r} now; give the same, or another --out"
    return "the settings differ; give the same, or another --out"

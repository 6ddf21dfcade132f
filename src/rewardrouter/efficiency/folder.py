"""The folder of a measurement: settings, and a file for everything that was measured, each once."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from rewardrouter import run_folders
from rewardrouter.config.loading import dump_config, load_config
from rewardrouter.config.speed import SpeedConfig
from rewardrouter.errors import ConfigError, DataError
from rewardrouter.files import write_text_atomically

T = TypeVar("T")


class SpeedFolder:
    """What a run of ``speed`` leaves behind."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def models(self) -> Path:
        """Where models are built."""
        return self._folder / "models"

    @property
    def results(self) -> Path:
        """The figures."""
        return self._folder / "results.json"

    def holds(self, name: str) -> bool:
        """Tell whether something was measured already."""
        return (self._folder / f"{name}.json").exists()

    def kept(self, name: str, kind: Any, make: Callable[[], T]) -> T:
        """Return what a file holds, of the type ``kind``; made and written where it is not there yet.

        Raises
        ------
        DataError
            If the file is broken.
        """
        path, form = self._folder / f"{name}.json", TypeAdapter(kind)
        if not path.exists():
            write_text_atomically(path, form.dump_json(make(), indent=1).decode() + "\n")
        try:
            found: T = form.validate_json(path.read_bytes())
        except ValidationError as error:
            raise DataError(f"{path}: broken; delete it to measure it again") from error
        return found

    @contextmanager
    def opened(self, config: SpeedConfig) -> Iterator[None]:
        """Begin a run, or go on with the one in it, while nobody else does.

        Raises
        ------
        UserError
            If the folder holds something else, or another process is at work in it.
        ConfigError
            If the run in it has other settings; the cluster, which is only computed, may change.
        """

        def begin(written: Path) -> None:
            write_text_atomically(written, dump_config(config))

        def go_on(written: Path) -> None:
            before, now = (one.model_dump(mode="json") for one in (load_config(SpeedConfig, written), config))
            for name, value in before.items():
                if now[name] != value and name != "cluster":
                    raise ConfigError(
                        f"{name}: the run in {self._folder} has {value}, found {now[name]}; give another --out"
                    )
            begin(written)

        with run_folders.opened(self._folder, begin=begin, go_on=go_on, undo=self._undo):
            yield

    def _undo(self) -> bool:
        """Remove what a run left that ended before anything was measured; tell whether it did."""
        if any(self._folder.glob("*.json")):
            return False
        shutil.rmtree(self.models, ignore_errors=True)
        return True

"""Checkpoints of a training that was interrupted: safetensors and JSON, replaced atomically.

A checkpoint is one folder. It is written beside the last one and takes its place
by a rename, so whenever the process dies the last whole checkpoint is there.
"""

from __future__ import annotations

import dataclasses
import json
import math
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from rewardrouter.config.offline import OfflineConfig
from rewardrouter.errors import CheckpointError
from rewardrouter.files import sync_folder

_COUNTERS = ("step", "best_step", "best_loss", "stale", "history")


@dataclasses.dataclass(slots=True)
class Progress:
    """All of a training that changes from step to step: parameters, optimiser, and the best parameters so far.

    ``stale`` counts the evaluations since ``best_step``, whose validation loss is ``best_loss``; ``history`` holds one
    entry per evaluation.
    """

    modules: torch.nn.ModuleDict
    optimiser: torch.optim.Optimizer
    device: torch.device
    step: int = 0
    best_step: int = 0
    best_loss: float = math.inf
    stale: int = 0
    best: dict[str, Tensor] = dataclasses.field(default_factory=dict)
    history: list[dict[str, float]] = dataclasses.field(default_factory=list)

    def evaluated(self, loss: float) -> None:
        """Note the validation loss of the parameters as they are."""
        self.history.append({"step": float(self.step), "validation_loss": loss})
        if loss < self.best_loss:  # never where it is NaN
            self.best_step, self.best_loss, self.stale = self.step, loss, 0
            self.best = {name: value.detach().clone() for name, value in self.modules.state_dict().items()}
        else:
            self.stale += 1


class TrainingCheckpoint:
    """The one checkpoint of a training, in ``folder``.

    ``config`` and ``data``, a digest of the training data, must be those of the interrupted run:
    a checkpoint never changes either silently.
    """

    def __init__(self, folder: Path, config: OfflineConfig, data: str) -> None:
        self._folder = folder
        self._run = {"config": config.model_dump(mode="json"), "data": data}

    def save(self, progress: Progress) -> None:
        """Write all of it."""
        new, old = _beside(self._folder)
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(parents=True)
        tensors = {f"now.{k}": v for k, v in progress.modules.state_dict().items()}
        tensors |= {f"best.{k}": v for k, v in progress.best.items()}
        for index, slots in progress.optimiser.state_dict()["state"].items():
            tensors |= {f"optimiser.{index}.{slot}": value for slot, value in slots.items()}
        # One tensor may stand under two names (tied weights): safetensors wants copies.
        save_file(
            {k: v.detach().cpu().contiguous().clone() for k, v in tensors.items()}, new / "state.safetensors"
        )
        counters: dict[str, Any] = {name: getattr(progress, name) for name in _COUNTERS}
        counters["best_loss"] = None if progress.best_loss == math.inf else progress.best_loss
        (new / "state.json").write_text(json.dumps({**self._run, **counters}))
        if self._folder.exists():  # else the old one is the last whole one: see load_into
            shutil.rmtree(old, ignore_errors=True)
            self._folder.replace(old)
        new.replace(self._folder)
        sync_folder(self._folder.parent)
        shutil.rmtree(old, ignore_errors=True)

    def load_into(self, progress: Progress) -> None:
        """Restore what was saved where a checkpoint was left, else change nothing.

        Raises
        ------
        CheckpointError
            If the checkpoint belongs to other settings or other data, or cannot be read.
        """
        folder = self._folder
        if not folder.exists():  # killed between the two renames of save
            _, folder = _beside(folder)
        if not folder.exists():
            return
        try:
            counters = json.loads((folder / "state.json").read_text())
            found = {key: counters.pop(key) for key in self._run}
            tensors = load_file(folder / "state.safetensors")
        except (AttributeError, KeyError, OSError, SafetensorError, TypeError, ValueError) as error:
            raise CheckpointError(
                f"{folder}: the interrupted training cannot be read ({error}); delete it to start anew"
            ) from error
        for key, what in (("config", "settings"), ("data", "training data")):
            if found[key] != self._run[key]:
                raise CheckpointError(
                    f"{folder}: the interrupted training has other {what};"
                    f" delete it to start anew, or give its {what} again"
                )
        progress.modules.load_state_dict(_under("now.", tensors))
        progress.best = {k: v.to(progress.device) for k, v in _under("best.", tensors).items()}
        state = progress.optimiser.state_dict()
        state["state"] = {}
        for name, value in _under("optimiser.", tensors).items():
            index, slot = name.split(".")
            state["state"].setdefault(int(index), {})[slot] = value
        progress.optimiser.load_state_dict(state)
        if counters["best_loss"] is None:
            counters["best_loss"] = math.inf
        for name in _COUNTERS:
            setattr(progress, name, counters[name])


def remove_checkpoint(folder: Path) -> None:
    """Delete the checkpoint in ``folder`` with all that a killed process left beside it."""
    for part in (*_beside(folder), folder):
        shutil.rmtree(part, ignore_errors=True)


def _beside(folder: Path) -> tuple[Path, Path]:
    """Return where the next checkpoint is written and where the last one waits for it."""
    return folder.with_name(f"{folder.name}.new"), folder.with_name(f"{folder.name}.old")


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}

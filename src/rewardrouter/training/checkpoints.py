"""Checkpoints of a run that are complete or do not count, and going on from the last one.

transformers' ``Trainer`` writes policy, optimiser, scheduler and random states into ``checkpoint-N``, one file after
the other. What is ours comes after them, and last of all ``complete.json``: a folder without it was being written when
the process died, and is deleted. Only then are older checkpoints removed.

Ours are safetensors and JSON. transformers writes ``optimizer.pt``, ``scheduler.pt`` and ``rng_state.pth`` (under FSDP
``.bin``) with ``torch.save``, and reads them with ``weights_only=True``: plain tensors and numbers, no code.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from rewardrouter.errors import CheckpointError
from rewardrouter.files import write_text_atomically
from rewardrouter.state import State, load_state, save_state

_PREFIX = "checkpoint-"
_MARK = "complete.json"
_STATE = "rewardrouter.safetensors"


def step_of(folder: Path) -> int:
    """Return the number of steps that a checkpoint has seen."""
    return int(folder.name.removeprefix(_PREFIX))


def checkpoints(run: Path) -> list[Path]:
    """Return the complete checkpoints of a run, oldest first."""
    return sorted((folder for folder in _folders(run) if (folder / _MARK).exists()), key=step_of)


def last_checkpoint(run: Path) -> Path | None:
    """Return the newest complete checkpoint of a run, if there is one."""
    return next(reversed(checkpoints(run)), None)


def complete(folder: Path, state: State, record: dict[str, Any], keep: int | None) -> None:
    """Write our state into a checkpoint, mark it as complete and remove the oldest beyond ``keep``."""
    save_state(state, folder / _STATE)
    write_text_atomically(folder / _MARK, json.dumps(record) + "\n")
    if keep is not None:
        for old in checkpoints(folder.parent)[: -max(1, keep)]:
            # First of all it stops being complete: killed inside, what is left of it does not count.
            (old / _MARK).unlink()
            shutil.rmtree(old)


def load_complete(folder: Path) -> tuple[State, dict[str, Any]]:
    """Return our state in a checkpoint, and its record.

    Raises
    ------
    CheckpointError
        If the checkpoint is not complete, or broken.
    """
    mark = folder / _MARK
    if not mark.exists():
        raise CheckpointError(f"{folder}: not a complete checkpoint of rewardrouter (no {_MARK})")
    try:
        record: dict[str, Any] = json.loads(mark.read_text(encoding="utf-8"))
    except ValueError as error:
        raise CheckpointError(f"{mark}: broken ({error}); go on from another checkpoint") from error
    return load_state(folder / _STATE), record


def remove_incomplete(run: Path) -> None:
    """Delete what a process that died has left of a checkpoint."""
    for folder in _folders(run):
        if not (folder / _MARK).exists():
            shutil.rmtree(folder)


def _folders(run: Path) -> list[Path]:
    found = run.glob(f"{_PREFIX}*") if run.is_dir() else ()
    return [folder for folder in found if folder.is_dir() and folder.name.removeprefix(_PREFIX).isdigit()]

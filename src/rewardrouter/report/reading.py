"""Reading a run of either kind: a training's ``results.json`` has ``"kind": "training"``, a replay's has none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, TypeAlias

from rewardrouter.errors import ConfigError, DataError
from rewardrouter.simulation.results import ReplayResults, read_results
from rewardrouter.training.results import TrainingResults, read_training_results

Results: TypeAlias = ReplayResults | TrainingResults


def read_run(folder: Path) -> Results:
    """Return the results of a finished run of either kind.

    Raises
    ------
    DataError
        If there are none in ``folder``, or they are of no form that is known.
    """
    path = folder / "results.json"
    try:
        content: Any = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(
            f"{folder}: no results.json; give a folder that"
            " `rewardrouter simulate --out` or `rewardrouter train --out` has finished"
        ) from error
    except ValueError as error:
        raise DataError(f"{path}: not the results of a run; run simulate or train again: {error}") from error
    kind = content.get("kind") if isinstance(content, dict) else None
    if kind is None:
        return read_results(folder)
    if kind != "training":
        raise DataError(f"{path}: results of the unknown kind {kind!r}; expected a replay or a training")
    try:
        results = read_training_results(path)
    except ConfigError as error:
        raise DataError(f"{path}: not the results of a training; run train again: {error}") from error
    check_reference(str(path), results)
    return results


def check_reference(where: str, results: Results) -> None:
    """Refuse results whose reference strategy is missing.

    Raises
    ------
    DataError
        Naming the reference, and ``where`` it was read.
    """
    if results.reference not in results.strategies:
        command = "train" if isinstance(results, TrainingResults) else "simulate"
        raise DataError(
            f"{where}: its reference strategy {results.reference} is not among its strategies; run {command} again"
        )

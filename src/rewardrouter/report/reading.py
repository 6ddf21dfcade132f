"""Reading a finished run of any kind: ``kind`` in its ``results.json`` says which; a replay's has none."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

from rewardrouter.benchmarks.results import BenchmarkResults
from rewardrouter.config.saved import read_saved
from rewardrouter.efficiency.results import EfficiencyResults
from rewardrouter.errors import ConfigError, DataError, one_line
from rewardrouter.simulation.evaluation_results import EvaluationResults
from rewardrouter.simulation.results import ReplayResults, read_results
from rewardrouter.training.results import TrainingResults

Results: TypeAlias = (
    ReplayResults | TrainingResults | BenchmarkResults | EfficiencyResults | EvaluationResults
)


@dataclasses.dataclass(frozen=True)
class Kind:
    """A kind of run: what it is called, the command that makes it, the class of its results."""

    called: str
    command: str
    results: type[Results]

    def read(self, path: Path) -> Results:
        """Return what is in their file."""
        return read_results(path.parent) if self.results is ReplayResults else read_saved(self.results, path)


KINDS: Mapping[str, Kind] = {
    "replay": Kind("a replay", "simulate", ReplayResults),
    "training": Kind("a training", "train", TrainingResults),
    "benchmark": Kind("a run of benchmarks", "benchmark", BenchmarkResults),
    "efficiency": Kind("a measurement of efficiency", "speed", EfficiencyResults),
    "evaluation": Kind("an evaluation", "evaluate", EvaluationResults),
}
"""Every kind of run by its name."""


RESULTS = "results.json"
"""The file in the folder of a finished run."""

_FOLDERS = [kind.command for kind in KINDS.values() if kind.command != "evaluate"]
_ADVICE = f"give the folder of a finished {', '.join(_FOLDERS[:-1])} or {_FOLDERS[-1]}, or a file of evaluate --json"
_SIGNS: Mapping[str, str] = {
    "arms.json": "a router",
    "manifest.json": "a folder of collect",
    "config.yaml": "a run that has not finished",
}
"""What a folder is that holds a file of this name."""
_KEYS = 4
"""Keys of another file that a message names."""


def kind_of(results: Results) -> str:
    """Return the name of the kind that results are of."""
    return next(name for name, kind in KINDS.items() if isinstance(results, kind.results))


def read_run(place: Path) -> Results:
    """Return the results of a finished run of any kind: a folder, or the file that ``evaluate --json`` wrote.

    Raises
    ------
    DataError
        If there are none in ``place``, or they are of no form that is known.
    """
    path = place / RESULTS if place.is_dir() else place
    try:
        content: Any = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(f"{place}: {_what_it_is(place)}; {_ADVICE}") from None
    except (OSError, ValueError) as error:
        why = f"{'not JSON' if isinstance(error, ValueError) else 'cannot be read'} ({one_line(error)})"
        if path != place or place.name == RESULTS:
            raise DataError(f"{path}: not the results of a run: {why}; run its command again") from error
        raise DataError(f"{path}: not the results of a run: {why}; {_ADVICE}") from error
    name = content.get("kind") if isinstance(content, dict) else None
    if path.name != RESULTS and not isinstance(name, str):
        raise DataError(f"{path}: not the results of a run, but {_shown(content)}; {_ADVICE}")
    kind = KINDS.get("replay" if name is None else str(name))
    if kind is None or name == "replay":
        raise DataError(f"{path}: results of the unknown kind {name!r}; known are {', '.join(KINDS)}")
    try:
        results = kind.read(path)
    except ConfigError as error:
        raise DataError(
            f"{path}: not the results of {kind.called}; run {kind.command} again: {error}"
        ) from error
    check_reference(str(path), results)
    return results


def _what_it_is(place: Path) -> str:
    """Say what stands where results were looked for and not found."""
    if not place.exists():
        return "no such file or folder"
    for file, what in _SIGNS.items():
        if (place / file).exists():
            return f"{what}, without {RESULTS}"
    return f"no {RESULTS}"


def _shown(content: object) -> str:
    """Say what a JSON file holds that are no results."""
    if not isinstance(content, dict):
        return f"a JSON {'list' if isinstance(content, list) else 'value'}"
    keys = list(content)
    more = ", ..." if len(keys) > _KEYS else ""
    return f"a JSON object with the keys {', '.join(keys[:_KEYS])}{more}" if keys else "an empty JSON object"


def check_reference(where: str, results: Results) -> None:
    """Refuse results whose reference strategy is missing, where their kind has one.

    Raises
    ------
    DataError
        Naming the reference, and ``where`` it was read.
    """
    if isinstance(results, ReplayResults | TrainingResults) and results.reference not in results.strategies:
        raise DataError(
            f"{where}: its reference strategy {results.reference} is not among its strategies;"
            f" run {KINDS[kind_of(results)].command} again"
        )

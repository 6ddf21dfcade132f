"""What the benchmarks of trained policies need of the user, known before the first of many steps is run.

Questions, references and a judge's key are not asked for until policies are trained, which takes days.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path

from rewardrouter.config.benchmark import BenchmarkConfig


@dataclasses.dataclass(frozen=True, slots=True)
class Need:
    """A file, or a variable of the environment: its name, and whether it is there."""

    name: str
    there: bool

    def __str__(self) -> str:
        return self.name if self.there else f"{self.name} (missing)"


def needs_of(config: BenchmarkConfig, tasks: Sequence[str]) -> list[Need]:
    """Return what benchmarks need that no step makes; relative paths are of the folder that commands run in."""
    files = {
        "alpaca_eval": (config.alpaca_eval.questions, config.alpaca_eval.gamed),
        "mt_bench": (config.mt_bench.questions, config.mt_bench.references),
        "arena_hard": (config.arena_hard.questions,),
    }
    wanted = [file for task in tasks for file in files.get(task, ()) if file is not None]
    found = [Need(file, Path(file).expanduser().exists()) for file in wanted]
    servers = (
        config.judge if set(tasks) & files.keys() else None,
        config.mmlu.xfinder if "mmlu" in tasks else None,
    )
    keys = dict.fromkeys(one.key_env for one in servers if one is not None and one.key_env is not None)
    return [*found, *(Need(key, bool(os.environ.get(key, "").strip())) for key in keys)]

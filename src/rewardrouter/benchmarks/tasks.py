"""All benchmarks by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from rewardrouter.benchmarks.alpaca_eval import AlpacaEval
from rewardrouter.benchmarks.arena_hard import ArenaHard
from rewardrouter.benchmarks.gsm8k import Gsm8k
from rewardrouter.benchmarks.mmlu import Mmlu
from rewardrouter.benchmarks.mt_bench import MtBench
from rewardrouter.benchmarks.task import Task
from rewardrouter.config.benchmark import BenchmarkConfig
from rewardrouter.errors import UserError, did_you_mean

TASKS: Mapping[str, Callable[[BenchmarkConfig], Task]] = {
    "gsm8k": Gsm8k,
    "mmlu": Mmlu,
    "alpaca_eval": AlpacaEval,
    "mt_bench": MtBench,
    "arena_hard": ArenaHard,
}


def make_tasks(names: Sequence[str], config: BenchmarkConfig) -> list[Task]:
    """Return the benchmarks of these names, each once.

    Raises
    ------
    UserError
        If one is unknown.
    """
    for name in names:
        if name not in TASKS:
            raise UserError(
                f"--tasks: no benchmark {name!r}.{did_you_mean(name, TASKS)} Known: {', '.join(TASKS)}"
            )
    return [TASKS[name](config) for name in dict.fromkeys(names)]

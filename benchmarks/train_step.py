"""Where the time of a step of online DPO goes, and what routing adds to asking a single reward model.

    python benchmarks/train_step.py --config examples/sandbox.yaml [--steps N] [--rounds R] [--json FILE|-] [--a.b=c]

Trains for a few steps under one reward model, under the router, under majority, and under the router with reward models
that judge while the next responses are sampled (``overlap``), one after the other in every round. Seconds are medians
over the steps of all rounds, but for the first five of each run. What routing adds is encoding, choosing and learning,
as a share of a single reward model's step.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections import defaultdict
from pathlib import Path

from figures import add_json_option, write_figures
from rewardrouter.config.loading import load_config
from rewardrouter.config.train import TrainConfig
from rewardrouter.router import BayesianRouter
from rewardrouter.training.runs import TrainingRun, train_run

PHASES = ("generate", "encode", "route", "judge", "update", "observe")
ADDED = ("encode", "route", "observe")
WARM_UP = 5


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--rounds", type=int, default=3)
    add_json_option(parser)
    given, overrides = parser.parse_known_args()
    config = load_config(TrainConfig, given.config, [*overrides, f"steps={given.steps}", "evaluation=null"])
    steps = defaultdict(list)
    with tempfile.TemporaryDirectory() as folder:
        for number in range(given.rounds):
            for name, changed in variants(config).items():
                run = TrainingRun(Path(folder) / name / str(number))
                train_run(changed, run.folder, resume=False, quiet=True)
                steps[name] += list(run.metrics.rows())[WARM_UP:]
    figures = {name: measured(rows) for name, rows in steps.items()}
    single = figures["single"]["step"]
    for row in figures.values():
        row["added_by_routing"] = sum(row[phase] for phase in ADDED) / single
        row["ratio_to_single"] = row["step"] / single
    if write_figures(figures, given.json):
        return
    print(f"{'ms per step':<18}" + "".join(f"{name:>10}" for name in (*PHASES, "step", "ratio", "routing")))
    for name, row in figures.items():
        times = "".join(f"{1000 * row[phase]:>10.1f}" for phase in (*PHASES, "step"))
        print(f"{name:<18}{times}{row['ratio_to_single']:>10.2f}{row['added_by_routing']:>10.1%}")


def variants(config: TrainConfig) -> dict[str, TrainConfig]:
    """Return the settings of each variant."""
    arm = BayesianRouter.from_pretrained(config.annotator.router).arms[0]

    def labelled(strategy: str, **changed: object) -> TrainConfig:
        annotator = config.annotator.model_copy(update={"strategy": strategy})
        return config.model_copy(update={"annotator": annotator, **changed})

    return {
        "single": labelled(f"single/{arm}"),
        "router": labelled("router"),
        "router, overlap": labelled("router", overlap=True),
        "majority": labelled("majority"),
        "majority, overlap": labelled("majority", overlap=True),
    }


def measured(rows: list[dict[str, float]]) -> dict[str, float]:
    """Return median seconds by phase, and of the whole step."""
    found = {phase: statistics.median(row.get(f"seconds/{phase}", 0.0) for row in rows) for phase in PHASES}
    found["step"] = statistics.median(sum(row.get(f"seconds/{p}", 0.0) for p in PHASES) for row in rows)
    return found


if __name__ == "__main__":
    main()

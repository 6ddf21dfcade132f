"""Tables of ``train`` (Tables 1 and 5): policies aligned under each strategy, then measured.

Each training runs under all strategies and seeds. The sandbox verifies its policies itself; the paper's are measured
by ``benchmark``, three of the five benchmarks against the answers of the policy before training. A figure is the mean
over seeds, its interval Student's; of a single seed the sandbox's is a bootstrap over prompts.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from rewardrouter.benchmarks.results import BenchmarkResults
from rewardrouter.config.benchmark import BenchmarkConfig
from rewardrouter.config.experiment import SINGLES, ExperimentConfig
from rewardrouter.config.loading import load_config
from rewardrouter.config.saved import read_saved
from rewardrouter.errors import DataError
from rewardrouter.experiments.catalogue import BENCHMARK
from rewardrouter.experiments.material import Choices, Material, Training, key_of, settings_words
from rewardrouter.experiments.needs import Need, needs_of
from rewardrouter.experiments.observed import Observed, of_row
from rewardrouter.experiments.routers import Variant, router_of
from rewardrouter.experiments.steps import Step, Unit, command_step
from rewardrouter.training.comparison import run_folder
from rewardrouter.training.runs import TrainingRun

ROUTER_SEED = 0
"""Of the router: seeds are those of the training."""

BEFORE = "before"
"""The strategy that stands for the policy before training."""

_RUN_FILES = ("summary.json", "config.yaml", "metrics.jsonl", "decisions.jsonl")
_SCORE = {"mt_bench": "mt_bench_pairwise"}
"""The score of a benchmark that the paper reports, where it has several: against the policy before training."""

_EVEN = 0.5
"""What the policy before training scores against itself."""


class Trainings:
    """The trainings of an experiment."""

    def __init__(
        self, config: ExperimentConfig, material: Material, choices: Choices, seeds: Sequence[int]
    ) -> None:
        self._config, self._material, self._choices, self._seeds = config, material, choices, seeds
        settings = (*config.fit.at(material.scale), *choices.fit)
        self._router = router_of(Variant(settings), material.replay.fit, ROUTER_SEED, material, choices)
        self._settings = (*config.settings.at(material.scale), *choices.train)

    def steps(self) -> list[Step]:
        """Return all steps, in order."""
        found: list[Step] = []
        for training in self._material.trainings:  # first: what measuring lacks shows before days of training
            found += [*training.steps, *self._before(training)]
        found += self._router.steps
        for training in self._material.trainings:
            found += [self._train(training), *self._after(training)]
        return found

    @property
    def needs(self) -> list[Need]:
        """What the user must have for the policies to be measured."""
        tasks = dict.fromkeys(task for training in self._material.trainings for task in training.benchmarks)
        return (
            needs_of(load_config(BenchmarkConfig, BENCHMARK, self._choices.benchmark), list(tasks))
            if tasks
            else []
        )

    def observed(self) -> dict[str, dict[str, Observed]]:
        """Return the figures by row and column; a column that the scale does not have is left out."""
        found: dict[str, dict[str, Observed]] = {}
        for row in self._config.rows_at(self._material.scale):
            for training in self._material.trainings:
                for column in training.benchmarks or ("verified",):
                    of = {name: self._figure(training, name, column) for name in self._names(row.strategy)}
                    for name, figure in of_row(row.name, row.strategy, of).items():
                        found.setdefault(name, {})[column] = figure
        return found

    def _names(self, strategy: str) -> list[str]:
        if strategy in ("single", *SINGLES):
            return [f"single/{rm}" for rm in self._material.rms]
        return [strategy]

    @property
    def _strategies(self) -> list[str]:
        rows = self._config.rows_at(self._material.scale)
        return [n for n in dict.fromkeys(n for row in rows for n in self._names(row.strategy)) if n != BEFORE]

    def _folder(self, training: Training) -> Path:
        key = key_of(self._router.folder, training.words, self._settings)
        return self._choices.out / "trainings" / f"{training.name}-{key}"

    def _train(self, training: Training) -> Step:
        folder = self._folder(training)
        words: list[str | Path] = ["train", *training.words, f"--annotator.router={self._router.folder}",
                 "--out", folder, "--strategies", ",".join(self._strategies), "--seeds", str(len(self._seeds)),
                 *settings_words(self._settings)]  # fmt: skip
        words += [] if self._choices.workers is None else ["--workers", str(self._choices.workers)]
        files = (
            _RUN_FILES
            if training.benchmarks
            else (*_RUN_FILES, "verified-before.json", "verified-after.json")
        )
        units = [
            Unit(run_folder(folder, name, seed), files, mark=files[0])
            for name in self._strategies
            for seed in self._seeds
        ]
        return command_step(words, units)

    def _before(self, training: Training) -> list[Step]:
        """Return the steps that measure the policy before training, or have it answer where policies are compared."""
        found, out = [], self._measured(training, BEFORE, 0)
        if judged := self._judged(training):
            found.append(self._benchmark(self._material.policy, judged, out, [], "--answers-only"))
        if measured := [name for name in training.benchmarks if name not in judged]:
            found.append(self._benchmark(self._material.policy, measured, out, []))
        return found

    def _after(self, training: Training) -> list[Step]:
        """Return the steps that measure the trained policies."""
        if not training.benchmarks:
            return []
        answers = self._measured(training, BEFORE, 0) / "answers"
        baselines = [f"--{task}.baseline={answers / f'{task}.jsonl'}" for task in self._judged(training)]
        found = []
        for name in self._strategies:
            for seed in self._seeds:
                policy = TrainingRun(run_folder(self._folder(training), name, seed)).policy
                out = self._measured(training, name, seed)
                found.append(self._benchmark(str(policy), training.benchmarks, out, baselines))
        return found

    def _judged(self, training: Training) -> list[str]:
        return [name for name in training.benchmarks if name in self._material.judged]

    def _benchmark(
        self, policy: str, tasks: Sequence[str], out: Path, more: Sequence[str], *flags: str
    ) -> Step:
        words: list[str | Path] = ["benchmark", "--model", policy, "--tasks", ",".join(tasks), "--out", out, *flags,
                 *self._material.benchmark, *more, *settings_words(self._choices.benchmark)]  # fmt: skip
        files = [f"answers/{task}.jsonl" for task in tasks] if flags else ["results.json"]
        return command_step(words, [Unit(out, tuple(files))])

    def _measured(self, training: Training, name: str, seed: int) -> Path:
        return run_folder(self._choices.out / "benchmarks" / self._folder(training).name, name, seed)

    def _figure(self, training: Training, name: str, column: str) -> Observed:
        if training.benchmarks:
            if name == BEFORE and column in self._material.judged:
                return Observed(np.array([_EVEN]))
            seeds = [0] if name == BEFORE else self._seeds
            found = [
                self._score(self._measured(training, name, seed) / "results.json", column) for seed in seeds
            ]
            return Observed(np.array(found))
        when, run = "after", name
        if name == BEFORE:
            when, run = BEFORE, self._strategies[0]
        folder = self._folder(training)
        rights = [_right(TrainingRun(run_folder(folder, run, seed)).verified(when)) for seed in self._seeds]
        if name == BEFORE:
            rights = rights[:1]  # the same policy under every seed
        prompts = sorted(rights[0])
        values = np.array([[right[prompt] for prompt in prompts] for right in rights], np.float64)
        items = values[0] if len(self._seeds) == 1 else None
        return Observed(values.mean(axis=1), items, prompts)

    def _score(self, file: Path, column: str) -> float:
        scores = read_saved(BenchmarkResults, file).scores
        score = scores.get(_SCORE.get(column, column), scores.get(column))
        if score is None or score.score is None:
            raise DataError(f"{file}: has no score of {column}; delete it to have it made again")
        return score.score / 100


def _right(file: Path) -> Mapping[str, bool]:
    """Return which prompts a policy answered rightly.

    Raises
    ------
    DataError
        If the file cannot be read.
    """
    try:
        right: Mapping[str, bool] = json.loads(file.read_text(encoding="utf-8"))["right"]
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"{file}: cannot be read ({error}); delete it to have it made again") from error
    return right

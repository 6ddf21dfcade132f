"""One experiment at one scale: its plan, what is missing of it, and its table."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from rewardrouter.config.experiment import ExperimentConfig, Measure, Scale
from rewardrouter.errors import UserError
from rewardrouter.experiments.aligning import Trainings
from rewardrouter.experiments.catalogue import experiment_named, paper_numbers
from rewardrouter.experiments.evaluating import Evaluations
from rewardrouter.experiments.material import Choices, Material
from rewardrouter.experiments.needs import Need
from rewardrouter.experiments.observed import Observed
from rewardrouter.experiments.replaying import Replays
from rewardrouter.experiments.steps import RunCommand, Step
from rewardrouter.experiments.table import Table, make_table
from rewardrouter.files import write_text_atomically
from rewardrouter.progress import log
from rewardrouter.report.wording import count
from rewardrouter.simulation.named import LEAST_REFERENCES


class Measured(Protocol):
    """Runs of one command, and their figures."""

    @property
    def needs(self) -> list[Need]:
        """What the user must have that no step makes."""

    def steps(self) -> list[Step]:
        """Return what must be done, in order."""

    def observed(self) -> dict[str, dict[str, Observed]]:
        """Return the figures by row and column, once all is done."""


class MeasureClass(Protocol):
    """What makes them."""

    def __call__(
        self, config: ExperimentConfig, material: Material, choices: Choices, seeds: Sequence[int]
    ) -> Measured:
        """Return the runs of an experiment."""


_MEASURES: dict[Measure, MeasureClass] = {"evaluate": Evaluations, "simulate": Replays, "train": Trainings}


def check_scale(name: str, scale: Scale) -> ExperimentConfig:
    """Return an experiment.

    Raises
    ------
    UserError
        If there is none of that name, or it cannot be run at that scale.
    """
    config = experiment_named(name)
    if scale not in config.scales:
        raise UserError(f"{name}: cannot be run at the scale {scale}, only at {', '.join(config.scales)}")
    return config


class Experiment:
    """An experiment with its material.

    Parameters
    ----------
    name
        Its name.
    material
        Of the scale that it is run at.
    choices
        The user's.
    """

    def __init__(self, name: str, material: Material, choices: Choices) -> None:
        self.name, self.config = name, check_scale(name, material.scale)
        self._material, self._choices = material, choices
        asked = [row.strategy.partition(":")[0] for row in self.config.rows_at(material.scale)]
        if "light-advantage" in asked and len(material.rms) < LEAST_REFERENCES:
            raise UserError(
                f"{name}: its light advantage asks {LEAST_REFERENCES} reward models about a pair, here are:"
                f" {', '.join(material.rms)}; give more"
            )
        count = choices.seeds or getattr(self.config.seeds, material.scale)
        self._seeds = range(count)
        self._measured = _MEASURES[self.config.measure](self.config, material, choices, self._seeds)

    @property
    def steps(self) -> list[Step]:
        """All steps, each once, in order."""
        return list({step.says: step for step in self._measured.steps()}.values())

    def plan(self) -> list[str]:
        """Return models, data, devices and every step, a line each."""
        steps = self.steps
        done = sum(step.done for step in steps)
        lines = [f"{self.name}: {self.config.title}", *self._material.says]
        prepare = "rewardrouter prepare "
        data = [
            s.says.removeprefix(prepare).partition(" --out")[0] for s in steps if s.says.startswith(prepare)
        ]
        lines += [f"Data: {'; '.join(data)}"] if data else []
        needs = self._measured.needs
        lines += [f"Of yours: {', '.join(map(str, needs))}"] if needs else []
        lines.append(f"{count(len(steps), 'step')}, {done} of them done; {count(len(self._seeds), 'seed')}")
        return [*lines, *(f"{'done' if step.done else 'to do':<5}  {step.says}" for step in steps)]

    def run(self, command: RunCommand) -> None:
        """Carry out what is not done; ``command`` runs one of the package's commands.

        Raises
        ------
        UserError
            If something of the user's is missing; nothing is run then.
        """
        steps = self.steps
        missing = [need.name for need in self._measured.needs if not need.there]
        if missing and not all(step.done for step in steps):
            raise UserError(
                f"{self.name}: its benchmarks need {', '.join(missing)}: fetch the files, or say where they are"
                " (--benchmark.alpaca_eval.questions=FILE); set the variable, or name another"
                " (--benchmark.judge.key_env=null for none)"
            )
        for number, step in enumerate(steps, start=1):
            if not step.done:
                log(f"[{number}/{len(steps)}] {step.says}")
                step.carry_out(command)

    def table(self) -> Table:
        """Return the table, from the run files alone; every step must be done."""
        config = self.config
        notes = [note for note in (config.note, self._taken_to_be()) if note]
        return make_table(
            name=self.name,
            title=config.title,
            scale=self._material.scale,
            seeds=len(self._seeds),
            reference=config.reference,
            columns=config.columns,
            observed=self._measured.observed(),
            paper=paper_numbers().tables.get(self.name, {}),
            notes=notes,
        )

    def write(self, table: Table) -> Path:
        """Write the table as Markdown and JSON into the folder; return the former's path."""
        page = self._choices.out / f"{self.name}.md"
        write_text_atomically(page, table.markdown())
        text = json.dumps(table.as_json(), indent=1, ensure_ascii=False, allow_nan=False)
        write_text_atomically(page.with_suffix(".json"), f"{text}\n")
        return page

    def _taken_to_be(self) -> str | None:
        config = self.config
        return config.taken_to_be and f"{config.paper_table} is taken to be: {config.taken_to_be}."

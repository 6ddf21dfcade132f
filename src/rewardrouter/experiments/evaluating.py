"""Tables of ``evaluate`` (Tables 2 and 4): routers and baselines on labelled pairs, in and out of distribution.

Every variant of the router is fitted under every seed and evaluated on the pairs of every split. A figure is computed
from the labels that ``evaluate --annotations`` wrote, over the pairs that some reward model gets right; its interval
is a bootstrap over their groups, of the mean over seeds.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np

from rewardrouter.config.experiment import SINGLES, ExperimentConfig, ExperimentRow
from rewardrouter.datasets.verdict_tables import load_verdicts
from rewardrouter.errors import DataError
from rewardrouter.experiments.material import Choices, Material, Split
from rewardrouter.experiments.needs import Need
from rewardrouter.experiments.observed import Floats, Observed, of_row
from rewardrouter.experiments.routers import Variant, router_of
from rewardrouter.experiments.steps import Step, Unit, command_step
from rewardrouter.verdicts import VerdictTable, winner_code

ANNOTATIONS = "annotations.jsonl"
FILES = (ANNOTATIONS, "figures.json")


class Evaluations:
    """The evaluations of an experiment."""

    def __init__(
        self, config: ExperimentConfig, material: Material, choices: Choices, seeds: Sequence[int]
    ) -> None:
        self._config, self._material, self._choices, self._seeds = config, material, choices, seeds
        self._table = cache(lambda file: load_verdicts(file, material.rms).table)

    @property
    def needs(self) -> list[Need]:
        """Nothing beside what the steps make."""
        return []

    def steps(self) -> list[Step]:
        """Return all steps, in order."""
        material, choices = self._material, self._choices
        found: list[Step] = []
        variants = dict.fromkeys(map(self._variant, self._config.rows_at(material.scale)))
        for variant in variants:
            for column in self._config.columns:
                for split in material.columns[column]:
                    held_out = choices.steps_for(split.held_out, material)
                    for seed in self._seeds:
                        router = router_of(variant, split.fit, seed, material, choices)
                        folder = self._folder(variant, split, seed)
                        words: list[str | Path] = ["evaluate", "--router", router.folder, "--verdicts",
                                 choices.file_of(split.held_out), "--seed", str(seed), "--json",
                                 folder / "figures.json", "--annotations", folder / ANNOTATIONS]  # fmt: skip
                        found += [
                            *router.steps,
                            *held_out,
                            command_step(words, [Unit(folder, FILES)], into=folder),
                        ]
        return found

    def observed(self) -> dict[str, dict[str, Observed]]:
        """Return the figures by row and column."""
        found: dict[str, dict[str, Observed]] = {}
        for row in self._config.rows_at(self._material.scale):
            for column in self._config.columns:
                for name, figure in self._of_row(row, column).items():
                    found.setdefault(name, {})[column] = figure
        return found

    def _variant(self, row: ExperimentRow) -> Variant:
        return Variant.of(row, self._config, self._material, self._choices)

    def _of_row(self, row: ExperimentRow, column: str) -> dict[str, Observed]:
        variant, rms = self._variant(row), self._material.rms
        every = row.strategy in ("single", *SINGLES)
        names = [f"single/{rm}" for rm in rms] if every else [row.strategy]
        of = {name: self._figure(variant, name, column) for name in names}
        return of_row(row.name, row.strategy, of)

    def _figure(self, variant: Variant, strategy: str, column: str) -> Observed:
        items, groups = [], []
        for split in self._material.columns[column]:
            table = self._table(self._choices.file_of(split.held_out))
            right = [self._right(self._folder(variant, split, seed), strategy, table) for seed in self._seeds]
            items.append(np.stack(right)[:, table.kept])
            groups.append(np.char.add(f"{split.name}/", table.groups[table.kept]))
        per_seed = np.concatenate(items, axis=1)
        return Observed(per_seed.mean(axis=1), per_seed.mean(axis=0), np.concatenate(groups))

    def _right(self, folder: Path, strategy: str, table: VerdictTable) -> Floats:
        """Return ``float64 [P]``: 1 where the label is the human's."""
        labels = read_labels(folder / ANNOTATIONS)
        if strategy not in labels:
            raise DataError(
                f"{folder / ANNOTATIONS}: has no strategy {strategy}; there are {', '.join(labels)}"
            )
        given = labels[strategy]
        codes = np.array([winner_code(given.get(pair.id)) for pair in table.pairs])
        right: Floats = (codes == table.labels).astype(np.float64)
        return right

    def _folder(self, variant: Variant, split: Split, seed: int) -> Path:
        router = router_of(variant, split.fit, seed, self._material, self._choices).folder
        return self._choices.out / "evaluations" / router.parent.name / split.name / str(seed)


@cache
def read_labels(file: Path) -> dict[str, dict[str, str | None]]:
    """Return every strategy's labels, by pair.

    Raises
    ------
    DataError
        If the file is not what ``evaluate --annotations`` writes.
    """
    found: dict[str, dict[str, str | None]] = {}
    try:
        with file.open(encoding="utf-8") as lines:
            for line in lines:
                row = json.loads(line)
                found.setdefault(row["strategy"], {})[row["id"]] = row["label"]
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"{file}: cannot be read ({error}); delete it to have it made again") from error
    return found

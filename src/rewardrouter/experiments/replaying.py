"""Tables of ``simulate`` (Tables 3, 6, 7): annotation accuracy of strategies in a replay with a policy that trains.

All experiments of a folder share one run for each router and settings: a strategy that another table ran is not run
again. Strategies whose labels do not depend on the policy are run without one, in a run of their own.

A figure is the mean over seeds of the accuracy on pairs that some reward model gets right, from the counts of every
batch; intervals are Student's over seeds, on the same pairs. Under ``shift`` each domain in turn is streamed past a
router that was fitted to the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from rewardrouter.config.experiment import SINGLES, ExperimentConfig, ExperimentRow
from rewardrouter.experiments.material import Choices, Material, Split, key_of, settings_words
from rewardrouter.experiments.needs import Need
from rewardrouter.experiments.observed import Observed, of_row
from rewardrouter.experiments.routers import Variant, router_of
from rewardrouter.experiments.steps import Step, Unit, command_step
from rewardrouter.simulation.named import strategy_of
from rewardrouter.simulation.records import UnitFiles
from rewardrouter.simulation.run_folder import unit_folder

ROUTER_SEED = 0
"""Of the router: seeds of a replay are those of its draws and of the order of its pairs."""

_UNIT_FILES = ("summary.json", "metrics.jsonl", "decisions.jsonl.gz")


class Replays:
    """The replays of an experiment."""

    def __init__(
        self, config: ExperimentConfig, material: Material, choices: Choices, seeds: Sequence[int]
    ) -> None:
        self._config, self._material, self._choices, self._seeds = config, material, choices, seeds
        settings = (*material.streamed, *config.settings.at(material.scale), *choices.simulate)
        self._settings = {
            True: settings,
            False: tuple(one for one in settings if not one.startswith("policy.")),
        }
        """Of runs that train a policy, and of those that do not."""

    @property
    def needs(self) -> list[Need]:
        """Nothing beside what the steps make."""
        return []

    def steps(self) -> list[Step]:
        """Return all steps, in order."""
        rows: dict[Variant, list[ExperimentRow]] = {}
        for row in self._config.rows_at(self._material.scale):
            rows.setdefault(self._variant(row), []).append(row)
        found: list[Step] = []
        for variant, own in rows.items():
            names = list(dict.fromkeys(name for row in own for name in self._names(row)))
            for column in self._config.columns:
                for split in self._splits(column):
                    for trained in (True, False):
                        some = [name for name in names if self._trained(name) == trained]
                        found += self._replay(variant, some, split, trained) if some else []
        return found

    def observed(self) -> dict[str, dict[str, Observed]]:
        """Return the figures by row and column."""
        found: dict[str, dict[str, Observed]] = {}
        for row in self._config.rows_at(self._material.scale):
            for column in self._config.columns:
                of = {name: self._accuracy(self._variant(row), name, column) for name in self._names(row)}
                for name, figure in of_row(row.name, row.strategy, of).items():
                    found.setdefault(name, {})[column] = figure
        return found

    def _splits(self, column: str) -> tuple[Split, ...]:
        """Return what is fitted and streamed for a column; the pairs of all splits are counted together."""
        return self._material.columns["ood"] if column == "shift" else (self._material.replay,)

    def _trained(self, name: str) -> bool:
        """Return whether a strategy needs a policy that trains on its labels."""
        return strategy_of(name, self._material.rms).reads_policy

    def _replay(self, variant: Variant, names: Sequence[str], split: Split, trained: bool) -> list[Step]:
        material, choices = self._material, self._choices
        router = router_of(variant, split.fit, ROUTER_SEED, material, choices)
        run = self._run(variant, split, trained)
        words: list[str | Path] = ["simulate", "--verdicts", choices.file_of(split.held_out),
                                   "--router", router.folder]  # fmt: skip
        words += material.simulate if trained else ["--policy", "none"]
        words += (
            ["--policy-texts", choices.file_of(split.fit)] if trained and material.policy_reads_fit else []
        )
        words += ["--out", run, "--strategies", ",".join(names), "--seeds", str(len(self._seeds)),
                  *settings_words(self._settings[trained])]  # fmt: skip
        words += [] if choices.workers is None else ["--workers", str(choices.workers)]
        units = [
            Unit(unit_folder(run, name, seed), _UNIT_FILES, mark=_UNIT_FILES[0])
            for name in names
            for seed in self._seeds
        ]
        parts = [
            step for source in (split.fit, split.held_out) for step in choices.steps_for(source, material)
        ]
        return [*parts, *router.steps, command_step(words, units, resumes=run / "config.yaml")]

    def _names(self, row: ExperimentRow) -> list[str]:
        """Return the row's strategies under their one name."""
        rms = self._material.rms
        if row.strategy in ("single", *SINGLES):
            return [f"single/{rm}" for rm in rms]
        return [strategy_of(row.strategy, rms).name]

    def _accuracy(self, variant: Variant, name: str, column: str) -> Observed:
        runs = [self._run(variant, split, self._trained(name)) for split in self._splits(column)]
        accuracies = []
        for seed in self._seeds:
            batches = [batch for run in runs for batch in UnitFiles(unit_folder(run, name, seed)).metrics()]
            accuracies.append(sum(b["right"] for b in batches) / sum(b["kept"] for b in batches))
        return Observed(np.array(accuracies))

    def _variant(self, row: ExperimentRow) -> Variant:
        return Variant.of(row, self._config, self._material, self._choices)

    def _run(self, variant: Variant, split: Split, trained: bool) -> Path:
        router = router_of(variant, split.fit, ROUTER_SEED, self._material, self._choices).folder
        policy = self._material.simulate if trained else "no policy"
        key = key_of(router.parent.name, split.held_out, policy, self._settings[trained])
        return self._choices.out / "replays" / f"{router.parent.name}-{key}"

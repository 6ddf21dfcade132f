"""The replay: every strategy, under several seeds, labels a stream of pairs for a policy that trains on it (paper 4.3).

The labels of the stream are known, so each label given can be counted right or wrong. A *unit* is one strategy under
one seed; units are independent and run in as many processes as asked for. What they share is made once, before. A
run that was killed goes on where it stood: finished units are kept, an unfinished one goes on from its checkpoint.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch

from rewardrouter.annotators.planned import Planned
from rewardrouter.config.policy import PolicyConfig
from rewardrouter.config.replay import ReplayConfig
from rewardrouter.datasets.verdict_tables import load_verdicts
from rewardrouter.errors import ConfigError, DataError
from rewardrouter.pairs import PreferencePair
from rewardrouter.policies import PreferencePolicy, PreparedPairs, small_policy
from rewardrouter.reward_models import recorded_pool
from rewardrouter.router import BayesianRouter
from rewardrouter.router.problems import known_lines
from rewardrouter.simulation.aggregate import StrategyRecords, figures
from rewardrouter.simulation.learner import Learner
from rewardrouter.simulation.learning import Bench
from rewardrouter.simulation.named import Strategy
from rewardrouter.simulation.reliability import reliability
from rewardrouter.simulation.results import ReplayResults
from rewardrouter.simulation.run_folder import RunFolder
from rewardrouter.simulation.stream import KnownScores, batches_of
from rewardrouter.simulation.unit import Unit
from rewardrouter.verdicts import VerdictTable

PRETRAINING_SEED = 0
"""Of the small policy's first training: all seeds of a run begin with the same policy."""


def check_trained(config: ReplayConfig, strategies: Sequence[Strategy]) -> None:
    """Refuse strategies that learn from a policy where none is trained.

    Raises
    ------
    ConfigError
        If there are any.
    """
    readers = [one.name for one in strategies if one.reads_policy]
    if config.policy is None and readers:
        raise ConfigError(
            f"--policy none: {', '.join(readers)} {'reads' if len(readers) == 1 else 'read'} the policy's losses or"
            " prompts, and would learn nothing; leave --policy out, or these strategies"
        )


def make_inputs(
    run: RunFolder,
    router: BayesianRouter,
    table: VerdictTable,
    policy_pairs: Sequence[PreferencePair],
    strategies: Sequence[Strategy],
) -> None:
    """Make what all units share, as far as it is not there, and try whether the strategies can be made of it.

    ``policy_pairs`` are those whose texts the small policy is first trained on; their labels are not read.

    Raises
    ------
    DataError
        If there is nothing to measure accuracy on.
    CheckpointError
        If the policy cannot be loaded, or the router's scores are of other pairs.
    ConfigError
        If a strategy does not fit the pool, or cannot keep its budget.
    """
    if not table.kept.any():
        raise DataError(
            f"{run.config.verdicts}: none of its {len(table):,} pairs is judged right by one of"
            f" {', '.join(table.rms)}; there is no accuracy to measure"
        )
    run.inputs.mkdir(exist_ok=True)
    if not run.scores.exists():
        KnownScores.of(router, table.pairs, run.config.replay.batch_size).save(run.scores)
    settings = run.config.replay.policy
    if settings is not None:
        if settings.checkpoint is None:
            small_policy(policy_pairs, settings.small, run.policy, seed=PRETRAINING_SEED)
        if not run.prepared.exists():
            _policy(run, settings).prepare(table.pairs).save(run.prepared)
    bench = bench_of(run, table, learner_of(run))
    for strategy in strategies:
        annotator = strategy.make(bench, 0)
        if isinstance(annotator, Planned):
            annotator.prepare()


def learner_of(run: RunFolder) -> Learner | None:
    """Return the policy of a run whose inputs are there; ``None`` where it trains none."""
    settings = run.config.replay.policy
    return None if settings is None else Learner(_policy(run, settings), PreparedPairs.load(run.prepared))


def bench_of(run: RunFolder, table: VerdictTable, learner: Learner | None) -> Bench:
    """Return what strategies are made of."""
    width = 1 if learner is None else learner.width
    return Bench(recorded_pool(table), KnownScores.load(run.scores, table.pairs), width, table)


class Units:
    """Runs units of a replay whose inputs are there, one after the other, in this process."""

    def __init__(self, run: RunFolder) -> None:
        torch.set_num_threads(run.config.replay.threads)
        self._run, self._replay = run, run.config.replay
        table = load_verdicts(run.config.verdicts, run.config.rms).table
        self._learner = learner_of(run)
        self._table, self._bench = table, bench_of(run, table, self._learner)

    def run(self, strategy: Strategy, seed: int) -> Iterator[int]:
        """Run a unit that is not finished, or go on with it; yield the batches done so far, after each."""
        pairs = len(self._table)
        batches = batches_of(pairs, self._replay.batch_size, self._replay.epochs_for(pairs), seed)
        yield from Unit(
            self._table,
            strategy,
            strategy.make(self._bench, seed),
            seed,
            self._learner,
            batches,
            self._run.unit(strategy.name, seed),
            self._replay.checkpoint_every,
        ).run()


def collect_results(
    run: RunFolder,
    table: VerdictTable,
    strategies: Sequence[Strategy],
    seeds: Sequence[int],
    router: BayesianRouter,
) -> ReplayResults:
    """Return the figures of finished units; differences are to the first strategy."""
    replay = run.config.replay
    records = {
        one.name: StrategyRecords(one, [run.unit(one.name, seed) for seed in seeds]) for one in strategies
    }
    reference = records[strategies[0].name]
    epochs = replay.epochs_for(len(table))
    known = KnownScores.load(run.scores, table.pairs)
    return ReplayResults(
        n_pairs=len(table),
        n_kept=int(table.kept.sum()),
        seeds=list(seeds),
        reference=strategies[0].name,
        domains=dict(Counter(map(str, table.domains[table.kept]))),
        batches=epochs * replay.batches_per_epoch(len(table)),
        batch_size=min(replay.batch_size, len(table)),
        epochs=epochs,
        arms=list(table.rms),
        policy=_described(replay.policy),
        verdicts=Path(run.config.verdicts).name,
        notes=_notes(run, table, router),
        encode_seconds=known.encode_seconds,
        strategies={name: figures(own, reference, replay.windows) for name, own in records.items()},
        reliability=reliability(table, known.scores(table.pairs), known.correctness(table.pairs)),
    )


def _notes(run: RunFolder, table: VerdictTable, router: BayesianRouter) -> list[str]:
    """Return what a reader of the figures must know."""
    replay = run.config.replay
    notes = [f"{line}." for line in known_lines(router.training.knows(table.pairs))]
    epochs = replay.epochs_for(len(table))
    if epochs > 1:
        notes.append(f"The stream is short: it is passed {epochs} times, each time in another order.")
    if replay.policy is None:
        return [*notes, "No policy was trained: the labels of these strategies do not depend on one."]
    if replay.policy.checkpoint is None:
        texts = run.config.policy_texts
        source = "the stream's own pairs" if texts is None else Path(texts).name
        notes.append(
            f"The policy is a small language model, first trained on the texts of {source}, without labels."
        )
    notes.append(f"What the policy reads of {PreparedPairs.load(run.prepared).report.line()}.")
    return notes


def _described(policy: PolicyConfig | None) -> str:
    if policy is None:
        return "none"
    return policy.checkpoint or "a small causal LM made for this run"


def _policy(run: RunFolder, policy: PolicyConfig) -> PreferencePolicy:
    if policy.checkpoint is None:
        policy = policy.model_copy(update={"checkpoint": str(run.policy)})
    return PreferencePolicy.from_config(policy, seed=PRETRAINING_SEED)

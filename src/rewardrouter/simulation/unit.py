"""One unit of a replay: one strategy under one seed, from the first batch to the last (paper 4.3).

Each batch: the strategy labels it, the policy takes one step on the labels, the strategy is told each pair's loss.
Labels that are missing train nothing and are counted. Whether a label is right is noted beside it and told to nobody.
Without a policy the strategy is told which labels were used, and no loss.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from rewardrouter.annotators import Annotation, Annotator, Outcome, StepContext
from rewardrouter.annotators.routed import RoutedAnnotator
from rewardrouter.simulation.learner import NOT_TRAINED, Learner
from rewardrouter.simulation.measures import auc
from rewardrouter.simulation.named import Strategy
from rewardrouter.simulation.records import UnitFiles
from rewardrouter.state import State, load_state, save_state
from rewardrouter.verdicts import VerdictTable, winner_code

_DIGITS = 6
"""Significant digits of the numbers in the records."""


class Unit:
    """One strategy under one seed.

    Parameters
    ----------
    table
        The stream.
    strategy, annotator, seed
        What is run; a new annotator.
    learner
        The policy on the stream's pairs, set back to its start by this; ``None``: nothing is trained.
    batches
        The rows of the stream in every batch.
    files
        Where it is recorded, and where an interrupted run went on from.
    checkpoint_every
        Batches from one checkpoint to the next.
    """

    def __init__(
        self,
        table: VerdictTable,
        strategy: Strategy,
        annotator: Annotator,
        seed: int,
        learner: Learner | None,
        batches: Sequence[npt.NDArray[np.int64]],
        files: UnitFiles,
        checkpoint_every: int,
    ) -> None:
        self._table, self._strategy, self._annotator, self._seed = table, strategy, annotator, seed
        self._learner, self._batches = learner, batches
        self._files, self._checkpoint_every = files, checkpoint_every
        self._kept = table.kept

    def run(self) -> Iterator[int]:
        """Run, or go on; yield the number of batches done so far, after each."""
        if self._learner is not None:
            self._learner.reset(self._seed)
        before = self._aucs()
        start = self._resume()
        yield start
        for number in range(start, len(self._batches)):
            self._step(number)
            done = number + 1
            if done % self._checkpoint_every == 0 and done < len(self._batches):
                self._save(done)
            yield done
        self._files.finish(self._summary(before, self._aucs()))

    def _step(self, number: int) -> None:
        rows = self._batches[number]
        pairs = [self._table.pairs[row] for row in rows]
        embeddings = None
        if self._strategy.reads_prompts and self._learner is not None:
            embeddings = self._learner.prompt_embeddings(rows)
        began = time.perf_counter()
        annotations = self._annotator.annotate(pairs, StepContext(f"{number:05d}", number, embeddings))
        routed = time.perf_counter()
        labelled = [(row, one) for row, one in zip(rows, annotations, strict=True) if one.label is not None]
        outcomes = self._outcomes(labelled)
        trained = time.perf_counter()
        self._annotator.observe(outcomes)
        observed = time.perf_counter()
        seconds = {"route": routed - began, "policy": trained - routed, "update": observed - trained}
        if self._learner is None:
            del seconds["policy"]
        self._record(number, rows, annotations, outcomes, seconds)

    def _outcomes(self, labelled: Sequence[tuple[np.int64, Annotation]]) -> dict[str, Outcome]:
        """Train on the labels; return what the strategy is told of each decision."""
        if not labelled:
            return {}
        rows, annotations = zip(*labelled, strict=True)
        found = (
            [NOT_TRAINED] * len(annotations)
            if self._learner is None
            else self._learner.train(np.array(rows), annotations)
        )
        return {one.decision_id: outcome for one, outcome in zip(annotations, found, strict=True)}

    def _record(
        self,
        number: int,
        rows: npt.NDArray[np.int64],
        annotations: Sequence[Annotation],
        outcomes: dict[str, Outcome],
        seconds: dict[str, float],
    ) -> None:
        annotator = self._annotator
        rewards = annotator.last_rewards if isinstance(annotator, RoutedAnnotator) else {}
        labels, kept = self._table.labels[rows], self._kept[rows]
        right = np.array([winner_code(a.label) for a in annotations]) == labels
        decisions = []
        for i, annotation in enumerate(annotations):
            outcome = outcomes.get(annotation.decision_id)
            decisions.append(
                {
                    "id": annotation.decision_id,
                    "pair": annotation.pair_id,
                    "label": annotation.label,
                    "rm": annotation.rm,
                    "rms": list(annotation.rms),
                    "weight": _short(annotation.weight),
                    "right": bool(right[i]),
                    "kept": bool(kept[i]),
                    "loss": _short(outcome.loss) if outcome else None,
                    "margin": _short(outcome.margin) if outcome else None,
                    "reward": _short(rewards.get(annotation.decision_id)),
                }
            )
        metrics: dict[str, Any] = {
            "batch": number + 1,
            "pairs": len(rows),
            "kept": int(kept.sum()),
            "right": int(right[kept].sum()),
            "labelled": sum(a.label is not None for a in annotations),
            "arms": dict(Counter(a.rm for a in annotations if a.rm is not None)),
            "calls": dict(Counter(rm for a in annotations for rm in a.rms)),
            "seconds": {phase: round(value, 6) for phase, value in seconds.items()},
        }
        if isinstance(annotator, RoutedAnnotator) and (beliefs := annotator.beliefs()) is not None:
            names = annotator.policy.names
            spread = np.sqrt(beliefs.variance)
            metrics["score_mean"] = dict(zip(names, map(_short, beliefs.mean.mean(axis=0)), strict=True))
            metrics["score_spread"] = dict(zip(names, map(_short, spread.mean(axis=0)), strict=True))
        if isinstance(annotator, RoutedAnnotator) and annotator.observer is not None:
            metrics["observed"] = annotator.observer.as_json()
        self._files.append(decisions, metrics)

    def _save(self, done: int) -> None:
        own = {"done": done, "lengths": self._files.lengths()}
        parts = {"annotator": self._annotator.state_dict()}
        if self._learner is not None:
            parts["policy"] = self._learner.state_dict()
        save_state(State.joined(own, **parts), self._files.checkpoint)

    def _resume(self) -> int:
        if not self._files.checkpoint.exists():
            self._files.begin({})
            return 0
        state = load_state(self._files.checkpoint)
        self._files.begin(state.value("lengths", dict))
        if self._learner is not None:
            self._learner.load_state_dict(state.part("policy"))
        self._annotator.load_state_dict(state.part("annotator"))
        return int(state.value("done", int))

    def _aucs(self) -> dict[str, float]:
        """Return how well the policy tells the better response; nothing without one."""
        return {} if self._learner is None else self._learner.aucs(self._table.labels > 0)

    def _summary(self, before: dict[str, float], after: dict[str, float]) -> dict[str, Any]:
        """Return the unit's figures; those over pairs are of its decisions."""
        rewards: list[float] = []
        right: list[bool] = []
        everywhere: list[bool] = []
        domains: dict[str, list[int]] = {}
        by_id = {pair.id: pair.domain for pair in self._table.pairs}
        for decision in self._files.decisions():
            everywhere.append(decision["right"])
            if decision["reward"] is not None:
                rewards.append(decision["reward"])
                right.append(decision["right"])
            if decision["kept"]:
                of = domains.setdefault(by_id[decision["pair"]], [0, 0])
                of[0] += 1
                of[1] += decision["right"]
        return {
            "strategy": self._strategy.name,
            "seed": self._seed,
            "accuracy_all": float(np.mean(everywhere)),
            "domains": domains,
            "reward_auc": auc(rewards, right) if rewards else None,
            **{f"{name}_start": value for name, value in before.items()},
            **{f"{name}_end": value for name, value in after.items()},
        }


def _short(value: float | None) -> float | None:
    """Return a number with few digits; ``None`` for what is no number."""
    if value is None or not math.isfinite(value):
        return None
    return float(f"{value:.{_DIGITS}g}")

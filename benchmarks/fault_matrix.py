"""What becomes of pairs whose reward model fails: every kind of reward model, with every fault.

Run ``python benchmarks/fault_matrix.py --json -`` (``--help`` for the rest). In each cell a BayesianRouter labels four
batches: while the reward model is well, while every second request meets the fault, while each does, and when it is
well again; after each batch it learns from outcomes. It does so with this reward model *alone*, and with *failover* to
a second one that is well. Both are right about every pair, since a response says what it is worth. So of every pair
must be told one of two: the right label, or that it was dropped and why; and the posterior must have learnt from
exactly the pairs that were answered, each for the arm that answered.

One JSON object is printed: ``{"pairs", "wrong_labels", "lost_pairs", "unnamed_failures", "cells"}``. A pair is lost
that is neither labelled nor dropped with a reason; a failure is unnamed that does not say where and what. A cell
counts the same, and by batch the pairs labelled (``labelled_by_batch``); ``answered`` and ``updates`` are by arm. The
exit code is 1 where anything is wrong, lost or unnamed, or updates are not the answered pairs.

A kind is a row of ``KINDS``: how a reward model of it is made that fails when told to (:class:`Subject`), and with
which faults. The servers are in ``faulty_servers.py``, the actors of Ray in ``faulty_actors.py``.
"""

from __future__ import annotations

import argparse
import dataclasses
import random
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal, Protocol, TypeAlias

import numpy as np

import faulty_actors
from faulty_servers import FAULTS, PROTOCOLS, ServedModel, Share, worths
from figures import add_json_option, write_figures
from rewardrouter.annotators import Annotation, BayesianRouterAnnotator, Outcome, StepContext
from rewardrouter.pairs import PreferencePair, digest
from rewardrouter.reward_models import RewardModel, RewardModelPool
from rewardrouter.verdicts import Verdict

Mode: TypeAlias = Literal["alone", "failover"]

DIMENSION = 8
BATCHES: Mapping[str, Share | None] = {
    "well": None,
    "some requests": "some",
    "all requests": "all",
    "again": None,
}
"""The batches of a cell, and which requests the fault befalls."""


class Subject(Protocol):
    """A reward model that fails when told to; ``model`` is right about every pair otherwise."""

    model: RewardModel

    def fail(self, share: Share) -> None:
        """Let the fault befall what is asked from now on."""

    def heal(self) -> None:
        """Be well again, and wait until it is known to be."""

    def close(self) -> None:
        """End whatever was begun."""

    def names(self, reason: str) -> bool:
        """Tell whether a failure's reason says where it happened, and what."""


@dataclasses.dataclass(frozen=True)
class Kind:
    """A kind of reward model: how one is made that has a fault, and the faults that it can have."""

    make: Callable[[str], Subject]
    faults: Sequence[str]


def _served(protocol: str) -> Kind:
    return Kind(lambda fault: ServedModel(protocol, fault), tuple(FAULTS))


KINDS: Mapping[str, Kind] = {
    **{protocol: _served(protocol) for protocol in PROTOCOLS},
    "ray": Kind(faulty_actors.ActorModel, tuple(faulty_actors.FAULTS)),
}


@dataclasses.dataclass(frozen=True)
class Cell:
    """What came of the pairs of one kind, fault and mode; ``failures`` are failed calls, by pair."""

    kind: str
    fault: str
    mode: Mode
    pairs: int
    labelled: int
    labelled_by_batch: Mapping[str, int]
    dropped: int
    failures: int
    wrong_labels: int
    lost_pairs: int
    unnamed_failures: int
    answered: Mapping[str, int]
    updates: Mapping[str, int]
    reasons: Sequence[str]

    @property
    def sound(self) -> bool:
        """Whether everything is as it must be."""
        return not (self.wrong_labels or self.lost_pairs or self.unnamed_failures) and (
            self.updates == self.answered
        )


class Well:
    """The second reward model: right, here, and at once."""

    name, immediate = "well", True

    def judge(self, pairs: Sequence[PreferencePair]) -> list[Verdict]:
        return [
            Verdict.from_scores(self.name, *worths(pair.response_a), *worths(pair.response_b))
            for pair in pairs
        ]


class Router:
    """Contexts that belong to the prompts; the reward model that fails is trusted a little more."""

    def __init__(self, arms: Sequence[str]) -> None:
        self.arms = tuple(arms)
        self.prior_mean = np.full((len(arms), DIMENSION), 0.1)
        self.prior_mean[0] += 0.05

    def contexts(self, pairs: Sequence[PreferencePair]) -> np.ndarray:
        rows = [np.random.default_rng(int(digest(pair.prompt), 16)).random(DIMENSION) for pair in pairs]
        return np.array(rows).reshape(len(pairs), DIMENSION)

    def scores(self, pairs: Sequence[PreferencePair]) -> np.ndarray:
        return self.contexts(pairs) @ self.prior_mean.T

    encoder_features = contexts


def made_pairs(batch: str, count: int, seed: int) -> list[PreferencePair]:
    """Return pairs whose responses say what they are worth; two pairs in a row share a prompt and a response."""
    chance = random.Random(f"{seed} {batch}")
    pairs = []
    for n in range(count):
        low, middle, high = sorted(chance.sample(range(1000), 3))
        if n % 2:
            low = min(worths(pairs[-1].response_a) + worths(pairs[-1].response_b))
            middle = high + 1000
        texts = [f"An answer that is worth {int(worth)}." for worth in (low, middle)]
        chance.shuffle(texts)
        pairs.append(PreferencePair(f"{batch} {n}", f"Question {n // 2} of the batch: {batch}? ", *texts))
    return pairs


def right_label(pair: PreferencePair) -> str:
    return "A" if worths(pair.response_a) > worths(pair.response_b) else "B"


def run_cell(kind: str, fault: str, mode: Mode, count: int, seed: int) -> Cell:
    """Label the four batches, ``count`` pairs each."""
    subject = KINDS[kind].make(fault)
    try:
        models = [subject.model] if mode == "alone" else [subject.model, Well()]
        pool = RewardModelPool(models)
        annotator = BayesianRouterAnnotator(pool, Router(pool.names), prior_variance=0.001, seed=seed)
        pairs: list[PreferencePair] = []
        annotations: list[Annotation] = []
        for batch, share in BATCHES.items():
            if share is None:
                subject.heal()
            else:
                subject.fail(share)
            asked = made_pairs(batch, count, seed)
            given = annotator.annotate(asked, StepContext(batch))
            annotator.observe(_outcomes(given))
            if share is not None:
                subject.heal()
            pairs += asked
            annotations += given
    finally:
        subject.close()
    updates = dict(zip(annotator.policy.names, annotator.policy.posteriors.counts.tolist(), strict=True))
    told = Counter(one.pair_id for one in annotations)
    own = {one.pair_id: one for one in annotations if told[one.pair_id] == 1}
    labelled = [pair for pair in pairs if pair.id in own and own[pair.id].label]
    dropped = [pair for pair in pairs if pair.id in own and own[pair.id].reason]
    failed = [verdict for one in annotations for verdict in one.verdicts if verdict.winner is None]
    answered = Counter(one.rm for one in annotations if one.label)
    by_batch = Counter(pair.id.rpartition(" ")[0] for pair in labelled)
    return Cell(
        kind=kind,
        fault=fault,
        mode=mode,
        pairs=len(pairs),
        labelled=len(labelled),
        labelled_by_batch={batch: by_batch[batch] for batch in BATCHES},
        dropped=len(dropped),
        failures=len(failed),
        wrong_labels=sum(own[pair.id].label != right_label(pair) for pair in labelled),
        lost_pairs=len(pairs) - len(labelled) - len(dropped),
        unnamed_failures=sum(not (one.error and subject.names(one.error)) for one in failed),
        answered={arm: answered[arm] for arm in updates},
        updates=updates,
        reasons=sorted({str(one.error) for one in failed})[:3],
    )


def _outcomes(annotations: Sequence[Annotation]) -> dict[str, Outcome]:
    labelled = [one.decision_id for one in annotations if one.label]
    return {decision: Outcome(0.6 + 0.01 * n, 0.8 - 0.01 * n, 0.2) for n, decision in enumerate(labelled)}


def matrix(
    kinds: Sequence[str], faults: Sequence[str] | None, count: int, seed: int, jobs: int
) -> list[Cell]:
    """Return the cells of some kinds and faults, in order; ``jobs`` of them at once, since they mostly wait."""
    cells = [
        (kind, fault, mode)
        for kind in kinds
        for fault in KINDS[kind].faults
        if faults is None or fault in faults
        for mode in ("alone", "failover")
    ]
    with ThreadPoolExecutor(jobs) as threads:
        return list(threads.map(lambda cell: run_cell(*cell, count, seed), cells))


def summary(cells: Sequence[Cell]) -> dict[str, Any]:
    totals = ("pairs", "wrong_labels", "lost_pairs", "unnamed_failures")
    return {
        **{name: sum(getattr(cell, name) for cell in cells) for name in totals},
        "cells": [dataclasses.asdict(cell) for cell in cells],
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_json_option(parser, default="-")
    parser.add_argument("--kinds", metavar="a;b", help="only these kinds, of: " + "; ".join(KINDS))
    parser.add_argument("--faults", metavar="a;b", help="only these faults")
    parser.add_argument("--pairs", type=int, default=8, help="of each of the four batches of a cell")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=4, help="cells at once")
    arguments = parser.parse_args()
    kinds = [one.strip() for one in arguments.kinds.split(";")] if arguments.kinds else list(KINDS)
    faults = [one.strip() for one in arguments.faults.split(";")] if arguments.faults else None
    cells = matrix(kinds, faults, arguments.pairs, arguments.seed, arguments.jobs)
    write_figures(summary(cells), arguments.json)
    sys.exit(0 if all(cell.sound for cell in cells) else 1)


if __name__ == "__main__":
    main()

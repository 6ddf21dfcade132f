"""Every strategy on the shared tables of real verdicts, by how many labels it was fitted to, with the macro average.

    python benchmarks/real_tables.py --data FOLDER --cache FOLDER [--tables "a;b"] [--labels 40,all] [--json FILE|-]

``--data`` holds the tables, ``NAME.parquet``; those that are absent are skipped by name. Every pair is labelled by what
was fitted without its group: 5 folds by group, and of the other folds as many random pairs as there are labels (with
``all``, every one). Nothing that is fitted or chosen reads a pair that it is measured on. First stands the share of all
pairs labelled correctly, then that of kept pairs (some RM is right), then the calls made. Singles and lookups, like the
router, ask the next RM where one ties or fails. Brackets are 95 % bootstraps over groups of the row minus ``router``,
paired; the macro average weighs tables alike, its interval draws groups within each table.

``--cache`` keeps the encoder's vectors, and every part when it is done: after an interruption the same command resumes.
A part's file also holds the router's scores, cross-fitted on its training pairs, so that other ways to choose among RMs
can be tried without fitting again.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import hashlib
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from cross_validate import outcome, word_scores
from figures import add_json_option, write_figures
from rewardrouter.annotators import MajorityAnnotator
from rewardrouter.annotators.admitted import Admitted
from rewardrouter.calibration import Costs, HeldOut, Signals
from rewardrouter.config.cascade import EvidenceSettings
from rewardrouter.config.offline import frozen_preset
from rewardrouter.datasets.verdict_tables import load_verdicts
from rewardrouter.errors import ConfigError, DataError
from rewardrouter.offline.cache import EmbeddingCache
from rewardrouter.offline.encoder import PairEncoder
from rewardrouter.offline.held_out import labelled_rows
from rewardrouter.offline.linear import fit_linear
from rewardrouter.offline.splits import group_folds
from rewardrouter.offline.vectors import Block, PairVectors, blocks_of, encode_pairs
from rewardrouter.reward_models import recorded_pool
from rewardrouter.router.arms import arms_of
from rewardrouter.verdicts import VerdictTable

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]

FOUR = ("internlm2-1_8b-reward", "GRM-Gemma-2B-rewardmodel-ft", "FsfairX-LLaMA3-RM-v0.1", "RM-Mistral-7B")
TABLES: Mapping[str, tuple[str, tuple[str, ...] | None]] = {
    "pandalm_4judges": ("pandalm_4judges", None),
    "prd_vicuna80": ("prd_vicuna80", None),
    "ice_humaneval": ("ice_humaneval", None),
    "rewardbench9_dev": ("rewardbench9_dev", None),
    "rewardbench9_dev, four": ("rewardbench9_dev", FOUR),
}
"""By name: the file, and the RMs of the pool where not all."""

REFERENCE = "router"
BUDGETS = (1.1, 1.35)
FOLDS, RESAMPLES, SHRINKAGE = 5, 2_000, 5.0


@dataclasses.dataclass
class Row:
    """One strategy on P pairs: whether each label is right (without one it is not), and the calls made, ``[P]``."""

    right: Floats
    calls: Floats


def routed(scores: Floats, behaviour: Floats) -> Row:
    """Ask in the order of ``scores [P, N]`` until an RM names a winner: not where ``behaviour [P, N]`` is NaN."""
    order = np.argsort(-scores, axis=1, kind="stable")
    ordered = np.take_along_axis(behaviour, order, axis=1)
    answered = ~np.isnan(ordered)
    first = np.where(answered.any(axis=1), answered.argmax(axis=1), ordered.shape[1] - 1)
    return Row(np.nan_to_num(ordered[np.arange(len(first)), first]), first + 1.0)


def single_scores(training: VerdictTable) -> Floats:
    """Return ``[N]``: the RM first that labels most training pairs correctly, the others in order of accuracy."""
    accuracy = np.array([arm.accuracy or 0.0 for arm in arms_of(training)])
    tried = []
    for n in range(len(accuracy)):
        scores = accuracy.copy()
        scores[n] = 2.0
        tried.append((routed(np.tile(scores, (len(training), 1)), training.behaviour).right.mean(), scores))
    return max(tried, key=lambda one: float(one[0]))[1]


def lookup_scores(training: VerdictTable, domains: npt.NDArray[np.str_]) -> Floats:
    """Return ``[P, N]``: accuracy in the pair's domain, shrunk to the overall one, as in ``lookup-by-domain``."""
    arms = arms_of(training)
    found = np.zeros((len(domains), len(arms)))
    for n, arm in enumerate(arms):
        for row, domain in enumerate(domains):
            observed, right = arm.by_domain.get(str(domain), (0, 0))
            found[row, n] = (right + SHRINKAGE * (arm.accuracy or 0.0)) / (observed + SHRINKAGE)
    return found


class Table:
    """One table with its vectors, and the rows of every strategy on it."""

    def __init__(
        self, name: str, table: VerdictTable, blocks: tuple[Block, ...], vectors: PairVectors
    ) -> None:
        self.name, self.table, self.blocks, self.vectors = name, table, blocks, vectors

    def validate(self, labels: int | None, seed: int, cache: Path) -> dict[str, Row]:
        """Return every strategy's row, all pairs labelled by what was fitted to ``labels`` pairs of other folds."""
        rows: dict[str, Row] = {}
        folds = group_folds(self.table.groups, FOLDS, seed)
        for fold in range(FOLDS):
            outside, inside = np.flatnonzero(folds == fold), np.flatnonzero(folds != fold)
            if labels is not None and labels < len(inside):
                inside = np.sort(
                    np.random.default_rng([seed, fold, labels]).choice(inside, labels, replace=False)
                )
            for name, (right, calls) in self._part(inside, outside, seed, cache).items():
                row = rows.setdefault(name, Row(*np.full((2, len(self.table)), np.nan)))
                row.right[outside], row.calls[outside] = right, calls
        return rows

    def _part(self, inside: Rows, outside: Rows, seed: int, cache: Path) -> dict[str, Floats]:
        """Return ``[2, W]`` by strategy, rightness and calls of the pairs outside; from the cache if it is there."""
        config = frozen_preset().model_dump_json()
        key = hashlib.sha256(repr((config, self.table.rms, seed)).encode())
        for part in (inside, outside, self.table.labels, self.table.winners, self.vectors.a.numpy()):
            key.update(np.ascontiguousarray(part).tobytes())
        path = cache / "parts" / f"{key.hexdigest()[:32]}.npz"
        if not path.exists():
            started = time.monotonic()
            rows, known = self._fitted(inside, outside, seed)
            path.parent.mkdir(parents=True, exist_ok=True)
            partial = path.with_suffix(".part.npz")
            np.savez(
                partial,
                inside=inside,
                outside=outside,
                **{f"known/{name}": values for name, values in known.items()},
                **{f"row/{name}": np.stack([row.right, row.calls]) for name, row in rows.items()},
            )
            partial.replace(path)
            print(f"{self.name}, {len(inside)} labels: {time.monotonic() - started:.0f} s", file=sys.stderr)
        with np.load(path) as saved:
            return {name[4:]: saved[name] for name in saved.files if name.startswith("row/")}

    def _fitted(self, inside: Rows, outside: Rows, seed: int) -> tuple[dict[str, Row], dict[str, Floats]]:
        """Return the rows, and what the router said of the pairs inside (cross-fitted) and outside."""
        training, unseen = self.table.select(inside), self.table.select(outside)
        behaviour, shape = unseen.behaviour, unseen.behaviour.shape
        rows = {
            "best single": routed(np.broadcast_to(single_scores(training), shape), behaviour),
            "lookup by domain": routed(lookup_scores(training, unseen.domains), behaviour),
            "tf-idf + logistic": routed(word_scores(training, unseen), behaviour),
            "majority": Row(
                outcome(unseen, MajorityAnnotator(recorded_pool(unseen), seed)),
                np.full(shape[0], float(shape[1])),
            ),
        }
        try:
            fit = fit_linear(self.blocks, self.vectors.select(inside), training, frozen_preset())
        except DataError:  # too few groups, or no disagreement: what a user can have is the best single RM
            nothing = Row(np.zeros(shape[0]), np.zeros(shape[0]))
            single = rows["best single"]
            budgets = {f"cascade@{budget:g}": single for budget in BUDGETS}
            return rows | {"own-preference": nothing, REFERENCE: single, "CLS head": single} | budgets, {}
        given = self.vectors.select(outside)
        with torch.no_grad():
            h = fit.model.contexts(given.a, given.b)
            scores, logits = fit.model.heads.scores(h), fit.model.heads.logits(h)
            reading = fit.model.reading(given.a, given.b)
        assert logits is not None
        assert reading is not None
        signals = Signals.of(scores.double().numpy(), logits.double().numpy(), reading.double().numpy())
        own = (np.sign(reading.numpy()) == unseen.labels).astype(np.float64)
        rows["own-preference"] = Row(own, np.zeros(shape[0]))
        rows[REFERENCE] = routed(signals.scores, behaviour)
        rows["CLS head"] = routed(signals.beliefs, behaviour)
        rows |= self._cascades(
            fit.held_out, labelled_rows(unseen, signals, np.zeros(shape[0], np.int64)), seed
        )
        known = {f"inside/{n}": v for n, v in vars(fit.held_out.signals).items()}
        known |= {f"outside/{n}": v for n, v in vars(signals).items()} | {"folds": fit.held_out.folds}
        return rows, known

    @staticmethod
    def _cascades(held_out: HeldOut, unseen: HeldOut, seed: int) -> dict[str, Row]:
        """Return the cascade at each budget; the router alone where held-out pairs say so."""
        costs, rows = Costs.of_calls(unseen.winners.shape[1]), {}
        alone = routed(unseen.signals.scores, unseen.behaviour)
        random = np.random.default_rng(seed)
        admitted = Admitted(EvidenceSettings(), held_out, seed)
        tried = admitted.traced(unseen, costs, lambda: random.random(unseen.winners.shape))
        for budget in BUDGETS:
            row = alone
            with contextlib.suppress(ConfigError):
                plan = admitted.plan(costs, budget)
                row = alone if plan.alone else Row(*reversed(tried.at(plan.threshold)))
            rows[f"cascade@{budget:g}"] = row
        return rows


def drawn_means(groups: npt.NDArray[np.str_], values: Floats, seed: int) -> Floats:
    """Return ``[RESAMPLES]``: means of ``values [P]`` over groups drawn with replacement."""
    _, row_group = np.unique(groups, return_inverse=True)
    sizes, sums = np.bincount(row_group), np.bincount(row_group, weights=values)
    drawn = np.random.default_rng(seed).multinomial(
        len(sizes), np.full(len(sizes), 1 / len(sizes)), size=RESAMPLES
    )
    means: Floats = (drawn @ sums) / (drawn @ sizes)
    return means


def interval(means: Floats) -> list[float]:
    """Return the middle 95 %."""
    return [float(edge) for edge in np.quantile(means, (0.025, 0.975))]


def figures_of(
    tables: Mapping[str, VerdictTable], rows: Mapping[str, Mapping[str, Row]], seed: int
) -> dict[str, object]:
    """Return the figures of every table and the macro average, for one number of labels.

    ``rows`` are by table, then by strategy.
    """
    found: dict[str, dict[str, dict[str, object]]] = {}
    shared: dict[str, dict[str, list[Floats]]] = {}
    for number, (name, table) in enumerate(tables.items()):
        found[name] = {}
        for strategy, row in rows[name].items():
            difference = row.right - rows[name][REFERENCE].right
            means = drawn_means(table.groups, difference, seed + number)
            kept = table.kept
            found[name][strategy] = {
                "accuracy_all": float(row.right.mean()),
                "interval": interval(drawn_means(table.groups, row.right, seed + number)),
                "accuracy": float(row.right[kept].mean()),
                "calls_per_pair": float(row.calls.mean()),
                "difference": float(difference.mean()),
                "difference_interval": interval(means),
            }
            shared.setdefault(strategy, {}).setdefault("means", []).append(means)
    macro = {}
    for strategy, drawn in shared.items():
        each = [found[name][strategy] for name in tables]
        macro[strategy] = {
            key: float(np.mean([one[key] for one in each]))  # type: ignore[call-overload]
            for key in ("accuracy_all", "accuracy", "calls_per_pair", "difference")
        } | {"difference_interval": interval(np.mean(drawn["means"], axis=0))}
    return {"tables": found, "macro average": macro}


def loaded(options: argparse.Namespace) -> Iterable[Table]:
    """Load and encode the tables that were asked for; name those that are not there."""
    config = frozen_preset()
    encoder, cache = PairEncoder.from_config(config.encoder), EmbeddingCache(options.cache / "vectors")
    for name in options.tables.split(";") if options.tables else TABLES:
        file, rms = TABLES.get(name, (name, None))
        path = options.data / f"{file}.parquet"
        if not path.exists():
            print(f"skipped {name}: there is no {path}", file=sys.stderr)
            continue
        table = load_verdicts(str(path), rms).table
        vectors, _ = encode_pairs(encoder, table.pairs, config.features, cache=cache)
        yield Table(name, table, blocks_of(encoder, config.features), vectors)


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of the tables")
    parser.add_argument("--cache", type=Path, required=True, help="folder for vectors and finished parts")
    parser.add_argument(
        "--tables", help=f"separated by semicolons; default: {'; '.join(TABLES)}; or any file's name"
    )
    parser.add_argument("--labels", default="40,100,250,all", help="default 40,100,250,all")
    parser.add_argument("--seed", type=int, default=0)
    add_json_option(parser)
    options = parser.parse_args()
    tables = list(loaded(options))
    if not tables:
        print("nothing to measure: none of the tables is there", file=sys.stderr)
        return
    result: dict[str, object] = {}
    for asked in options.labels.split(","):
        labels = None if asked == "all" else int(asked)
        rows = {one.name: one.validate(labels, options.seed, options.cache) for one in tables}
        result[asked] = figures_of({one.name: one.table for one in tables}, rows, options.seed)
    if write_figures(result, options.json):
        return
    for asked, figures in result.items():
        for name, strategies in {**figures["tables"], "macro average": figures["macro average"]}.items():  # type: ignore[index]
            print(f"\n{name}, {asked} labels")
            for strategy, row in strategies.items():
                low, high = row["difference_interval"]
                print(
                    f"  {strategy:<20} {row['accuracy_all']:.4f}  kept {row['accuracy']:.4f}  calls"
                    f" {row['calls_per_pair']:.2f}  {row['difference']:+.4f} [{low:+.4f}, {high:+.4f}]"
                )


if __name__ == "__main__":
    main()

"""Cross-validate the cascade on one verdict table: accuracy against calls, the whole curve, beside every baseline.

    python benchmarks/cascade.py --verdicts V [--rms a,b,c] [--split group|subset] [--json FILE|-]

Every pair is labelled by what was fitted without its group (or, with ``--split subset``, without its whole source):
router, calibration, and the threshold of each budget, which is set on the training pairs' own cross-validation. Rows
are the cascade, its ablations, the plain router and the baselines that call one RM or all. Accuracy is over kept
pairs, calls over all; intervals are 95 % bootstraps over groups, differences paired. A budget that no threshold of
some part keeps has no row. ECE is the expected calibration error of P(RM is right | its margin, the pair), per RM,
on pairs that it was not fitted to.
"""

from __future__ import annotations

import dataclasses
import sys
import time

import numpy as np
import numpy.typing as npt

from cross_validate import RESAMPLES, options_parser, outcome, parts_of, table_of
from figures import write_figures
from rewardrouter.annotators import (
    MajorityAnnotator,
    OfflineOnlyAnnotator,
    RandomAnnotator,
    SingleAnnotator,
    UwoAnnotator,
)
from rewardrouter.annotators.admitted import Admitted
from rewardrouter.calibration import Costs, EvidenceModel
from rewardrouter.calibration.budget import cheapest_within
from rewardrouter.calibration.reliability import calibration_error
from rewardrouter.config.cascade import EvidenceSettings
from rewardrouter.config.offline import frozen_preset
from rewardrouter.offline.cache import EmbeddingCache, default_folder
from rewardrouter.offline.held_out import labelled_rows
from rewardrouter.reward_models import recorded_pool
from rewardrouter.router import fit_router
from rewardrouter.simulation.bootstrap import GroupBootstrap
from rewardrouter.verdicts import VerdictTable

Floats = npt.NDArray[np.float64]

BUDGETS = (1.05, 1.1, 1.2, 1.35, 1.6, 2.0, 2.5, 3.0, 4.0, 6.0)
VARIANTS = {
    "cascade": EvidenceSettings(),
    "order=router": EvidenceSettings(order="router"),
    "order=accuracy": EvidenceSettings(order="accuracy"),
    "order=random": EvidenceSettings(order="random"),
    "margins=false": EvidenceSettings(margins=False),
    "witnesses=independent": EvidenceSettings(witnesses="independent"),
    "reading=false": EvidenceSettings(reading=False),
}
"""The cascade, and what becomes of it with one thing taken away."""


@dataclasses.dataclass
class Row:
    """One strategy on all P pairs: whether each label is right, and the calls made for it."""

    right: Floats
    calls: Floats


class Validation:
    """All strategies on the pairs of each part, fitted to the other parts."""

    def __init__(self, table: VerdictTable, seed: int) -> None:
        self.table, self.seed = table, seed
        self.rows: dict[str, Row] = {}
        self.predicted = np.full((len(table), len(table.rms)), np.nan)
        self.cache = EmbeddingCache(default_folder())

    def part(self, inside: npt.NDArray[np.int64], outside: npt.NDArray[np.int64]) -> None:
        """Fit to the rows inside, label those outside."""
        training, unseen = self.table.select(inside), self.table.select(outside)
        router = fit_router(training, frozen_preset(), cache=self.cache)
        router.cache = self.cache
        pool, costs = recorded_pool(unseen), Costs.of_calls(len(router.arms))
        asked = labelled_rows(unseen, router.signals(unseen.pairs), np.zeros(len(unseen), np.int64))
        random = np.random.default_rng(self.seed)
        for name, settings in VARIANTS.items():
            admitted = Admitted(settings, router.held_out, self.seed)
            planned = admitted.trace(costs)
            tried = admitted.traced(asked, costs, lambda: random.random(asked.signals.scores.shape))
            for budget in BUDGETS:
                if budget <= len(pool) and (plan := cheapest_within(planned, budget, 0.0)) is not None:
                    self._note(f"{name}@{budget:g}", outside, *reversed(tried.at(plan.threshold)))
        ones = np.ones(len(unseen))
        self._note("router", outside, outcome(unseen, OfflineOnlyAnnotator(pool, router)), ones)
        self._note("random", outside, outcome(unseen, RandomAnnotator(pool, self.seed)), ones)
        every = len(pool) * ones
        self._note("majority", outside, outcome(unseen, MajorityAnnotator(pool, self.seed)), every)
        self._note("uwo", outside, outcome(unseen, UwoAnnotator(pool, self.seed)), every)
        for rm in pool.names:
            self._note(f"single/{rm}", outside, outcome(unseen, SingleAnnotator(pool, rm)), ones)
        logits = EvidenceModel.fit(router.held_out).correctness.logits(asked.margins, asked.signals.beliefs)
        self.predicted[outside] = 1.0 / (1.0 + np.exp(-logits))

    def _note(self, name: str, rows: npt.NDArray[np.int64], right: Floats, calls: Floats) -> None:
        row = self.rows.setdefault(name, Row(*np.full((2, len(self.table)), np.nan)))
        row.right[rows], row.calls[rows] = right, calls

    @property
    def unkept(self) -> list[str]:
        """Cascades whose budget no threshold keeps in some part: RMs that tie often cost more calls anyway."""
        names = [
            f"{name}@{budget:g}" for name in VARIANTS for budget in BUDGETS if budget <= len(self.table.rms)
        ]
        return [name for name in names if name not in self.rows or np.isnan(self.rows[name].right).any()]

    def figures(self) -> dict[str, object]:
        """Return accuracy, calls, ECE, and differences to the cascade.

        At the same budget, of other rows at 1.35; to the router where no threshold keeps that budget.
        """
        kept = self.table.kept
        bootstrap = GroupBootstrap(self.table.groups[kept], self.seed, RESAMPLES)
        found: dict[str, dict[str, object]] = {}
        for name, row in self.rows.items():
            if np.isnan(row.right).any():
                continue
            right = row.right[kept]
            against = f"cascade@{name.partition('@')[2] or '1.35'}"
            if against in self.unkept or against not in self.rows:
                against = "router"
            reference = self.rows[against].right[kept]
            found[name] = {
                "accuracy": float(right.mean()),
                "interval": bootstrap.interval(right),
                "calls": float(row.calls.mean()),
                "against": against,
                "cascade_minus_this": float((reference - right).mean()),
                "paired": bootstrap.interval(reference - right),
            }
        behaviour = self.table.behaviour
        seen = ~np.isnan(behaviour)
        errors = {
            rm: calibration_error(self.predicted[seen[:, n], n], behaviour[seen[:, n], n])
            for n, rm in enumerate(self.table.rms)
        }
        return {
            "n_pairs": len(self.table),
            "n_kept": int(kept.sum()),
            "rms": list(self.table.rms),
            "strategies": found,
            "budgets_not_kept": self.unkept,
            "ece": errors | {"all": calibration_error(self.predicted[seen], behaviour[seen])},
        }


def main() -> None:
    """Run the benchmark."""
    options = options_parser(__doc__).parse_args()
    table = table_of(options)
    validation = Validation(table, options.seed)
    for number, (inside, outside) in enumerate(parts_of(table, options.split, options.folds, options.seed)):
        started = time.monotonic()
        validation.part(inside, outside)
        print(f"part {number}: {time.monotonic() - started:.0f} s", file=sys.stderr)
    figures = validation.figures()
    if write_figures(figures, options.json):
        return
    print(f"{figures['n_pairs']} pairs, {figures['n_kept']} kept, {len(table.rms)} RMs, by {options.split}")
    for name, row in figures["strategies"].items():
        low, high = row["interval"]
        below, above = row["paired"]
        print(
            f"{name:<36} {row['accuracy']:.4f} @ {row['calls']:.2f}  [{low:.3f}, {high:.3f}]"
            f"   {row['against']} - this {row['cascade_minus_this']:+.4f}  [{below:+.4f}, {above:+.4f}]"
        )
    if unkept := figures["budgets_not_kept"]:
        print("Budgets that no threshold keeps in every part: " + ", ".join(unkept))
    print("ECE of P(right): " + ", ".join(f"{rm} {error:.3f}" for rm, error in figures["ece"].items()))


if __name__ == "__main__":
    main()

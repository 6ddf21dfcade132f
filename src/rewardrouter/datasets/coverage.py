"""How much of a verdict table can be learnt from: a coverage and tie report per RM.

Per RM the P pairs divide into *observed* (it named A or B, so there is a
behaviour), *ties* and *failed*; accuracy is agreement with the human label over
the observed ones. *Kept* pairs are those that some RM gets right (paper 4.1).
The *disagreement set*, of which the BT head learns (Eq. 2), holds a triple for
each pair, right RM and wrong RM.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from rewardrouter.verdicts import FAILED, TIE, A, B, VerdictTable

_DOMAINS_SHOWN = 6


@dataclasses.dataclass(frozen=True, slots=True)
class RmCoverage:
    """One RM: ``observed + ties + failed`` pairs; ``accuracy`` is ``None`` where none is observed."""

    rm: str
    observed: int
    ties: int
    failed: int
    accuracy: float | None


@dataclasses.dataclass(frozen=True, slots=True)
class DomainCoverage:
    """One domain: its pairs, those kept, and the accuracy of each RM over what it observed there."""

    domain: str
    n_pairs: int
    n_kept: int
    accuracy: dict[str, float | None]


@dataclasses.dataclass(frozen=True, slots=True)
class CoverageReport:
    """The coverage of a verdict table.

    Parameters
    ----------
    rms
        One entry per RM, in the order of the table.
    domains
        One entry per domain, the largest first.
    n_pairs, n_kept
        All pairs, and those that at least one RM gets right.
    n_disagreement
        Triples (pair, right RM, wrong RM) of the disagreement set.
    n_disagreement_pairs
        Pairs that have at least one such triple.
    """

    rms: tuple[RmCoverage, ...]
    domains: tuple[DomainCoverage, ...]
    n_pairs: int
    n_kept: int
    n_disagreement: int
    n_disagreement_pairs: int

    def lines(self) -> list[str]:
        """Return the report as lines of plain text: totals, then a table with a row per RM."""
        shown = self.domains[:_DOMAINS_SHOWN] if len(self.domains) > 1 else ()
        header = ["reward model", "observed", "ties", "failed", "accuracy", *(d.domain[:18] for d in shown)]
        body = [
            [rm.rm, f"{rm.observed:,}", f"{rm.ties:,}", f"{rm.failed:,}", _share(rm.accuracy)]
            + [_share(domain.accuracy[rm.rm]) for domain in shown]
            for rm in self.rms
        ]
        pairs = ["pairs", "", "", "", f"{self.n_pairs:,}", *(f"{d.n_pairs:,}" for d in shown)]
        hidden = len(self.domains) - len(shown) if shown else 0
        return [
            f"{self.n_pairs:,} pairs, {self.n_kept:,} kept (some reward model is right), "
            f"{self.n_disagreement_pairs:,} in the disagreement set ({self.n_disagreement:,} triples)",
            *_aligned([header, *body, pairs]),
            *([f"... and {hidden} smaller domains"] if hidden else []),
        ]

    def as_json(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        return dataclasses.asdict(self)


def coverage_of(table: VerdictTable) -> CoverageReport:
    """Return the coverage of a verdict table."""
    behaviour, winners, domains = table.behaviour, table.winners, table.domains
    right, wrong = (behaviour == 1).sum(axis=1), (behaviour == 0).sum(axis=1)  # int [P]: RMs per pair
    triples = right * wrong
    sizes = Counter(domains.tolist())
    return CoverageReport(
        rms=tuple(
            RmCoverage(
                rm,
                observed=int(np.isin(winners[:, n], (A, B)).sum()),
                ties=int((winners[:, n] == TIE).sum()),
                failed=int((winners[:, n] == FAILED).sum()),
                accuracy=_mean(behaviour[:, n]),
            )
            for n, rm in enumerate(table.rms)
        ),
        domains=tuple(
            DomainCoverage(
                name,
                n_pairs=size,
                n_kept=int(table.kept[domains == name].sum()),
                accuracy={rm: _mean(behaviour[domains == name, n]) for n, rm in enumerate(table.rms)},
            )
            for name, size in sorted(sizes.items(), key=lambda item: (-item[1], item[0]))
        ),
        n_pairs=len(table),
        n_kept=int(table.kept.sum()),
        n_disagreement=int(triples.sum()),
        n_disagreement_pairs=int((triples > 0).sum()),
    )


def _mean(behaviour: npt.NDArray[np.float64]) -> float | None:
    """Return the mean over what is not NaN; ``None`` where all of it is."""
    observed = behaviour[~np.isnan(behaviour)]
    return float(observed.mean()) if observed.size else None


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Pad the cells of each column: the first to the left, the others to the right."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    return [
        "  ".join([row[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True))])
        for row in rows
    ]

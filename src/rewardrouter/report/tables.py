"""The report's tables: every figure of a replay that is not a curve."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from rewardrouter.report.elements import Cell, Row, Table
from rewardrouter.report.wording import (
    MISSING,
    SINGLE,
    best_single,
    decimal,
    duration,
    gain_over,
    interval,
    percent,
    points,
    reads_labels,
    share,
)
from rewardrouter.simulation.results import Interval, ReplayFigures, ReplayResults

_Cells = Callable[[ReplayFigures], Sequence[Cell]]

POLICY_PHASE = "policy"
"""The phase of a batch in which the policy takes its step: what the other phases are compared with."""


def ordered(results: ReplayResults) -> list[str]:
    """Return the strategies, most accurate first; those that are told the labels come last."""
    strategies = results.strategies
    return sorted(strategies, key=lambda name: (reads_labels(name), -strategies[name].accuracy))


def strategies_table(results: ReplayResults) -> Table:
    """Return the main table."""

    def cells(figures: ReplayFigures) -> list[Cell]:
        return [
            Cell(share(figures.accuracy), _over_seeds(results, figures.accuracy_interval, in_points=False)),
            Cell(
                points(figures.difference), _over_seeds(results, figures.difference_interval, in_points=True)
            ),
            Cell(share(figures.accuracy_early)),
            Cell(share(figures.accuracy_late)),
            Cell(f"{figures.calls_per_pair:.2f}"),
            Cell(share(figures.coverage)),
            Cell(decimal(figures.reward_auc)),
        ]

    columns = [
        "strategy", "accuracy (%)", f"against {results.reference} (points)", "early (%)", "late (%)",
        "calls per pair", "coverage (%)", "reward AUC",
    ]  # fmt: skip
    qualified = (
        "in small print its 95\u00a0% interval" if len(results.seeds) > 1 else "of one seed: no intervals"
    )
    caption = f"Accuracy over kept pairs, mean over seeds; {qualified}"
    return Table(caption, columns, [_row(results, name, cells) for name in ordered(results)])


def domains_table(results: ReplayResults) -> Table:
    """Return accuracy by domain, in the run's order of domains."""
    domains = results.domains

    def cells(figures: ReplayFigures) -> list[Cell]:
        return [Cell(share(figures.by_domain.get(domain))) for domain in domains]

    columns = ["strategy", *(f"{domain} (n\u00a0=\u00a0{n:,})" for domain, n in domains.items())]
    return Table("Accuracy by domain (%)", columns, [_row(results, name, cells) for name in ordered(results)])


def spread_table(results: ReplayResults) -> Table:
    """Return the figures beside the main ones: over all pairs, and how far seeds differ."""
    several = len(results.seeds) > 1

    def cells(figures: ReplayFigures) -> list[Cell]:
        deviations = [figures.accuracy_std, figures.accuracy_se, figures.difference_se]
        given = [_unsigned(value) if several and value is not None else MISSING for value in deviations]
        return [Cell(share(figures.accuracy_all)), *map(Cell, given)]

    columns = [
        "strategy", "accuracy, all pairs (%)", "seeds’ standard deviation (points)",
        "standard error of accuracy (points)", "standard error of the difference (points)",
    ]  # fmt: skip
    rows = [_row(results, name, cells) for name in ordered(results)]
    return Table("Accuracy over all pairs, and how far the seeds differ", columns, rows)


def rms_table(results: ReplayResults) -> Table:
    """Return how often each strategy called each RM, and the RM's share of its labels."""
    arms = _names([figures.calls_by_rm for figures in results.strategies.values()], results.arms)

    def cells(figures: ReplayFigures) -> list[Cell]:
        return [
            Cell(
                f"{figures.calls_by_rm.get(rm, 0):,}",
                percent(figures.arm_share[rm]) if rm in figures.arm_share else "",
            )
            for rm in arms
        ]

    rows = [_row(results, name, cells) for name in ordered(results)]
    return Table(
        "Calls of each RM per seed; in small print its share of the labels that came from one RM",
        ["strategy", *arms],
        rows,
    )


def policy_table(results: ReplayResults) -> Table:
    """Return how well the policy tells the human's choice, at the start and at the end."""

    def cells(figures: ReplayFigures) -> list[Cell]:
        values = [
            figures.policy_auc_start, figures.policy_auc_end,
            figures.likelihood_auc_start, figures.likelihood_auc_end,
        ]  # fmt: skip
        return [Cell(decimal(value)) for value in values]

    columns = ["strategy", "margin, start", "margin, end", "likelihood, start", "likelihood, end"]
    rows = [_row(results, name, cells) for name in ordered(results)]
    return Table("AUC of the policy for the human’s choice", columns, rows)


def seconds_table(results: ReplayResults) -> Table:
    """Return the time of each phase of a batch, and what part of the policy's step that is."""
    phases = _names([figures.seconds for figures in results.strategies.values()], ())

    def cells(figures: ReplayFigures) -> list[Cell]:
        step = figures.seconds.get(POLICY_PHASE, 0.0)
        found = []
        for phase in phases:
            taken = figures.seconds.get(phase)
            compared = taken is not None and step > 0 and phase != POLICY_PHASE
            detail = percent(taken / step) if taken is not None and compared else ""
            found.append(Cell(MISSING if taken is None else duration(taken), detail))
        return found

    rows = [_row(results, name, cells) for name in ordered(results)]
    caption = (
        "Median time per batch; in small print, percent of the policy’s step. Encoding a batch of new pairs for a"
        f" router that reads them takes {duration(results.encode_seconds)} more: here it was done before"
    )
    return Table(caption, ["strategy", *phases], rows)


def runs_table(runs: Mapping[str, ReplayResults]) -> Table:
    """Return one line per run: what the reference is worth beside the best single RM."""
    rows = []
    for name, results in runs.items():
        figures, rival = results.strategies[results.reference], best_single(results)
        gain = None if rival is None else gain_over(results, rival)
        cells = [
            Cell(f"{results.n_kept:,}"),
            Cell(f"{len(results.seeds):,}"),
            Cell(share(figures.accuracy), results.reference),
            Cell(MISSING)
            if rival is None
            else Cell(share(results.strategies[rival].accuracy), rival.removeprefix(SINGLE)),
            Cell(MISSING) if gain is None else Cell(points(gain.value), interval(gain.interval, points)),
        ]
        rows.append(Row(name, cells))
    columns = ["run", "kept pairs", "seeds", "reference (%)", "best single RM (%)", "difference (points)"]
    return Table("Accuracy of the reference strategy and of the best single reward model", columns, rows)


def mark(results: ReplayResults, strategy: str) -> str:
    """Return what a reader must know of a strategy wherever it is named."""
    if strategy == results.reference:
        return "reference"
    return "told the labels" if reads_labels(strategy) else ""


def _row(results: ReplayResults, name: str, cells: _Cells) -> Row:
    figures = results.strategies[name]
    return Row(name, cells(figures), mark(results, name), name == results.reference)


def _over_seeds(results: ReplayResults, given: Interval | None, *, in_points: bool) -> str:
    return interval(given, points if in_points else share) if len(results.seeds) > 1 else ""


def _unsigned(value: float) -> str:
    return points(value).removeprefix("+")


def _names(given: Sequence[Mapping[str, object]], first: Sequence[str]) -> list[str]:
    """Return all keys once, in the order in which they come."""
    return list(dict.fromkeys([*first, *(name for mapping in given for name in mapping)]))

"""The tables of a training's section: every figure that is not a curve."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import get_args

from rewardrouter.phases import Phase
from rewardrouter.report.elements import Cell, Row, Table
from rewardrouter.report.wording import (
    MISSING,
    clock,
    count,
    duration,
    interval,
    percent,
    points,
    reads_labels,
    share,
)
from rewardrouter.training.results import Measured, TrainingResults


def ordered(results: TrainingResults) -> list[str]:
    """Return the strategies, the best policy first (where none was measured, the best labels); ceilings last."""

    def key(name: str) -> tuple[bool, float, float]:
        figures = results.strategies[name]
        policy, labels = (
            0.0 if measured is None else -measured.mean
            for measured in (figures.accuracy, figures.annotation_accuracy)
        )
        return reads_labels(name), policy, labels

    return sorted(results.strategies, key=key)


def strategies_table(results: TrainingResults) -> Table:
    """Return the main table; columns in which no strategy has anything are left out."""
    rows = []
    for name in ordered(results):
        figures = results.strategies[name]
        rows.append(
            _row(
                results,
                name,
                [
                    _mean(figures.accuracy),
                    _gap(figures.accuracy),
                    _mean(figures.annotation_accuracy),
                    Cell(f"{figures.calls:,.0f}", f"{figures.calls_per_pair:.2f} per pair"),
                    Cell(
                        f"{figures.failed_calls:,.0f}",
                        percent(figures.failed_calls / figures.calls) if figures.failed_calls else "",
                    ),
                    Cell(clock(figures.wall_seconds)),
                ],
            )
        )
    columns = [
        "strategy", "right after (%)", f"against {results.reference} (points)", "labels right (%)", "RM calls",
        "failed calls", "wall-clock",
    ]  # fmt: skip
    return _without_empty(Table(_caption(results), columns, rows))


def domains_table(results: TrainingResults) -> Table | None:
    """Return verified accuracy by kind of prompt, before and after; ``None`` where there are not several kinds."""
    by_name = {name: results.strategies[name].by_domain for name in ordered(results)}
    domains = list(dict.fromkeys(d for given in (results.by_domain_before, *by_name.values()) for d in given))
    if len(domains) < 2:
        return None

    def cells(given: Mapping[str, float]) -> list[Cell]:
        return [Cell(share(given.get(domain))) for domain in domains]

    before = [Row("before", cells(results.by_domain_before))] if results.by_domain_before else []
    rows = [*before, *(_row(results, name, cells(given)) for name, given in by_name.items())]
    seeds = "all seeds together" if len(results.seeds) > 1 else "one seed"
    return Table(f"Prompts answered rightly, by kind (%), {seeds}", ["strategy", *domains], rows)


def labels_table(results: TrainingResults) -> Table:
    """Return what stands behind the labels: pairs left without one, and the difference to the reference."""
    rows = [
        _row(
            results,
            name,
            [
                Cell(share(figures.labelled_share)),
                _gap(figures.annotation_accuracy),
            ],
        )
        for name in ordered(results)
        for figures in [results.strategies[name]]
    ]
    columns = ["strategy", "pairs labelled (%)", f"labels right against {results.reference} (points)"]
    return _without_empty(
        Table("Labels: how many pairs got one, and the difference in right ones", columns, rows)
    )


def phases_of(results: TrainingResults) -> list[str]:
    """Return the phases that took time in some strategy, in the order of a step."""
    given = [figures.seconds for figures in results.strategies.values()]
    known = dict.fromkeys([*get_args(Phase), *(phase for seconds in given for phase in seconds)])
    return [phase for phase in known if any(seconds.get(phase) for seconds in given)]


def seconds_table(results: TrainingResults) -> Table:
    """Return the mean time of a step by phase, and each phase's part of it."""
    phases = phases_of(results)
    rows = []
    for name in ordered(results):
        seconds = results.strategies[name].seconds
        whole = sum(seconds.values())
        cells = [
            Cell(MISSING)
            if phase not in seconds
            else Cell(duration(seconds[phase]), percent(seconds[phase] / whole) if whole else "")
            for phase in phases
        ]
        rows.append(_row(results, name, [Cell(duration(whole)), *cells]))
    caption = "Mean time per step; in small print, percent of the step"
    return Table(caption, ["strategy", "whole step", *phases], rows)


def runs_table(runs: Mapping[str, TrainingResults]) -> Table:
    """Return one line per training: how good its reference strategy's policy became."""
    rows = []
    for name, results in runs.items():
        figures = results.strategies[results.reference]
        cells = [
            Cell(f"{results.steps:,}", f"of {count(results.prompts_per_step, 'prompt')}"),
            Cell(f"{len(results.seeds):,}"),
            Cell(results.reference),
            Cell(share(results.accuracy_before)),
            _mean(figures.accuracy),
            _mean(figures.annotation_accuracy),
        ]
        rows.append(Row(name, cells))
    columns = [
        "run",
        "steps",
        "seeds",
        "reference",
        "right before (%)",
        "right after (%)",
        "labels right (%)",
    ]
    return Table("Trainings: what the policy of the reference strategy answers rightly", columns, rows)


def _caption(results: TrainingResults) -> str:
    several = len(results.seeds) > 1
    told = []
    if any(figures.accuracy is not None for figures in results.strategies.values()):
        before = results.accuracy_before
        told.append(
            f"Right after: of {count(results.evaluation_prompts, 'prompt')}, those that the trained policy answers"
            " rightly" + ("" if before is None else f"; {percent(before)} before training")
        )
        told.append("In small print its 95\u00a0% interval, " + ("over seeds" if several else "over prompts"))
    else:
        told.append(
            "The trained policies were not measured: that takes a verifier and prompts for evaluation"
        )
    told.append("Calls and time are of one run" + (", failed calls of all seeds" if several else ""))
    return ". ".join(told)


def _row(results: TrainingResults, name: str, cells: Sequence[Cell]) -> Row:
    is_reference = name == results.reference
    mark = "reference" if is_reference else "told the answers" if reads_labels(name) else ""
    return Row(name, cells, mark, is_reference)


def _mean(measured: Measured | None) -> Cell:
    if measured is None:
        return Cell(MISSING)
    low, high = measured.interval or (measured.mean, measured.mean)
    # A file of another hand may hold Student's interval beyond what a share can be.
    shown = interval((max(low, 0.0), min(high, 1.0)), share) if measured.interval else ""
    return Cell(share(measured.mean), shown)


def _gap(measured: Measured | None) -> Cell:
    if measured is None or measured.difference is None:
        return Cell(MISSING)
    return Cell(points(measured.difference), interval(measured.difference_interval, points))


def _without_empty(table: Table) -> Table:
    kept = [
        i for i in range(len(table.columns) - 1) if any(row.cells[i].text != MISSING for row in table.rows)
    ]
    rows = [Row(row.head, [row.cells[i] for i in kept], row.mark, row.is_reference) for row in table.rows]
    return Table(table.caption, [table.columns[0], *(table.columns[i + 1] for i in kept)], rows)

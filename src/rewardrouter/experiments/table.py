"""A finished table: figures beside the paper's, differences, intervals, and whether the order is the same."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from rewardrouter.experiments.observed import Observed

Interval = tuple[float, float]


@dataclasses.dataclass(frozen=True, slots=True)
class Cell:
    """One figure in percent; ``paper`` is the paper's, ``versus`` the difference to the row of reference."""

    value: float
    interval: Interval | None
    versus: float | None
    versus_interval: Interval | None
    paper: float | None
    minus_paper: float | None
    who: str | None


@dataclasses.dataclass(frozen=True, slots=True)
class Order:
    """Whether rows stand in the paper's order in one column.

    ``pairs`` counts pairs of rows that differ in the paper, ``same`` those that differ likewise here; ``turned`` says
    of each other pair what the difference is here, and that it is undecided where its interval holds 0.
    """

    pairs: int
    same: int
    turned: list[str]


@dataclasses.dataclass(frozen=True, slots=True)
class Table:
    """All of it; cells by row and column."""

    name: str
    title: str
    scale: str
    seeds: int
    reference: str
    columns: tuple[str, ...]
    cells: dict[str, dict[str, Cell]]
    orders: dict[str, Order]
    notes: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return dataclasses.asdict(self)

    def text(self) -> str:
        """Return it as lines for a terminal."""
        body = [["", *itertools.chain.from_iterable(self._heads(column) for column in self.columns)]]
        body += [[name, *self._row(row)] for name, row in self.cells.items()]
        widths = [max(len(line[i]) for line in body) for i in range(len(body[0]))]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
                 for line in body]  # fmt: skip
        return "\n".join([f"{self.name}: {self._caption()}", "", *lines, "", *self._remarks()])

    def markdown(self) -> str:
        """Return it as a Markdown page."""
        heads = ["", *itertools.chain.from_iterable(self._heads(column) for column in self.columns)]
        lines = [f"# {self.name}: {self.title}", "", f"{self._caption()}.", "", _line(heads)]
        lines += ["|---" * len(heads) + "|"]
        lines += [_line([name, *self._row(row)]) for name, row in self.cells.items()]
        return "\n".join([*lines, "", *(f"- {remark}" for remark in self._remarks())]) + "\n"

    def _caption(self) -> str:
        return f"{self.title}; {self.scale} scale, {self.seeds} seed{'s' if self.seeds > 1 else ''}, percent"

    def _has_paper(self, column: str) -> bool:
        return any(column in row and row[column].paper is not None for row in self.cells.values())

    def _heads(self, column: str) -> list[str]:
        heads = [f"{column} [95 %]", f"minus {self.reference}"]
        return [*heads, "paper", "here - paper"] if self._has_paper(column) else heads

    def _row(self, row: Mapping[str, Cell]) -> list[str]:
        said = []
        for column in self.columns:
            cell, width = row.get(column), len(self._heads(column))
            said += [""] * width if cell is None else _said(cell)[:width]
        return said

    def _remarks(self) -> list[str]:
        found = []
        for column, order in self.orders.items():
            if order.same == order.pairs:
                found.append(f"{column}: all {order.pairs} pairs of rows stand in the paper's order.")
            else:
                found.append(
                    f"{column}: {order.same} of {order.pairs} pairs of rows stand in the paper's order; not:"
                    f" {'; '.join(order.turned)}."
                )
        return [*found, *self.notes]


def make_table(
    *,
    name: str,
    title: str,
    scale: str,
    seeds: int,
    reference: str,
    columns: Sequence[str],
    observed: Mapping[str, Mapping[str, Observed]],
    paper: Mapping[str, Mapping[str, float]],
    notes: Sequence[str],
) -> Table:
    """Return the table of what was observed, by row and column, beside the paper's percentages."""
    there = tuple(column for column in columns if any(column in row for row in observed.values()))
    cells: dict[str, dict[str, Cell]] = {}
    for row, figures in observed.items():
        cells[row] = {}
        for column, figure in figures.items():
            known = paper.get(row, {}).get(column)
            gap = None if row == reference else figure.minus(observed[reference][column])
            cells[row][column] = Cell(
                value=100 * figure.mean,
                interval=_percent(figure.interval()),
                versus=None if gap is None else 100 * gap[0],
                versus_interval=None if gap is None else _percent(gap[1]),
                paper=known,
                minus_paper=None if known is None else 100 * figure.mean - known,
                who=figure.who,
            )
    orders = {column: order for column in there if (order := _order(column, observed, paper)).pairs}
    return Table(name, title, scale, seeds, reference, there, cells, orders, tuple(notes))


def _order(
    column: str, observed: Mapping[str, Mapping[str, Observed]], paper: Mapping[str, Mapping[str, float]]
) -> Order:
    known = [row for row in observed if column in observed[row] and column in paper.get(row, {})]
    turned, pairs = [], 0
    for one, other in itertools.combinations(known, 2):
        high, low = sorted((one, other), key=lambda row: -paper[row][column])
        if paper[high][column] == paper[low][column]:
            continue
        pairs += 1
        gap, interval = observed[high][column].minus(observed[low][column])
        if gap <= 0:
            said = ""
            if interval is not None:
                said = f" [{100 * interval[0]:+z.1f}, {100 * interval[1]:+z.1f}]"
                said += ", undecided" if interval[1] >= 0 else ""
            turned.append(f"{high} above {low} in the paper, here {100 * gap:+z.1f}{said}")
    return Order(pairs, pairs - len(turned), turned)


def _percent(interval: Interval | None) -> Interval | None:
    return None if interval is None else (100 * interval[0], 100 * interval[1])


def _said(cell: Cell) -> list[str]:
    value = f"{cell.value:z.1f}" + _bracket(cell.interval, "")
    value += f" ({cell.who.removeprefix('single/')})" if cell.who else ""
    versus = "" if cell.versus is None else f"{cell.versus:+z.1f}" + _bracket(cell.versus_interval, "+")
    known = ["", ""] if cell.paper is None else [f"{cell.paper:.1f}", f"{cell.minus_paper:+z.1f}"]
    return [value, versus, *known]


def _bracket(interval: Interval | None, sign: str) -> str:
    return "" if interval is None else f" [{interval[0]:{sign}z.1f}, {interval[1]:{sign}z.1f}]"


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"

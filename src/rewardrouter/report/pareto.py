"""The Pareto plot: accuracy against what was spent, a line through the cascade, a point for everyone else."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from rewardrouter.report.colours import CARD, INK, OTHERS, REFERENCE, Colour
from rewardrouter.report.curves import spread
from rewardrouter.report.svg import FONT_SIZE, axes, canvas, fitting, size
from rewardrouter.report.wording import plain

_NAMES = 140.0
"""Room to the right of the points, in units of the SVG."""
_GAP = 12.0
MOST_NAMED = 18
"""Points with a name beside them at most: the first ones."""


@dataclasses.dataclass(frozen=True)
class Point:
    """A strategy: what it spends, in the unit of the axis, and its accuracy in [0, 1]."""

    name: str
    spent: float
    accuracy: float
    colour: Colour


def draw_pareto(line: Sequence[Point], points: Sequence[Point], *, over: str) -> Figure:
    """Return the plot; the axis of what is spent is logarithmic, but where something is free.

    Names of points stand to the right, in their order.
    """
    figure = canvas(410, 350)
    panel = axes(figure, 46, 40, _NAMES, 10)
    every = [one.spent for one in (*line, *points)]
    low, high = min(every), max(every)
    if low > 0:
        panel.set_xscale("log")
    panel.plot(
        [one.spent for one in line],
        [one.accuracy for one in line],
        color=REFERENCE.light,
        linewidth=2.4,
        marker="o",
        markersize=4.5,
        markeredgecolor=CARD.light,
    )
    for one in points:
        panel.plot(
            [one.spent], [one.accuracy], color=one.colour.light, marker="D", markersize=5.5, linestyle=""
        )
    panel.set_ylim(panel.get_ylim())  # the names are placed by it
    if low > 0:
        panel.set_xlim(low / 1.06, high * 1.12)
        ticks = [tick for tick in _TICKS if low / 1.06 <= tick <= high * 1.12]
        panel.xaxis.set_major_locator(FixedLocator(ticks))
        panel.xaxis.set_minor_locator(NullLocator())
    else:
        panel.set_xlim(-0.03 * (high or 1.0), 1.05 * (high or 1.0))
    panel.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
    panel.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]))
    panel.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{plain(100 * y, 1).removesuffix('.0')}%"))
    panel.set_xlabel(over)
    width, height = size(panel)
    cascade = [dataclasses.replace(line[-1], name="cascade")] if line else []
    shown = panel.transData + panel.transAxes.inverted()
    named = [*points[:MOST_NAMED], *cascade]
    ends = [float(shown.transform((one.spent, one.accuracy))[1]) for one in named]
    for one, place in zip(named, spread(ends, 1.2 * FONT_SIZE / height), strict=True):
        is_line = one in cascade
        panel.annotate(
            fitting(one.name, _NAMES - _GAP - 4, is_bold=is_line),
            xy=(one.spent, one.accuracy),
            xytext=(1 + _GAP / width, place),
            textcoords="axes fraction",
            color=REFERENCE.light if is_line else INK.light,
            weight="bold" if is_line else "normal",
            va="center",
            annotation_clip=False,
            arrowprops={
                "arrowstyle": "-",
                "color": OTHERS.light,
                "linewidth": 0.5,
                "shrinkA": 1,
                "shrinkB": 3,
                "relpos": (0, 0.5),
            },
        )
    return figure


_TICKS = [digit * 10.0**power for power in range(-6, 7) for digit in (1, 1.5, 2, 3, 4, 6, 8)]

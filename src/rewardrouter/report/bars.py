"""Stacked bars, one per strategy, with its name above it: what a whole consists of."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from rewardrouter.report.colours import CARD, INK, Colour
from rewardrouter.report.svg import axes, canvas, fitting

_WIDTH, _ROW, _BELOW = 342.0, 36.0, 44.0
"""Units of the SVG: its width, the height of a bar with its name, and the room for the axis."""

_THICKNESS, _NAME = 0.42, 0.30
"""Of a bar, and the height of its name above the bar's middle; a row is 1 high."""


def draw_bars(
    names: Sequence[str],
    parts: Sequence[Sequence[float]],
    colours: Sequence[Colour],
    *,
    label: str,
    reference: str,
) -> Figure:
    """Return the bars of ``parts [N][P]``, the first name at the top, the first part at the left."""
    figure = canvas(_WIDTH, _ROW * len(names) + _BELOW)
    panel = axes(figure, 8, _BELOW, 16, 0)
    rows = np.arange(len(names), 0, -1) - 0.7
    given = np.array(parts, dtype=np.float64).reshape(len(names), len(colours))
    starts = np.cumsum(given, axis=1) - given
    for column, colour in enumerate(colours):
        panel.barh(
            rows,
            given[:, column],
            left=starts[:, column],
            height=_THICKNESS,
            color=colour.light,
            alpha=0.85,
            edgecolor=CARD.light,
            linewidth=0.8,
        )
    for row, name in zip(rows, names, strict=True):
        bold = name == reference
        panel.text(
            0.0,
            row + _NAME,
            fitting(name, _WIDTH - 24, is_bold=bold),
            color=INK.light,
            weight="bold" if bold else "normal",
            va="bottom",
        )
    panel.set_ylim(0, len(names))
    panel.set_yticks([])
    panel.set_xlim(0, 1.02 * max(float(given.sum(axis=1).max()), 1e-9))
    panel.grid(visible=True, axis="x")
    panel.grid(visible=False, axis="y")
    panel.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
    panel.set_xlabel(label)
    return figure

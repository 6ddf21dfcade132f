"""Whose labels a strategy took: the reward models' shares over time, stacked, each in its colour."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from rewardrouter.report.colours import ARMS, OTHERS, Colour
from rewardrouter.report.curves import Over, draw_shares
from rewardrouter.report.elements import Cell, Figure, Key, Plot, Row, Table
from rewardrouter.report.svg import inline
from rewardrouter.report.wording import MISSING, percent, share


@dataclasses.dataclass(frozen=True)
class Shares:
    """Each RM's share of a strategy's labels in W windows that end at ``x [W]``."""

    x: Sequence[int]
    by_arm: Mapping[str, Sequence[float]]


def several_arms(strategies: Mapping[str, Shares]) -> dict[str, Shares]:
    """Return the strategies that took labels from more than one RM."""
    return {
        name: shares
        for name, shares in strategies.items()
        if shares.x and sum(any(given) for given in shares.by_arm.values()) > 1
    }


def arm_colours(strategies: Mapping[str, Shares], arms: Sequence[str]) -> dict[str, Colour]:
    """Return the colours of the RMs that are drawn apart: the most used, in the order of ``arms``."""
    used: dict[str, float] = dict.fromkeys(arms, 0.0)
    for shares in strategies.values():
        for rm, given in shares.by_arm.items():
            used[rm] = used.get(rm, 0.0) + float(np.mean(given or 0.0))
    most = sorted(used, key=lambda rm: -used[rm])[: len(ARMS)]
    return dict(zip([rm for rm in used if rm in most], ARMS, strict=False))


def arm_shares(
    strategies: Mapping[str, Shares],
    colours: Mapping[str, Colour],
    arms: Sequence[str],
    anchor: str,
    over: Over,
) -> Figure | None:
    """Return a panel per strategy; ``arms`` are the first columns of the table of numbers."""
    if not strategies:
        return None
    plots = []
    for number, (name, shares) in enumerate(strategies.items()):
        stacked, of = _stacked(shares, colours)
        caption = _ends(shares)
        drawn = draw_shares(shares.x, stacked, of, over)
        svg = inline(drawn, f"{anchor}-{number}", f"{name}: arm share. {caption}")
        plots.append(Plot(name, caption, svg))
    columns = list(dict.fromkeys([*arms, *(rm for shares in strategies.values() for rm in shares.by_arm)]))
    rows = [
        Row(name, [Cell(str(x)), *(_cell(shares, rm, i) for rm in columns)])
        for name, shares in strategies.items()
        for i, x in enumerate(shares.x)
    ]
    legend = [Key(rm, colour.css) for rm, colour in colours.items()]
    if len(columns) > len(colours):
        legend.append(Key(f"{len(columns) - len(colours)} other RMs", OTHERS.css))
    reading = (
        "Whose labels a strategy took, window by window, of those that came from one RM. "
        "One colour that swallows the others is a collapse; colours that do not move: the choice stayed as it began."
    )
    data = Table("Share of the labels by RM (%)", ["strategy", over, *columns], rows)
    return Figure(
        anchor, "Arm share over time", reading, plots, [data], legend, "From bottom to top", is_compact=True
    )


def _stacked(shares: Shares, colours: Mapping[str, Colour]) -> tuple[list[Sequence[float]], list[Colour]]:
    nothing = [0.0] * len(shares.x)
    apart = [shares.by_arm.get(rm, nothing) for rm in colours]
    rest = [given for rm, given in shares.by_arm.items() if rm not in colours]
    if not rest:
        return apart, list(colours.values())
    return [*apart, np.sum(rest, axis=0).tolist()], [*colours.values(), OTHERS]


def _cell(shares: Shares, rm: str, i: int) -> Cell:
    return Cell(share(shares.by_arm[rm][i]) if rm in shares.by_arm else MISSING)


def _ends(shares: Shares) -> str:
    """Return in words how the last window is shared out."""
    last = {rm: given[-1] for rm, given in shares.by_arm.items()}
    most = sorted(last, key=lambda rm: -last[rm])
    return "Last window: " + ", ".join(f"{rm} {percent(last[rm])}" for rm in most) + "."

"""The colours of the report, each in a light and a dark form behind one CSS variable.

Plots are drawn in the light colours; :mod:`rewardrouter.report.svg` puts the variables in their place, so one SVG
serves both. Series colours are told apart under the common colour blindnesses, and as text on the page they have a
contrast of at least 4.5 in either form (WCAG AA); tests check both.
"""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class Colour:
    """A colour: its CSS variable, and its value on a light and on a dark page."""

    variable: str
    light: str
    dark: str

    @property
    def css(self) -> str:
        """How a style names it."""
        return f"var({self.variable})"


CARD = Colour("--card", "#ffffff", "#1b2027")
INK = Colour("--ink", "#1d232b", "#e8ebef")
MUTED = Colour("--muted", "#59626e", "#a3adb9")
RULE = Colour("--rule", "#dfe3e8", "#343c46")
REFERENCE = Colour("--reference", "#0a57a4", "#6db3ff")

SERIES = (
    Colour("--series-1", "#cf4601", "#f1a965"),
    Colour("--series-2", "#004836", "#459577"),
    Colour("--series-3", "#ce3b83", "#d158b5"),
    Colour("--series-4", "#4c3900", "#e7db4d"),
    Colour("--series-5", "#0d143c", "#dcf9d8"),
)
"""For what stands beside the reference in one plot, at most as many as there are."""

ARMS = (REFERENCE, *SERIES)
"""For the RMs of a pool; what is beyond is drawn together, in :data:`OTHERS`."""

OTHERS = Colour("--others", "#8a94a1", "#77818d")

ALL = (CARD, INK, MUTED, RULE, *ARMS, OTHERS)

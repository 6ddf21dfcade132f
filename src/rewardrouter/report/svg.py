"""From a matplotlib figure to an SVG element inside the page.

Text stays text, in the page's own font and colours; ids are unique on the page; the same figure gives the same
bytes. Names in a plot are data: they are never read as TeX, and the XML writer escapes them.
"""

from __future__ import annotations

import contextlib
import io
import re
import unicodedata
import warnings
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import TextToPath

from rewardrouter.report.colours import ALL, INK, MUTED, RULE
from rewardrouter.report.wording import short

UNIT = 72.0
"""Units of the SVG's view box in an inch of matplotlib's; sizes of fonts and lines are in the same units."""

FONT_SIZE = 11.5
"""About as many pixels on a screen where the figure is as wide as drawn, which on a phone it nearly is."""

_SETTINGS: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "rewardrouter",
    "text.parse_math": False,
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same layout everywhere
    "font.size": FONT_SIZE,
    "axes.labelsize": FONT_SIZE,
    "axes.edgecolor": MUTED.light,
    "axes.labelcolor": MUTED.light,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.facecolor": "none",
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.unicode_minus": True,
    "grid.color": RULE.light,
    "grid.linewidth": 0.8,
    "text.color": INK.light,
    "xtick.color": MUTED.light,
    "ytick.color": MUTED.light,
    "xtick.labelsize": FONT_SIZE,
    "ytick.labelsize": FONT_SIZE,
    "ytick.major.size": 0,
    "lines.linewidth": 1.6,
    "lines.solid_capstyle": "round",
}

_MEASURE = TextToPath()
_VARIABLES = {colour.light: colour.css for colour in ALL}
_KEEP_STYLE = re.compile(r"font: [^;]*?([\d.]+)px [^;]*")


@contextlib.contextmanager
def drawing() -> Iterator[None]:
    """Give what is drawn in the block the report's look, whatever the user's matplotlib is set to."""
    with mpl.rc_context(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")  # the browser has it
        mpl.rcdefaults()
        mpl.rcParams.update(_SETTINGS)
        yield


def canvas(width: float, height: float) -> Figure:
    """Return an empty figure of so many units."""
    figure = Figure(figsize=(width / UNIT, height / UNIT), facecolor="none")
    FigureCanvasSVG(figure)
    return figure


def axes(figure: Figure, left: float, bottom: float, right: float, top: float) -> Axes:
    """Return axes with margins of so many units; fixed, so that the panels of a figure line up."""
    width, height = figure.get_size_inches() * UNIT
    box = (left / width, bottom / height, 1 - (left + right) / width, 1 - (bottom + top) / height)
    return figure.add_axes(box)


def size(panel: Axes) -> tuple[float, float]:
    """Return the width and height of axes in units of the SVG."""
    box, scale = panel.get_window_extent(), UNIT / panel.figure.dpi
    return box.width * scale, box.height * scale


def fitting(name: str, width: float, *, is_bold: bool = False) -> str:
    """Return a name for a plot, cut so that it is at most so many units wide.

    It is measured in DejaVu Sans, about as wide as a browser's own font gets.
    """
    shown = "".join(sign if sign.isprintable() else "\ufffd" for sign in name)
    font = FontProperties(family="DejaVu Sans", size=FONT_SIZE, weight="bold" if is_bold else "normal")

    def units(text: str) -> float:
        measured: float = _MEASURE.get_text_width_height_descent(text, font, False)[0]
        # Signs of a whole em, as in Chinese, are not in that font: it gives the width of its empty box.
        return measured + 0.4 * FONT_SIZE * sum(unicodedata.east_asian_width(sign) in "WF" for sign in text)

    most = min(len(shown), int(width))  # no sign is so narrow; a long name is not measured at every length
    return next(cut for n in range(most, -1, -1) for cut in [short(shown, n)] if units(cut) <= width)


def inline(figure: Figure, key: str, label: str) -> str:
    """Return the figure as an ``<svg>`` element for an HTML page.

    Parameters
    ----------
    figure
        Drawn within :func:`drawing`.
    key
        Letters, digits and dashes, unique on the page: the ids in the SVG begin with it.
    label
        What the plot shows, for those who do not see it.
    """
    written = io.BytesIO()
    figure.savefig(written, format="svg", metadata={"Date": None})
    root = ET.fromstring(written.getvalue())  # noqa: S314 (matplotlib wrote it)
    used = set(re.findall(r"(?:url\(#|href=\"#)([^)\"]+)", written.getvalue().decode()))
    _clean(root, key, used)
    box = root.attrib["viewBox"]
    root.attrib.clear()
    root.attrib.update({"viewBox": box, "role": "img", "aria-label": label})
    return ET.tostring(root, encoding="unicode", short_empty_elements=True)


def _clean(element: ET.Element, key: str, used: set[str]) -> None:
    """Take off, from ``element`` and all in it, what has no place inside a page."""
    element.tag = _local(element.tag)
    for child in list(element):
        if _local(child.tag) in ("metadata", "style"):  # its style would hold for the whole page
            element.remove(child)
        else:
            _clean(child, key, used)
    for name, value in list(element.attrib.items()):
        del element.attrib[name]
        if name == "id" and value not in used:
            continue
        element.attrib[_local(name)] = _attribute(_local(name), value, key)


def _attribute(name: str, value: str, key: str) -> str:
    if name == "id":
        return f"{key}-{value}"
    if name == "href":
        return value.replace("#", f"#{key}-")
    if name == "style":
        value = _KEEP_STYLE.sub(r"font-size: \1px", value)
        return re.sub(r"#[0-9a-f]{6}\b", lambda found: _VARIABLES.get(found[0], found[0]), value)
    return value.replace("url(#", f"url(#{key}-") if name == "clip-path" else value


def _local(name: str) -> str:
    return name.rpartition("}")[2]

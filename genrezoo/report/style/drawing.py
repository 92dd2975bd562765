"""The style of figures, with colours for colour-blind readers and labels that do not overlap.

Figures are SVG text with letters as paths, so that they look the same everywhere. The same data give the same bytes.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import math
import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from xml.sax.saxutils import escape

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator
from matplotlib.transforms import Bbox

from genrezoo.report.style.number_format import significant

INK, MUTED = "#1b1f24", "#7a828a"
GROUND = "#fdfefe"
"""Colour of the background; a page replaces it by its own."""
FAMILY_COLOURS = {"zoo": "#0072b2", "baseline": "#d55e00", "mixed": "#009e73"}
FAMILY_MARKERS = {"zoo": "o", "baseline": "s", "mixed": "D"}
LINE_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
"""Six colours of Okabe and Ito (2008) that differ for all common kinds of colour blindness."""
CURVE_COLOURS = (*LINE_COLOURS, INK, MUTED)
BEST_COLOUR, OWN_COLOUR = LINE_COLOURS[1], LINE_COLOURS[2]
"""Colours of the best trial of a search, and of the recipe's own values."""

NO_XML = re.compile("[^\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML does not allow."""

WIDTH = 10.4  # inches; a page shows it some 1,040 pixels wide
_STYLE: Any = {
    "font.family": "DejaVu Sans", "font.size": 9, "svg.fonttype": "path", "text.parse_math": False, "text.color": INK,
    "axes.edgecolor": MUTED, "axes.labelcolor": INK, "xtick.color": INK, "ytick.color": INK, "axes.spines.top": False,
    "axes.spines.right": False, "axes.grid": True, "grid.color": MUTED, "grid.alpha": 0.25, "grid.linewidth": 0.6,
    "axes.axisbelow": True, "axes.titlesize": 10, "axes.titleweight": "bold", "axes.titlelocation": "left",
    "xtick.major.size": 0, "ytick.major.size": 0, "xtick.minor.size": 0, "ytick.minor.size": 0,
}  # fmt: skip


@dataclass(frozen=True)
class Plot:
    """One figure of a report.

    Attributes:
        name: Part of its file's name: lower-case letters, digits and hyphens.
        title: Heading.
        caption: Description.
        svg: The SVG element.
        study: Whether it belongs to a study: then it is before the leaderboard.
    """

    name: str
    title: str
    caption: str
    svg: str
    study: bool = False


@contextlib.contextmanager
def styled(**more: Any) -> Iterator[None]:
    """Applies the style of all figures within the block; ``more`` are further settings of Matplotlib."""
    settings: Any = {**_STYLE, **more}
    with mpl.rc_context(settings), warnings.catch_warnings():
        # Letters that the font lacks are drawn as boxes; the tables of the page show them.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        yield


def as_svg(name: str, draw: Callable[[Figure], None], *, height: float, width: float = WIDTH) -> str:
    """Draws a figure and returns it as SVG.

    Args:
        name: Part of the ids inside the figure, which must be unique on a page.
        draw: Fills the empty figure.
        height: In inches.
        width: In inches.

    Returns:
        The SVG element, without a background.
    """
    with styled(**{"svg.hashsalt": name, "figure.dpi": 72}):
        figure = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasAgg(figure)  # measures the labels before anything is written
        draw(figure)
        file = io.StringIO()
        figure.savefig(file, format="svg", transparent=True)
    svg = file.getvalue()
    svg = svg[svg.index("<svg") :]
    # Remove the date of drawing, and the texts of labels, which are comments.
    svg = re.sub(r"<metadata>.*?</metadata>\s*|<!--.*?-->\s*", "", svg, flags=re.DOTALL)
    # A style element would apply to the whole page; its only rule can be inherited instead.
    svg = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>", '<g stroke-linejoin="round">', svg, count=1, flags=re.DOTALL)
    svg = svg.rstrip().removesuffix("</svg>") + "</g>\n</svg>\n"
    return re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>figure-{name}-", svg)


def on_white(svg: str) -> str:
    """Adds a white background to a figure, for a file of its own."""
    head, rest = svg.split(">", 1)
    return f'{head}>\n <rect width="100%" height="100%" fill="#ffffff"/>{rest}'


def as_tipped_svg(
    name: str, draw: Callable[[Figure, dict[str, str]], None], *, height: float, width: float = WIDTH
) -> str:
    """Draws a figure with tooltips.

    Args:
        name: As in `as_svg`.
        draw: Fills the empty figure, and an empty table of tooltips by the ``gid`` of their mark, which begins with
            ``tip-``.
        height: In inches.
        width: In inches.
    """
    tips: dict[str, str] = {}
    svg = as_svg(name, lambda figure: draw(figure, tips), height=height, width=width)

    def say(found: re.Match[str]) -> str:
        tip = tips.get(found.group(1))
        return found.group() if tip is None else f"{found.group()}<title>{escape(NO_XML.sub('?', tip))}</title>"

    return re.sub(r'<g id="figure-[a-z0-9-]+?-(tip-[a-z0-9-]+)">', say, svg)


def short(name: str, longest: int = 40) -> str:
    """Returns a name on one line, shortened to ``longest`` letters."""
    name = re.sub("[\ud800-\udfff]", "?", " ".join(name.split()))  # half a pair of surrogates cannot be drawn
    return name if len(name) <= longest else f"{name[: longest - 1]}…"


def place_labels(
    axes: Axes, points: Sequence[tuple[float, float]], labels: Sequence[str], obstacles: list[Bbox]
) -> None:
    """Writes a label beside each point without overlaps, if necessary at a distance with a thin line.

    Args:
        axes: Axes with their final limits.
        points: Points in data coordinates, the most important first.
        labels: One label per point.
        obstacles: Other boxes that labels must not overlap, in pixels of the figure.
    """
    figure = axes.figure
    figure.canvas.draw()  # fixes the layout, so that pixels are final
    pixels = axes.transData.transform(points)
    frame = axes.get_window_extent()
    taken = [Bbox.from_extents(x - 5, y - 5, x + 5, y + 5) for x, y in pixels] + list(obstacles)
    for (x, y), label in zip(pixels, labels, strict=True):
        text = axes.text(0, 0, short(label), transform=None, fontsize=8, va="center", ha="center")
        text.set_in_layout(False)
        size = text.get_window_extent()
        best = (math.inf, x, y, 0.0)
        for radius, turn in itertools.product((0.0, 8.0, 18.0, 30.0, 44.0, 60.0, 80.0), range(16)):
            angle = math.tau * turn / 16
            across, up = math.cos(angle), math.sin(angle)
            # An anchor on the rim of the label: its nearest side or corner faces the point.
            middle_x = x + (radius + 8) * across + max(-1, min(1, 1.5 * across)) * size.width / 2
            middle_y = y + (radius + 7) * up + max(-1, min(1, 1.5 * up)) * size.height / 2
            box = Bbox.from_bounds(middle_x - size.width / 2, middle_y - size.height / 2, size.width, size.height)
            lost = size.width * size.height - _overlap(box, frame)
            cost = sum(_overlap(box, other) for other in taken) + 3 * lost + 0.5 * radius
            best = min(best, (cost, middle_x, middle_y, radius))
        _, middle_x, middle_y, radius = best
        text.set_position((middle_x, middle_y))
        taken.append(text.get_window_extent().padded(1))
        if radius > 12:
            edge_x = min(max(x, middle_x - size.width / 2), middle_x + size.width / 2)
            edge_y = min(max(y, middle_y - size.height / 2), middle_y + size.height / 2)
            ends = axes.transData.inverted().transform([(x, y), (edge_x, edge_y)])
            axes.plot(*zip(*ends, strict=True), color=MUTED, linewidth=0.6, zorder=1, scalex=False, scaley=False)


def around(one: np.ndarray, other: np.ndarray) -> Bbox:
    """Returns the box around a straight line with a small margin."""
    (x0, y0), (x1, y1) = one, other
    return Bbox.from_extents(min(x0, x1) - 1, min(y0, y1) - 1, max(x0, x1) + 1, max(y0, y1) + 1)


def log_ticks(axes: Axes) -> None:
    """Sets ticks at 1, 2 and 5 times powers of ten, written as plain numbers."""
    low, high = axes.get_xlim()
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5), numticks=99))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{float(significant(value).replace(',', '')):g}"))
    axes.set_xlim(low, high)


def write_beside(axes: Axes, place: float, texts: Sequence[str], weight: str = "normal") -> None:
    """Writes a row of texts to the right of axes, at a height in data coordinates."""
    for shift, text in zip((10, 130), texts, strict=True):  # points to the right of the axes
        axes.annotate(
            text, (1, place), xycoords=axes.get_yaxis_transform(), xytext=(shift, 0), textcoords="offset points",
            va="center", fontsize=8.5, fontweight=weight, annotation_clip=False,
        )  # fmt: skip


def spread(places: Sequence[float], gap: float) -> list[float]:
    """Returns the nearest places that are at least ``gap`` apart, in the same order.

    Example:
        >>> spread([1.0, 1.0, 5.0], gap=2.0)
        [0.0, 2.0, 5.0]
    """
    from scipy.optimize import isotonic_regression  # imported here, because few figures need it

    if not places:
        return []
    order, steps = np.argsort(places, kind="stable"), gap * np.arange(len(places))
    found = np.empty(len(places))
    found[order] = isotonic_regression(np.array(places)[order] - steps).x + steps
    return list(map(float, found))


def _overlap(one: Bbox, other: Bbox) -> float:
    width = min(one.x1, other.x1) - max(one.x0, other.x0)
    height = min(one.y1, other.y1) - max(one.y0, other.y0)
    return float(width * height) if width > 0 and height > 0 else 0.0

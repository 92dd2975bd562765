"""Bars with the figures at their ends."""

from __future__ import annotations

import math
from collections.abc import Sequence

from matplotlib.axes import Axes

from genrezoo.report.drawing import INK
from genrezoo.report.study_lines import Kind


def draw_bars(
    axes: Axes, bars: Sequence[tuple[tuple[float, float, float] | None, str]], kind: Kind, upright: bool
) -> None:
    """Draws bars from zero with their figures at the ends.

    Args:
        axes: Empty axes.
        bars: Of each the mean with its bounds, which are drawn where they differ, and a colour; None leaves a gap.
        kind: What the figures are, before scaling.
        upright: Whether the bars stand.
    """
    most = 100.0 if kind.scale == 100 else math.inf  # intervals of few seeds may reach beyond what there is
    highest = max(min(kind.scale * found[2], most) for found, _ in bars if found)
    for place, (found, colour) in enumerate(bars):
        if not found:
            continue
        mean, low, high = (min(kind.scale * part, most) for part in found)
        (axes.bar if upright else axes.barh)(place, mean, 0.62, color=colour, alpha=0.75, linewidth=0)
        ends, where = [max(low, 0), high], [place, place]
        if high > low:
            axes.plot(*((where, ends) if upright else (ends, where)), color=INK, linewidth=1.4)
        at = (place, high) if upright else (high, place)
        axes.annotate(
            kind.write(mean), at, xytext=(0, 4) if upright else (5, 0), textcoords="offset points", fontsize=8,
            ha="center" if upright else "left", va="bottom" if upright else "center",
        )  # fmt: skip
    axes.set_title(kind.title)
    axes.grid(visible=False, axis="x" if upright else "y")
    (axes.set_ylim if upright else axes.set_xlim)(0, 1.12 * highest or 1)

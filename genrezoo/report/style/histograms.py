"""Histograms of the difficulty of songs and of weights, for plots and benchmarks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from genrezoo.report.style.drawing import LINE_COLOURS, as_svg, short


def difficulty_figure(table: Mapping[str, Any], name: str = "difficulty") -> str:
    """Draws the histogram of the songs' difficulty and its cumulative distribution.

    Args:
        table: ``songs``, ``mean``, ``variance`` and ``histogram`` (``edges``, ``counts``), as
            `genrezoo.training.curriculum.difficulty_table` returns them.
        name: Part of the ids inside the figure.

    Returns:
        The SVG element.
    """
    edges, counts = (np.array(table["histogram"][key], float) for key in ("edges", "counts"))

    def draw(figure: Figure) -> None:
        left, right = figure.subplots(1, 2)
        left.bar(edges[:-1], counts, np.diff(edges), align="edge", color=LINE_COLOURS[0], edgecolor="none")
        left.set_title(f"{table['songs']:,} songs: mean {table['mean']:.4f}, variance {table['variance']:.4f}")
        left.set_ylabel("Songs")
        left.yaxis.set_major_locator(MaxNLocator(6, integer=True))
        left.axvline(table["mean"], color=LINE_COLOURS[1], linewidth=1.2)
        right.plot(edges, np.concatenate([[0], np.cumsum(counts)]) / max(counts.sum(), 1) * 100, color=LINE_COLOURS[0])
        right.set_title("Songs of at most this difficulty (%)")
        for axes in (left, right):
            axes.set_xlabel("Difficulty: cross-entropy of the true genre (nats)")

    return as_svg(name, draw, height=3.2)


def weights_figure(histograms: Mapping[str, Mapping[str, Any]], name: str = "weights") -> str:
    """Draws histograms of weights, one panel per array, with logarithmic counts that show the tails.

    Args:
        histograms: By label, ``edges``, ``counts`` and ``zeros``, as `genrezoo.training.pruning.weight_histogram`
            returns them. Several are drawn below each other with one scale.
        name: Part of the ids inside the figure.

    Returns:
        The SVG element.
    """
    lines = [[(label, part, array) for array in part["counts"]] for label, part in histograms.items()]
    compared = len(lines) > 1
    if not compared:
        lines = [lines[0][start : start + 3] for start in range(0, len(lines[0]), 3)]
    ends = [part["edges"][end] for part in histograms.values() for end in (0, -1)]

    def draw(figure: Figure) -> None:
        grid = figure.subplots(len(lines), max(map(len, lines)), sharey=True, squeeze=False)
        for row, line in zip(grid, lines, strict=True):
            row[0].set_ylabel("Weights")
            for axes in row[len(line) :]:
                axes.set_visible(False)
            for axes, (label, part, array) in zip(row, line, strict=False):
                edges, counts = np.array(part["edges"], float), np.array(part["counts"][array], float)
                axes.bar(edges[:-1], counts, np.diff(edges), align="edge", color=LINE_COLOURS[0], edgecolor="none")
                axes.set_yscale("log")
                axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
                axes.set_xlim(min(ends), max(ends))
                what = f"{short(label, 24)}, {short(array, 24)}" if compared else short(array, 24)
                axes.set_title(f"{what}\n{100 * part['zeros'][array]:.1f} % zero", fontsize=8)
                axes.set_xlabel("Weight")

    return as_svg(name, draw, height=2.6 * len(lines))

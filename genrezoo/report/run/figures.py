"""Figures of single runs, from plain data: a cascade's trade-off, feature importance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from genrezoo.report.style.drawing import LINE_COLOURS, MUTED, as_svg, short, spread


def trade_off_figure(
    curves: Mapping[str, tuple[Sequence[float], Sequence[float]]],
    *,
    alone: Mapping[str, Mapping[str, float]],
    chosen: Mapping[str, tuple[float, float]],
    name: str = "trade-off",
) -> str:
    """Draws the accuracy of a cascade against the fraction of songs that it defers to the teacher.

    Args:
        curves: For each set of songs the fractions and the accuracies, both in [0, 1].
        alone: For each set the accuracies of ``student`` and ``teacher`` alone.
        chosen: For each set the fraction and the accuracy at the cascade's threshold.
        name: Part of the ids inside the figure.

    Returns:
        The SVG element.
    """

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        lines = []
        for colour, (label, (fractions, accuracies)) in zip(LINE_COLOURS, curves.items(), strict=False):
            axes.plot(100 * np.array(fractions), 100 * np.array(accuracies), color=colour, linewidth=1.5, label=label)
            fraction, accuracy = chosen[label]
            axes.plot(100 * fraction, 100 * accuracy, "o", color=colour, markersize=6)
            for model, accuracy in alone[label].items():
                axes.axhline(100 * accuracy, color=colour, linewidth=0.9, linestyle=(0, (4, 2)), alpha=0.7)
                lines.append((100 * accuracy, f"{model} alone, {label}"))
        low, high = axes.get_ylim()
        heights = spread([height for height, _ in lines], gap=(high - low) * 0.05)
        for (_, label), height in zip(lines, heights, strict=True):
            axes.annotate(label, (1.01, height), xycoords=("axes fraction", "data"), va="center", fontsize=8.5)
        axes.set_ylim(low, high)
        axes.set_xlabel("Songs deferred to the teacher (%)")
        axes.set_ylabel("Accuracy (%)")
        axes.set_title("Trade-off of a cascade; the dots mark its threshold")
        figure.legend(frameon=False, loc="outside right upper")

    return as_svg(name, draw, height=3.8, width=7.0)


def importance_figure(
    genres: Sequence[str],
    lost: Mapping[str, Sequence[tuple[float, float, float]]],
    *,
    recall: Sequence[float],
    name: str = "importance",
) -> str:
    """Draws the loss of recall of each genre when a group of features is permuted among the songs.

    Args:
        genres: Names of the genres; ``"all"`` may be the first.
        lost: For each group of features and each genre the lost recall, with the bounds of its interval.
        recall: Recall of each genre without permutation.
        name: Part of the ids inside the figure.

    Returns:
        The SVG element.
    """
    groups = list(lost)
    step = 0.8 / len(groups)

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        for number, group in enumerate(groups):
            middle, low, high = 100 * np.array(lost[group], float).T
            places = np.arange(len(genres)) + (number - (len(groups) - 1) / 2) * step
            colour = LINE_COLOURS[number % len(LINE_COLOURS)]
            axes.hlines(places, low, high, color=colour, linewidth=1.5)
            axes.plot(middle, places, "o", color=colour, markersize=4.5, label=short(group))
        axes.axvline(0, color=MUTED, linewidth=0.9)
        labels = [f"{short(genre, 24)} ({100 * right:.0f} %)" for genre, right in zip(genres, recall, strict=True)]
        axes.set_yticks(range(len(genres)), labels)
        axes.set_ylim(len(genres) - 0.4, -0.6)
        axes.grid(visible=False, axis="y")
        for place in range(1, len(genres)):
            axes.axhline(place - 0.5, color=MUTED, linewidth=0.4, alpha=0.5)
        axes.set_xlabel("Loss of recall when the group is permuted among songs (points, 95 % intervals)")
        axes.set_title("Importance of each feature group (recall with all features)")
        figure.legend(frameon=False, loc="outside right upper")

    return as_svg(name, draw, height=1.2 + 0.16 * len(genres) * (len(groups) + 1), width=8.6)

"""The figures of a leaderboard as SVG text, from plain data."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from genrezoo.report.benchmark.captions import shapes
from genrezoo.report.benchmark.records import Board, Entry
from genrezoo.report.style.captions import CELLS, LEARNING
from genrezoo.report.style.drawing import (
    FAMILY_COLOURS,
    FAMILY_MARKERS,
    GROUND,
    INK,
    LINE_COLOURS,
    WIDTH,
    Plot,
    as_svg,
    as_tipped_svg,
    short,
    write_beside,
)
from genrezoo.report.style.front import draw_front
from genrezoo.report.style.heatmap import draw_confusion, draw_heatmap, per_cent
from genrezoo.report.style.learning_curves import learning_curves
from genrezoo.report.style.number_format import interval, percent, significant

MOST_CURVES = len(LINE_COLOURS)


def draw_board(board: Board, number: int) -> list[Plot]:
    """Draws all figures of a board that its data allow.

    Args:
        board: The board.
        number: Position of the board in the report, from 1; part of the figures' names.
    """
    plots: list[Plot] = []

    def add(kind: str, title: str, caption: str, draw: Callable[[str], str]) -> None:
        name = f"{stem_of(board, number)}-{kind}"
        plots.append(Plot(name, title, caption, draw(name)))

    marks = shapes(entry.family for entry in board.entries)
    if board.entries:
        caption = f"Mean test accuracy with its 95 % interval. {marks}"
        if any(len(entry.seeds) > 1 for entry in board.entries):
            caption += " Pale dots are single seeds."
        if board.bayes is not None:
            caption += " Dashed lines: the best attainable accuracy, and the best without the order of segments."
        add("accuracy", "Accuracy", caption, lambda name: accuracy_figure(board, name))
    if timed_entries(board):
        caption = (
            "Median latency for one song, on a logarithmic scale, against test accuracy. The line joins the "
            f"Pareto-optimal models, which no other beats in both. {marks} Hover over a mark to see its values."
        )
        if any("onnx_p50" in entry.speed for entry in board.entries):
            caption += " Hollow marks are exported models run by ONNX Runtime; a dotted line leads to each."
        add("speed", "Accuracy against latency", caption, lambda name: pareto_figure(board, name))
    trained = sorted((entry for entry in board.entries if entry.history), key=lambda entry: -entry.validation)
    if trained:
        which = f"The {MOST_CURVES} best models by validation accuracy. " if len(trained) > MOST_CURVES else ""
        caption = f"{which}Representative run of each. {LEARNING}"
        histories = {entry.name: entry.history for entry in trained[:MOST_CURVES] if entry.history}
        add("learning", "Learning curves", caption, lambda name: learning_curves(histories, name))
    f1 = {entry.name: entry.f1 for entry in board.entries if entry.f1}
    if f1:
        caption = f"In per cent, mean over the seeds; darker is better. Genres are sorted from easy to hard. {CELLS}"
        add("genres", "F1 of each genre", caption, lambda name: genre_figure(f1, board.genres, name))
    best = _best_of_each([entry for entry in board.entries if entry.confusion])
    confusions = {entry.name: entry.confusion for entry in best if entry.confusion}
    if confusions:
        caption = (
            "Percentage of each genre's songs (rows) predicted as each genre (columns), by the representative run of "
            "the best models by validation accuracy. Cells below half a per cent are blank. "
            f"{CELLS}"
        )
        add("confusion", "Confusion", caption, lambda name: confusion_figure(confusions, board.genres, name))
    return plots


def stem_of(board: Board, number: int) -> str:
    """Returns the prefix of the names of a board's figures: its position in the report and the data's name."""
    stem = re.sub(r"[^a-z0-9]+", "-", board.data.lower())[:40].strip("-")
    return f"{number}-{stem}" if stem else str(number)


def accuracy_figure(board: Board, name: str = "accuracy") -> str:
    """Draws test accuracy with intervals as a forest plot: best on top, baselines in another colour and shape."""
    rows = max(len(board.entries), 2)  # the texts above a single row would be higher than the row itself

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        for place, entry in enumerate(board.entries):
            colour = FAMILY_COLOURS[entry.family]
            _draw_interval(axes, [place, place], entry, across=True)
            if len(entry.seeds) > 1:
                seeds = [100 * value for value in entry.accuracies]
                axes.plot(seeds, [place + 0.3] * len(seeds), "o", color=colour, markersize=3, alpha=0.6)
            axes.plot(100 * entry.accuracy.mean, place, FAMILY_MARKERS[entry.family], color=colour, markersize=6)
            write_beside(axes, place, (f"{percent(entry.accuracy.mean)}  {interval(entry.accuracy)}", entry.group))
        write_beside(axes, -1, ("Accuracy (%)", "Group"), "bold")
        # The lower ceiling is named to its left, the upper to its right: they never write over each other.
        for value, label, side in ((board.order_free, "without order", "right"), (board.bayes, "attainable", "left")):
            if value is not None:
                axes.axvline(100 * value, color=INK, linestyle=(0, (4, 3)), linewidth=1)
                axes.text(100 * value, -1.9, f" {label} {percent(value)} ", ha=side, va="center", fontsize=8)
        axes.set_yticks(range(len(board.entries)), [short(entry.name) for entry in board.entries])
        axes.set_ylim(rows - 0.4, -0.6)
        axes.set_xlabel("Test accuracy (%)")
        axes.grid(visible=False, axis="y")
        low, high = axes.dataLim.intervalx
        axes.set_xlim(low - 0.04 * (high - low) - 0.5, high + 0.04 * (high - low) + 0.5)

    return as_svg(name, draw, height=1.0 + 0.29 * rows)


def pareto_figure(board: Board, name: str = "speed") -> str:
    """Draws accuracy against the median latency of one song, with the Pareto front."""

    def draw(figure: Figure, tips: dict[str, str]) -> None:
        draw_pareto(figure.subplots(), board)
        for place, (entry, latency) in enumerate(timed_entries(board)):
            exported = " (ONNX)" if latency == "onnx_p50" else ""
            accuracy = f"{percent(entry.accuracy.mean)} % {interval(entry.accuracy)}"
            tips[f"tip-{place}"] = (
                f"{entry.name}{exported}\naccuracy {accuracy}\nlatency {significant(entry.speed[latency])} ms"
            )

    return as_tipped_svg(name, draw, height=5.6)


def draw_pareto(axes: Axes, board: Board) -> None:
    """Draws accuracy against latency, with the Pareto front, on empty axes."""
    timed = timed_entries(board)
    entries = [entry for entry, _ in timed]
    points = [(entry.speed[name], 100 * entry.accuracy.mean) for entry, name in timed]
    front = pareto_front(points)
    labels = [f"{entry.name} (ONNX)" if name == "onnx_p50" else entry.name for entry, name in timed]
    axes.set_xscale("log")
    for place, ((entry, name), (x, y)) in enumerate(zip(timed, points, strict=True)):
        colour, exported = FAMILY_COLOURS[entry.family], name == "onnx_p50"
        _draw_interval(axes, [x, x], entry, across=False)
        if exported and "p50" in entry.speed:
            axes.plot([x, entry.speed["p50"]], [y, y], ":", color=colour, linewidth=1, alpha=0.6)
        look: dict[str, Any] = {"markerfacecolor": GROUND} if exported else {}
        axes.plot(x, y, FAMILY_MARKERS[entry.family], color=colour, markersize=7, gid=f"tip-{place}", **look)
    axes.set_xlabel("Latency of one song, median (ms)")
    axes.set_ylabel("Test accuracy (%)")
    axes.margins(x=0.12, y=0.08)
    axes.autoscale_view()
    order = front + [number for number in range(len(entries)) if number not in front]
    walls = [
        ((x, 100 * entry.accuracy.low), (x, 100 * entry.accuracy.high))
        for entry, (x, _) in zip(entries, points, strict=True)
    ]
    names = [labels[number] for number in order]
    draw_front(axes, [points[number] for number in front], [points[number] for number in order], names, walls)


def timed_entries(board: Board) -> list[tuple[Entry, str]]:
    """Returns each entry of a board with the name of each of its measured latencies, exported models last."""
    return [(entry, name) for name in ("p50", "onnx_p50") for entry in board.entries if name in entry.speed]


def _draw_interval(axes: Axes, place: list[float], entry: Entry, *, across: bool) -> None:
    bounds, colour = [100 * entry.accuracy.low, 100 * entry.accuracy.high], FAMILY_COLOURS[entry.family]
    look: dict[str, Any] = {"linewidth": 1.8} if across else {"linewidth": 1.2, "alpha": 0.45}
    axes.plot(*((bounds, place) if across else (place, bounds)), color=colour, solid_capstyle="butt", **look)


def pareto_front(points: Sequence[tuple[float, float]]) -> list[int]:
    """Returns the indices of the Pareto-optimal points (cost, gain).

    Returns:
        Indices in order of ascending cost and gain.

    Example:
        >>> pareto_front([(1.0, 0.5), (2.0, 0.4), (3.0, 0.9)])
        [0, 2]
    """
    front: list[int] = []
    for number in sorted(range(len(points)), key=lambda n: (points[n][0], -points[n][1])):
        if not front or points[number][1] > points[front[-1]][1]:
            front.append(number)
    return front


def genre_figure(f1: Mapping[str, Sequence[float]], genres: Sequence[str], name: str = "genres") -> str:
    """Draws F1 of each genre (columns) for each model (rows) as a heat map with the values in it.

    Args:
        f1: One value in [0, 1] per genre, by model.
        genres: Names of the genres.
        name: Prefix of the ids inside the figure.
    """
    table = np.array(list(f1.values()))  # (models, genres)
    order = np.argsort(-table.mean(axis=0), kind="stable")
    table = np.concatenate([table.mean(axis=1, keepdims=True), table[:, order]], axis=1)
    heads = ["macro", *(genres[place] for place in order)]
    says = np.array(
        [
            [f"{model}, {head}\nF1 {percent(value)} %" for head, value in zip(heads, row, strict=True)]
            for model, row in zip(f1, table, strict=True)
        ]
    )

    def draw(figure: Figure, tips: dict[str, str]) -> None:
        look: dict[str, Any] = {"inches": WIDTH * 0.8, "gap_after": 1, "says": says, "tips": tips}
        draw_heatmap(figure.subplots(), table, per_cent(table), list(f1), heads, **look)

    return as_tipped_svg(name, draw, height=1.0 + 0.25 * len(f1) + 0.055 * min(max(map(len, heads)), 24))


def confusion_figure(
    confusions: Mapping[str, Sequence[Sequence[int]]], genres: Sequence[str], name: str = "confusion"
) -> str:
    """Draws confusion matrices with each row as fractions of the genre's songs.

    Args:
        confusions: Songs by truth (rows) and prediction (columns), by model.
        genres: Names of the genres.
        name: Prefix of the ids inside the figure.
    """
    beside = len(genres) <= 12  # more do not fit side by side
    rows, columns = (1, len(confusions)) if beside else (len(confusions), 1)

    def draw(figure: Figure, tips: dict[str, str]) -> None:
        grid = figure.subplots(rows, columns, squeeze=False)
        for axes, (model, confusion) in zip(grid.ravel(), confusions.items(), strict=True):
            draw_confusion(axes, confusion, genres, inches=WIDTH * 0.85 / columns, tips=tips)
            axes.set_title(short(model), pad=12)

    per = WIDTH / 2 if beside else 0.27 * len(genres) + 1.4
    return as_tipped_svg(name, draw, height=rows * per)


def _best_of_each(entries: Sequence[Entry]) -> list[Entry]:
    """Returns the best entry of each family by validation accuracy; the two best of the zoo without a baseline."""
    ordered = sorted(entries, key=lambda entry: -entry.validation)
    firsts = [next((entry for entry in ordered if entry.family == family), None) for family in ("zoo", "baseline")]
    found = [entry for entry in firsts if entry is not None]
    return found if len(found) == 2 else ordered[:2]

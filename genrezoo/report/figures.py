"""The figures of a report as SVG text, each from plain data."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator
from matplotlib.transforms import Bbox

from genrezoo.report.curves import learning_curves
from genrezoo.report.drawing import (
    FAMILY_COLOURS,
    FAMILY_MARKERS,
    INK,
    LINE_COLOURS,
    MUTED,
    WIDTH,
    as_svg,
    place_labels,
    short,
)
from genrezoo.report.heat import heat
from genrezoo.report.numbers import percent, significant
from genrezoo.report.records import Board, Line
from genrezoo.report.words import interval

MOST_CURVES = len(LINE_COLOURS)


@dataclass(frozen=True)
class Drawing:
    """One figure of a board.

    Attributes:
        name: Part of its file's name: lower-case letters, figures and hyphens.
        title: Heading.
        caption: What it shows and how to read it.
        svg: The SVG element.
        study: Whether a suite asked for it: then it stands before the leaderboard.
    """

    name: str
    title: str
    caption: str
    svg: str
    study: bool = False


def draw_board(board: Board, number: int) -> list[Drawing]:
    """All figures of a board that its data allow.

    Args:
        board: The board.
        number: Its place in the report, from 1: part of the figures' names.
    """
    stem = stem_of(board, number)
    drawings = []

    def add(name: str, title: str, caption: str, svg: str) -> None:
        drawings.append(Drawing(f"{stem}-{name}", title, caption, svg))

    if board.lines:
        caption = "Mean test accuracy with its 95 % interval. Squares are peers."
        if any(len(line.seeds) > 1 for line in board.lines):
            caption += " Pale dots are the single seeds."
        if board.bayes is not None:
            caption += " Dashed lines: the best accuracy attainable at all, and without the order of segments."
        add("accuracy", "Accuracy", caption, accuracy_figure(board, f"{stem}-accuracy"))
    if any("p50" in line.speed for line in board.lines):
        add(
            "speed",
            "Accuracy against latency",
            "Median time for one song, on a logarithmic scale, against test accuracy. The line joins the models that "
            "no "
            "other beats in both. Squares are peers.",
            pareto_figure(board, f"{stem}-speed"),
        )
    learned = sorted((line for line in board.lines if line.history), key=lambda line: -line.validation)
    if learned:
        which = f"The {MOST_CURVES} best models by validation accuracy, " if len(learned) > MOST_CURVES else ""
        add(
            "learning",
            "Learning curves",
            f"{which}{'r' if which else 'R'}epresentative run of each. Solid: validation songs; dashed: training songs "
            "(as seen in training, with dropout and penalties where the recipe has them). The dot marks the best epoch "
            "by validation accuracy.",
            learning_curves(
                {line.name: line.history for line in learned[:MOST_CURVES] if line.history}, f"{stem}-learning"
            ),
        )
    judged = [line for line in board.lines if line.f1]
    if judged:
        add(
            "genres",
            "F1 of each genre",
            "In per cent, mean over the seeds; darker is better. The genres stand in order, the easiest first.",
            genre_figure({line.name: line.f1 for line in judged if line.f1}, board.genres, f"{stem}-genres"),
        )
    shown = _best_of_each([line for line in judged if line.confusion])
    if shown:
        add(
            "confusion",
            "Confusion",
            "Per cent of each genre's songs (rows) that were given each genre (columns), by the representative run of "
            "the "
            "best models by validation accuracy. Shares below half a per cent are left blank.",
            confusion_figure(
                {line.name: line.confusion for line in shown if line.confusion}, board.genres, f"{stem}-confusion"
            ),
        )
    return drawings


def stem_of(board: Board, number: int) -> str:
    """What the names of a board's figures begin with: its place in the report and the data's name."""
    stem = re.sub(r"[^a-z0-9]+", "-", board.data.lower())[:40].strip("-")
    return f"{number}-{stem}" if stem else str(number)


def accuracy_figure(board: Board, name: str = "accuracy") -> str:
    """Test accuracy with intervals as a forest plot: models from the best down, peers in another colour and shape."""

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        beside = axes.get_yaxis_transform()

        def write(place: float, accuracy: str, group: str, weight: str = "normal") -> None:
            for shift, text in ((10, accuracy), (135, group)):  # points to the right of the axes
                axes.annotate(
                    text, (1, place), xycoords=beside, xytext=(shift, 0), textcoords="offset points", va="center",
                    fontsize=8.5, fontweight=weight, annotation_clip=False,
                )  # fmt: skip

        for place, line in enumerate(board.lines):
            colour = FAMILY_COLOURS.get(line.family, INK)
            bounds = [100 * line.accuracy.low, 100 * line.accuracy.high]
            axes.plot(bounds, [place, place], color=colour, linewidth=1.8, solid_capstyle="butt")
            if len(line.seeds) > 1:
                seeds = [100 * value for value in line.accuracies]
                below = [place + 0.3] * len(seeds)
                axes.plot(seeds, below, "o", color=colour, markersize=3, alpha=0.6, markeredgewidth=0)
            axes.plot(100 * line.accuracy.mean, place, FAMILY_MARKERS.get(line.family, "o"), color=colour, markersize=6)
            write(place, f"{percent(line.accuracy.mean)}  {interval(line.accuracy)}", line.group)
        write(-1, "Accuracy (%)", "Group", "bold")
        # The lower ceiling is named to its left, the upper to its right: they never write over each other.
        for value, label, side in ((board.order_free, "without order", "right"), (board.bayes, "attainable", "left")):
            if value is not None:
                axes.axvline(100 * value, color=INK, linestyle=(0, (4, 3)), linewidth=1)
                axes.text(100 * value, -1.9, f" {label} {percent(value)} ", ha=side, va="center", fontsize=8)
        axes.set_yticks(range(len(board.lines)), [short(line.name) for line in board.lines])
        axes.set_ylim(len(board.lines) - 0.4, -0.6)
        axes.set_xlabel("Test accuracy (%)")
        axes.grid(visible=False, axis="y")
        _pad_x(axes)

    return as_svg(name, draw, height=1.0 + 0.29 * len(board.lines))


def pareto_figure(board: Board, name: str = "speed") -> str:
    """Accuracy against the median latency of one song, with the front of models that no other beats in both."""
    lines = [line for line in board.lines if "p50" in line.speed]
    front = pareto_front([(line.speed["p50"], line.accuracy.mean) for line in lines])

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        axes.set_xscale("log")
        points = [(line.speed["p50"], 100 * line.accuracy.mean) for line in lines]
        steps = [points[number] for number in front]
        path = [steps[0]]
        for (_, low), (x, high) in zip(steps, steps[1:], strict=False):
            path += [(x, low), (x, high)]
        for line, (x, y) in zip(lines, points, strict=True):
            colour = FAMILY_COLOURS.get(line.family, INK)
            bounds = [100 * line.accuracy.low, 100 * line.accuracy.high]
            axes.plot([x, x], bounds, color=colour, linewidth=1.2, alpha=0.45, solid_capstyle="butt")
            axes.plot(x, y, FAMILY_MARKERS.get(line.family, "o"), color=colour, markersize=7)
        axes.set_xlabel("Latency of one song, median (ms)")
        axes.set_ylabel("Test accuracy (%)")
        axes.margins(x=0.12, y=0.08)
        axes.autoscale_view()
        axes.set_xlim(axes.get_xlim())
        axes.set_ylim(axes.get_ylim())
        path = [*path, (axes.get_xlim()[1], path[-1][1])]
        axes.plot(*zip(*path, strict=True), color=MUTED, linewidth=1.2, zorder=1)
        log_ticks(axes)
        figure.canvas.draw()
        ends = axes.transData.transform(path)
        walls = [around(one, other) for one, other in zip(ends, ends[1:], strict=False)]
        for line in lines:
            corners = [(line.speed["p50"], 100 * bound) for bound in (line.accuracy.low, line.accuracy.high)]
            walls.append(around(*axes.transData.transform(corners)))
        order = front + [number for number in range(len(lines)) if number not in front]
        place_labels(axes, [points[n] for n in order], [lines[n].name for n in order], walls)

    return as_svg(name, draw, height=5.6)


def pareto_front(points: Sequence[tuple[float, float]]) -> list[int]:
    """Positions of the points (cost, gain) that no other beats in one of the two without losing in the other.

    Returns:
        Positions in the order of rising cost and gain.

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
    """F1 of each genre (columns) under each model (rows) as a heat map with the figures in it.

    Args:
        f1: One value in [0, 1] a genre, by model.
        genres: Names of the genres.
        name: Goes into the ids inside the figure.
    """
    table = np.array(list(f1.values()))  # (models, genres)
    order = np.argsort(-table.mean(axis=0), kind="stable")
    table = np.concatenate([table.mean(axis=1, keepdims=True), table[:, order]], axis=1)
    heads = ["macro", *(genres[place] for place in order)]

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        heat(axes, table, _per_cent(table), list(f1), heads, inches=WIDTH * 0.8, gap_after=1)

    return as_svg(name, draw, height=1.0 + 0.25 * len(f1) + 0.055 * min(max(map(len, heads)), 24))


def confusion_figure(
    confusions: Mapping[str, Sequence[Sequence[int]]], genres: Sequence[str], name: str = "confusion"
) -> str:
    """Confusion matrices with each row as shares of the genre's songs.

    Args:
        confusions: Songs by truth (rows) and prediction (columns), by model.
        genres: Names of the genres.
        name: Goes into the ids inside the figure.
    """
    beside = len(genres) <= 12  # more do not fit side by side
    rows, columns = (1, len(confusions)) if beside else (len(confusions), 1)

    def draw(figure: Figure) -> None:
        grid = figure.subplots(rows, columns, squeeze=False)
        for axes, (model, confusion) in zip(grid.ravel(), confusions.items(), strict=True):
            table = np.array(confusion, float)
            table /= np.maximum(table.sum(axis=1, keepdims=True), 1)
            heat(axes, table, _per_cent(table, blank=0.005), genres, genres, inches=WIDTH * 0.85 / columns)
            axes.set_title(short(model), pad=12)
            axes.set_ylabel("truth")

    per = WIDTH / 2 if beside else 0.27 * len(genres) + 1.4
    return as_svg(name, draw, height=rows * per, width=WIDTH)


def _per_cent(table: np.ndarray, blank: float = -1.0) -> np.ndarray:
    """Shares as whole per cent; those below ``blank`` as nothing."""
    return np.array([[f"{100 * share:.0f}" if share >= blank else "" for share in row] for row in table])


def _best_of_each(lines: Sequence[Line]) -> list[Line]:
    """The best line of each family by validation accuracy; the two best of the zoo where there is no peer."""
    ordered = sorted(lines, key=lambda line: -line.validation)
    firsts = [next((line for line in ordered if line.family == family), None) for family in ("zoo", "peer")]
    found = [line for line in firsts if line is not None]
    return found if len(found) == 2 else ordered[:2]


def around(one: np.ndarray, other: np.ndarray) -> Bbox:
    """The box around a straight line, a little wider."""
    (x0, y0), (x1, y1) = one, other
    return Bbox.from_extents(min(x0, x1) - 1, min(y0, y1) - 1, max(x0, x1) + 1, max(y0, y1) + 1)


def _pad_x(axes: Axes) -> None:
    low, high = axes.dataLim.intervalx
    axes.set_xlim(low - 0.04 * (high - low) - 0.5, high + 0.04 * (high - low) + 0.5)


def log_ticks(axes: Axes) -> None:
    """Ticks at 1, 2 and 5 times powers of ten, written as plain numbers."""
    low, high = axes.get_xlim()
    powers = range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 1)
    axes.xaxis.set_major_locator(FixedLocator([step * 10.0**power for power in powers for step in (1, 2, 5)]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{float(significant(value).replace(',', '')):g}"))
    axes.set_xlim(low, high)

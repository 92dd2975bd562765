"""The figures of a suite: heat maps and bars over the options of a grid, curves of its best entrants."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from genrezoo.figures import FigurePlan
from genrezoo.report.benchmark.figures import stem_of
from genrezoo.report.benchmark.records import Board, Entry
from genrezoo.report.benchmark.song_tables import SongTable
from genrezoo.report.benchmark.study_tables import StudyTable, study_table
from genrezoo.report.benchmark.study_values import (
    about_values,
    best_at,
    entries_of,
    estimate,
    labels_of,
    peak_of,
    quantity_of,
    short_axis,
    shown_values,
)
from genrezoo.report.style.captions import CELLS, LEARNING
from genrezoo.report.style.drawing import FAMILY_COLOURS, INK, WIDTH, Plot, as_svg, as_tipped_svg, short
from genrezoo.report.style.heatmap import draw_heatmap
from genrezoo.report.style.histograms import difficulty_figure, weights_figure
from genrezoo.report.style.learning_curves import SHOWN, can_show, learning_curves, over_seeds
from genrezoo.report.style.number_format import order_of, text_of


def draw_studies(board: Board, number: int, plans: Sequence[FigurePlan]) -> list[Plot | StudyTable | SongTable]:
    """Draws the figures and tables of a suite for which the board has values, in the order of the plans.

    Args:
        board: The board.
        number: Position of the board in the report, from 1; part of the figures' names.
        plans: The plans of the suites; `tables_together` makes the tables over all sets of songs.
    """
    draw = {"heatmap": _heat_map, "bars": _bars, "curves": _curves, "weights": _weights}
    plots: list[Plot | StudyTable | SongTable] = []
    for plan in plans:
        name = f"{stem_of(board, number)}-study-{len(plots) + 1}"
        entries = entries_of(board, plan)
        if not entries or plan.together:
            continue
        if plan.kind == "table":
            if table := study_table(plan, entries, name):
                plots.append(table)
        elif plan.kind == "difficulty":
            plots += _difficulties(plan, entries, name)
        elif made := draw[plan.kind](plan, entries, len(board.genres), name):
            caption, svg = made
            text = " ".join(filter(None, [plan.caption, caption]))
            plots.append(Plot(name, plan.title, text, svg, study=True))
    return plots


def _heat_map(plan: FigurePlan, entries: Sequence[Entry], genres: int, name: str) -> tuple[str, str] | None:
    x, y = plan.x or "", plan.y or ""  # a heat map has both
    entries = [entry for entry in entries if x in entry.axes and y in entry.axes]
    values = shown_values(plan, entries)
    if not values:
        return None
    best, several = best_at(entries, (y, x))
    rows, columns = (sorted(set(part), key=lambda text: order_of(json.loads(text))) for part in zip(*best, strict=True))

    def draw(figure: Figure, tips: dict[str, str]) -> None:
        grid = figure.subplots(1, len(values), squeeze=False)
        for axes, value in zip(grid[0], values, strict=True):
            quantity = quantity_of(value)
            means, texts = np.full((len(rows), len(columns)), np.nan), np.full((len(rows), len(columns)), "", object)
            for (row_value, column_value), entry in best.items():
                if found := estimate(entry, value):
                    row, column = rows.index(row_value), columns.index(column_value)
                    mean, low, high = (quantity.scale * part for part in found)
                    means[row, column] = mean
                    spread = f"\n± {quantity.write((high - low) / 2)}" if high > low else ""
                    texts[row, column] = f"{quantity.write(mean)}{spread}"
            least, most = np.nanmin(means), np.nanmax(means)
            fractions = (means - least) / (most - least) if most > least else np.where(np.isnan(means), np.nan, 0.5)
            labels = [[text_of(json.loads(text)) for text in part] for part in (rows, columns)]
            says = np.array(
                [
                    [
                        f"{short_axis(y)} {labels[0][row]}, {short_axis(x)} {labels[1][column]}\n"
                        f"{quantity.title}: {' '.join(texts[row, column].split())}"
                        for column in range(len(columns))
                    ]
                    for row in range(len(rows))
                ]
            )
            draw_heatmap(axes, fractions, texts, *labels, inches=0.8 * WIDTH / len(values), says=says, tips=tips)
            axes.set_title(quantity.title, pad=10)
            axes.set_xlabel(short_axis(x))
            axes.xaxis.set_label_position("top")
            axes.set_ylabel(short_axis(y))

    caption = f"{about_values(entries, values)} Darker is higher. {CELLS}"
    if several:
        caption += " A cell of several recipes shows the best by validation accuracy."
    return caption, as_tipped_svg(name, draw, height=1.3 + 0.45 * len(rows))


def _bars(plan: FigurePlan, entries: Sequence[Entry], genres: int, name: str) -> tuple[str, str] | None:
    """Draws upright bars over an axis, or horizontal bars of entrants, which leave room for their names."""
    several = False
    if plan.x:
        axis = plan.x
        best, several = best_at([entry for entry in entries if axis in entry.axes], (axis,))
        entries = sorted(best.values(), key=lambda entry: order_of(entry.axes[axis]))
    values = shown_values(plan, entries)
    if not values:
        return None

    def draw(figure: Figure) -> None:
        grid = figure.subplots(1, len(values), squeeze=False, sharey=not plan.x)
        for axes, value in zip(grid[0], values, strict=True):
            _draw_bars(axes, entries, value, bool(plan.x))
            if _can_be_guessed(value) and genres:
                (axes.axhline if plan.x else axes.axvline)(100 / genres, color=INK, linestyle=(0, (4, 3)), linewidth=1)
        first = grid[0][0]
        if plan.x:
            for axes in grid[0]:
                axes.set_xticks(range(len(entries)), [text_of(entry.axes[plan.x]) for entry in entries])
                axes.set_xlabel(short_axis(plan.x))
        else:
            first.set_yticks(range(len(entries)), [short(label) for label in labels_of(entries)])
            first.set_ylim(len(entries) - 0.4, -0.6)

    caption = about_values(entries, values)
    if any(map(_can_be_guessed, values)):
        caption += " The dashed line is chance."
    if several:
        caption += " A position of several recipes shows the best by validation accuracy."
    return caption, as_svg(name, draw, height=3.4 if plan.x else 0.9 + 0.32 * len(entries))


def _draw_bars(axes: Axes, entries: Sequence[Entry], value: str, upright: bool) -> None:
    """Draws bars from zero with values at their ends and lines for the bounds; missing values leave a gap."""
    quantity, highest = quantity_of(value), 0.0
    most = 100.0 if quantity.scale == 100 else math.inf  # intervals of few seeds may reach beyond what there is
    for place, entry in enumerate(entries):
        found = estimate(entry, value)
        if not found:
            continue
        mean, low, high = (min(quantity.scale * part, most) for part in found)
        highest = max(highest, high)
        colour = FAMILY_COLOURS[entry.family]
        (axes.bar if upright else axes.barh)(place, mean, 0.62, color=colour, alpha=0.75, linewidth=0)
        ends, where = [max(low, 0), high], [place, place]
        if high > low:
            axes.plot(*((where, ends) if upright else (ends, where)), color=INK, linewidth=1.4)
        axes.annotate(
            quantity.write(mean), (place, high) if upright else (high, place), xytext=(0, 4) if upright else (5, 0),
            textcoords="offset points", fontsize=8, ha="center" if upright else "left",
            va="bottom" if upright else "center",
        )  # fmt: skip
    axes.set_title(quantity.title)
    axes.grid(visible=False, axis="x" if upright else "y")
    (axes.set_ylim if upright else axes.set_xlim)(0, 1.12 * highest or 1)


def _can_be_guessed(value: str) -> bool:
    return value.endswith("accuracy") or value.startswith("heads.")


def _curves(plan: FigurePlan, entries: Sequence[Entry], genres: int, name: str) -> tuple[str, str] | None:
    show = plan.values[0] if plan.values[0] in SHOWN else "loss"
    drawn = [entry for entry in entries if entry.histories and all(can_show(one, show) for one in entry.histories)]
    trained = sorted(drawn, key=lambda entry: -peak_of(entry))
    shown = trained[: plan.best]
    if not shown:
        return None
    labels = labels_of(shown)
    parts = {label: over_seeds(entry.histories) for label, entry in zip(labels, shown, strict=True)}
    several = {label for label, entry in zip(labels, shown, strict=True) if len(entry.histories) > 1}
    caption = LEARNING
    if several:
        caption += " Means over the seeds, up to the shortest run; the bands extend from the lowest to the highest."
    if len(trained) > len(shown):
        caption = f"The {len(shown)} best of {len(trained)} by validation accuracy. {caption}"
    curves = {label: mean for label, (mean, _) in parts.items()}
    bands = {label: edges for label, (_, edges) in parts.items() if label in several}
    if show == "learning_rate":
        caption = f"Learning rates are those after the last step of each epoch. {caption}"
    if show == "heads":
        caption = f"Losses are unweighted and without regularisation. {caption}"
    return caption, learning_curves(curves, name, bands, show=show)


def _weights(plan: FigurePlan, entries: Sequence[Entry], genres: int, name: str) -> tuple[str, str] | None:
    shown = [entry for entry in entries if entry.weights]
    if not shown:
        return None
    labels = labels_of(shown)
    parts = {label: entry.weights.model_dump() for label, entry in zip(labels, shown, strict=True) if entry.weights}
    caption = "Weights of the run with the median validation accuracy; counts are on a logarithmic scale."
    return caption, weights_figure(parts, name)


def _difficulties(plan: FigurePlan, entries: Sequence[Entry], name: str) -> list[Plot | SongTable]:
    """Draws the difficulty of all training songs for each measured entry, with a table of the most extreme ones."""
    shown = [entry for entry in entries if entry.difficulty]
    found: list[Plot | SongTable] = []
    for place, (label, entry) in enumerate(zip(labels_of(shown), shown, strict=True), 1):
        assert entry.difficulty is not None  # of those shown
        title = f"{plan.title}: {label}" if len(shown) > 1 else plan.title
        what = "Cross-entropy of each training song's genre under the run with the median validation accuracy."
        caption = " ".join(filter(None, [plan.caption, what]))
        svg = difficulty_figure(entry.difficulty.model_dump(), f"{name}-{place}")
        found.append(Plot(f"{name}-{place}", title, caption, svg, study=True))
        found.append(SongTable(f"{name}-{place}", f"{title}: easiest and hardest", what, entry.difficulty))
    return found

"""The figures that a suite asks for: heat maps and bars over the options of a grid, curves of its best entrants."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from genrezoo.report.bars import draw_bars
from genrezoo.report.curves import learning_curves, over_seeds
from genrezoo.report.drawing import FAMILY_COLOURS, INK, WIDTH, as_svg, short
from genrezoo.report.figures import Drawing, stem_of
from genrezoo.report.heat import heat
from genrezoo.report.records import Board, Line, Plan
from genrezoo.report.study_lines import (
    about_values,
    best_at,
    estimate,
    kind_of,
    labels_of,
    lines_of,
    order_of,
    peak_of,
    short_axis,
    shown_values,
    text_of,
)
from genrezoo.report.study_tables import StudyTable, study_table


def draw_studies(board: Board, number: int, plans: Sequence[Plan]) -> list[Drawing | StudyTable]:
    """The figures and tables of the plans that the board's lines allow, in the order of the plans.

    Args:
        board: The board.
        number: Its place in the report, from 1: part of the figures' names.
        plans: What the suites ask for; tables over all sets of songs are left to `tables_together`.
    """
    draw = {"heatmap": _heat_map, "bars": _bars, "curves": _curves}
    drawings: list[Drawing | StudyTable] = []
    for plan in plans:
        name = f"{stem_of(board, number)}-study-{len(drawings) + 1}"
        lines = lines_of(board, plan)
        if not lines or plan.together:
            continue
        if plan.kind == "table":
            if table := study_table(plan, lines, name):
                drawings.append(table)
        elif made := draw[plan.kind](plan, lines, len(board.genres), name):
            caption, svg = made
            text = " ".join(filter(None, [plan.caption, caption]))
            drawings.append(Drawing(name, plan.title, text, svg, study=True))
    return drawings


def _heat_map(plan: Plan, lines: Sequence[Line], genres: int, name: str) -> tuple[str, str] | None:
    lines = [line for line in lines if plan.x in line.axes and plan.y in line.axes]
    values = shown_values(plan, lines)
    if not values:
        return None
    best, several = best_at(lines, (plan.y, plan.x))
    rows, columns = (sorted(set(part), key=lambda text: order_of(json.loads(text))) for part in zip(*best, strict=True))

    def draw(figure: Figure) -> None:
        grid = figure.subplots(1, len(values), squeeze=False)
        for axes, value in zip(grid[0], values, strict=True):
            kind = kind_of(value)
            means, texts = np.full((len(rows), len(columns)), np.nan), np.full((len(rows), len(columns)), "", object)
            for (y, x), line in best.items():
                if found := estimate(line, value):
                    row, column = rows.index(y), columns.index(x)
                    mean, low, high = (kind.scale * part for part in found)
                    means[row, column] = mean
                    spread = f"\n± {kind.write((high - low) / 2)}" if high > low else ""
                    texts[row, column] = f"{kind.write(mean)}{spread}"
            least, most = np.nanmin(means), np.nanmax(means)
            shares = (means - least) / (most - least) if most > least else np.where(np.isnan(means), np.nan, 0.5)
            labels = [[text_of(json.loads(text)) for text in part] for part in (rows, columns)]
            heat(axes, shares, texts, *labels, inches=0.8 * WIDTH / len(values))
            axes.set_title(kind.title, pad=10)
            axes.set_xlabel(short_axis(plan.x))
            axes.xaxis.set_label_position("top")
            axes.set_ylabel(short_axis(plan.y))

    caption = f"{about_values(lines, values)} Darker is more."
    if several:
        caption += " Where several recipes share a cell, the best by validation accuracy stands there."
    return caption, as_svg(name, draw, height=1.3 + 0.45 * len(rows))


def _bars(plan: Plan, lines: Sequence[Line], genres: int, name: str) -> tuple[str, str] | None:
    """Bars over an axis stand upright; bars of entrants lie, so that there is room for their names."""
    several = False
    if plan.x:
        best, several = best_at([line for line in lines if plan.x in line.axes], (plan.x,))
        lines = sorted(best.values(), key=lambda line: order_of(line.axes[plan.x]))
    values = shown_values(plan, lines)
    if not values:
        return None

    def draw(figure: Figure) -> None:
        grid = figure.subplots(1, len(values), squeeze=False, sharey=not plan.x)
        for axes, value in zip(grid[0], values, strict=True):
            kind = kind_of(value)
            draw_bars(
                axes,
                [(estimate(line, value), FAMILY_COLOURS.get(line.family, INK)) for line in lines],
                kind,
                bool(plan.x),
            )
            if _can_be_guessed(value) and genres:
                line = axes.axhline if plan.x else axes.axvline
                line(100 / genres, color=INK, linestyle=(0, (4, 3)), linewidth=1)
        first = grid[0][0]
        if plan.x:
            for axes in grid[0]:
                axes.set_xticks(range(len(lines)), [text_of(line.axes[plan.x]) for line in lines])
                axes.set_xlabel(short_axis(plan.x))
        else:
            first.set_yticks(range(len(lines)), [short(label) for label in labels_of(lines)])
            first.set_ylim(len(lines) - 0.4, -0.6)

    caption = about_values(lines, values)
    if any(map(_can_be_guessed, values)):
        caption += " The dashed line is what guessing reaches."
    if several:
        caption += " Where several recipes share a place, the best by validation accuracy stands there."
    return caption, as_svg(name, draw, height=3.4 if plan.x else 0.9 + 0.32 * len(lines))


def _can_be_guessed(value: str) -> bool:
    return value.endswith("accuracy") or value.startswith("heads.")


def _curves(plan: Plan, lines: Sequence[Line], genres: int, name: str) -> tuple[str, str] | None:
    rates = "learning_rate" in plan.values
    drawn = [line for line in lines if line.histories and (not rates or all(map(_has_rates, line.histories)))]
    trained = sorted(drawn, key=lambda line: -peak_of(line))
    shown = trained[: plan.best]
    if not shown:
        return None
    labels = labels_of(shown)
    parts = {label: over_seeds(line.histories) for label, line in zip(labels, shown, strict=True)}
    several = {label for label, line in zip(labels, shown, strict=True) if len(line.histories) > 1}
    caption = "Solid: validation songs; dashed: training songs (with dropout and penalties where the recipe has them). "
    caption += "The dot marks the best epoch by validation accuracy."
    if several:
        caption += " Means over the seeds, as far as all of them go; the bands reach from the lowest to the highest."
    if len(trained) > len(shown):
        caption = f"The {len(shown)} best of {len(trained)} by validation accuracy. {caption}"
    curves = {label: mean for label, (mean, _) in parts.items()}
    bands = {label: edges for label, (_, edges) in parts.items() if label in several}
    if rates:
        caption = f"The rate is that which the last step of an epoch left for the next. {caption}"
    return caption, learning_curves(curves, name, bands, rates=rates)


def _has_rates(history: Mapping[str, Sequence[float]]) -> bool:
    return bool(np.isfinite(history.get("learning_rate", [np.nan])).all())

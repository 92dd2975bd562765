"""The figures that a suite asks for: heat maps and bars over the options of a grid, and curves of its best entrants."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from genrezoo.evaluation import mean_interval
from genrezoo.report.curves import learning_curves, over_seeds
from genrezoo.report.drawing import FAMILY_COLOURS, INK, WIDTH, as_svg, short
from genrezoo.report.figures import Drawing, stem_of
from genrezoo.report.heat import heat
from genrezoo.report.numbers import significant
from genrezoo.report.records import Board, Line, Plan


@dataclass(frozen=True)
class Kind:
    """How one kind of figure of a line is named and written.

    Attributes:
        title: Heading of its picture, with the unit.
        scale: Factor from the stored figure to the shown one.
        write: Writes the shown figure.
    """

    title: str
    scale: float
    write: Callable[[float], str]


def draw_studies(board: Board, number: int, plans: Sequence[Plan]) -> list[Drawing]:
    """The figures of the plans that the board's lines allow, in the order of the plans.

    Args:
        board: The board.
        number: Its place in the report, from 1: part of the figures' names.
        plans: What the suites ask for.
    """
    draw = {"heatmap": _heat_map, "bars": _bars, "curves": _curves}
    drawings: list[Drawing] = []
    for plan in plans:
        name = f"{stem_of(board, number)}-study-{len(drawings) + 1}"
        lines = lines_of(board, plan)
        if made := draw[plan.kind](plan, lines, len(board.genres), name) if lines else None:
            caption, svg = made
            text = " ".join(filter(None, [plan.caption, caption]))
            drawings.append(Drawing(name, plan.title, text, svg, study=True))
    return drawings


def lines_of(board: Board, plan: Plan) -> list[Line]:
    """The lines that a plan names, in its order; those of a study in the order of their axes."""
    ordered = sorted(board.lines, key=lambda line: [_order(value) for value in line.axes.values()])
    if not plan.entrants:
        return ordered
    found = [line for name in plan.entrants for line in ordered if name in (line.recipe, line.study)]
    return list({line.name: line for line in found}.values())


def label_of(line: Line) -> str:
    """What a figure calls a line: its label, else its place on the study's axes, else its name."""
    places = ", ".join(f"{_short_axis(axis)} {_text(value)}" for axis, value in line.axes.items())
    return line.label or places or line.name


def estimate(line: Line, value: str) -> tuple[float, float, float] | None:
    """A figure of a line with its bounds: the 95 % interval over seeds, or the fastest and slowest pass.

    Returns:
        Mean, low, high, all the same where there is one seed; None where it was not measured.
    """
    if value == "seconds_per_pass":
        mean, least, most = (line.speed.get(f"pass_{part}") for part in ("mean", "min", "max"))
        return None if mean is None or least is None or most is None else (mean, least, most)
    values = line.measured.get(value)
    if not values:
        return None
    return mean_interval(values) if len(set(values)) > 1 else (values[0], values[0], values[0])


def _heat_map(plan: Plan, lines: Sequence[Line], genres: int, name: str) -> tuple[str, str] | None:
    lines = [line for line in lines if plan.x in line.axes and plan.y in line.axes]
    values = _shown(plan, lines)
    if not values:
        return None
    best, several = _best_at(lines, (plan.y, plan.x))
    rows, columns = (sorted(set(part), key=lambda text: _order(json.loads(text))) for part in zip(*best, strict=True))

    def draw(figure: Figure) -> None:
        grid = figure.subplots(1, len(values), squeeze=False)
        for axes, value in zip(grid[0], values, strict=True):
            kind = _kind(value)
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
            labels = [[_text(json.loads(text)) for text in part] for part in (rows, columns)]
            heat(axes, shares, texts, *labels, inches=0.8 * WIDTH / len(values))
            axes.set_title(kind.title, pad=10)
            axes.set_xlabel(_short_axis(plan.x))
            axes.xaxis.set_label_position("top")
            axes.set_ylabel(_short_axis(plan.y))

    caption = f"{_about(lines, values)} Darker is more."
    if several:
        caption += " Where several recipes share a cell, the best by validation accuracy stands there."
    return caption, as_svg(name, draw, height=1.3 + 0.45 * len(rows))


def _bars(plan: Plan, lines: Sequence[Line], genres: int, name: str) -> tuple[str, str] | None:
    """Bars over an axis stand upright; bars of entrants lie, so that there is room for their names."""
    several = False
    if plan.x:
        best, several = _best_at([line for line in lines if plan.x in line.axes], (plan.x,))
        lines = sorted(best.values(), key=lambda line: _order(line.axes[plan.x]))
    values = _shown(plan, lines)
    if not values:
        return None

    def draw(figure: Figure) -> None:
        grid = figure.subplots(1, len(values), squeeze=False, sharey=not plan.x)
        for axes, value in zip(grid[0], values, strict=True):
            kind = _kind(value)
            _draw_bars(axes, [(estimate(line, value), line.family) for line in lines], kind, bool(plan.x))
            if kind.scale == 100 and genres:
                line = axes.axhline if plan.x else axes.axvline
                line(100 / genres, color=INK, linestyle=(0, (4, 3)), linewidth=1)
        first = grid[0][0]
        if plan.x:
            for axes in grid[0]:
                axes.set_xticks(range(len(lines)), [_text(line.axes[plan.x]) for line in lines])
                axes.set_xlabel(_short_axis(plan.x))
        else:
            first.set_yticks(range(len(lines)), [short(label) for label in _labels(lines)])
            first.set_ylim(len(lines) - 0.4, -0.6)

    caption = _about(lines, values)
    if any(_kind(value).scale == 100 for value in values):
        caption += " The dashed line is what guessing reaches."
    if several:
        caption += " Where several recipes share a place, the best by validation accuracy stands there."
    return caption, as_svg(name, draw, height=3.4 if plan.x else 0.9 + 0.32 * len(lines))


def _draw_bars(
    axes: Axes, bars: Sequence[tuple[tuple[float, float, float] | None, str]], kind: Kind, upright: bool
) -> None:
    most = 100.0 if kind.scale == 100 else math.inf  # intervals of few seeds may reach beyond what there is
    highest = max(min(kind.scale * found[2], most) for found, _ in bars if found)
    for place, (found, family) in enumerate(bars):
        if not found:
            continue
        mean, low, high = (min(kind.scale * part, most) for part in found)
        colour = FAMILY_COLOURS.get(family, INK)
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


def _curves(plan: Plan, lines: Sequence[Line], genres: int, name: str) -> tuple[str, str] | None:
    trained = sorted((line for line in lines if line.histories), key=lambda line: -_peak(line))
    shown = trained[: plan.best]
    if not shown:
        return None
    labels = _labels(shown)
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
    return caption, learning_curves(curves, name, bands)


def _labels(lines: Sequence[Line]) -> list[str]:
    """What to call the lines; the names in tables where two would be called alike."""
    labels = [label_of(line) for line in lines]
    return labels if len(set(labels)) == len(labels) else [line.name for line in lines]


def _shown(plan: Plan, lines: Sequence[Line]) -> list[str]:
    """The values of a plan that at least one line has."""
    return [value for value in plan.values if any(estimate(line, value) for line in lines)]


def _best_at(lines: Sequence[Line], axes: Sequence[str]) -> tuple[dict[tuple[str, ...], Line], bool]:
    """For each place on some axes (values as JSON) its best line by validation accuracy; whether any had several."""
    best: dict[tuple[str, ...], Line] = {}
    for line in lines:
        place = tuple(json.dumps(line.axes[axis]) for axis in axes)
        if place not in best or _peak(line) > _peak(best[place]):
            best[place] = line
    return best, len(best) < len(lines)


def _peak(line: Line) -> float:
    return fmean(line.measured.get("valid_accuracy") or (line.validation,))


def _kind(value: str) -> Kind:
    known = {
        "valid_accuracy": Kind("Best validation accuracy (%)", 100, lambda shown: f"{shown:.1f}"),
        "test_accuracy": Kind("Test accuracy (%)", 100, lambda shown: f"{shown:.1f}"),
        "seconds_per_epoch": Kind("Seconds per epoch", 1, significant),
        "seconds_per_pass": Kind("Seconds per pass", 1, significant),
    }
    head = value.removeprefix("heads.").replace("_", " ")
    return known.get(value) or Kind(f"Validation accuracy of {head} alone (%)", 100, lambda shown: f"{shown:.1f}")


def _about(lines: Sequence[Line], values: Sequence[str]) -> str:
    """What the figures are, in a sentence or two."""
    sentences = []
    if any(len(line.seeds) > 1 for line in lines):
        sentences.append("Means over the seeds with 95 % intervals of Student's t.")
    if "seconds_per_epoch" in values:
        sentences.append("Trainings may have shared the machine: their seconds compare with each other alone.")
    if "seconds_per_pass" in values:
        sentences.append("A pass predicts all training and validation songs; lines reach from fastest to slowest.")
    return " ".join(sentences)


def _short_axis(axis: str) -> str:
    return axis.rpartition(".")[2].replace("_", " ")


def _text(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(_text, value))
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "none" if value is None else str(value)


def _order(value: Any) -> tuple[int, float, str]:
    """Numbers by size, everything else by name."""
    number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return (0, float(value), "") if number else (1, 0.0, _text(value))

"""The figures of a search over its space: parallel coordinates, slices, and the importance of hyperparameters."""

from __future__ import annotations

import textwrap
from typing import Any

from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, to_hex
from matplotlib.figure import Figure

from genrezoo.report.search.importance import FORESTS, Importance, trust
from genrezoo.report.search.progress import far, tipped_plot
from genrezoo.report.search.records import Hyperparameter, SearchRecord
from genrezoo.report.style.drawing import (
    BEST_COLOUR,
    FAMILY_COLOURS,
    GROUND,
    INK,
    LINE_COLOURS,
    MUTED,
    OWN_COLOUR,
    WIDTH,
    Plot,
    as_svg,
    short,
    write_beside,
)
from genrezoo.report.style.number_format import plain
from genrezoo.trials import Trial

MOST_LINES = 200
"""Trials in the parallel coordinates: the best ones."""
_MERIT = LinearSegmentedColormap.from_list("merit", ["#b4babf", "#56b4e9", "#0072b2"])
"""Colours from the worst to the best, visible on white and on black."""
_INACTIVE = -0.13  # position of values that are not active
_CONTINUED = " A training that was paused and continued counts once, where it ended."


def parallel_plot(search: SearchRecord) -> Plot | None:
    """Draws parallel coordinates: an axis per hyperparameter, the score as the last, a line per trial; None for one."""
    trials = search.leaves[:MOST_LINES]
    if not trials or len(search.space) < 2:
        return None
    columns = len(search.space) + 1
    inches, size = WIDTH / columns, 7 if columns > 9 else 8
    low, high = (search.score.scale * limit for limit in sorted(search.limits))
    score = Hyperparameter("", search.score.title, "float", (), low, high, None, False, ())
    axes_ticks = [one.ticks(16 if one.values else 6) for one in search.space]
    axes_ticks.append([(place if search.sign > 0 else 1 - place, text) for place, text in score.ticks(6)])

    def draw(figure: Figure, tips: dict[str, str]) -> None:
        axes = figure.subplots()
        halo = [patheffects.withStroke(linewidth=2.4, foreground=GROUND)]

        def write(column: int, height: float, text: str, style: str = "normal") -> None:
            axes.annotate(
                text, (column, height), xytext=(4, 0), textcoords="offset points", zorder=6, fontsize=7, style=style,
                va="center_baseline", path_effects=halo, annotation_clip=False,
            )  # fmt: skip

        for trial in reversed(trials):
            merit = search.merit(trial.score or 0.0)
            look: dict[str, Any] = {"color": to_hex(_MERIT(merit)), "linewidth": 0.9, "alpha": 0.45}
            if trial is search.best:
                look = {"color": BEST_COLOUR, "linewidth": 2.0, "alpha": 0.95}
            heights = [_height(one, trial, spread=0.04) for one in search.space]
            axes.plot(range(columns), [*heights, merit], gid=f"tip-{trial.number}", zorder=2 + merit, **look)
            tips[f"tip-{trial.number}"] = search.tip(trial)
        for column, ticks in enumerate(axes_ticks):
            axes.plot([column, column], [0, 1], color=INK, linewidth=0.9, zorder=4)
            for height, text in ticks:
                axes.plot(column, height, "_", color=INK, markersize=5, zorder=4)
                write(column, height, short(text, max(int(72 * inches / 4.6) - 2, 5)))
        for column, one in enumerate(search.space):
            if one.conditions:
                axes.plot([column, column], [_INACTIVE, 0], color=MUTED, linewidth=0.8, linestyle=(0, (2, 2)), zorder=1)
                write(column, _INACTIVE, "not active", "italic")
        titles = [
            _wrapped(title, int(72 * inches / (0.66 * size)))
            for title in (*(one.label for one in search.space), search.score.title)
        ]
        axes.set_xticks(range(columns), titles, fontsize=size, fontweight="bold")
        axes.xaxis.tick_top()
        axes.set_yticks([])
        axes.set_xlim(-0.15, columns - 0.45)
        axes.set_ylim(_INACTIVE - 0.05 if any(one.conditions for one in search.space) else -0.04, 1.04)
        axes.grid(visible=False)
        axes.spines[:].set_visible(False)

    most = f"the {MOST_LINES} best of {plain(len(search.leaves))}" if len(search.leaves) > MOST_LINES else "all"
    caption = (
        f"One line per completed trial ({most}), through its values and, on the right, its score. Bluer is better; the "
        f"best one is thick and orange.{' The best are at the top.' if search.sign < 0 else ''}"
    )
    return tipped_plot("parallel", "Parallel coordinates", caption + _continued(search) + far(search), draw, height=4.4)


def slices_plot(search: SearchRecord) -> Plot | None:
    """Draws the score against each hyperparameter, a panel for each, with a point per trial; None without trials."""
    space = search.space
    if not space or not search.leaves:
        return None
    across = len(space) if len(space) <= 4 else 3 if len(space) in (5, 6, 9) else 4
    down = -(-len(space) // across)
    inches = WIDTH / across

    def draw(figure: Figure) -> None:
        grid = figure.subplots(down, across, squeeze=False, sharey=True)
        for axes, one in zip(grid.ravel(), space, strict=False):
            _draw_slice(axes, search, one, inches)
        for axes in grid.ravel()[len(space) :]:
            axes.set_axis_off()
        for row in grid:
            row[0].set_ylabel(_wrapped(search.score.title, 28), fontsize=8)

    caption = "One point per completed trial. The star is the best one"
    caption += ", the square has the recipe's values." if search.own not in (None, search.best) else "."
    if any(one.conditions for one in space):
        caption += " Trials in which a hyperparameter is not active have no point."
    slanted = any(_slanted(one, inches) for one in space)
    svg = as_svg("slices", draw, height=(2.4 + 0.3 * slanted) * down)
    return Plot("slices", "Slices", caption + _continued(search) + far(search), svg)


def importance_plot(search: SearchRecord, found: Importance) -> Plot:
    """Draws the R² that is lost by shuffling each hyperparameter, the largest first."""
    labels = {one.name: one.label for one in search.space}
    order = sorted(found.loss, key=lambda name: -found.loss[name].mean)

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        for place, name in enumerate(order):
            loss = found.loss[name]
            axes.barh(place, loss.mean, 0.62, color=FAMILY_COLOURS["zoo"], alpha=0.75, linewidth=0)
            axes.plot([loss.low, loss.high], [place, place], color=INK, linewidth=1.4)
            bounds = [f"{round(part, 2) + 0.0:.2f}".replace("-", "−") for part in (loss.mean, loss.low, loss.high)]
            write_beside(axes, place, ("{}  [{}, {}]".format(*bounds), ""))
        axes.axvline(0, color=MUTED, linewidth=0.8)
        axes.set_yticks(range(len(order)), [short(labels.get(name, name), 32) for name in order])
        axes.set_ylim(len(order) - 0.4, -0.6)
        axes.set_xlabel("R² lost when the hyperparameter is shuffled")
        axes.grid(visible=False, axis="y")

    caption = (
        f"{FORESTS} random forests predict the score of {plain(found.trials)} completed trials. {trust(found)} Bars: "
        f"the loss of R² on unseen trials when the values of one hyperparameter are shuffled, with 95 % intervals over "
        f"the forests, which do not include the variation between sets of trials."
    )
    return Plot(
        "importance",
        "Importance of hyperparameters",
        caption,
        as_svg("importance", draw, height=0.9 + 0.3 * len(order)),
    )


def _draw_slice(axes: Axes, search: SearchRecord, one: Hyperparameter, inches: float) -> None:
    shown = [trial for trial in search.leaves if one.place(trial.values) is not None]
    choices = len(one.values)
    for trial in reversed(shown):
        look: dict[str, Any] = {
            "marker": "o",
            "color": LINE_COLOURS[0],
            "markersize": 4.5 if len(shown) <= 60 else 3.2,
            "alpha": 0.6,
        }
        if trial is search.best:
            look = {"marker": "*", "color": BEST_COLOUR, "markersize": 11, "zorder": 4}
        elif trial is search.own:
            look = {"marker": "s", "color": OWN_COLOUR, "markersize": 6, "zorder": 3}
        height = search.score.scale * search.bounded(trial.score or 0.0)
        axes.plot(
            _height(one, trial, spread=0.5 / max(choices, 1)), height, markeredgewidth=0, linestyle="none", **look
        )
    slanted = _slanted(one, inches)
    most = int(inches / 0.22) if slanted else max(int(inches / 0.45), 3)
    ticks = one.ticks(most if choices else 5 if inches < 4 else 8)
    axes.set_xticks(
        [place for place, _ in ticks], [short(text, 16) for _, text in ticks], fontsize=7.5,
        rotation=30 if slanted else 0, ha="right" if slanted else "center", rotation_mode="anchor" if slanted else None,
    )  # fmt: skip
    room = 0.5 / max(choices, 2) + 0.04 if choices else 0.05
    axes.set_xlim(-room, 1 + room)
    axes.set_title(_wrapped(one.label, int(inches * 12)), fontsize=9)
    axes.tick_params(axis="y", labelsize=7.5)


def _height(one: Hyperparameter, trial: Trial, *, spread: float) -> float:
    """Returns the position of a trial's value; equal choices are spread a little, so that all are visible."""
    place = one.place(trial.values)
    return _INACTIVE if place is None else place + (trial.number * 0.618 % 1 - 0.5) * spread * bool(one.values)


def _slanted(one: Hyperparameter, inches: float) -> bool:
    """Whether the labels of its values must be slanted to fit side by side."""
    texts = [short(text, 16) for _, text in one.ticks(len(one.values))] if one.values else []
    return any(len(text) > 3 for text in texts) and (max(map(len, texts)) + 1) * 4.9 * len(texts) > 66 * inches


def _continued(search: SearchRecord) -> str:
    return _CONTINUED if any(trial.origin is not None for trial in search.journal.ranked) else ""


def _wrapped(text: str, letters: int) -> str:
    return "\n".join(textwrap.wrap(text, max(letters, 6), break_long_words=True)[:4])

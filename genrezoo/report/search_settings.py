"""The figures of a search over its settings: all of them side by side, each by itself, and what a forest says."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, to_hex
from matplotlib.figure import Figure

from genrezoo.report.bars import draw_bars
from genrezoo.report.drawing import (
    BEST_COLOUR,
    FAMILY_COLOURS,
    GROUND,
    INK,
    LINE_COLOURS,
    MUTED,
    OWN_COLOUR,
    WIDTH,
    as_svg,
    short,
    with_tips,
)
from genrezoo.report.numbers import percent
from genrezoo.report.records import Estimate
from genrezoo.report.search_importance import EPOCHS, Importance
from genrezoo.report.search_records import Searched, Setting
from genrezoo.report.study_lines import text_of
from genrezoo.trials import Trial

MOST_LINES = 200
"""Trials in the figure of all settings side by side: the best ones."""
MOST_BARS = 40
_MERIT = LinearSegmentedColormap.from_list("merit", ["#b4babf", "#56b4e9", "#0072b2"])
"""From the worst to the best; all of it can be seen on white and on black."""
_UNUSED = -0.13  # where values lie that do not count


def parallel_figure(search: Searched, name: str) -> str:
    """All settings as axes side by side and the score as the last one; a line for each trial."""
    trials = search.leaves[:MOST_LINES]
    columns = len(search.settings) + 1
    letters = int(72 * WIDTH / columns / 4.6) - 2  # that fit between two axes
    size = 7 if columns > 9 else 8
    width = int(72 * WIDTH / columns / (0.66 * size))
    titles = [_wrapped(title, width) for title in (*(one.label for one in search.settings), search.score.title)]
    most = max(1, min(10, len(trials) // 10))  # that stand out
    tips = {}

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        for rank, trial in reversed(list(enumerate(trials))):
            assert trial.score is not None  # completed trials have one
            merit = search.merit(trial.score)
            heights = [_height(setting, trial) for setting in search.settings]
            strong = rank < most
            axes.plot(
                range(columns), [*heights, merit], gid=f"tip-{trial.number}", solid_joinstyle="round", zorder=2 + merit,
                color=BEST_COLOUR if strong else to_hex(_MERIT(merit)), linewidth=2.0 if strong else 0.9,
                alpha=0.95 if strong else 0.45,
            )  # fmt: skip
            tips[f"tip-{trial.number}"] = search.tip(trial)
        halo = [patheffects.withStroke(linewidth=2.4, foreground=GROUND)]
        for place, setting in enumerate([*search.settings, None]):
            axes.plot([place, place], [0, 1], color=INK, linewidth=0.9, zorder=4)
            ticks = _score_ticks(search) if setting is None else setting.ticks(_tick_count(setting))
            for height, text in ticks:
                axes.plot(place, height, "_", color=INK, markersize=5, zorder=4)
                axes.annotate(
                    short(text, max(letters, 5)), (place, height), xytext=(4, 0), textcoords="offset points", zorder=6,
                    fontsize=7, va="center_baseline", path_effects=halo, annotation_clip=False,
                )  # fmt: skip
            if setting is not None and setting.conditions:
                axes.plot([place, place], [_UNUSED, 0], color=MUTED, linewidth=0.8, linestyle=(0, (2, 2)), zorder=1)
                axes.annotate(
                    "not used", (place, _UNUSED), xytext=(4, 0), textcoords="offset points", fontsize=7, zorder=6,
                    va="center_baseline", style="italic", path_effects=halo, annotation_clip=False,
                )  # fmt: skip
        axes.set_xticks(range(columns), titles, fontsize=size, fontweight="bold")
        axes.xaxis.tick_top()
        axes.set_yticks([])
        axes.set_xlim(-0.15, columns - 0.45)
        axes.set_ylim(_UNUSED - 0.05 if any(setting.conditions for setting in search.settings) else -0.04, 1.04)
        axes.grid(visible=False)
        axes.spines[:].set_visible(False)

    svg = as_svg(name, draw, height=4.4)
    return with_tips(svg, tips)


def slices_figure(search: Searched, name: str) -> str:
    """For each setting a panel: its value across, the score upwards, a point for each trial."""
    settings = search.settings
    across = len(settings) if len(settings) <= 4 else 3 if len(settings) in (5, 6, 9) else 4
    down = -(-len(settings) // across)
    inches = WIDTH / across

    def draw(figure: Figure) -> None:
        grid = figure.subplots(down, across, squeeze=False, sharey=True)
        for number, axes in enumerate(grid.ravel()):
            if number >= len(settings):
                axes.set_axis_off()
                continue
            _draw_slice(axes, search, settings[number], inches)
        for row in grid:
            row[0].set_ylabel(_wrapped(search.score.title, 28), fontsize=8)

    slanted = any(_slanted(setting, inches) for setting in settings)
    return as_svg(name, draw, height=(2.4 + 0.3 * slanted) * down)


def bars_figure(search: Searched, name: str) -> str:
    """For a search over one setting of few values a bar for each value, in their order."""
    (setting,) = search.settings
    best: dict[float, Trial] = {}
    for trial in search.leaves:  # the best first
        place = setting.place(trial.values)
        if place is not None:
            best.setdefault(place, trial)
    shown = [trial for _, trial in sorted(best.items())]
    labels = [setting.text(trial.values[setting.name]) for trial in shown]
    upright = sum(map(len, labels)) + 2 * len(labels) < 110

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        bars = [
            (_bounds(search, trial), BEST_COLOUR if trial is search.best else FAMILY_COLOURS["zoo"]) for trial in shown
        ]
        draw_bars(axes, bars, search.score, upright)
        if upright:
            axes.set_xticks(range(len(shown)), labels)
            axes.set_xlabel(setting.label)
        else:
            axes.set_yticks(range(len(shown)), [short(label) for label in labels])
            axes.set_ylim(len(shown) - 0.4, -0.6)
            axes.set_ylabel(setting.label)

    return as_svg(name, draw, height=3.4 if upright else 0.9 + 0.32 * len(shown))


def has_bars(search: Searched) -> bool:
    """Whether the search was over one setting of few values."""
    if len(search.settings) != 1 or not search.leaves:
        return False
    (setting,) = search.settings
    tried = {setting.place(trial.values) for trial in search.leaves}
    return (setting.kind != "float" or setting.step is not None) and 2 <= len(tried) <= MOST_BARS


def importance_figure(search: Searched, found: Importance, name: str) -> str:
    """What shuffling each setting takes from the forests' predictions, the greatest first, with the shares beside."""
    labels = {setting.name: setting.label for setting in search.settings} | {EPOCHS: EPOCHS}
    order = sorted(found.loss, key=lambda key: -found.loss[key].mean)

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        beside = axes.get_yaxis_transform()

        def write(place: float, loss: str, share: str, weight: str = "normal") -> None:
            for shift, text in ((10, loss), (125, share)):  # points to the right of the axes
                axes.annotate(
                    text, (1, place), xycoords=beside, xytext=(shift, 0), textcoords="offset points", va="center",
                    fontsize=8.5, fontweight=weight, annotation_clip=False,
                )  # fmt: skip

        for place, key in enumerate(order):
            loss = found.loss[key]
            axes.barh(place, loss.mean, 0.62, color=FAMILY_COLOURS["zoo"], alpha=0.75, linewidth=0)
            axes.plot([loss.low, loss.high], [place, place], color=INK, linewidth=1.4)
            write(place, _loss_text(loss), percent(min(found.share[key], 1.0)))
        write(-1, "Lost R²", "Share alone (%)", "bold")
        axes.axvline(0, color=MUTED, linewidth=0.8)
        axes.set_yticks(range(len(order)), [short(labels[key], 32) for key in order])
        axes.set_ylim(len(order) - 0.4, -1.4)
        axes.set_xlabel("R² that the forests lose when the setting is shuffled")
        axes.grid(visible=False, axis="y")

    return as_svg(name, draw, height=0.9 + 0.3 * (len(order) + 1))


def _draw_slice(axes: Axes, search: Searched, setting: Setting, inches: float) -> None:
    shown = [(trial, place) for trial in search.leaves if (place := setting.place(trial.values)) is not None]
    scale, columns = search.score.scale, len(setting.values)
    for trial, place in reversed(shown):
        assert trial.score is not None  # completed trials have one
        if columns:  # so that equal values lie beside each other
            place += (trial.number * 0.618 % 1 - 0.5) * 0.5 / columns
        height = scale * search.bounded(trial.score)
        if trial is search.best:
            axes.plot(place, height, "*", color=BEST_COLOUR, markersize=11, markeredgewidth=0, zorder=4)
        elif trial is search.own:
            axes.plot(place, height, "s", color=OWN_COLOUR, markersize=6, markeredgewidth=0, zorder=3)
        else:
            size = 4.5 if len(shown) <= 60 else 3.2
            axes.plot(place, height, "o", color=LINE_COLOURS[0], markersize=size, alpha=0.6, markeredgewidth=0)
    most = max(int(inches / 0.45), 3) if columns and not _slanted(setting, inches) else int(inches / 0.22)
    ticks = setting.ticks(most if columns else 5 if inches < 4 else 8)
    slanted = columns > 0 and _slanted(setting, inches)
    axes.set_xticks(
        [place for place, _ in ticks], [short(text, 16) for _, text in ticks], fontsize=7.5,
        rotation=30 if slanted else 0, ha="right" if slanted else "center", rotation_mode="anchor" if slanted else None,
    )  # fmt: skip
    room = 0.5 / max(columns, 2) + 0.04 if columns else 0.05
    axes.set_xlim(-room, 1 + room)
    axes.set_title(_wrapped(setting.label, int(inches * 12)), fontsize=9)
    axes.tick_params(axis="y", labelsize=7.5)


def _slanted(setting: Setting, inches: float) -> bool:
    """Whether the names of its values do not fit side by side."""
    texts = [short(text_of(value), 16) for value in setting.values]
    return any(len(text) > 3 for text in texts) and (max(map(len, texts)) + 1) * 4.9 * len(texts) > 66 * inches


def _height(setting: Setting, trial: Trial) -> float:
    place = setting.place(trial.values)
    if place is None:
        return _UNUSED
    # Equal choices lie a little apart, so that one does not hide the other.
    return place + (trial.number * 0.618 % 1 - 0.5) * 0.04 * bool(setting.values)


def _tick_count(setting: Setting) -> int:
    return 16 if setting.values else 6


def _score_ticks(search: Searched) -> list[tuple[float, str]]:
    """Places of the score's axis, whose top is the best."""
    worst, best = search.limits
    if worst == best:
        return [(1.0, search.figure(best))]
    scale = search.score.scale
    low, high = sorted((scale * worst, scale * best))
    axis = Setting("", "", "float", (), low, high, None, False, ())
    return [(place if search.sign > 0 else 1 - place, text) for place, text in axis.ticks(6)]


def _bounds(search: Searched, trial: Trial) -> tuple[float, float, float] | None:
    found = search.estimate(trial)
    if isinstance(found, Estimate):
        return found.mean, found.low, found.high
    return None if found is None else (found, found, found)


def _loss_text(loss: Estimate) -> str:
    mean, low, high = (f"{round(part, 2) + 0.0:.2f}".replace("-", "−") for part in (loss.mean, loss.low, loss.high))
    return f"{mean}  [{low}, {high}]"


def _wrapped(text: str, letters: int) -> str:
    lines: Sequence[str] = textwrap.wrap(text, max(letters, 6), break_long_words=True)
    return "\n".join(lines[:4])

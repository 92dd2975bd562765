"""The figures of a search over time: trial by trial, epoch by epoch, round by round, and score against latency."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from genrezoo.report.drawing import (
    BEST_COLOUR,
    INK,
    LINE_COLOURS,
    MUTED,
    OWN_COLOUR,
    as_svg,
    place_labels,
    short,
    with_tips,
)
from genrezoo.report.figures import around, log_ticks
from genrezoo.report.search_records import Searched, epochs_of
from genrezoo.trials import Trial

MOST_TIPS = 300
MOST_COURSES = 100
"""Trainings drawn in grey behind the best."""
COLOURED = 7
"""The best trials, which have a colour and a name each."""
_COURSE_COLOURS = (*LINE_COLOURS, INK)
_BY = {"recipe": OWN_COLOUR, "warm": "#e69f00", "random": "#56b4e9"}
"""Colours of those who suggest trials; the tuner itself has the first colour."""
_BY_TEXT = {"recipe": "the recipe's own values", "warm": "an earlier search"}
_PANELS = (
    ("loss", "Training error", 1),
    ("valid_loss", "Validation error", 1),
    ("accuracy", "Training accuracy (%)", 100),
    ("valid_accuracy", "Validation accuracy (%)", 100),
)


def scores_figure(search: Searched, name: str) -> str:
    """The score of each trial in the order of their ends, with the best so far."""
    tips = {}

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        low, high = _score_axis(axes, search)
        bottom = _edge(search, low, high)
        for place, trial in enumerate(search.ended, 1):
            gid = f"tip-{trial.number}" if place <= MOST_TIPS else None
            size = 6.5 if len(search.ended) <= 60 else 4.5
            height = bottom if trial.score is None else search.score.scale * search.bounded(trial.score)
            axes.plot(
                place, height, gid=gid, clip_on=False, zorder=3, linestyle="none", **_mark(trial, search, size),
            )  # fmt: skip
            if gid:
                why = f" {trial.error}" if trial.error else ""
                tips[gid] = short(f"{search.tip(trial)} ({trial.status}, by {trial.by}){why}", 400)
        path = _best_so_far(search)
        if path:
            axes.step(*zip(*path, strict=True), where="post", color=BEST_COLOUR, linewidth=1.4, zorder=2)
        axes.set_ylim(low, high)
        _trial_axis(axes, search)
        _legend(figure, search, bool(path))

    return with_tips(as_svg(name, draw, height=3.8), tips)


def convergence_figure(search: Searched, name: str) -> str:
    """The best score so far after each trial."""

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        path = _best_so_far(search)
        axes.step(*zip(*path, strict=True), where="post", color=LINE_COLOURS[0], linewidth=1.8, zorder=2)
        steps = [path[0], *(point for last, point in pairwise(path) if point[1] != last[1])]
        axes.plot(*zip(*steps, strict=True), "o", color=LINE_COLOURS[0], markersize=5.5, clip_on=False, zorder=3)
        own = search.own
        if own is not None and own.score is not None:
            axes.axhline(search.score.scale * own.score, color=OWN_COLOUR, linestyle=(0, (4, 3)), linewidth=1)
        _trial_axis(axes, search)
        axes.set_ylabel(f"Best {_lower(search.score.title)}")
        axes.margins(y=0.12)
        axes.autoscale_view()
        axes.set_ylim(axes.get_ylim())
        numbers = {place: trial for place, trial in enumerate(search.ended, 1)}
        labels = [f"{search.score.write(score)} (trial {numbers[int(place)].number})" for place, score in steps]
        figure.canvas.draw()  # fixes the layout, so that pixels are final
        corners = axes.transData.transform(
            [corner for one, two in pairwise(path) for corner in (one, (two[0], one[1]), two)]
        )
        walls = [around(one, two) for one, two in pairwise(corners)]
        few = slice(-1, -7, -1)  # the last ones, where there is no room for all
        place_labels(axes, steps[few], labels[few], walls)

    return as_svg(name, draw, height=3.2)


def courses_figure(search: Searched, name: str) -> str:
    """Errors and accuracies of all trials epoch by epoch, in grey, the best in colours."""
    best = coloured(search)
    chosen = {trial.number for trial in best}
    rest = [trial for trial in search.ended if trial.history and trial.number not in chosen]
    panels = [panel for panel in _PANELS if any(trial.history.get(panel[0]) for trial in (*best, *rest))]
    down = -(-len(panels) // 2)
    names = [f"{search.figure(one.score or 0.0)}  trial {one.number}: {search.named(one)}" for one in best]
    names = [short(name, 130) for name in names]
    across = max(1, min(4, len(names), 150 // (max(map(len, names), default=1) + 8)))

    def draw(figure: Figure) -> None:
        grid = figure.subplots(down, 2, squeeze=False)
        for axes, (column, title, scale) in zip(grid.ravel(), panels, strict=False):
            for trial in rest[-MOST_COURSES:]:
                _course(axes, trial.history, column, scale, color=MUTED, linewidth=0.6, alpha=0.4)
            for trial, colour in reversed(list(zip(best, _COURSE_COLOURS, strict=False))):
                _course(axes, trial.history, column, scale, color=colour, linewidth=1.5, zorder=3)
            axes.set_title(title)
            axes.set_xlabel("Epoch")
            axes.xaxis.set_major_locator(MaxNLocator(8, integer=True, min_n_ticks=1))
            if scale == 1:
                _bound(axes, [trial.history.get(column) or [] for trial in (*best, *rest)])
        for axes in grid.ravel()[len(panels) :]:
            axes.set_axis_off()
        handles = [Line2D([], [], color=colour, linewidth=2.2) for colour in _COURSE_COLOURS[: len(best)]]
        figure.legend(
            handles, names, loc="outside lower left", fontsize=8, frameon=False, ncols=across, alignment="left",
            title=f"{search.score.title}: the best trials", title_fontproperties={"size": 8, "weight": "bold"},
        )  # fmt: skip

    return as_svg(name, draw, height=2.7 * down + 0.4 + 0.2 * -(-len(best) // across))


def coloured(search: Searched) -> list[Trial]:
    """The best trials that have a course."""
    return [trial for trial in search.leaves if trial.history][:COLOURED]


def has_courses(search: Searched) -> bool:
    """Whether any trial has an error or accuracy for each epoch."""
    return any(trial.history.get(column) for trial in search.ended for column, _, _ in _PANELS)


def front_figure(search: Searched, name: str) -> str:
    """Score against latency, with the front of trials that no other beats in both, and the limit."""
    timed = [trial for trial in search.trials if trial.latency_ms is not None and trial.latency_ms > 0]
    front = search.journal.front
    chosen = {trial.number for trial in front}
    limit = search.plan["objective"].get("latency_limit_ms")
    tips = {}

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        low, high = _score_axis(axes, search)
        bottom, far = _edge(search, low, high), low if search.sign > 0 else high
        axes.set_xscale("log")

        def at(trial: Trial) -> tuple[float, float]:
            height = bottom if trial.score is None else search.score.scale * search.bounded(trial.score)
            return float(trial.latency_ms or 0), height

        for trial in timed:
            mark = _mark(trial, search, 6.5)
            if trial.ran:
                mark |= {"color": BEST_COLOUR if trial.number in chosen else LINE_COLOURS[0], "marker": "o"}
                mark |= {"alpha": 1.0 if trial.number in chosen else 0.55}
            gid = f"tip-{trial.number}"
            axes.plot(*at(trial), gid=gid, linestyle="none", clip_on=False, zorder=3, **mark)
            tips[gid] = f"{search.tip(trial)}. {trial.latency_ms:.3g} ms"
        if limit:
            axes.axvline(limit, color=INK, linestyle=(0, (4, 3)), linewidth=1)
        axes.set_xlabel("Latency: processor time for one song (ms)")
        axes.margins(x=0.1)
        axes.autoscale_view(scaley=False)
        axes.set_xlim(axes.get_xlim())
        axes.set_ylim(low, high)
        log_ticks(axes)
        if front:
            path = [(at(front[0])[0], far), at(front[0])]
            for one, other in pairwise(front):
                path += [(at(other)[0], at(one)[1]), at(other)]
            path.append((axes.get_xlim()[1], path[-1][1]))
            axes.plot(*zip(*path, strict=True), color=MUTED, linewidth=1.2, zorder=1)
            figure.canvas.draw()  # fixes the layout, so that pixels are final
            walls = [around(one, two) for one, two in pairwise(axes.transData.transform(path))]
            if limit:
                walls.append(around(*axes.transData.transform([(limit, low), (limit, high)])))
            shown = front if len(front) <= 15 else front[:: -(-len(front) // 15)]
            place_labels(axes, [at(trial) for trial in shown], [f"trial {trial.number}" for trial in shown], walls)

    return with_tips(as_svg(name, draw, height=4.6), tips)


def rungs_figure(search: Searched, name: str) -> str:
    """Score against the epochs that a training has reached; lines join trials to those that go on from them."""
    by_number = {trial.number: trial for trial in search.trials}
    reached = [(trial, epochs) for trial in search.trials if trial.score is not None and (epochs := rung_of(trial))]
    tips = {}

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        low, high = _score_axis(axes, search)
        axes.set_xscale("log", base=2)
        for trial, epochs in reached:
            assert trial.score is not None  # chosen by it
            merit, here = search.merit(trial.score), search.score.scale * search.bounded(trial.score)
            before = by_number.get(-1 if trial.origin is None else trial.origin)
            if before is not None and before.score is not None and rung_of(before):
                there = search.score.scale * search.bounded(before.score)
                axes.plot([rung_of(before), epochs], [there, here], color=MUTED, linewidth=0.8 + merit, alpha=0.6)
            colour, gid = (BEST_COLOUR if trial is search.best else LINE_COLOURS[0]), f"tip-{trial.number}"
            axes.plot(epochs, here, "o", color=colour, markersize=6, alpha=0.8, markeredgewidth=0, zorder=3, gid=gid)
            tips[gid] = f"{search.tip(trial)}. {epochs} epochs"
        places = sorted({epochs for _, epochs in reached})
        axes.set_xticks(places, [str(place) for place in places])
        axes.minorticks_off()
        axes.margins(x=0.06)
        axes.autoscale_view(scaley=False)
        axes.set_ylim(low, high)
        axes.set_xlabel("Epochs reached")

    return with_tips(as_svg(name, draw, height=3.8), tips)


def rung_of(trial: Trial) -> int:
    """The epochs after which a trial was scored; 0 where nobody knows."""
    return trial.epochs or epochs_of(trial) or 0


def _mark(trial: Trial, search: Searched, size: float) -> dict[str, Any]:
    """Colour by who suggested a trial, shape by how it ended."""
    colour = _BY.get(trial.by, LINE_COLOURS[0])
    if trial.status == "failed":
        return {"color": INK, "marker": "x", "markersize": size, "markeredgewidth": 1.4}
    if trial.status == "infeasible":
        return {"color": colour, "marker": "s", "markersize": size - 1, "fillstyle": "none", "markeredgewidth": 1.2}
    if trial.status == "stopped":
        return {"color": colour, "marker": "v", "markersize": size, "fillstyle": "none", "markeredgewidth": 1.2}
    if trial.by == "recipe":
        return {"color": colour, "marker": "s", "markersize": size + 0.5, "markeredgewidth": 0}
    return {"color": colour, "marker": "o", "markersize": size, "markeredgewidth": 0, "alpha": 0.85}


def _legend(figure: Figure, search: Searched, has_path: bool) -> None:
    def handle(colour: str, marker: str, **more: Any) -> Line2D:
        return Line2D([], [], color=colour, marker=marker, linestyle="none", markersize=6, **more)

    who = dict.fromkeys(trial.by for trial in search.ended if trial.status != "failed")
    handles = [
        (handle(_BY.get(by, LINE_COLOURS[0]), "s" if by == "recipe" else "o"), _BY_TEXT.get(by, by)) for by in who
    ]
    how = {trial.status for trial in search.ended}
    marks = {"stopped": ("v", "stopped"), "infeasible": ("s", "over the limit of latency"), "failed": ("x", "failed")}
    for status, (marker, text) in marks.items():
        if status in how:
            handles.append((handle(INK, marker, fillstyle="none", markeredgewidth=1.2), text))
    if has_path:
        handles.append((Line2D([], [], color=BEST_COLOUR, linewidth=1.4), "best so far"))
    figure.legend(
        *zip(*handles, strict=True), loc="outside upper left", ncols=len(handles), frameon=False, fontsize=8,
        handletextpad=0.4, columnspacing=1.6,
    )  # fmt: skip


def _best_so_far(search: Searched) -> list[tuple[float, float]]:
    """Place and score after each ended trial, from the first completed one on."""
    path, best = [], None
    for place, trial in enumerate(search.ended, 1):
        if trial.ran and trial.score is not None and (best is None or search.sign * (trial.score - best) > 0):
            best = trial.score
        if best is not None:
            path.append((float(place), search.score.scale * best))
    return path


def _score_axis(axes: Axes, search: Searched) -> tuple[float, float]:
    """Names the axis of the score; its lower and upper end."""
    low, high = (search.score.scale * limit for limit in sorted(search.limits))
    margin = 0.08 * (high - low) or 0.05 * abs(high) or 0.1
    axes.set_ylabel(search.score.title)
    axes.set_ylim(low - margin, high + margin)
    return low - margin, high + margin


def _edge(search: Searched, low: float, high: float) -> float:
    """Where trials without a score stand: just inside the worse end of the axis."""
    inside = 0.025 * (high - low)
    return low + inside if search.sign > 0 else high - inside


def _trial_axis(axes: Axes, search: Searched) -> None:
    axes.set_xlabel("Trials ended")
    axes.xaxis.set_major_locator(MaxNLocator(12, integer=True, min_n_ticks=1))
    axes.set_xlim(0.4, len(search.ended) + 0.6)


def _course(axes: Axes, history: Mapping[str, Sequence[float]], column: str, scale: float, **look: Any) -> None:
    values = np.array(history.get(column) or [], float)
    shown = np.unique(np.linspace(0, len(values) - 1, min(len(values), 80)).round().astype(int))  # no more can be seen
    if len(values) == 1:
        look = {**look, "marker": "o", "markersize": 3}
    axes.plot(shown + 1, scale * values[shown], **look)


def _bound(axes: Axes, columns: Sequence[Sequence[float]]) -> None:
    """Keeps single trainings that diverge from flattening all others."""
    values = np.array([value for column in columns for value in column if np.isfinite(value)])
    if len(values):
        low, middle, most = values.min(), np.median(values), values.max()
        high = min(most, low + 8 * (middle - low)) if middle > low else most
        margin = 0.05 * (high - low) or 0.1
        axes.set_ylim(low - margin, high + margin)


def _lower(title: str) -> str:
    return title[:1].lower() + title[1:]

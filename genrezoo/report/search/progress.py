"""The figures of a search over its trials: convergence, the front of score and latency, rungs, learning curves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from genrezoo.report.search.records import SearchRecord, epochs_of
from genrezoo.report.style.drawing import BEST_COLOUR, INK, LINE_COLOURS, MUTED, OWN_COLOUR, Plot, as_tipped_svg
from genrezoo.report.style.front import draw_front
from genrezoo.report.style.learning_curves import COLUMNS, learning_curves
from genrezoo.report.style.number_format import plain
from genrezoo.trials import Trial

MOST_TIPS = 300
MOST_CURVES = 7
_SOURCES = {
    "recipe": (OWN_COLOUR, "the recipe's own values"),
    "warm": (LINE_COLOURS[4], "warm start"),
    "random": (LINE_COLOURS[5], "random"),
}
"""Colour and name of the sources of trials; the tuner itself has the first colour."""
_MARKS: dict[str, dict[str, Any]] = {
    "completed": {"marker": "o", "markeredgewidth": 0, "alpha": 0.85},
    "stopped": {"marker": "v", "markeredgewidth": 1.2, "fillstyle": "none"},
    "infeasible": {"marker": "s", "markeredgewidth": 1.2, "fillstyle": "none"},
    "failed": {"marker": "x", "markeredgewidth": 1.4, "color": INK},
}
_ENDS = {"stopped": "stopped", "infeasible": "over the latency limit", "failed": "failed"}
Draw = Callable[[Figure, dict[str, str]], None]


def tipped_plot(name: str, title: str, caption: str, draw: Draw, *, height: float) -> Plot:
    """A figure whose marks show tooltips: ``draw`` fills the figure and the tips by the ``gid`` of each mark."""
    return Plot(name, title, caption, as_tipped_svg(name, draw, height=height))


def convergence_plot(search: SearchRecord) -> Plot | None:
    """Draws the score of each trial in the order of their ends, with the best so far; None without scores."""
    if all(trial.score is None for trial in search.ended):
        return None

    def draw(figure: Figure, tips: dict[str, str]) -> None:
        axes = figure.subplots()
        _score_axis(axes, search)
        best: list[tuple[float, float]] = []
        for place, trial in enumerate(search.ended, 1):
            _draw_trial(axes, search, trial, place, tips if place <= MOST_TIPS else {})
            if trial.ran and trial.score is not None:
                scores = [score for _, score in best[-1:]] + [trial.score]
                best.append((place, (max if search.sign > 0 else min)(scores)))
        steps = [*best, *((len(search.ended), score) for _, score in best[-1:])]
        heights = [search.score.scale * search.bounded(score) for _, score in steps]
        axes.step([place for place, _ in steps], heights, where="post", color=BEST_COLOUR, linewidth=1.4, zorder=2)
        if search.own is not None and search.own.score is not None:
            height = search.score.scale * search.bounded(search.own.score)
            axes.axhline(height, color=OWN_COLOUR, linestyle=(0, (4, 3)), linewidth=1)
        axes.set_xlabel("Trials ended")
        axes.xaxis.set_major_locator(MaxNLocator(12, integer=True, min_n_ticks=1))
        axes.set_xlim(0.4, len(search.ended) + 0.6)
        _legend(figure, search)

    caption = "Score of each trial, in the order in which they ended. The line is the best so far."
    if search.own is not None:
        caption += " Dashed: the recipe's own values."
    if any(trial.score is None for trial in search.ended):
        caption += " Marks at the edge stand for trials without a score."
    return tipped_plot("convergence", "Convergence", caption + far(search), draw, height=3.8)


def front_plot(search: SearchRecord) -> Plot | None:
    """Draws score against latency, with the Pareto front and the limit; None without latencies."""
    timed = [trial for trial in search.trials if trial.latency_ms is not None and trial.latency_ms > 0]
    if not timed or not search.counts["completed"]:
        return None
    front, limit = search.journal.front, search.plan["objective"].get("latency_limit_ms")

    def draw(figure: Figure, tips: dict[str, str]) -> None:
        axes = figure.subplots()
        axes.set_xscale("log")
        limits = _score_axis(axes, search)
        points = {trial.number: _draw_trial(axes, search, trial, trial.latency_ms or 0.0, tips) for trial in timed}
        if limit:
            axes.axvline(limit, color=INK, linestyle=(0, (4, 3)), linewidth=1)
        axes.set_xlabel("Latency: CPU time for one song (ms)")
        axes.margins(x=0.1)
        axes.autoscale_view(scaley=False)
        shown = front[:: -(-len(front) // 15) or 1]
        walls = [((limit, limits[0]), (limit, limits[1]))] if limit else []
        labels = [f"trial {trial.number}" for trial in shown]
        draw_front(axes, [points[one.number] for one in front], [points[one.number] for one in shown], labels, walls)
        _legend(figure, search)

    caption = "The line joins the Pareto-optimal trials, which no other beats in both score and latency."
    if limit:
        caption += " Dashed: the latency limit; slower models were not trained."
    return tipped_plot("front", "Score against latency", caption + far(search), draw, height=4.6)


def rungs_plot(search: SearchRecord) -> Plot | None:
    """Draws score against epochs, with lines between trials that continue each other; None if no trial does."""
    scored = [trial for trial in search.trials if trial.score is not None]
    reached = {trial.number: trial.epochs or epochs_of(trial) or 0 for trial in scored}
    if not any(trial.epochs is not None for trial in search.trials) or not any(reached.values()):
        return None

    def draw(figure: Figure, tips: dict[str, str]) -> None:
        axes = figure.subplots()
        limits = _score_axis(axes, search)
        axes.set_xscale("log", base=2)
        points: dict[int, tuple[float, float]] = {}
        for trial in scored:
            if epochs := reached[trial.number]:
                points[trial.number] = _draw_trial(axes, search, trial, epochs, tips)
                if trial.origin in points:
                    ends = zip(points[trial.origin], points[trial.number], strict=True)
                    axes.plot(*ends, color=MUTED, linewidth=0.8 + search.merit(trial.score or 0.0), alpha=0.6, zorder=1)
        places = sorted(set(filter(None, reached.values())))
        axes.set_xticks(places, [str(place) for place in places])
        axes.minorticks_off()
        axes.margins(x=0.06)
        axes.autoscale_view(scaley=False)
        axes.set_ylim(*limits)
        axes.set_xlabel("Epochs reached")

    caption = (
        "Score against the number of epochs at which it was measured. A line joins a trial to the one that continues "
        "it: the best of a rung get more epochs."
    )
    return tipped_plot("rungs", "Rungs", caption + far(search), draw, height=3.8)


def curves_plot(search: SearchRecord) -> Plot | None:
    """Draws loss and accuracy of the best trials epoch by epoch; None without histories."""
    histories = {}
    for trial in search.leaves:
        if all(trial.history.get(name) for name in COLUMNS if name != "epoch"):
            epochs = [float(epoch) for epoch in range(1, (epochs_of(trial) or 0) + 1)]
            histories[f"trial {trial.number} ({search.text(trial.score)})"] = {**trial.history, "epoch": epochs}
    if not histories:
        return None
    caption = f"The best trials, {MOST_CURVES} at most. Solid: validation songs; dashed: training songs."
    if search.plan["objective"].get("folds") or (search.plan["objective"].get("repeats") or 1) > 1:
        caption += " Each is its first fold or seed."
    svg = learning_curves(dict(list(histories.items())[:MOST_CURVES]), "curves")
    return Plot("curves", "Learning curves", caption, svg)


def far(search: SearchRecord) -> str:
    """Returns a sentence about scores beyond the edge of the figures; empty without them."""
    beyond = sum(trial.score is not None and search.bounded(trial.score) != trial.score for trial in search.trials)
    if beyond == 1:
        return " One far worse trial is drawn at the edge."
    return f" {plain(beyond)} far worse trials are drawn at the edge." if beyond else ""


def _draw_trial(axes: Axes, search: SearchRecord, trial: Trial, x: float, tips: dict[str, str]) -> tuple[float, float]:
    """Draws a trial: colour by what suggested it, shape by how it ended, at the worse edge without a score."""
    low, high = axes.get_ylim()
    edge = low + 0.025 * (high - low) if search.sign > 0 else high - 0.025 * (high - low)
    y = edge if trial.score is None else search.score.scale * search.bounded(trial.score)
    colour = BEST_COLOUR if trial is search.best else _SOURCES.get(trial.by, (LINE_COLOURS[0], ""))[0]
    look = {"color": colour, "markersize": 6.5 if len(search.trials) <= 60 else 4.5, **_MARKS[trial.status]}
    axes.plot(x, y, gid=f"tip-{trial.number}", linestyle="none", clip_on=False, zorder=3, **look)
    error = f" {(trial.error or '')[:300]}" if trial.error else ""
    tips[f"tip-{trial.number}"] = f"{search.tip(trial)} ({trial.status}, by {trial.by}){error}"
    return x, y


def _score_axis(axes: Axes, search: SearchRecord) -> tuple[float, float]:
    """Sets the title and the limits of the axis of the score, and returns the limits."""
    low, high = (search.score.scale * limit for limit in sorted(search.limits))
    margin = 0.08 * (high - low) or 0.05 * abs(high) or 0.1
    axes.set_ylabel(search.score.title)
    axes.set_ylim(low - margin, high + margin)
    return low - margin, high + margin


def _legend(figure: Figure, search: SearchRecord) -> None:
    sources = dict.fromkeys(trial.by for trial in search.ended if trial.status != "failed")
    looks = [(*_SOURCES.get(by, (LINE_COLOURS[0], by)), _MARKS["completed"]) for by in sources]
    ended = {trial.status for trial in search.ended}
    looks += [(INK, text, _MARKS[status]) for status, text in _ENDS.items() if status in ended]
    looks += [(BEST_COLOUR, "the best", _MARKS["completed"])] * (search.best is not None)
    handles = [Line2D([], [], linestyle="none", markersize=6, **{"color": colour, **mark}) for colour, _, mark in looks]
    figure.legend(
        handles, [text for _, text, _ in looks], loc="outside upper left", ncols=len(handles), frameon=False,
        fontsize=8, handletextpad=0.4, columnspacing=1.6,
    )  # fmt: skip

"""The figure of a recording's genres over time: genres as rows, time from left to right."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib import colormaps, patheffects
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.collections import QuadMesh
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter

from genrezoo.errors import DataError, check_known
from genrezoo.report.style.drawing import INK, MUTED, as_svg, on_white, short

KINDS = (".png", ".svg")
"""Suffixes of the files that a figure can be written to."""

MOST_COLUMNS = 600  # more windows are averaged, because a screen would leave some out
_MAP = colormaps["magma_r"]  # perceptually uniform, in grey too, and light for low probabilities
_MARK = "#56b4e9"
_STEPS = (0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200)
_DOTS_PER_INCH = 144


def timeline_figure(
    edges: np.ndarray,
    probabilities: np.ndarray,
    genres: Sequence[str],
    *,
    answer: np.ndarray,
    rule: str,
    title: str,
    kind: str = ".png",
    score: str = "probability",
) -> bytes:
    """Draws the probability of each genre over time, and beside it the prediction for the whole recording.

    A blue line marks the genre with the highest value. More than `MOST_COLUMNS` windows are averaged over neighbours,
    and the label of the axis states how many.

    Args:
        edges: Start of each window, and the end of the last, in seconds; ``(n_windows + 1,)``, increasing.
        probabilities: ``(n_windows, n_genres)``, in [0, 1].
        genres: Their names, drawn from top to bottom; up to 25 are legible.
        answer: Probabilities of the whole recording, ``(n_genres,)``.
        rule: The combination of the windows, e.g. ``mean of 30 windows``.
        title: Name of the recording.
        kind: One of `KINDS`.
        score: Name of the values.

    Returns:
        The content of the file.

    Raises:
        UnknownNameError: There is no such kind.
        DataError: There are no windows, or the shapes do not fit together.

    Example:
        >>> posterior = np.array([[0.9, 0.1], [0.8, 0.2], [0.1, 0.9]])
        >>> file = timeline_figure(np.arange(4), posterior, ["blues", "rock"],
        ...                         answer=posterior.mean(axis=0), rule="mean of 3 windows", title="a.wav")
        >>> file[1:4]
        b'PNG'

    Reference:
        "Neural networks for music genres", question 4, step 3.
    """
    check_known("kind of figure", [kind], KINDS)
    answer = np.asarray(answer, np.float64)
    if not len(probabilities) or probabilities.shape != (len(edges) - 1, len(genres)) or len(answer) != len(genres):
        raise DataError(
            f"{len(edges)} edges, probabilities {probabilities.shape}, an answer {answer.shape}, {len(genres)} genres",
            remedy="pass one edge more than windows, and one probability per genre",
        )

    def draw(figure: Figure) -> None:
        figure.set_dpi(_DOTS_PER_INCH)
        left, right = figure.subplots(1, 2, sharey=True, width_ratios=(6, 1))
        mesh = draw_timeline(left, edges, probabilities, genres, title=title)
        right.barh(range(len(genres)), answer, height=0.62, color=[_MAP(part) for part in answer], edgecolor=MUTED)
        for row, part in enumerate(answer):
            best = row == answer.argmax()
            right.annotate(
                f"{part:.2f}", (part, row), xytext=(3, 0), textcoords="offset points", va="center_baseline",
                fontsize=7.5, fontweight="bold" if best else "normal", color=INK if best or part >= 0.01 else MUTED,
            )  # fmt: skip
        right.set_xlim(0, max(1.45 * answer.max(), 1e-6))
        right.set_xticks([])
        right.tick_params(labelleft=False)
        right.grid(visible=False)
        right.spines["bottom"].set_visible(False)
        right.set_title("Whole", fontsize=9)
        right.set_xlabel(textwrap.fill(rule, 16), fontsize=8)
        add_scale(mesh, [left, right], score)
        if kind == ".png":
            figure.savefig(buffer, format="png", dpi=_DOTS_PER_INCH, facecolor="#ffffff", metadata={"Software": None})

    buffer = io.BytesIO()
    svg = as_svg("timeline", draw, height=1.5 + 0.27 * max(len(genres), 3))
    return buffer.getvalue() if kind == ".png" else on_white(svg).encode()


def draw_timeline(
    axes: Axes, edges: np.ndarray, probabilities: np.ndarray, genres: Sequence[str], *, title: str
) -> QuadMesh:
    """Draws the probability of each genre over time on empty axes; the arguments are those of `timeline_figure`."""
    edges, probabilities, together = pooled(
        np.asarray(edges, np.float64), np.asarray(probabilities, np.float64), most=MOST_COLUMNS
    )
    mesh = axes.pcolormesh(
        edges, np.arange(len(genres) + 1) - 0.5, probabilities.T,
        cmap=_MAP, vmin=0, vmax=1, rasterized=probabilities.size > 3000,
    )  # fmt: skip
    outline = [patheffects.withStroke(linewidth=3.2, foreground="#ffffff")]
    axes.hlines(*_runs(edges, probabilities.argmax(axis=1)), colors=_MARK, linewidth=1.8, path_effects=outline)
    axes.set_ylim(len(genres) - 0.5, -0.5)
    axes.set_yticks(range(len(genres)), [short(genre, 24) for genre in genres])
    axes.grid(visible=False)
    axes.hlines(np.arange(1, len(genres)) - 0.5, edges[0], edges[-1], colors="#ffffff", linewidth=0.8)
    _time_axis(axes.xaxis, edges, together)
    axes.set_title(short(title, 80))
    return mesh


def add_scale(mesh: QuadMesh, beside: Sequence[Axes], score: str) -> None:
    """Adds the scale of a timeline's colours beside axes."""
    figure: Any = beside[0].get_figure(root=True)
    bar = figure.colorbar(mesh, ax=beside, label=score, fraction=0.04, pad=0.01, aspect=25)
    bar.outline.set_edgecolor(MUTED)


def clock(seconds: float, *, hours: bool = False) -> str:
    """Returns seconds as ``m:ss``, or as ``h:mm:ss``.

    Example:
        >>> clock(75), clock(75, hours=True)
        ('1:15', '0:01:15')
    """
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def pooled(edges: np.ndarray, probabilities: np.ndarray, *, most: int) -> tuple[np.ndarray, np.ndarray, int]:
    """Averages a timeline over neighbouring windows, weighted by their lengths.

    Args:
        edges: Start of each window, and the end of the last, in seconds; ``(n_windows + 1,)``.
        probabilities: ``(n_windows, n_genres)``.
        most: Largest number of new windows.

    Returns:
        Edges and probabilities of the new windows, and the number of old windows in each.

    Example:
        >>> edges, probabilities, together = pooled(np.array([0, 1, 2, 3]), np.array([[0.2], [0.4], [0.9]]), most=2)
        >>> edges.tolist(), probabilities.round(2).tolist(), together
        ([0, 2, 3], [[0.3], [0.9]], 2)
    """
    together = -(-len(probabilities) // most)
    if together == 1:
        return edges, probabilities, 1
    starts = np.arange(0, len(probabilities), together)
    length = np.diff(edges)
    sums = np.add.reduceat(probabilities * length[:, None], starts)
    return edges[[*starts, -1]], sums / np.add.reduceat(length, starts)[:, None], together


def _runs(edges: np.ndarray, best: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns rows, starts and ends of the intervals in which one genre is the most probable."""
    first = np.flatnonzero(np.diff(best, prepend=-1))
    return best[first], edges[first], edges[[*first[1:], len(best)]]


def _time_axis(axis: Axis, edges: np.ndarray, together: int) -> None:
    """Sets ticks at round times: seconds, ``m:ss`` from two minutes, ``h:mm:ss`` from an hour."""
    span = edges[-1] - edges[0]
    step = next((step for step in _STEPS if span / step <= 12), span)
    ticks = np.arange(np.ceil(edges[0] / step - 1e-9), np.floor(edges[-1] / step + 1e-9) + 1) * step + 0.0  # not -0
    long, hours = edges[-1] > 120, edges[-1] > 3600
    axis.set_major_locator(FixedLocator(ticks.tolist()))
    axis.set_major_formatter(FuncFormatter(lambda at, _: clock(at, hours=hours) if long else f"{at:g}"))
    unit = ("h:mm:ss" if hours else "m:ss") if long else "seconds"
    pooled = f"; each column is the mean of {together} windows" if together > 1 else ""
    axis.set_label_text(f"Time ({unit}{pooled}); blue: the highest value")

"""Pareto fronts of results against latency."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from matplotlib.axes import Axes

from genrezoo.report.style.drawing import MUTED, around, log_ticks, place_labels

Point = tuple[float, float]


def draw_front(
    axes: Axes,
    front: Sequence[Point],
    points: Sequence[Point],
    labels: Sequence[str],
    obstacles: Sequence[tuple[Point, Point]] = (),
) -> None:
    """Joins the points of a front by a step line on a logarithmic axis of latencies, and labels points.

    Args:
        axes: Axes with all marks drawn; their limits are final.
        front: (latency, result) of the points on the front, the fastest first; may be empty.
        points: Points to label, the most important first.
        labels: One label per point.
        obstacles: Straight lines that labels must not cross.
    """
    axes.set_xlim(axes.get_xlim())
    axes.set_ylim(axes.get_ylim())
    log_ticks(axes)
    path = list(front[:1])
    for (_, before), (x, y) in pairwise(front):
        path += [(x, before), (x, y)]
    path += [(axes.get_xlim()[1], y) for _, y in front[-1:]]
    axes.plot([x for x, _ in path], [y for _, y in path], color=MUTED, linewidth=1.2, zorder=1)
    axes.figure.canvas.draw()  # fixes the layout, so that pixels are final
    lines = [*pairwise(path), *obstacles]
    place_labels(axes, points, labels, [around(*axes.transData.transform(line)) for line in lines])

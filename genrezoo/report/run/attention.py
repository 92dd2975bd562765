"""The figure of a model's attention: the weight of each segment of a song."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes

from genrezoo.report.style.drawing import LINE_COLOURS, MUTED


def draw_attention(axes: Axes, weights: np.ndarray, *, title: str) -> None:
    """Draws the weights of a song's segments on empty axes, a line for each head.

    A dashed line marks equal weights.

    Args:
        axes: Empty axes.
        weights: ``(n_segments, n_heads)``; each column sums to 1.
        title: Title of the axes.
    """
    edges = np.arange(len(weights) + 1)
    for head, column in enumerate(100 * weights.T):
        colour = LINE_COLOURS[head % len(LINE_COLOURS)]
        axes.stairs(column, edges, color=colour, linewidth=1.5, label=f"head {head + 1}")
    axes.axhline(100 / len(weights), color=MUTED, linewidth=0.9, linestyle=(0, (4, 2)), label="equal weights")
    axes.set_xlim(0, len(weights))
    axes.set_ylim(bottom=0)
    axes.set_xlabel("Segment")
    axes.set_ylabel("Attention (%)")
    axes.set_title(title)
    axes.legend(frameon=False, loc="upper right")

"""Tables as coloured cells with their values in them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from genrezoo.report.style.drawing import short
from genrezoo.report.style.number_format import percent

_MAP = colormaps["Blues"]


def draw_heatmap(
    axes: Axes,
    fractions: np.ndarray,
    texts: np.ndarray,
    rows: Sequence[str],
    columns: Sequence[str],
    *,
    inches: float,
    gap_after: int = 0,
    says: np.ndarray | None = None,
    tips: dict[str, str] | None = None,
) -> None:
    """Draws a table as coloured cells, darker for larger fractions.

    Args:
        axes: Empty axes, some ``inches`` wide.
        fractions: ``(rows, columns)`` in [0, 1]; NaN leaves a cell out.
        texts: ``(rows, columns)``, the texts in the cells.
        rows: Labels on the left.
        columns: Labels on top; slanted if they do not fit side by side.
        inches: Width of the axes.
        gap_after: Number of first columns that are separated from the others.
        says: ``(rows, columns)``, the tooltips of the cells.
        tips: Receives the tooltips, see `as_tipped_svg`.
    """
    rows, columns = [short(label) for label in rows], [short(label, 24) for label in columns]
    small = 7.5 if len(columns) <= 13 else 6.5
    for (row, column), fraction in np.ndenumerate(fractions):
        if np.isnan(fraction):
            continue
        x = column + 0.25 * (0 < gap_after <= column)
        colour = _MAP(0.04 + 0.9 * fraction)
        gid = None
        if says is not None and tips is not None:
            gid = f"tip-{len(tips)}"
            tips[gid] = str(says[row, column])
        axes.add_patch(Rectangle((x - 0.47, row - 0.46), 0.94, 0.92, facecolor=colour, linewidth=0, gid=gid))
        dark = 0.2126 * colour[0] ** 2.2 + 0.7152 * colour[1] ** 2.2 + 0.0722 * colour[2] ** 2.2 < 0.25
        ink = "#ffffff" if dark else "#000000"
        text = str(texts[row, column])
        axes.text(x, row, text, ha="center", va="center_baseline", fontsize=small, color=ink)
    places = [column + 0.25 * (0 < gap_after <= column) for column in range(len(columns))]
    slanted = max(map(len, columns)) * 9 * 0.62 > 72 * inches / len(columns)
    axes.set_xticks(places, columns, rotation=40 if slanted else 0, ha="left" if slanted else "center")
    axes.set_yticks(range(len(rows)), rows)
    axes.xaxis.tick_top()
    axes.set_xlim(-0.5, places[-1] + 0.5)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)


def draw_confusion(
    axes: Axes,
    confusion: Sequence[Sequence[int]],
    genres: Sequence[str],
    *,
    inches: float,
    tips: dict[str, str] | None = None,
) -> None:
    """Draws a confusion matrix, each row as per cent of the genre's songs; cells below half a per cent stay blank.

    Args:
        axes: Empty axes, some ``inches`` wide.
        confusion: Songs by truth (rows) and prediction (columns).
        genres: Names of the genres.
        inches: Width of the axes.
        tips: Receives the tooltips of the cells, see `as_tipped_svg`.
    """
    counts = np.array(confusion, int)
    songs = counts.sum(axis=1)
    table = counts / np.maximum(songs, 1)[:, None]
    says = np.array(
        [
            [
                f"{short(truth)} predicted as {short(genre)}\n{n} of {total} songs ({percent(n / max(total, 1))} %)"
                for genre, n in zip(genres, row, strict=True)
            ]
            for truth, row, total in zip(genres, counts, songs, strict=True)
        ]
    )
    draw_heatmap(axes, table, per_cent(table, blank=0.005), genres, genres, inches=inches, says=says, tips=tips)
    axes.set_ylabel("truth")
    axes.set_xlabel("predicted")


def per_cent(table: np.ndarray, blank: float = -1.0) -> np.ndarray:
    """Returns fractions as whole per cent; those below ``blank`` are empty."""
    return np.array([[f"{100 * part:.0f}" if part >= blank else "" for part in row] for row in table])

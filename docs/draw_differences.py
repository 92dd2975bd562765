"""Plots ``docs/differences.png``, the zoo against the best baseline of each set: ``python docs/draw_differences.py``.

The results are the committed rows of repeated splits.
"""

from __future__ import annotations

from pathlib import Path

import matplotlib.pyplot as plt
from leaderboards import KINDS, REPEATED_KINDS, repeated_bests

from genrezoo.report.style.drawing import INK

COLOURS = {"bagged": "#7a9cc6", "greedy_zoo": "#1f4e8c", "greedy_all": "#b5651d"}


def main() -> None:
    """Draws the committed rows."""
    sets = repeated_bests()
    figure, ax = plt.subplots(figsize=(9, 0.9 + 0.75 * len(sets)), layout="constrained")
    for row, (_, _, best) in enumerate(sets):
        for number, kind in enumerate(REPEATED_KINDS):
            found = best[kind].difference if kind in best else None
            if found is None:
                continue
            height = row + 0.24 * (number - 1)
            label = KINDS[kind] if row == 0 else None
            ax.plot([100 * found.low, 100 * found.high], [height, height], color=COLOURS[kind], linewidth=2)
            ax.plot(100 * found.mean, height, "o", color=COLOURS[kind], label=label)
    ax.axvline(0, color=INK, linewidth=0.8)
    ax.set_yticks(range(len(sets)), [f"{place['songs']}\nagainst {reference.name}" for place, reference, _ in sets])
    ax.invert_yaxis()
    ax.set_xlabel("difference in accuracy to the best baseline (points, 95 % interval over ten splits)")
    ax.spines[["top", "right", "left"]].set_visible(False)
    ax.tick_params(axis="y", length=0)
    ax.legend(frameon=False, loc="upper left", bbox_to_anchor=(0, 1.12), ncols=len(REPEATED_KINDS))
    figure.savefig(Path(__file__).with_name("differences.png"), dpi=150)


if __name__ == "__main__":
    main()

"""Plots ``docs/pareto.png``, accuracy against latency: ``python docs/draw_pareto.py``.

The results are the committed rows of GTZAN segments.
"""

from __future__ import annotations

from pathlib import Path

import matplotlib.pyplot as plt

import genrezoo as gz

TOP = Path(__file__).resolve().parents[1]


def main() -> None:
    """Draws the committed rows."""
    figure, ax = plt.subplots(figsize=(12, 8), layout="constrained")
    gz.plot.pareto(TOP / "benchmarks" / "results" / "gtzan_modern", ax=ax)
    figure.savefig(Path(__file__).with_name("pareto.png"), dpi="figure")  # labels are placed in its pixels


if __name__ == "__main__":
    main()

"""Plots ``docs/pareto.png``, accuracy against latency from committed rows: ``python docs/draw_pareto.py RESULTS``."""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib.pyplot as plt

import genrezoo as gz


def main(folder: str) -> None:
    """Draws the results of a folder."""
    figure, ax = plt.subplots(figsize=(12, 8), layout="constrained")
    gz.plot.pareto(folder, ax=ax)
    figure.savefig(Path(__file__).with_name("pareto.png"), dpi="figure")  # labels are placed in its pixels


if __name__ == "__main__":
    main(sys.argv[1])

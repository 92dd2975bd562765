"""The report: leaderboards, searches and runs from rows, predictions and journals alone, without Keras.

The packages `benchmark`, `search` and `run` are independent of each other and share `style`.
"""

from genrezoo.report.benchmark.frame import read_rows
from genrezoo.report.benchmark.leaderboard import leaderboard
from genrezoo.report.benchmark.records import Board, Entry, Leaderboard
from genrezoo.report.benchmark.terminal import print_leaderboard
from genrezoo.report.benchmark.write import render
from genrezoo.report.run.page import render_run
from genrezoo.report.search.terminal import print_search
from genrezoo.report.search.write import render_search
from genrezoo.report.style.learning_curves import learning_curves

__all__ = [
    "Board",
    "Entry",
    "Leaderboard",
    "leaderboard",
    "learning_curves",
    "print_leaderboard",
    "print_search",
    "read_rows",
    "render",
    "render_run",
    "render_search",
]

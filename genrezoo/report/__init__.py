"""The report: leaderboards, searches and figures from rows, predictions and journals alone, without Keras."""

from genrezoo.report.curves import learning_curves
from genrezoo.report.records import Board, Leaderboard, Line
from genrezoo.report.search import render_search
from genrezoo.report.search_tables import print_search
from genrezoo.report.tables import leaderboard
from genrezoo.report.text import print_leaderboard
from genrezoo.report.write import render

__all__ = [
    "Board",
    "Leaderboard",
    "Line",
    "leaderboard",
    "learning_curves",
    "print_leaderboard",
    "print_search",
    "render",
    "render_search",
]

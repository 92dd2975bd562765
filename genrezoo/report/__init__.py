"""The report: leaderboards, tests and figures from rows and predictions alone, on any machine, without Keras."""

from genrezoo.report.curves import learning_curves
from genrezoo.report.records import Board, Leaderboard, Line
from genrezoo.report.tables import leaderboard
from genrezoo.report.text import print_leaderboard
from genrezoo.report.write import render

__all__ = ["Board", "Leaderboard", "Line", "leaderboard", "learning_curves", "print_leaderboard", "render"]

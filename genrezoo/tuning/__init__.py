"""Tuning: searches for the settings of a recipe that are best on validation songs.

KerasTuner's oracles decide what to try; everything around them is the package's own, because a search is long: trials
are processes of their own, a journal of fsynced lines is the only truth, and no point is tried twice.
"""

from genrezoo.tuning.hypermodel import hypermodel
from genrezoo.tuning.objective import Objective
from genrezoo.tuning.plan import SearchPlan, as_plan, list_search_plans, load_search_plan
from genrezoo.tuning.search import Search, load_search, tune

__all__ = [
    "Objective",
    "Search",
    "SearchPlan",
    "as_plan",
    "hypermodel",
    "list_search_plans",
    "load_search",
    "load_search_plan",
    "tune",
]

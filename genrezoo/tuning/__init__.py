"""Tuning: searches for the settings of a recipe that are best on validation songs.

KerasTuner's oracles decide what to try; everything around them is the package's own, because a search is long: trials
are processes of their own, a journal of fsynced lines is the only truth, and no point is tried twice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(  # search plans are listed without Keras
    __name__,
    submod_attrs={
        "hypermodel": ["hypermodel"],
        "objective": ["Objective"],
        "plan": ["SearchPlan", "as_plan", "list_search_plans", "load_search_plan"],
        "search": ["Search", "load_search", "tune"],
    },
)

if TYPE_CHECKING:  # the same names, for type checkers and editors
    from genrezoo.tuning.hypermodel import hypermodel as hypermodel
    from genrezoo.tuning.objective import Objective as Objective
    from genrezoo.tuning.plan import SearchPlan as SearchPlan
    from genrezoo.tuning.plan import as_plan as as_plan
    from genrezoo.tuning.plan import list_search_plans as list_search_plans
    from genrezoo.tuning.plan import load_search_plan as load_search_plan
    from genrezoo.tuning.search import Search as Search
    from genrezoo.tuning.search import load_search as load_search
    from genrezoo.tuning.search import tune as tune

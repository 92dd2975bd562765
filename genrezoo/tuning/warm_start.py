"""The points that a search tries first: the recipe's own values, and a warm start from earlier searches."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import fmean

from genrezoo.errors import SettingsError
from genrezoo.recipes import Recipe
from genrezoo.trials import read_journal
from genrezoo.tuning.plan import SearchPlan
from genrezoo.tuning.search_space import search_space
from genrezoo.tuning.space import Point, Space

WARM_POINTS = 3
"""How many of the best points of earlier searches are tried first."""
Scored = list[tuple[Point, float]]


def read_earlier(folder: str | Path, space: Space, metric: str) -> Scored:
    """The points of an earlier search that lie in a space, best first, each with how far its score is above their mean.

    Raises:
        SettingsError: It searched another model, procedure or metric, or no completed trial lies in the space.
        DataError: The folder holds no search.
    """
    journal, recipe = read_journal(folder), space.start
    before, theirs = Recipe.model_validate(journal.plan["recipe"]), journal.plan["objective"]["metric"]
    if (before.model, before.procedure, theirs) != (recipe.model, recipe.procedure, metric):
        raise SettingsError(
            f"{folder} searched {before.model!r} trained by {before.procedure!r} for {theirs}, this is "
            f"{recipe.model!r} by {recipe.procedure!r} for {metric}; warm-start from a search of the same kind"
        )
    then, sign = search_space(before, **journal.plan["given"]), 1 if journal.direction == "max" else -1
    found = [(space.point_of(then.recipe(trial.values)), sign * float(trial.score or 0)) for trial in journal.ranked]
    kept = [(point, score) for point, score in found if point is not None]
    if not kept:
        raise SettingsError(
            f"{folder}: no completed trial lies in the present space; widen it, or leave warm_start out"
        )
    mean = fmean(score for _, score in kept)
    return [(point, score - mean) for point, score in kept]


def first_points(plan: SearchPlan, space: Space, earlier: Sequence[Scored]) -> list[tuple[str, Point]]:
    """The points that are tried before the oracle is asked, each with who suggests it.

    Raises:
        SettingsError: A warm start of a tuner that cannot use one.
    """
    if plan.tuner in ("grid", "hyperband"):
        if earlier:
            raise SettingsError(f"a warm start needs the tuner bayesian or random, got {plan.tuner}")
        return []
    own = space.point_of(space.start) if plan.from_recipe else None
    best = sorted((scored for search in earlier for scored in search[:WARM_POINTS]), key=lambda scored: -scored[1])
    first = [] if own is None else [("recipe", own)]
    return first + [("warm", point) for point, _ in best[:WARM_POINTS]]

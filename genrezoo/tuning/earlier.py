"""A warm start: what earlier searches of the same model have found, on similar songs."""

from __future__ import annotations

from pathlib import Path
from statistics import fmean, pstdev
from typing import Any

from genrezoo.errors import SettingsError
from genrezoo.recipes import Recipe
from genrezoo.trials import read_journal
from genrezoo.tuning.plan import SearchPlan
from genrezoo.tuning.space import Space, search_space

WARM_POINTS = 3
"""How many of the best points of earlier searches are tried first."""


class Earlier:
    """An earlier search: its points that lie in the present space, with their scores."""

    def __init__(self, folder: str | Path, space: Space, recipe: Recipe):
        journal = read_journal(folder)
        before = Recipe.model_validate(journal.plan["recipe"])
        if (before.model, before.procedure) != (recipe.model, recipe.procedure):
            raise SettingsError(
                f"{folder} searched {before.model!r} trained by {before.procedure!r}, this is {recipe.model!r} by "
                f"{recipe.procedure!r}; warm-start from a search of the same kind"
            )
        then, sign = search_space(before, **journal.plan["given"]), 1 if journal.direction == "max" else -1
        found = [
            (space.values_of(then.recipe(trial.values)), sign * float(trial.score or 0)) for trial in journal.ranked
        ]
        kept = [(values, score) for values, score in found if values is not None]
        if not kept:
            raise SettingsError(f"{folder}: no completed trial lies in the present space; widen it, or start without")
        mean, deviation = fmean(score for _, score in kept), pstdev(score for _, score in kept)
        self.points = [(values, (score - mean) / (deviation or 1.0)) for values, score in kept]  # best first


def first_points(
    plan: SearchPlan, recipe: Recipe, space: Space, earlier: list[Earlier]
) -> list[tuple[str, dict[str, Any]]]:
    """The points that are tried before the oracle is asked."""
    if plan.tuner in ("grid", "hyperband"):
        if earlier:
            raise SettingsError(f"a warm start goes with the tuners bayesian and random, not with {plan.tuner}")
        return []
    first: list[tuple[str, dict[str, Any]]] = []
    if plan.from_recipe and (own := space.values_of(recipe)) is not None:
        first.append(("recipe", own))
    found = sorted((point for one in earlier for point in one.points[:WARM_POINTS]), key=lambda point: -point[1])
    return first + [("warm", values) for values, _ in found[:WARM_POINTS]]

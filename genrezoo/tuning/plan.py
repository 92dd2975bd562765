"""A search plan: everything that a search depends on, except the songs and the seed, as data."""

from __future__ import annotations

import importlib.resources
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field, field_validator

from genrezoo import files
from genrezoo.errors import DataError, SettingsError, UnknownNameError, checked
from genrezoo.recipes import RECIPES, Recipe, get_recipe
from genrezoo.tuning.objective import Objective, read_objective
from genrezoo.tuning.options import plain

SEARCHES = importlib.resources.files("genrezoo.tuning") / "searches"
BUDGET = 25
"""Default number of trials of a tuner without a natural end."""


class PlanData(BaseModel, frozen=True, extra="allow"):
    """The songs of a plan.

    Attributes:
        source: A data set, file or folder for `genrezoo.load_songs`; all other fields are the loader's options.
    """

    source: str

    @property
    def options(self) -> dict[str, Any]:
        """The loader's options."""
        return dict(self.model_extra or {})


class SearchPlan(BaseModel, frozen=True, extra="forbid"):
    """What a search tunes, how, and for which objective.

    Example:
        >>> load_search_plan("dropout_search").tuner
        'bayesian'
    """

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    summary: str = Field("", description="Purpose of the search, in one line.")
    reference: str = Field("", description="Document and section, or paper.")
    recipe: Recipe = Field(description="The recipe to tune, or its name.")
    changes: dict[str, Any] = Field({}, description="Arguments and settings for all trials.")
    space: dict[str, Any] = Field(
        {}, description="Options to search or restrict: a list, {min, max, step, sampling}, or one fixed value."
    )
    only: tuple[str, ...] | None = Field(None, description="Options to search; None: all declared ones.")
    tuner: str = Field("bayesian", description="Tuner: bayesian, random, hyperband or grid.")
    tuner_options: dict[str, Any] = Field({}, description="Options of the tuner, e.g. beta.")
    max_trials: int | None = Field(None, ge=1, le=100_000, description="Number of trials, including failed ones.")
    objective: Objective = Field(Objective(), description="Objective of the search.")
    from_recipe: bool = Field(True, description="Whether the first trial uses the recipe's values.")
    median_rule: bool = Field(False, description="Whether to stop trials that fall behind the median of the others.")
    seconds: float | None = Field(None, gt=0, le=1e8, description="Time limit of a trial, in seconds.")
    data: PlanData | None = Field(None, description="Default songs: `source` and the loader's options.")
    reported: dict[str, str] = Field({}, description="Results that the reference reports; never genrezoo's.")

    @field_validator("changes", "space", "tuner_options", mode="before")
    @classmethod
    def _plain(cls, value: Any) -> Any:
        return plain(value)

    @field_validator("recipe", mode="before")
    @classmethod
    def _by_name(cls, value: Any) -> Any:
        return RECIPES.get(value) if isinstance(value, str) else value

    @field_validator("objective", mode="before")
    @classmethod
    def _by_metric(cls, value: Any) -> Any:
        return read_objective(value)

    @property
    def tuned(self) -> Recipe:
        """Returns the recipe with the plan's changes."""
        return self.recipe.changed(self.changes)

    @property
    def budget(self) -> int | None:
        """Maximum number of trials; None for a tuner that ends by itself."""
        return BUDGET if self.max_trials is None and self.tuner in ("bayesian", "random") else self.max_trials


def list_search_plans() -> list[str]:
    """Returns the names of the search plans that come with the package."""
    return files.toml_names(SEARCHES)


def load_search_plan(name: str | Path) -> SearchPlan:
    """Loads a plan.

    Args:
        name: Name of a plan that comes with the package, or path of a TOML file.

    Raises:
        UnknownNameError: No such plan.
        DataError: The file is missing or is not a plan.
    """
    remedy = "see the plans that come with genrezoo (genrezoo/tuning/searches)"
    value = files.read_named("search plan", name, SEARCHES)
    return checked(lambda: SearchPlan.model_validate(value), lambda what: DataError(what, path=name, remedy=remedy))


def as_plan(what: str | Recipe | SearchPlan, changes: dict[str, Any]) -> SearchPlan:
    """Resolves the argument of a search to a plan.

    Args:
        what: A plan, its name or file; or a recipe, its name or file, which is searched with a plan's defaults.
        changes: Fields that replace the plan's; None keeps the plan's. ``changes`` and ``space`` are added to the
            plan's.

    Raises:
        UnknownNameError: Neither a recipe nor a plan has that name.
        SettingsError: A field is out of range.
    """
    if isinstance(what, SearchPlan):
        plan = what
    elif isinstance(what, Recipe):
        plan = SearchPlan(name=what.name, recipe=what)
    elif not isinstance(what, str | Path):
        raise SettingsError(f"expected a recipe, a search plan, or the name or file of one, got {what!r}")
    elif Path(what).suffix == ".json" or what in RECIPES.names() or _holds_recipe(what):
        recipe = get_recipe(what)
        plan = SearchPlan(name=recipe.name, recipe=recipe)
    elif Path(what).suffix == ".toml" or what in list_search_plans():
        plan = load_search_plan(what)
    else:
        raise UnknownNameError("recipe or search plan", what, {*RECIPES.names(), *list_search_plans()})
    given = {name: value for name, value in changes.items() if value is not None}
    if "objective" in given:
        given["objective"] = read_objective(given["objective"])
    if given.get("tuner", plan.tuner) != plan.tuner:
        given.setdefault("tuner_options", {})  # the plan's are another tuner's
    found = checked(lambda: SearchPlan(**{**{name: getattr(plan, name) for name in SearchPlan.model_fields}, **given}))
    changes, space = ({**getattr(plan, name), **getattr(found, name)} for name in ("changes", "space"))
    return found.model_copy(update={"changes": changes, "space": space})


def _holds_recipe(name: str) -> bool:
    """Whether a TOML file holds a recipe and not a plan."""
    return Path(name).suffix == ".toml" and "model" in files.read_toml(name)

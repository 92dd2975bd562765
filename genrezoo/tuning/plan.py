"""A search plan: everything that a search depends on but the songs and the seed, as data."""

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
"""Trials of a tuner that has no end of its own."""


class PlanData(BaseModel, frozen=True, extra="allow"):
    """Songs of a plan.

    Attributes:
        source: A data set, file or folder for `genrezoo.load_songs`; all other fields are the loader's options.
    """

    source: str

    @property
    def options(self) -> dict[str, Any]:
        """The loader's options."""
        return dict(self.model_extra or {})


class SearchPlan(BaseModel, frozen=True, extra="forbid"):
    """What is searched, how, and for what.

    Example:
        >>> load_search_plan("dropout_search").tuner
        'bayesian'
    """

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    summary: str = Field("", description="One line: what the search is for.")
    reference: str = Field("", description="Document and section, or paper.")
    recipe: Recipe = Field(description="What is tuned: the name of a recipe, or a recipe.")
    changes: dict[str, Any] = Field({}, description="Arguments and settings of all trials.")
    space: dict[str, Any] = Field(
        {}, description="Options to search or restrict: a list, {min, max, step, sampling}, or one fixed value."
    )
    only: tuple[str, ...] | None = Field(None, description="Options to search; all declared ones if left out.")
    tuner: str = Field("bayesian", description="bayesian, random, hyperband or grid.")
    tuner_options: dict[str, Any] = Field({}, description="Options of the tuner, e.g. beta.")
    max_trials: int | None = Field(None, ge=1, le=100_000, description="Trials, failed ones included.")
    objective: Objective = Field(Objective(), description="What makes a trial good.")
    from_recipe: bool = Field(True, description="The recipe's own values are the first trial.")
    median_rule: bool = Field(False, description="Stop trials that fall behind the median of the others.")
    seconds: float | None = Field(None, gt=0, le=1e8, description="Time limit of a trial.")
    data: PlanData | None = Field(None, description="Songs if none are passed: `source` and the loader's options.")
    reported: dict[str, str] = Field({}, description="Results that the reference reports; never ours.")

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
        """The recipe with the plan's changes."""
        return self.recipe.changed(self.changes)

    @property
    def budget(self) -> int | None:
        """Trials at most; None for a tuner that ends by itself."""
        return BUDGET if self.max_trials is None and self.tuner in ("bayesian", "random") else self.max_trials


def list_search_plans() -> list[str]:
    """Names of the search plans that come with the package."""
    return files.toml_names(SEARCHES)


def load_search_plan(name: str | Path) -> SearchPlan:
    """Loads a plan.

    Args:
        name: Name of one that comes with the package, or path of a TOML file.

    Raises:
        UnknownNameError: No such plan.
        DataError: The file is missing or is not a plan.
    """
    remedy = "see the plans that come with genrezoo (genrezoo/tuning/searches)"
    value = files.read_named("search plan", name, SEARCHES)
    return checked(lambda: SearchPlan.model_validate(value), lambda what: DataError(what, path=name, remedy=remedy))


def as_plan(what: str | Recipe | SearchPlan, changes: dict[str, Any]) -> SearchPlan:
    """The plan that a caller means.

    Args:
        what: A plan, its name or file; or a recipe, its name or file, which is searched with the defaults of a plan.
        changes: Fields in place of the plan's; None leaves the plan's. ``changes`` and ``space`` add to the plan's own.

    Raises:
        UnknownNameError: Neither a recipe nor a plan has that name.
        SettingsError: A field is out of range.
    """
    if isinstance(what, SearchPlan):
        plan = what
    elif isinstance(what, Recipe):
        plan = SearchPlan(name=what.name, recipe=what)
    elif not isinstance(what, str | Path):
        raise SettingsError(f"a recipe, a search plan, or the name or file of one is expected, got {what!r}")
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

"""A suite: recipes x data x seeds and the figures of the report, as a TOML file of data only."""

from __future__ import annotations

import importlib.resources
from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field, ValidationInfo, field_validator, model_validator

from genrezoo import files
from genrezoo.benchmarking.ensembles import EnsemblePlan
from genrezoo.benchmarking.study import Entrant, Grid
from genrezoo.benchmarking.tuned_baselines import ALL_BASELINES
from genrezoo.errors import DataError, SettingsError, UnknownNameError, check_known, checked
from genrezoo.figures import FigurePlan
from genrezoo.recipes import RECIPES, get_recipe

SUITES = importlib.resources.files("genrezoo.benchmarking") / "suites"


class Suite(BaseModel, frozen=True, extra="forbid"):
    """The definition of a benchmark."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    summary: str = Field(description="Purpose of the suite, in one line.")
    recipes: tuple[Entrant, ...] = Field((), description="Names of recipes, or tables with recipe, name and changes.")
    grid: tuple[Grid, ...] = Field((), description="Grids of recipes' options, each expanded into entrants.")
    baselines: tuple[str, ...] = Field((), description="Names of scikit-learn baselines.")
    data: tuple[dict[str, Any], ...] = Field(
        min_length=1,
        description="Tables with `source`, an optional `name` for the report's tables, and the loader's options.",
    )
    seeds: int = Field(3, ge=1, le=1000, description="Trainings per recipe, with seeds 1, 2, ….")
    repeats: int | None = Field(
        None,
        ge=2,
        le=1000,
        description="Number of newly drawn splits of the same songs, which replace the songs' own split.",
    )
    changes: dict[str, Any] = Field({}, description="Arguments and settings for all recipes.")
    overrides: dict[str, Any] = Field(
        {},
        description="Arguments and settings that take precedence over the entrants' values; set by the user of a "
        "suite.",
    )
    ensembles: tuple[EnsemblePlan, ...] = Field(
        (), description="Ensembles to select from the entrants once they are trained."
    )
    figures: tuple[FigurePlan, ...] = Field((), description="Figures of the report besides the usual ones.")
    reported: bool = Field(
        False, description="Whether the report shows the references' results beside the measured ones."
    )
    passes: int = Field(
        0,
        ge=0,
        le=1000,
        description="Number of timed predictions of all training and validation songs.",
    )
    train_scores: bool = Field(False, description="Whether scores on the training songs are also measured.")

    @property
    def entrants(self) -> list[Entrant]:
        """All entrants: the single ones, then those of the grids."""
        return [*self.recipes, *(entrant for grid in self.grid for entrant in grid.entrants())]

    @field_validator("recipes", "data", mode="before")
    @classmethod
    def _names(cls, value: Any, info: ValidationInfo) -> Any:
        key = "recipe" if info.field_name == "recipes" else "source"
        if not isinstance(value, list | tuple):
            raise ValueError("must be a list of names or tables")
        return [{key: part} if isinstance(part, str) else part for part in value]

    @field_validator("data")
    @classmethod
    def _have_source(cls, value: tuple[dict[str, Any], ...]) -> tuple[dict[str, Any], ...]:
        if any("source" not in part for part in value):
            raise ValueError("each data table needs a source")
        return value

    @field_validator("baselines")
    @classmethod
    def _known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        check_known("baseline", value, ALL_BASELINES)
        return value

    @model_validator(mode="after")
    def _ensembles_have_their_candidates(self) -> Suite:
        names = [*(entrant.called for entrant in self.entrants), *self.baselines]
        for number, ensemble in enumerate(self.ensembles):
            if ensemble.name in [*names, *(other.name for other in self.ensembles[:number])]:
                raise ValueError(f"an entrant, a baseline or another ensemble is already called {ensemble.name!r}")
            for pattern in ensemble.candidates:
                if not any(fnmatchcase(name, pattern) for name in names):
                    raise ValueError(f"ensemble {ensemble.name!r}: {pattern!r} is neither an entrant nor a baseline")
        return self

    @model_validator(mode="after")
    def _figures_have_their_entrants(self) -> Suite:
        entrants = self.entrants
        single = [entrant.called for entrant in entrants]
        for grid in self.grid:
            for entrant in grid.entrants():
                if single.count(entrant.called) > 1:
                    raise ValueError(f"grid {grid.called!r}: an entrant is already called {entrant.called!r}")
        for figure in self.figures:
            for name in figure.entrants:
                known = {*single, *self.baselines, *(entrant.study for entrant in entrants if entrant.study)}
                known |= {ensemble.name for ensemble in self.ensembles}
                if name not in known:
                    raise ValueError(f"figure {figure.title!r}: {name!r} is neither an entrant, a grid nor a baseline")
            if figure.of_training_songs and not self.train_scores:
                raise ValueError(f"figure {figure.title!r} shows scores on training songs: set train_scores = true")
            for axis in filter(None, (figure.x, figure.y)):
                if not any(
                    axis in entrant.axes for entrant in entrants if figure.is_about(entrant.called, entrant.study)
                ):
                    raise ValueError(f"figure {figure.title!r}: no entrant has a position on axis {axis!r}")
        return self

    def overridden(self, changes: Mapping[str, Any]) -> Suite:
        """Returns the suite with values that take precedence over those of its entrants.

        Raises:
            UnknownNameError: None of its recipes has such an option.
            SettingsError: It compares values of one of these options, which would become equal.
        """
        recipes = [get_recipe(entrant.recipe) for entrant in self.entrants]
        for key, value in changes.items():
            if recipes and "." not in key and not any(recipe.knows(key) for recipe in recipes):
                recipes[0].changed({key: value})  # refuses it
        for key in changes:
            for entrant in self.entrants:
                if key.rpartition(".")[2] in {axis.rpartition(".")[2] for axis in entrant.axes}:
                    raise SettingsError(
                        f"{key!r} cannot be set for all recipes: {self.name!r} compares its values "
                        f"({entrant.called} has {entrant.axes}). Choose one by its name, or another suite"
                    )
        return self.model_copy(update={"overrides": {**self.overrides, **changes}})

    def select(self, names: list[str]) -> Suite:
        """Returns the suite with other entrants: any recipes, grids and baselines by name.

        Figures without any of them are dropped, and so are ensembles with fewer than two remaining entrants.

        Raises:
            UnknownNameError: A name is neither an entrant or grid of the suite, a registered recipe, nor a baseline.
        """
        own = {entrant.called: entrant for entrant in self.entrants}
        grids = {grid.called: grid for grid in self.grid}
        recipes, grid, baselines = [], [], []
        for name in names:
            if name in own:
                recipes.append(own[name])
            elif name in grids:
                grid.append(grids[name])
            elif name in ALL_BASELINES:
                baselines.append(name)
            elif name in RECIPES.names():
                recipes.append(Entrant(recipe=name))
            else:
                raise UnknownNameError("recipe or baseline", name, {*own, *grids, *ALL_BASELINES, *RECIPES.names()})
        kept = [*recipes, *(entrant for one in grid for entrant in one.entrants())]
        called = [*((entrant.called, "zoo") for entrant in kept), *((name, "baseline") for name in baselines)]
        ensembles = []
        for ensemble in self.ensembles:
            if sum(ensemble.takes(*entrant) for entrant in called) > 1:
                patterns = [p for p in ensemble.candidates if any(fnmatchcase(name, p) for name, _ in called)]
                ensembles.append(ensemble.model_copy(update={"candidates": tuple(patterns)}))
        known = {*baselines, *(name for entrant in kept for name in (entrant.called, entrant.study) if name)}
        known |= {ensemble.name for ensemble in ensembles}
        figures = []
        for figure in self.figures:
            left = tuple(name for name in figure.entrants if name in known)
            axes = {axis for entrant in kept if figure.is_about(entrant.called, entrant.study) for axis in entrant.axes}
            if (left or not figure.entrants) and {figure.x, figure.y} - {None} <= axes:
                figures.append(figure.model_copy(update={"entrants": left}))
        chosen = {
            "recipes": tuple(recipes),
            "grid": tuple(grid),
            "baselines": tuple(baselines),
            "figures": tuple(figures),
            "ensembles": tuple(ensembles),
        }
        return self.model_copy(update=chosen)


def list_suites() -> list[str]:
    """Returns the names of the suites that come with the package."""
    return files.toml_names(SUITES)


def load_suite(suite: str | Path) -> Suite:
    """Loads a suite that comes with the package, or reads one from a TOML file.

    Args:
        suite: Name of a suite that comes with the package, or path of a TOML file; the ``suite.json`` in a benchmark's
            folder also works.

    Raises:
        UnknownNameError: No such suite.
        DataError: The file is neither TOML nor JSON, or something in it is unknown or out of range.

    Example:
        >>> load_suite("quick").seeds
        3
    """
    value, remedy = files.read_named("suite", suite, SUITES), "see docs/benchmark.md for the fields of a suite"
    return checked(lambda: Suite.model_validate(value), lambda what: DataError(what, path=suite, remedy=remedy))

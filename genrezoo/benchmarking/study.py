"""The entrants of a suite, as data: single recipes, and grids that expand into entrants."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, Field, field_validator, model_validator

from genrezoo.recipes import Recipe, get_recipe
from genrezoo.recipes.bagged import bagged

MOST_CELLS = 1000
NAME = r"^[a-z][a-z0-9_]*$"


class _OfRecipe(BaseModel, frozen=True, extra="forbid"):
    recipe: str = Field(pattern=NAME, description="Name of a recipe.")
    name: str | None = Field(None, pattern=NAME, description="Name in tables; the recipe's by default.")
    changes: dict[str, Any] = Field({}, description="Arguments and settings that differ from the recipe's.")
    feature_kinds: tuple[str, ...] = Field(
        (), description="Kinds of audio features that it applies to; it is skipped for songs with other kinds."
    )

    @property
    def called(self) -> str:
        """Name in tables."""
        return self.name or self.recipe


class Entrant(_OfRecipe):
    """One line of the leaderboard: a recipe, optionally with other values and another name."""

    bagged: int = Field(
        0,
        ge=0,
        description="Number of folds, at least 2: the recipe is trained once per fold of the songs, see "
        "`bagged`; 0: no folds.",
    )
    label: str | None = Field(None, min_length=1, description="Label in the study's figures; the name by default.")
    study: str | None = Field(None, pattern=NAME, description="Name of the grid that it belongs to or is shown with.")
    axes: dict[str, Any] = Field({}, description="Position on that grid's axes.")
    reported: dict[str, str] | None = Field(
        None, description="Results that the reference reports for it; the recipe's by default if nothing is changed."
    )

    @field_validator("bagged")
    @classmethod
    def _some_folds(cls, value: int) -> int:
        if value == 1:
            raise ValueError("must be 0, or at least 2 folds")
        return value

    @property
    def called(self) -> str:
        """Name in tables."""
        return self.name or (f"bagged_{self.recipe}" if self.bagged else self.recipe)

    @property
    def place(self) -> dict[str, Any]:
        """Fields of its rows that give its place in the study; empty if it has none."""
        said = {"study": self.study, "axes": self.axes or None, "label": self.label}
        return {key: value for key, value in said.items() if value is not None}

    def suits(self, kind: str | None) -> bool:
        """Whether it applies to songs with this kind of features; songs without a known kind fit all."""
        return kind is None or not self.feature_kinds or kind in self.feature_kinds

    def build(self, changes: Mapping[str, Any], overrides: Mapping[str, Any] = {}) -> Recipe:
        """Returns the recipe as it will be trained.

        The suite's changes apply to members too; this entrant's take precedence over them, and the user's over both.

        Reported results apply only to the reference's values, so an entrant with other values drops them. For a bagged
        recipe, all changes go to the recipe of its members.

        Args:
            changes: The suite's.
            overrides: The user's; they apply to members too. Options that this recipe does not have are ignored here;
                `Suite.overridden` rejects one that no entrant has.
        """
        recipe = get_recipe(self.recipe).changed(changes, everywhere=True).changed(self.changes)
        own = {key: value for key, value in overrides.items() if "." in key or recipe.knows(key)}
        recipe = recipe.changed(own, everywhere=True)
        if self.bagged:
            recipe = bagged(recipe, folds=self.bagged)
        reported = self.reported if self.reported is not None else {} if self.changes else recipe.reported
        return recipe.model_copy(update={"name": self.called, "reported": reported})


class Grid(_OfRecipe):
    """A recipe with all combinations of some options' values.

    Example:
        >>> grid = Grid(recipe="lstm", axes={"units": [50, 100], "l2": [0.001]})
        >>> [entrant.name for entrant in grid.entrants()]
        ['lstm_units_50_l2_0_001', 'lstm_units_100_l2_0_001']
    """

    axes: dict[str, list[Any]] = Field(min_length=1, description="Options or settings, each with its values.")

    @property
    def size(self) -> int:
        """Number of entrants that it expands to."""
        return math.prod(map(len, self.axes.values()))

    @field_validator("axes")
    @classmethod
    def _some_values(cls, value: dict[str, list[Any]]) -> dict[str, list[Any]]:
        for axis, values in value.items():
            if not values:
                raise ValueError(f"axis {axis!r} has no values")
        return value

    @model_validator(mode="after")
    def _not_too_large(self) -> Grid:
        if self.size > MOST_CELLS:
            sizes = " x ".join(f"{len(values)} of {axis}" for axis, values in self.axes.items())
            raise ValueError(
                f"{sizes} make {self.size:,} trainings of {self.recipe}, but at most {MOST_CELLS:,} are allowed"
            )
        names = [entrant.called for entrant in self.entrants()]
        if doubled := {name for name in names if names.count(name) > 1}:
            raise ValueError(
                f"two cells of the grid would both be called {min(doubled)!r}: their values are too similar"
            )
        return self

    def entrants(self) -> list[Entrant]:
        """Returns its entrants, with the last axis varying fastest; their names contain their values."""
        short = {axis: axis.rpartition(".")[2] for axis in self.axes}
        if len(set(short.values())) < len(short):
            short = {axis: _word(axis) for axis in self.axes}
        found = []
        for values in itertools.product(*self.axes.values()):
            axes = dict(zip(self.axes, values, strict=True))
            name = "_".join([self.called, *(f"{short[axis]}_{_word(value)}" for axis, value in axes.items())])
            changes = {**self.changes, **axes}
            place = {"study": self.called, "axes": axes, "feature_kinds": self.feature_kinds}
            found.append(Entrant(recipe=self.recipe, name=name, changes=changes, **place))
        return found


def _word(value: Any) -> str:
    """A value as part of a name: lower-case words joined by underscores."""
    if isinstance(value, list | tuple):
        return "_".join(map(_word, value))
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")

"""What a suite is made of, as data: entrants, grids that expand into entrants, and the figures drawn of them."""

from __future__ import annotations

import itertools
import math
import re
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from genrezoo.recipes import Recipe, get_recipe

MOST_CELLS = 1000
MOST_CURVES = 8
NAME = r"^[a-z][a-z0-9_]*$"
VALUE = r"^(valid_accuracy|test_accuracy|seconds_per_epoch|seconds_per_pass|heads\.[a-z][a-z0-9_]*)$"


class Entrant(BaseModel):
    """One line of the leaderboard: a recipe, perhaps with other values and another name."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    recipe: str = Field(description="Name of a recipe.")
    name: str | None = Field(None, pattern=NAME, description="Name in tables; the recipe's if left out.")
    changes: dict[str, Any] = Field({}, description="Arguments and settings that differ from the recipe's.")
    label: str | None = Field(None, min_length=1, description="What the study's figures call it; the name if left out.")
    study: str | None = Field(None, pattern=NAME, description="Name of the grid that it stands in, or beside.")
    axes: dict[str, Any] = Field({}, description="Where it stands on that grid's axes.")
    reported: dict[str, str] | None = Field(
        None, description="What the reference reports for it; the recipe's figures if left out and nothing is changed."
    )

    @property
    def called(self) -> str:
        """Its name in tables."""
        return self.name or self.recipe

    @property
    def place(self) -> dict[str, Any]:
        """What its rows say of its place in the study; nothing where it has none."""
        said = {"study": self.study, "axes": self.axes or None, "label": self.label}
        return {key: value for key, value in said.items() if value is not None}

    def build(self, changes: dict[str, Any]) -> Recipe:
        """The recipe as it will be trained; the suite's changes go to members too, and this entrant's own win.

        What the reference reports holds for its own values: an entrant with others has only figures of its own.
        """
        recipe = get_recipe(self.recipe).changed(changes, everywhere=True).changed(self.changes)
        reported = self.reported if self.reported is not None else {} if self.changes else recipe.reported
        return recipe.model_copy(update={"name": self.called, "reported": reported})


class Grid(BaseModel):
    """A recipe under all combinations of some options' values.

    Example:
        >>> grid = Grid(recipe="lstm", axes={"units": [50, 100], "l2": [0.001]})
        >>> [entrant.name for entrant in grid.entrants()]
        ['lstm_units_50_l2_0_001', 'lstm_units_100_l2_0_001']
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    recipe: str = Field(description="Name of a recipe.")
    name: str | None = Field(None, pattern=NAME, description="Name of the grid; the recipe's if left out.")
    axes: dict[str, list[Any]] = Field(min_length=1, description="Options or settings, each with its values.")
    changes: dict[str, Any] = Field({}, description="Arguments and settings that all its entrants get.")

    @property
    def called(self) -> str:
        """Its name."""
        return self.name or self.recipe

    @property
    def size(self) -> int:
        """How many entrants it expands to."""
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
            raise ValueError(f"{sizes} make {self.size:,} trainings of {self.recipe}, at most {MOST_CELLS:,} are taken")
        names = [entrant.called for entrant in self.entrants()]
        if doubled := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"two cells of the grid would be called {min(doubled)!r}: their values are too much alike")
        return self

    def entrants(self) -> list[Entrant]:
        """Its entrants, the last axis running fastest; their names tell their values."""
        short = {axis: axis.rpartition(".")[2] for axis in self.axes}
        if len(set(short.values())) < len(short):
            short = {axis: _word(axis) for axis in self.axes}
        found = []
        for values in itertools.product(*self.axes.values()):
            axes = dict(zip(self.axes, values, strict=True))
            name = "_".join([self.called, *(f"{short[axis]}_{_word(value)}" for axis, value in axes.items())])
            changes = {**self.changes, **axes}
            found.append(Entrant(recipe=self.recipe, name=name, changes=changes, study=self.called, axes=axes))
        return found


class Figure(BaseModel):
    """One figure of a study, drawn by the report from rows and histories."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["heatmap", "bars", "curves"] = Field(description="How it is drawn.")
    title: str = Field(min_length=1, description="Its heading.")
    caption: str = Field("", description="What the reference shows in the same place, for comparison.")
    entrants: tuple[str, ...] = Field((), description="Names of entrants, grids or peers; all if left out.")
    x: str | None = Field(None, description="Axis across; a bar chart without one has a bar for each entrant.")
    y: str | None = Field(None, description="Axis upwards, of a heat map.")
    values: tuple[str, ...] = Field(
        ("valid_accuracy",),
        min_length=1,
        description="A picture for each: valid_accuracy (of the best epoch), test_accuracy, seconds_per_epoch, "
        "seconds_per_pass, or heads.NAME (validation accuracy of an auxiliary output).",
    )
    best: int = Field(
        MOST_CURVES, ge=1, le=MOST_CURVES, description="Curves: how many, by validation accuracy; more look alike."
    )

    @field_validator("values")
    @classmethod
    def _known_values(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for name in value:
            if not re.fullmatch(VALUE, name):
                raise ValueError(f"unknown value {name!r}: none of {', '.join(VALUE[2:-2].split('|')[:4])}, heads.NAME")
        return value

    @model_validator(mode="after")
    def _axes_fit(self) -> Figure:
        if self.kind == "heatmap" and (self.x is None or self.y is None or self.x == self.y):
            raise ValueError("a heat map needs two different axes, x and y")
        if self.kind == "curves" and (self.x or self.y):
            raise ValueError("curves run over epochs and take no axes")
        if self.kind == "bars" and self.y:
            raise ValueError("bars take one axis, x")
        return self


def _word(value: Any) -> str:
    """A value as part of a name: lower-case words joined by underscores."""
    if isinstance(value, list | tuple):
        return "_".join(map(_word, value))
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")

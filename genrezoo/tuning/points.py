"""A search space and its points.

A point is a dict of the values of those hyperparameters that count there; it stands for a recipe.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import keras_tuner

from genrezoo.errors import SettingsError
from genrezoo.recipes import Recipe
from genrezoo.tuning.dimension import Dimension, plain
from genrezoo.tuning.exploring import Explored, same
from genrezoo.tuning.options import key_of, options_of, value_of
from genrezoo.tuning.oracles.points import all_points

GO_WITH: dict[str, dict[str, Any]] = {
    "optimizer": {"optimizer_arguments": {}, "weight_decay": None},
    "schedule": {"schedule_arguments": {}},
    "pace": {"level_ends": []},
    "share": {"accuracy": None},
    "trunk": {"trunk_arguments": {}},
    "member": {"member_arguments": {}},
}
"""Options that belong to the recipe's own choice of another one, and what they are where another choice is made."""


@dataclass(frozen=True)
class Room:
    """A builder's or a procedure's part of a space.

    Attributes:
        name: ``"model"`` or ``"settings"``.
        explored: What its own space declares.
        names: Names in the whole space of the hyperparameters that are searched, by their names here.
        fixed: Values of those that are not searched, by their names here.
        kept: Options that a point decides; the recipe keeps the others.
    """

    name: str
    explored: Explored
    names: Mapping[str, str]
    fixed: Mapping[str, Any]
    kept: frozenset[str]


@dataclass(frozen=True)
class Space:
    """What is searched, made by `search_space`.

    Attributes:
        start: The recipe that a point changes.
        dimensions: The hyperparameters, each after those that its conditions name.
        rooms: How points become arguments of the builder and settings of the procedure.
        options: Searched options that no room declares: their keys for `Recipe.changed`, by name.
        texts: By name, the values that texts stand for.
        fixed: Options, by their keys, that all points change alike.

    Example:
        >>> from genrezoo.recipes import get_recipe
        >>> from genrezoo.tuning.space import search_space
        >>> space = search_space(get_recipe("lstm"), space={"units": [16, 32]}, only=["units"])
        >>> space.size, space.template.values, space.recipe({"units": 16}).arguments["units"]
        (2, {'units': 32}, 16)
    """

    start: Recipe
    dimensions: tuple[Dimension, ...]
    rooms: tuple[Room, ...]
    options: Mapping[str, str]
    texts: Mapping[str, Mapping[str, Any]]
    fixed: Mapping[str, Any]

    @property
    def template(self) -> keras_tuner.HyperParameters:
        """All hyperparameters as KerasTuner knows them, a new object each time; its values are the default point."""
        hp = keras_tuner.HyperParameters()
        for dimension in self.dimensions:
            dimension.register(hp)
        return hp

    @property
    def size(self) -> int | None:
        """How many points it has; None if it has a range of real numbers."""
        points = all_points(self.template)
        return None if points is None else points.size

    def active(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The point that some values make: those that count, as plain data.

        Raises:
            SettingsError: One that counts is missing.
        """
        found: dict[str, Any] = {}
        for dimension in self.dimensions:
            if dimension.active(found) and dimension.name not in found:
                if dimension.name not in values:
                    raise SettingsError(f"a point of this space needs {dimension.name!r}, got {dict(values)}")
                found[dimension.name] = plain(values[dimension.name])
        return found

    def holds(self, values: Mapping[str, Any]) -> bool:
        """Whether values are a point of the space: none too many, none too few, each within its range."""
        try:
            found = self.active(values)
        except SettingsError:
            return False
        counted = [dimension for dimension in self.dimensions if dimension.active(found)]
        return set(found) == set(values) and all(dimension.holds(found[dimension.name]) for dimension in counted)

    def changes(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """What a point changes of the recipe, for `Recipe.changed`.

        Args:
            values: Values by name; those that do not count are passed over.

        Raises:
            SettingsError: One that counts is missing.
        """
        point, known = self.active(values), options_of(self.start)
        found: dict[str, Any] = {}
        for room in self.rooms:
            given = {here: point[name] for here, name in room.names.items() if name in point}
            made = room.explored.options({**room.fixed, **given})
            found |= {key_of(known, room.name, option): plain(made[option]) for option in made if option in room.kept}
        for name, key in self.options.items():
            found[key] = self.texts.get(name, {}).get(point[name], point[name])
        found |= self.fixed
        for key, value in list(found.items()):
            place, dot, name = key.rpartition(".")
            if name in GO_WITH and not same(value, value_of(self.start, key)):
                for option, reset in GO_WITH[name].items():
                    other = f"{place}{dot}{option}"
                    if other not in found and not same(value_of(self.start, other, reset), reset):
                        found[other] = reset
        return found

    def recipe(self, values: Mapping[str, Any]) -> Recipe:
        """The recipe of a point.

        Raises:
            SettingsError: One that counts is missing, or a value out of an option's range.
        """
        return self.start.changed(self.changes(values))

    def values_of(self, recipe: Recipe) -> dict[str, Any] | None:
        """The point that a recipe of the same model and procedure is; None if it is not in the space."""
        if (recipe.model, recipe.procedure) != (self.start.model, self.start.procedure):
            return None
        known, values = options_of(recipe), dict[str, Any]()
        for room in self.rooms:
            tried = {here: self._named(name)[0].samples() for here, name in room.names.items()}
            found = room.explored.values_of(known[room.name], tried)
            values |= {room.names[here]: value for here, value in found.items() if here in room.names}
        for name, key in self.options.items():
            value = plain(value_of(recipe, key))
            values[name] = json.dumps(value) if name in self.texts else value
        try:
            point = self.active(values)
        except SettingsError:
            return None
        if not self.holds(point) or not all(same(v, value_of(recipe, k)) for k, v in self.changes(point).items()):
            return None
        return {name: next(d for d in self._named(name) if d.active(point)).begin(point[name]) for name in point}

    def describe(self) -> list[dict[str, Any]]:
        """The hyperparameters as plain data."""
        return [dimension.describe() for dimension in self.dimensions]

    def _named(self, name: str) -> list[Dimension]:
        return [dimension for dimension in self.dimensions if dimension.name == name]

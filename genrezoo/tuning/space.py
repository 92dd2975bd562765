"""The search space of a recipe: the options that are searched, and the points that their values make.

A point is a dict of the values of those options that count there, by name; it stands for a recipe. KerasTuner knows
only numbers and texts of one type: `Space.template` writes other values of a choice as JSON, `Space.point` reads them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras_tuner
from keras_tuner.src.engine.conditions import Parent  # scopes of `HyperParameters` cannot hold two side by side

from genrezoo.errors import SettingsError
from genrezoo.recipes import Recipe
from genrezoo.spaces import Boolean, Choice, Domain, Float, Int, holds, values_of
from genrezoo.tuning.options import plain, same, value_of

kinds = keras_tuner.engine.hyperparameters
Point = dict[str, Any]
BELONGS_TO: dict[str, tuple[str, ...]] = {
    "optimizer": ("optimizer_arguments", "weight_decay"),
    "schedule": ("schedule_arguments",),
    "pace": ("level_ends",),
    "fraction": ("accuracy",),
    "trunk": ("trunk_arguments",),
    "member": ("member_arguments",),
}
"""Options that only make sense beside the recipe's own value of another one; beside other values they are defaults."""


@dataclass(frozen=True)
class Hyperparameter:
    """An option that is searched.

    Attributes:
        name: The option, as `Recipe.changed` takes it.
        domain: Its values.
        default: Where a search begins: the recipe's own value, or the nearest one.
        conditions: Other hyperparameters, with the values of them that it counts for; all must hold.
    """

    name: str
    domain: Domain
    default: Any
    conditions: tuple[tuple[str, tuple[Any, ...]], ...] = ()

    def active(self, point: Mapping[str, Any]) -> bool:
        """Whether it counts at a point."""
        return all(parent in point and point[parent] in allowed for parent, allowed in self.conditions)

    @property
    def texts(self) -> dict[Any, Any]:
        """Of a choice the values by what stands for them in KerasTuner."""
        assert isinstance(self.domain, Choice)  # only choices are asked
        values = self.domain.values
        simple = len({type(value) for value in values}) == 1 and isinstance(values[0], int | float | str)
        return {value if simple else json.dumps(value): value for value in values}

    def text(self, value: Any) -> Any:
        """What stands for a value in KerasTuner."""
        if not isinstance(self.domain, Choice):
            return value
        return next(text for text, each in self.texts.items() if plain(each) == plain(value))

    def made(self, others: Mapping[str, Hyperparameter]) -> Any:
        """It as KerasTuner has it; its conditions name some of the others."""
        conditions = [Parent(parent, [others[parent].text(v) for v in allowed]) for parent, allowed in self.conditions]
        about = {"name": self.name, "default": self.text(self.default), "conditions": conditions}
        domain = self.domain
        if isinstance(domain, Boolean):
            return kinds.Boolean(**about)
        if isinstance(domain, Choice):
            return kinds.Choice(values=list(self.texts), **about)
        if isinstance(domain, Float) and domain.step is not None:  # KerasTuner's own may lose the last value
            return kinds.Choice(values=list(values_of(domain) or ()), **about)
        kind = kinds.Int if isinstance(domain, Int) else kinds.Float
        return kind(min_value=domain.min, max_value=domain.max, step=domain.step, sampling=domain.sampling, **about)

    def describe(self) -> dict[str, Any]:
        """It as plain data."""
        kind = type(self.domain).__name__.lower()
        conditions = [{"name": parent, "values": plain(allowed)} for parent, allowed in self.conditions]
        facts = {name: getattr(self.domain, name, None) for name in ("min", "max", "step", "sampling", "values")}
        return {"name": self.name, "kind": kind, **plain(facts), "default": self.default, "conditions": conditions}


@dataclass(frozen=True)
class Space:
    """What is searched, made by `search_space`.

    Attributes:
        start: The recipe that a point changes.
        hyperparameters: What is searched, each after those that its conditions name.
        fixed: Options, by name, that all points change alike.

    Example:
        >>> from genrezoo.recipes import get_recipe
        >>> from genrezoo.tuning.search_space import search_space
        >>> space = search_space(get_recipe("lstm"), space={"units": [16, 32]}, only=["units"])
        >>> space.size, space.template.values, space.recipe({"units": 16}).arguments["units"]
        (2, {'units': 32}, 16)
    """

    start: Recipe
    hyperparameters: tuple[Hyperparameter, ...]
    fixed: Mapping[str, Any]

    @property
    def template(self) -> keras_tuner.HyperParameters:
        """All hyperparameters as KerasTuner knows them, a new object each time; its values are the default point."""
        hp, others = keras_tuner.HyperParameters(), {one.name: one for one in self.hyperparameters}
        hp.merge([one.made(others) for one in self.hyperparameters])
        return hp

    @property
    def values(self) -> dict[str, Sequence[Any] | None]:
        """All values of each hyperparameter; None for real numbers without a step."""
        return {one.name: values_of(one.domain) for one in self.hyperparameters}

    @property
    def size(self) -> int | None:
        """Number of points; None if a range of real numbers is searched."""
        values = {name: found for name, found in self.values.items() if found is not None}
        return self.count(values) if len(values) == len(self.hyperparameters) else None

    def count(self, values: Mapping[str, Sequence[Any]]) -> int:
        """Number of points that some values of each hyperparameter make."""
        apart: dict[str, set[Any]] = {one.name: set() for one in self.hyperparameters}  # values that conditions name
        for one in self.hyperparameters:
            for parent, allowed in one.conditions:
                apart[parent] |= {value for value in allowed if value in values[parent]}

        def ways(place: int, chosen: Point) -> int:
            if place == len(self.hyperparameters):
                return 1
            one = self.hyperparameters[place]
            if not one.active(chosen):
                return ways(place + 1, chosen)
            found = sum(ways(place + 1, {**chosen, one.name: value}) for value in apart[one.name])
            alike = len(values[one.name]) - len(apart[one.name])
            return found + (alike and alike * ways(place + 1, {**chosen, one.name: object()}))

        return ways(0, {})

    def points(self, values: Mapping[str, Sequence[Any]], chosen: Point | None = None) -> Iterator[Point]:
        """All points that some values of each hyperparameter make; the last hyperparameters change fastest."""
        chosen = chosen or {}
        left = [one for one in self.hyperparameters if one.name not in chosen and one.active(chosen)]
        if not left:
            yield chosen
            return
        for value in values[left[0].name]:
            yield from self.points(values, {**chosen, left[0].name: plain(value)})

    def point(self, values: Mapping[str, Any]) -> Point:
        """The point that some values make, KerasTuner's or plain ones: those that count, as plain data.

        Raises:
            SettingsError: One that counts is missing.
        """
        found: Point = {}
        for one in self.hyperparameters:
            if not one.active(found):
                continue
            if one.name not in values:
                raise SettingsError(f"a point of this space needs {one.name!r}, got {dict(values)}")
            value, domain = plain(values[one.name]), one.domain
            if isinstance(domain, Choice):
                value = plain(one.texts.get(value, value)) if isinstance(value, str) else value
            elif not isinstance(domain, Boolean) and domain.step is None:  # KerasTuner's may lie above the largest
                value = min(max(value, domain.min), domain.max)
            found[one.name] = value
        return found

    def texts(self, point: Mapping[str, Any]) -> dict[str, Any]:
        """A point as KerasTuner has it."""
        return {one.name: one.text(point[one.name]) for one in self.hyperparameters if one.name in point}

    def holds(self, values: Mapping[str, Any]) -> bool:
        """Whether values are a point of the space: none too many, none missing, each in its domain."""
        counted = [one for one in self.hyperparameters if one.active(values)]
        return set(values) == {one.name for one in counted} and all(holds(o.domain, values[o.name]) for o in counted)

    def changes(self, point: Mapping[str, Any]) -> dict[str, Any]:
        """What a point changes of the recipe, for `Recipe.changed`.

        Raises:
            SettingsError: A value that counts is missing.
        """
        changes = {**self.point(point), **self.fixed}
        for key, value in list(changes.items()):
            if same(value, value_of(self.start, key)):
                continue
            scope, dot, option = key.rpartition(".")
            followers = [f"{scope}{dot}{name}" for name in BELONGS_TO.get(option, ())]
            followers += [one.name for one in self.hyperparameters if key in dict(one.conditions)]
            for name in set(followers) - set(changes):
                own, default = (value_of(self.start, name, defaults=defaults) for defaults in (False, True))
                changes |= {} if same(own, default) else {name: default}
        return changes

    def recipe(self, point: Mapping[str, Any]) -> Recipe:
        """The recipe of a point.

        Raises:
            SettingsError: A value that counts is missing, or is out of an option's range.
        """
        return self.start.changed(self.changes(point))

    def point_of(self, recipe: Recipe) -> Point | None:
        """The point that a recipe of the same model and procedure is; None if it is not in the space."""
        point: Point = {}
        for one in self.hyperparameters:
            if one.active(point):
                value = value_of(recipe, one.name)
                point[one.name] = float(value) if isinstance(one.domain, Float) and type(value) is int else value
        kind = (recipe.model, recipe.procedure) == (self.start.model, self.start.procedure)
        if kind and self.holds(point) and all(same(v, value_of(recipe, k)) for k, v in self.changes(point).items()):
            return point
        return None

    def describe(self) -> list[dict[str, Any]]:
        """The hyperparameters as plain data."""
        return [one.describe() for one in self.hyperparameters]

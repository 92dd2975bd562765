"""The search space of a recipe: its model's and its procedure's hyperparameters, restricted as a caller says."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from genrezoo.errors import SettingsError, UnknownNameError
from genrezoo.recipes import Recipe
from genrezoo.registry import PROCEDURES, find_builder
from genrezoo.spaces import ask
from genrezoo.tuning.dimension import Condition, Dimension, plain, read_dimension
from genrezoo.tuning.exploring import explore
from genrezoo.tuning.options import key_of, options_of, value_of
from genrezoo.tuning.points import Room, Space

__all__ = ["Space", "search_space"]


def search_space(
    recipe: Recipe,
    *,
    space: Mapping[str, Any] | None = None,
    only: Sequence[str] | None = None,
    fixed: Mapping[str, Any] | None = None,
) -> Space:
    """The search space of a recipe.

    It has the hyperparameters that its model and its procedure declare, and begins at the recipe's own values, or as
    near to them as it can. A declared choice that lacks the recipe's own value has it too.

    Args:
        recipe: What is searched.
        space: By name, what a hyperparameter may be in place of what is declared: a list of values (one value fixes
            it), a table with ``min`` and ``max`` and perhaps ``step`` and ``sampling`` (``"linear"`` or ``"log"``,
            where the step is a ratio), or one value that fixes it. Whole numbers make whole numbers. A name may also be
            any other option of the recipe that `Recipe.changed` takes; where an option follows from declared
            hyperparameters (``units`` from ``size`` and ``layers``), it takes their place.
        only: Names to search; all others keep the recipe's values.
        fixed: Values by name, of any kind, that are the same at all points.

    Raises:
        UnknownNameError: A name of no hyperparameter and no option.
        SettingsError: A name of several, an impossible range, a hyperparameter that never counts, or nothing to search.

    Example:
        >>> from genrezoo.recipes import get_recipe
        >>> found = search_space(get_recipe("fully_connected"), space={"units": [[100], [100, 100]]}, only=["units"])
        >>> found.describe()[0]["values"], found.recipe({"units": "[100]"}).arguments
        (['[100]', '[100, 100]'], {'units': [100]})
    """
    parts = _Parts(recipe)
    said: _Said = {}
    for name, given in [*(space or {}).items(), *((name, _Fix(value)) for name, value in (fixed or {}).items())]:
        target = parts.target(name, _nested(given))
        if target in said:
            raise SettingsError(f"{target.name!r} is given twice")
        said[target] = parts.read(target, given)
    wanted = None if only is None else parts.wanted(only, said)
    while True:
        dimensions, rooms = parts.declared(said, wanted)
        lost = parts.lost({*said, *(wanted or ())}, rooms, dimensions)
        if lost is None:
            break
        option = parts.option(lost)
        if option is None or option in said or lost not in said:
            raise SettingsError(f"{lost.name!r} never counts: {parts.conditions_of(lost)}, and no point has that")
        said = {option if target == lost else target: given for target, given in said.items()}  # where nobody decides
        wanted = None if wanted is None else {option if target == lost else target for target in wanted}
    found = parts.joined(said, dimensions, rooms)
    _check(found, {target.name for target in said})
    return found


@dataclass(frozen=True)
class _Fix:
    """Marks a value of any kind that is the same at all points."""

    value: Any


@dataclass(frozen=True)
class _Target:
    """What a name means: a hyperparameter that a room declares, or any option.

    Attributes:
        name: Its name in the space.
        room: Where it is: ``"model"``, ``"settings"``, ``"recipe"``; empty for an option of members.
        here: Its name in the room's own space; empty for an option.
        key: Of an option: as `Recipe.changed` takes it.
    """

    name: str
    room: str = ""
    here: str = ""
    key: str = ""


_Said = dict[_Target, tuple[Dimension, dict[str, Any]]]
"""What a caller says each may be; where values are lists, with the value of each text that stands for one."""


class _Parts:
    """What a space is joined from: the recipe's options, and what its builder and its procedure declare."""

    def __init__(self, recipe: Recipe):
        self.recipe, self.known = recipe, options_of(recipe)
        builder, procedure = find_builder(recipe.model), PROCEDURES.get(recipe.procedure)
        trains = builder.by_gradient or not procedure.by_gradient  # else there are no weights that settings matter to
        spaces = {"model": builder.space, "settings": procedure.space if trains else {}}
        self.explored = {
            room: explore(functools.partial(ask, space, own=self.known[room]))
            for room, space in spaces.items()
            if space
        }
        self.own = {room: part.values_of(self.known[room], {}) for room, part in self.explored.items()}

    def target(self, name: str, nested: bool = False) -> _Target:
        """What a name means.

        Args:
            name: With or without the room before it.
            nested: Its values are lists or tables, which no hyperparameter has.

        Raises:
            UnknownNameError: Nothing.
            SettingsError: Several things.
        """
        if self.recipe.members and name.partition(".")[0] in {*self.recipe.members, "members"}:
            return _Target(name, key=name)  # whether there is such an option, Recipe.changed says in the end
        asked, _, here = name.rpartition(".")
        places = [
            room
            for room, options in self.known.items()
            if asked in ("", room) and (here in options or here in self.own_dimensions(room))
        ]
        if not places:
            known = {*itertools.chain(*self.known.values()), *itertools.chain(*map(self.own_dimensions, self.known))}
            raise UnknownNameError("hyperparameter", name, known)
        if len(places) > 1:
            raise SettingsError(f"{name!r} could be {' or '.join(f'{p}.{here}' for p in places)}; write one of them")
        room = places[0]
        found = _Target(self.names(room).get(here, here), room, here)
        if here in self.own_dimensions(room) and not (nested and self.option(found)):
            return found
        key = key_of(self.known, room, here)
        return _Target(key, room, key=key)

    def option(self, target: _Target) -> _Target | None:
        """The option that has the name of a declared hyperparameter."""
        key = key_of(self.known, target.room, target.here)
        return _Target(key, target.room, key=key) if target.here in self.known[target.room] else None

    def own_dimensions(self, room: str) -> dict[str, Dimension]:
        """The hyperparameters that a room declares."""
        return {d.name: d for d in self.explored[room].dimensions} if room in self.explored else {}

    def names(self, room: str) -> dict[str, str]:
        """Their names in the space: their own, or with the room before it where it could mean something else."""
        others = [other for other in self.known if other != room]
        clash = {name for other in others for name in {*self.known[other], *self.own_dimensions(other)}}
        return {name: f"{room}.{name}" if name in clash else name for name in self.own_dimensions(room)}

    def read(self, target: _Target, given: Any) -> tuple[Dimension, dict[str, Any]]:
        """What a caller says a hyperparameter may be."""
        if isinstance(given, _Fix):
            return Dimension(target.name, "fixed", values=(plain(given.value),), default=plain(given.value)), {}
        own = self.own_dimensions(target.room).get(target.here) if target.here else None
        if own is None and isinstance(value_of(self.recipe, target.key), float):
            own = Dimension(target.name, "float")
        return read_dimension(target.name, given, None if own and own.kind == "fixed" else own)

    def wanted(self, only: Sequence[str], said: _Said) -> set[_Target]:
        """The hyperparameters that alone are searched."""
        if isinstance(only, str) or not only:
            raise SettingsError(f"only must be a list of names to search, got {only!r}")
        chosen = {target.name: target for target in said}
        found = set()
        for name in only:
            target = self.target(name)
            target = chosen.get(target.name, target)  # an option that has the name of a hyperparameter
            own = self.own_dimensions(target.room).get(target.here) if target.here else None
            if target not in said and (own is None or own.kind == "fixed"):
                raise SettingsError(f"{name!r} has no declared values; say in `space` which to search")
            found.add(target)
        for target, (dimension, _) in said.items():
            if target in found and dimension.kind == "fixed":
                raise SettingsError(f"{target.name!r} is to be searched, but has one value, {dimension.default!r}")
            if target not in found and dimension.kind != "fixed":
                raise SettingsError(f"{target.name!r} has values to search, but `only` leaves it out")
        return found

    def declared(self, said: _Said, wanted: set[_Target] | None) -> tuple[list[Dimension], list[Room]]:
        """The declared hyperparameters that are searched, and the rooms that they are in."""
        found: list[Dimension] = []
        rooms = []
        for room, explored in self.explored.items():
            names, here = self.names(room), len(found)
            replaced = {option for option in self.known[room] if any(_is(target, room, option) for target in said)}
            fixed: dict[str, Any] = {}
            touched: set[str] = set()
            for own in explored.dimensions:
                target = _Target(names[own.name], room, own.name)
                reached = {option for option, by in explored.reach.items() if own.name in by}
                value = self.own[room].get(own.name, own.default)
                without = bool(reached) and reached <= replaced
                if target in said and without:
                    both = " and ".join(sorted({target.name, *reached}))
                    raise SettingsError(f"{both} decide the same option; give one of them")
                left_out = wanted is not None and target not in wanted
                if target not in said and (own.kind == "fixed" or left_out or without):
                    fixed[own.name] = value
                    continue
                touched.add(own.name)
                dimension = said[target][0] if target in said else _with(own, value)
                if dimension.kind == "fixed":
                    fixed[own.name] = dimension.default
                    continue
                conditions = _conditions(own, names, fixed, found[here:])
                if conditions is not None:
                    begin = dimension.begin(value)
                    found.append(replace(dimension, name=target.name, default=begin, conditions=conditions))
            kept = {option for option, by in explored.reach.items() if by & touched} - replaced
            if wanted is None:
                kept |= explored.constant - replaced
            searched = {dimension.name for dimension in found[here:]}
            names = {name: full for name, full in names.items() if full in searched}
            rooms.append(Room(room, explored, names, fixed, frozenset(kept)))
        return found, rooms

    def lost(self, targets: set[_Target], rooms: list[Room], found: list[Dimension]) -> _Target | None:
        """A declared hyperparameter that is spoken of and never counts."""
        for target in sorted(targets, key=lambda target: target.name):
            for room in rooms:
                if room.name == target.room and target.here:
                    own = [d for d in room.explored.dimensions if d.name == target.here]
                    if all(_conditions(each, self.names(room.name), room.fixed, found) is None for each in own):
                        return target
        return None

    def conditions_of(self, target: _Target) -> str:
        """The conditions of a declared hyperparameter, as words."""
        conditions = self.own_dimensions(target.room)[target.here].conditions
        told = [f"{parent} must be {' or '.join(map(repr, allowed))}" for parent, allowed in conditions]
        return " and ".join(told)

    def joined(self, said: _Said, found: list[Dimension], rooms: list[Room]) -> Space:
        """The space of declared hyperparameters and options."""
        options, texts, fixed = {}, {}, {}
        for target, (dimension, meant) in said.items():
            if target.here:
                continue
            if dimension.kind == "fixed":
                fixed[target.key] = dimension.default
                continue
            value = plain(value_of(self.recipe, target.key))
            begin = next((text for text, each in meant.items() if each == value), value)
            found = [*found, replace(dimension, default=dimension.begin(begin))]
            options[target.name] = target.key
            if meant:
                texts[target.name] = meant
        return Space(self.recipe, tuple(found), tuple(rooms), options, texts, fixed)


def _check(found: Space, said: set[str]) -> None:
    """Refuses a space that has nothing to search, or in which something that was said cannot be."""
    if not found.dimensions:
        raise SettingsError(
            f"nothing of {found.start.name!r} is left to search; name options and their values in `space`"
        )
    begin = {dimension.name: dimension.default for dimension in found.dimensions}
    found.recipe(begin)
    for dimension in found.dimensions:
        if dimension.name in said:
            met = {parent: allowed[0] for parent, allowed in dimension.conditions}
            for value in dimension.samples():
                found.recipe({**begin, **met, dimension.name: value})


def _nested(given: Any) -> bool:
    """Whether values are lists or tables themselves."""
    values = [given.value] if isinstance(given, _Fix) else given if isinstance(given, list | tuple) else []
    return any(isinstance(value, list | tuple | dict) for value in values)


def _is(target: _Target, room: str, option: str) -> bool:
    return not target.here and target.room == room and target.key.rpartition(".")[2] == option


def _with(own: Dimension, value: Any) -> Dimension:
    """A declared hyperparameter; of a choice the recipe's own value is one too."""
    if own.kind != "choice" or not own.takes(value) or value in own.values:
        return own
    values = (*own.values, value)
    return replace(own, values=values if isinstance(value, str) else tuple(sorted(values)))


def _conditions(
    own: Dimension, names: Mapping[str, str], fixed: Mapping[str, Any], found: Sequence[Dimension]
) -> tuple[Condition, ...] | None:
    """The conditions that are left where some hyperparameters are fixed; None if they can never hold."""
    left: list[Condition] = []
    for parent, allowed in own.conditions:
        if parent in fixed:
            if fixed[parent] not in allowed:
                return None
            continue
        searched = [dimension for dimension in found if dimension.name == names[parent]]
        possible = tuple(value for value in allowed if any(dimension.holds(value) for dimension in searched))
        if not possible:
            return None
        left.append((names[parent], possible))
    return tuple(left)

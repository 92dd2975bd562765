"""How a search space is made: what a recipe's model and procedure declare, restricted as a caller says."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from genrezoo.errors import SettingsError
from genrezoo.recipes import Recipe
from genrezoo.registry import PROCEDURES, find_builder
from genrezoo.spaces import Boolean, Choice, Domain, Float, Int, describe, holds, nearest, values_of
from genrezoo.tuning.options import key_of, plain, value_of
from genrezoo.tuning.space import Hyperparameter, Space

LARGEST = 2**53
"""Of whole numbers: up to it a float is one too."""


def search_space(
    recipe: Recipe,
    *,
    space: Mapping[str, Any] | None = None,
    only: Sequence[str] | None = None,
    fixed: Mapping[str, Any] | None = None,
) -> Space:
    """The search space of a recipe.

    It has the options that the recipe's model and procedure declare, and begins at the recipe's own values, or as near
    to them as it can. A declared choice that lacks the recipe's own value has it too.

    Args:
        recipe: What is searched.
        space: By name of an option, what it may be in place of what is declared: a list of values (one value fixes it),
            a table with ``min`` and ``max`` and perhaps ``step`` and ``sampling`` (``"linear"`` or ``"log"``, where the
            step is a ratio), or one value that fixes it. Whole numbers make whole numbers. Any option that
            `Recipe.changed` takes can be searched, also those of members (``member_1.units``, ``members.units``).
        only: Names of the options to search; all others keep the recipe's values.
        fixed: Values by name, of any kind, that are the same at all points.

    Raises:
        UnknownNameError: No option has that name.
        SettingsError: A name that means several options, an impossible range, an option that never counts, or nothing
            to search.

    Example:
        >>> from genrezoo.recipes import get_recipe
        >>> found = search_space(get_recipe("fully_connected"), space={"units": [[100], [100, 100]]}, only=["units"])
        >>> found.describe()[0]["values"], found.recipe({"units": [100]}).arguments
        ([[100], [100, 100]], {'units': [100]})
    """
    declared = declared_space(recipe)
    asked: dict[str, Domain] = {}
    held: dict[str, Any] = {}
    for given, restricts in ((space or {}, True), (fixed or {}, False)):
        for name, value in given.items():
            key, value = key_of(recipe, name), plain(value)
            if key in asked or key in held:
                raise SettingsError(f"{key!r} is specified twice; specify it once")
            if restricts and (isinstance(value, Mapping) or (isinstance(value, list) and len(value) != 1)):
                asked[key] = _read(key, value, declared.get(key), value_of(recipe, key))
            else:
                held[key] = value[0] if restricts and isinstance(value, list) else value
    domains = {name: domain for name, domain in {**declared, **asked}.items() if name not in held}
    if only is not None:
        wanted = _wanted(recipe, only, domains, asked, held)
        domains = {name: domain for name, domain in domains.items() if name in wanted}
    found: list[Hyperparameter] = []
    for name, domain in domains.items():
        conditions = _conditions(recipe, domain, found, held, asked=name in asked)
        if conditions is not None:
            found.append(_begin(name, domain, value_of(recipe, name), conditions, declared=name not in asked))
        elif only is not None or name in asked:
            raise SettingsError(f"{name!r} never counts ({describe(domain)}): no point meets the condition")
    result = Space(recipe, tuple(found), held)
    _check(result, asked)
    return result


def declared_space(recipe: Recipe) -> dict[str, Domain]:
    """The domains that a recipe's model and procedure declare, under the names that `Recipe.changed` takes.

    An option comes after those that its conditions name.
    """
    builder, procedure = find_builder(recipe.model), PROCEDURES.get(recipe.procedure)
    trains = builder.by_gradient or not procedure.by_gradient  # else there are no weights that settings matter to
    found: dict[str, Domain] = {}
    for scope, space in (("model", builder.space or {}), ("settings", (trains and procedure.space) or {})):

        def depth(option: str, space: Mapping[str, Domain] = space) -> int:
            return 1 + max((depth(parent) for parent in space[option].when if parent in space), default=0)

        for option in sorted(space, key=depth):
            when = {key_of(recipe, f"{scope}.{parent}"): plain(v) for parent, v in space[option].when.items()}
            found[key_of(recipe, f"{scope}.{option}")] = replace(space[option], when=when)
    return found


def _read(name: str, given: Any, declared: Domain | None, own: Any) -> Domain:
    """What a caller says an option may be: a table is a range, a list a choice.

    Raises:
        SettingsError: It is neither.
    """
    when = declared.when if declared is not None else {}
    if isinstance(given, Mapping):
        ranged = ("min", "max", "sampling") if isinstance(declared, Int | Float) else ()
        table = {key: getattr(declared, key) for key in ranged} | {k: v for k, v in given.items() if v is not None}
        if not {"min", "max"} <= table.keys() <= {"min", "max", "step", "sampling"}:
            raise SettingsError(f"{name}: a range is a table of min, max and perhaps step and sampling, got {given}")
        sampling = table.pop("sampling", "linear")
        ends = dict(zip(table, _numbers(name, list(table.values()), declared, own), strict=True))
        try:
            kind = Int if isinstance(ends["min"], int) else Float
            return kind(**ends, sampling=sampling, when=when)
        except ValueError as error:
            raise SettingsError(f"{name}: {error}") from error
    if not given:
        raise SettingsError(f"{name}: an empty list leaves no choice; pass at least one value")
    if len({json.dumps(value) for value in given}) < len(given):
        raise SettingsError(f"{name}: a value occurs twice in {given!r}")
    if all(isinstance(value, bool) for value in given):
        return Boolean(when)
    if isinstance(declared, Int | Float) or all(map(_is_number, given)):
        given = sorted(_numbers(name, given, declared, own))
    return Choice(tuple(given), when)


def _numbers(name: str, values: list[Any], declared: Domain | None, own: Any) -> list[Any]:
    """Numbers of one type: whole ones where the option's own are whole."""
    if not all(map(_is_number, values)):
        raise SettingsError(f"{name}: numbers are expected, got {values}")
    if not all(abs(value) <= LARGEST if isinstance(value, int) else math.isfinite(value) for value in values):
        raise SettingsError(f"{name}: numbers must be finite, whole ones at most 2**53, got {values}")
    kinds = {type(value) for value in values}
    whole = isinstance(declared, Int) or (kinds == {int} and not isinstance(declared, Float) and type(own) is not float)
    if whole and any(value != int(value) for value in values):
        raise SettingsError(f"{name}: whole numbers are expected, got {values}")
    return [int(value) if whole else float(value) for value in values]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _wanted(
    recipe: Recipe,
    only: Sequence[str],
    known: Iterable[str],
    asked: Iterable[str],
    held: Mapping[str, Any],
) -> set[str]:
    """The options that alone are searched."""
    if isinstance(only, str) or not only:
        raise SettingsError(f"only must be a list of names to search, got {only!r}")
    wanted = {key_of(recipe, name) for name in only}
    for name in sorted(wanted):
        if name in held:
            raise SettingsError(f"{name!r} is to be searched, but has one value, {held[name]!r}")
        if name not in known:
            raise SettingsError(f"{name!r} has no declared values; pass the values to search in `space`")
    if left_out := sorted(set(asked) - wanted):
        raise SettingsError(f"{left_out[0]!r} has values to search, but `only` leaves it out")
    return wanted


def _conditions(
    recipe: Recipe, domain: Domain, found: Sequence[Hyperparameter], held: Mapping[str, Any], *, asked: bool
) -> tuple[tuple[str, tuple[Any, ...]], ...] | None:
    """The conditions that are left where some options have one value; None if they can never hold."""
    left = []
    for parent, allowed in domain.when.items():
        searched = [one for one in found if one.name == parent]
        if searched:
            left.append((parent, tuple(value for value in allowed if holds(searched[0].domain, value))))
        elif not asked and held.get(parent, value_of(recipe, parent)) not in allowed:
            return None  # an option that the caller gives values is searched all the same
    return tuple(left) if all(allowed for _, allowed in left) else None


def _begin(
    name: str, domain: Domain, own: Any, conditions: tuple[tuple[str, tuple[Any, ...]], ...], *, declared: bool
) -> Hyperparameter:
    """A hyperparameter that begins at the recipe's own value, or as near to it as it can."""
    if isinstance(domain, Boolean):
        return Hyperparameter(name, domain, bool(own), conditions)
    if isinstance(domain, Int | Float):
        middle = math.sqrt(domain.min * domain.max) if domain.sampling == "log" else (domain.min + domain.max) / 2
        return Hyperparameter(name, domain, nearest(domain, own if _is_number(own) else middle), conditions)
    values = plain(domain.values)
    if declared and own is not None and not holds(domain, own):
        values = [*values, own]
        values = sorted(values) if all(map(_is_number, values)) else values
    if _is_number(own) and all(map(_is_number, values)):
        own = min(values, key=lambda value: abs(value - own))
    domain = replace(domain, values=tuple(values))
    return Hyperparameter(name, domain, own if holds(domain, own) else values[0], conditions)


def _check(found: Space, asked: Mapping[str, Domain]) -> None:
    """Refuse a space that has nothing to search, or values that an option refuses."""
    if not found.hyperparameters:
        raise SettingsError(
            f"nothing of {found.start.name!r} is left to search; name options and their values in `space`"
        )
    begin = {one.name: one.default for one in found.hyperparameters}
    found.recipe(begin)
    for one in found.hyperparameters:
        if one.name in asked:
            met = {parent: allowed[0] for parent, allowed in one.conditions}
            ends = [one.domain.min, one.domain.max] if isinstance(one.domain, Int | Float) else values_of(one.domain)
            for value in ends or ():
                found.recipe({**begin, **met, one.name: value})

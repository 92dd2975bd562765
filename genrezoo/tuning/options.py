"""The options of a recipe and their values, by the names that `Recipe.changed` takes."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np

from genrezoo.errors import SettingsError, UnknownNameError
from genrezoo.recipes import Recipe
from genrezoo.registry import find_builder


def value_of(recipe: Recipe, key: str, *, defaults: bool = False) -> Any:
    """The value of an option, as plain data; of an option of several members the value that they share.

    Args:
        recipe: The recipe.
        key: As `Recipe.changed` takes it.
        defaults: Return the default of the model's builder or the procedure in place of the recipe's own value.

    Returns:
        The value, or None if the recipe has no such option or its members do not share one.
    """
    first, _, rest = key.partition(".")
    if rest and first in {*recipe.members, "members"}:
        members = recipe.members.values() if first == "members" else [recipe.members[first]]
        found = [value_of(one.recipe, rest, defaults=defaults) if one.recipe else None for one in members]
        return found[0] if found and all(same(value, found[0]) for value in found) else None
    scope, _, name = key.rpartition(".")
    options = options_of(recipe, defaults)
    found = [options[at][name] for at in options if name in options[at] and scope in ("", at)]
    return plain(found[0]) if len(found) == 1 else None


def plain(value: Any) -> Any:
    """A value as plain data: numbers of NumPy as Python's own, tuples as lists."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Mapping):
        return {key: plain(part) for key, part in value.items()}
    return [plain(part) for part in value] if isinstance(value, list | tuple) else value


def same(one: Any, other: Any) -> bool:
    """Whether two values are the same as plain data."""
    return isinstance(one, bool) is isinstance(other, bool) and bool(plain(one) == plain(other))


def options_of(recipe: Recipe, defaults: bool = False) -> dict[str, dict[str, Any]]:
    """All options of a recipe and their values, by scope: its model, its settings, itself."""
    takes = inspect.signature(find_builder(recipe.model).call).parameters.values()
    arguments = {option.name: option.default for option in takes if option.kind is option.KEYWORD_ONLY}
    bare = recipe.model_copy(update={"settings": {}}) if defaults else recipe
    own = {name: getattr(recipe, name) for name in ("standardise", "transform", "clip", "features")}
    return {
        "model": arguments if defaults else {**arguments, **recipe.arguments},
        "settings": dict(bare.procedure_settings()),
        "recipe": {**own, "chunks": recipe.chunks and recipe.chunks.model_dump()},
    }


def key_of(recipe: Recipe, name: str) -> str:
    """The name of an option as `Recipe.changed` takes it: with the scope before it only where it could mean several.

    Args:
        recipe: The recipe.
        name: The option, with or without its scope (``model``, ``settings`` or ``recipe``), or that of a member.

    Raises:
        UnknownNameError: No option has that name.
        SettingsError: Several have.
    """
    if recipe.members and name.partition(".")[0] in {*recipe.members, "members"}:
        return name  # whether there is such an option, Recipe.changed says in the end
    asked, _, option = name.rpartition(".")
    options = options_of(recipe)
    scopes = [scope for scope, values in options.items() if option in values]
    places = [scope for scope in scopes if asked in ("", scope)]
    if not places:
        raise UnknownNameError("option", name, set(itertools.chain(*options.values())))
    if len(places) > 1:
        raise SettingsError(f"{name!r} could be {' or '.join(f'{place}.{option}' for place in places)}; use one")
    return option if len(scopes) == 1 else f"{places[0]}.{option}"

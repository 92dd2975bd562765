"""The options of a recipe and their values, by the names that `Recipe.changed` takes."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from genrezoo.recipes import Recipe
from genrezoo.registry import find_builder
from genrezoo.tuning.exploring import same


def options_of(recipe: Recipe) -> dict[str, dict[str, Any]]:
    """All options of a recipe and their values, by what they are options of: model, settings, the recipe itself.

    Example:
        >>> from genrezoo.recipes import get_recipe
        >>> known = options_of(get_recipe("lstm"))
        >>> known["model"]["units"], known["settings"]["mixup"], known["recipe"]["clip"]
        (100, 0.0, None)
    """
    takes = inspect.signature(find_builder(recipe.model).call).parameters.values()
    defaults = {option.name: option.default for option in takes if option.kind is option.KEYWORD_ONLY}
    settings = recipe.procedure_settings()
    own = {"standardise": recipe.standardise, "clip": recipe.clip, "features": recipe.features}
    return {
        "model": {**defaults, **recipe.arguments},
        "settings": {name: getattr(settings, name) for name in type(settings).model_fields},
        "recipe": {**own, "pieces": recipe.pieces and recipe.pieces.model_dump()},
    }


def key_of(known: Mapping[str, Mapping[str, Any]], room: str, option: str) -> str:
    """An option's key for `Recipe.changed`: its name, or with the room before it where it could mean several."""
    return option if sum(option in options for options in known.values()) == 1 else f"{room}.{option}"


def value_of(recipe: Recipe, key: str, missing: Any = None) -> Any:
    """The value of an option; of an option of several members the value that they share.

    Args:
        recipe: The recipe.
        key: As `Recipe.changed` takes it.
        missing: What is returned if there is no such value.
    """
    first, _, rest = key.partition(".")
    if rest and first in {*recipe.members, "members"}:
        members = recipe.members.values() if first == "members" else [recipe.members[first]]
        found = [value_of(member.recipe, rest, missing) if member.recipe else missing for member in members]
        return found[0] if found and all(same(value, found[0]) for value in found) else missing
    room, _, name = key.rpartition(".")
    found = [options[name] for at, options in options_of(recipe).items() if name in options and room in ("", at)]
    return found[0] if len(found) == 1 else missing

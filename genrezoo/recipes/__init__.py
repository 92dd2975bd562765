"""Recipes: a model, its arguments, a procedure and its settings, as plain data under one name."""

from __future__ import annotations

from pathlib import Path

from genrezoo import files
from genrezoo.errors import DataError, GenrezooError, check_type, checked
from genrezoo.recipes.recipe import RECIPES, Recipe
from genrezoo.registry import find_builder

__all__ = ["RECIPES", "Recipe", "get_recipe", "list_recipes"]


def list_recipes(pattern: str = "*") -> list[str]:
    """Returns the names of the recipes that match a shell pattern, in natural order."""
    return RECIPES.names(pattern)


def get_recipe(name: str | Path) -> Recipe:
    """Looks up a recipe by its name, or reads it from a file.

    Args:
        name: Name of a recipe, or path of a ``.json`` or ``.toml`` file that holds one as data: a whole `Recipe`, or
            the ``card.json`` of a run, which has the run's recipe in it.

    Raises:
        UnknownNameError: There is no such recipe; the nearest names are suggested.
        DataError: The file cannot be read, or something in it is missing, unknown or out of range.

    Example:
        >>> get_recipe("snippet_lstm").arguments["snippets"]
        4
    """
    check_type("a recipe", name, (str, Path), "a name or a file")
    path = Path(name)
    return _from_file(path) if path.suffix in (".json", ".toml") else RECIPES.get(str(name))


def _from_file(path: Path) -> Recipe:
    remedy = "see `genrezoo show NAME --json` for the fields of a recipe"
    value = files.read_json(path) if path.suffix == ".json" else files.read_toml(path)
    if isinstance(value, dict) and isinstance(value.get("recipe"), dict):
        value = value["recipe"]  # of a card
    try:
        recipe = checked(lambda: Recipe.model_validate(value), lambda what: DataError(what, path=path, remedy=remedy))
        find_builder(recipe.model)
        recipe.changed({f"model.{name}": given for name, given in recipe.arguments.items()})  # whether all is known
    except DataError:
        raise
    except GenrezooError as error:
        raise DataError(str(error), path=path) from error
    return recipe

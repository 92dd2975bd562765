"""Recipes: a model, its arguments, a procedure and its settings, as plain data under one name."""

from __future__ import annotations

from genrezoo.recipes.recipe import RECIPES, Recipe

__all__ = ["RECIPES", "Recipe", "get_recipe", "list_recipes"]


def list_recipes(pattern: str = "*") -> list[str]:
    """Names of recipes that match a shell pattern, in natural order."""
    return RECIPES.names(pattern)


def get_recipe(name: str) -> Recipe:
    """The recipe of that name.

    Raises:
        UnknownNameError: There is none; the nearest names are suggested.

    Example:
        >>> get_recipe("snippet_lstm").arguments["snippets"]
        4
    """
    return RECIPES.get(name)

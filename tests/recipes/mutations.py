"""Every constant of every recipe, suite and search changed, one at a time, and whether the table of facts notices.

Nothing is trained and no file is written. ``benchmarks/mutate_constants.py`` prints what is found here.
"""

import ast
import copy
from pathlib import Path
from unittest.mock import patch

import facts

import genrezoo.recipes.recipe as base
from genrezoo.errors import GenrezooError
from genrezoo.recipes import RECIPES
from genrezoo.registry import Registry

CODE = ("__init__", "bagged", "recipe")
FILES = sorted(path for path in Path(base.__file__).parent.glob("*.py") if path.stem not in CODE)
ALL = facts.reached(RECIPES.members())


def changed(value):
    """Another value of the same type."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, list | tuple):
        return [*value, changed(value[-1]) if value else 7]
    return {str: lambda: f"{value}_", int: lambda: value * 2 + 1, float: lambda: value * 1.5 + 0.25}.get(
        type(value), lambda: 7
    )()


def of_file(path):
    """For each constant of a file of recipes whether its change is noticed; None where only a text has changed."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    usual, results = _settings_of(tree), {}
    documents = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and id(node) not in documents:
            kept, node.value = node.value, changed(node.value)
            found, what = _settings_of(tree), f"{path.name}, line {node.lineno}, column {node.col_offset}: {kept!r}"
            node.value = kept
            if found is None or found.keys() != usual.keys():
                results[what] = True  # no recipes, or others, are made
            elif found == usual:
                results[what] = None
            else:
                results[what] = any(facts.problems("recipe", name, found[name]) for name in found)
    return results


def _settings_of(tree):
    """The settings of the recipes that a file makes, by name; None where it makes no valid ones."""
    registry = Registry("recipe", package="genrezoo.recipes")
    registry._filled = True
    try:
        with patch.object(base, "RECIPES", registry):
            exec(compile(tree, "mutant", "exec"), {"__name__": "mutant"})
        return {name: facts.of_recipe(recipe) for name, recipe in facts.reached(registry.members()).items()}
    except (GenrezooError, ValueError):
        return None


def of_settings(name):
    """For each setting of a recipe, defaults of builders and procedures included, whether its change is noticed."""
    settings = facts.of_recipe(ALL[name])
    return {
        f"{name}.{key}": bool(facts.problems("recipe", name, {**settings, key: changed(value)}))
        for key, value in settings.items()
    }


def of_shipped(kind, name):
    """For each value of a suite or search whether its change is noticed; None for texts and a suite's own choices."""
    of = {"suite": facts.of_suite, "search": facts.of_search}[kind]
    content = facts.shipped(kind)[name]
    usual, results = facts.held(kind, name, of(content)), {}
    for path in _leaves(content):
        mutant = copy.deepcopy(content)
        place = mutant
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = changed(place[path[-1]])
        found = of(mutant)
        same = facts.held(kind, name, found) == usual
        results[f"{name}.{'.'.join(map(str, path))}"] = None if same else bool(facts.problems(kind, name, found))
    return results


def _leaves(content, path=()):
    """Where the values of a file stand."""
    if isinstance(content, dict | list):
        for key in content if isinstance(content, dict) else range(len(content)):
            yield from _leaves(content[key], (*path, key))
    else:
        yield path

"""Recipes, suites and searches as flat settings, and what ``docs/systems.toml`` says that they are."""

import functools
import importlib.resources
import inspect
import math
import tomllib
from pathlib import Path

from genrezoo.recipes import RECIPES
from genrezoo.registry import find_builder

TOP = Path(__file__).resolve().parents[2]
TABLE = tomllib.loads((TOP / "docs" / "systems.toml").read_text(encoding="utf-8"))
KINDS = {"recipe": "recipes", "suite": "suites", "search": "searches"}
TEXT = {"name", "summary", "reference", "label", "study", "figures", "baselines"}
"""Keys of suites and searches that change nothing in a training."""
FREE = {"recipes", "recipe", "feature_kinds", "seeds", "data", "reported", "train_scores"}
"""What a suite may choose as it likes, where no document says anything."""


def records():
    """Every source, difference and own value of the table, with the level at which it holds: the higher wins."""
    parts = [(level, part) for system in TABLE["system"] for level in LEVELS for part in system.get(level, ())]
    return [*parts, *(("own", part) for part in TABLE["own"])]


LEVELS = ("own", "source", "differs")
RECORDS = records()


def about(part, kind, name):
    """Whether a record of the table is about that recipe, suite or search."""
    return name in part.get(KINDS[kind], [part.get(kind)])


def expected(kind, name):
    """Settings that the table states, and what is wrong with its statements."""
    found = {level: {} for level in LEVELS}
    problems = []
    for level, part in RECORDS:
        for setting, value in part.get("settings", {}).items() if about(part, kind, name) else ():
            if not same(found[level].setdefault(setting, value), value):
                problems.append(f"{name}.{setting}: the table has {found[level][setting]!r} and {value!r}")
    problems += [f"{name}.{one}: has a source, and stands under own" for one in found["own"].keys() & found["source"]]
    problems += [f"{name}.{one}: differs from no source" for one in found["differs"].keys() - found["source"].keys()]
    return {**found["own"], **found["source"], **found["differs"]}, problems


def common(kind):
    """Values that hold for all of a kind whose options nothing else in the table sets."""
    return {
        setting: value for _, part in RECORDS if about(part, kind, "*") for setting, value in part["settings"].items()
    }


COMMON = {kind: common(kind) for kind in KINDS}


def problems(kind, name, settings):
    """What differs between the settings of a recipe, suite or search and the table."""
    stated, found = expected(kind, name)
    for setting, value in held(kind, name, settings).items():
        if setting not in stated and setting not in COMMON[kind]:
            found.append(f"{name}.{setting} is {value!r}: docs/systems.toml has no source for it, nor calls it own")
        elif not same(value, stated.get(setting, COMMON[kind].get(setting))):
            want = stated.get(setting, COMMON[kind].get(setting))
            found.append(f"{name}.{setting} is {value!r}: docs/systems.toml says {want!r}")
    return found + [f"{name} has no setting {one!r}" for one in stated.keys() - settings.keys()]


def held(kind, name, settings):
    """The settings but for those that a suite may choose as it likes."""
    stated, _ = expected(kind, name)
    free = (
        {one for one in settings if FREE & {one.partition(".")[0], one.rpartition(".")[2]}} if kind == "suite" else ()
    )
    return {setting: value for setting, value in settings.items() if setting in stated or setting not in free}


def same(one, other):
    """Equality of plain data; a float may differ in its last digits, a truth value is no number."""
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, int | float) and isinstance(other, int | float):
        return math.isclose(one, other, rel_tol=1e-9)
    return ("none" if one is None else one) == ("none" if other is None else other)


def of_recipe(recipe):
    """All settings of a recipe with its defaults; of a member only what differs from the recipe of that name."""
    arguments = defaults(recipe.model)
    settings = recipe.procedure_settings().model_dump()
    own = recipe.model_dump(include=set(type(recipe).model_fields) - KEPT_APART) | {"procedure": recipe.procedure}
    assert not arguments.keys() & settings.keys()
    found = {**arguments, **recipe.arguments, **settings, **own}
    found |= {f"reported.{name}": value for name, value in recipe.reported.items()}
    for name, member in recipe.members.items():
        usual = RECIPES.get(member.recipe.name) if member.recipe.name in NAMES else member.recipe
        usual, given = of_recipe(usual), of_recipe(member.recipe)
        facts = {"folds": member.folds, "fresh": member.fresh, "seed": member.seed}
        facts = {key: value for key, value in facts.items() if value} | {
            key: value for key, value in given.items() if not same(value, usual.get(key))
        }
        found |= {f"members.{name}": member.recipe.name, **{f"members.{name}.{key}": facts[key] for key in facts}}
    return found


@functools.cache
def defaults(model):
    options = inspect.signature(find_builder(model).call).parameters.values()
    return {option.name: option.default for option in options if option.kind is option.KEYWORD_ONLY}


NAMES = set(RECIPES.names())
KEPT_APART = {"name", "summary", "reference", "arguments", "settings", "members", "reported"}


def reached(recipes):
    """Recipes by name, with those of members that are registered nowhere."""
    found = {recipe.name: recipe for recipe in recipes}
    for recipe in recipes:
        inside = reached([member.recipe for member in recipe.members.values()])
        found |= {name: one for name, one in inside.items() if name not in NAMES}
    return found


def of_suite(content):
    """What a suite's file says of its trainings."""
    found = {key: value for key, value in content.items() if key not in {*TEXT, "recipes", "grid", "changes", "data"}}
    lines = [{"recipe": one} if isinstance(one, str) else one for one in content.get("recipes", ())]
    found["recipes"] = [name_of(line) for line in lines]
    for line in [*lines, *content.get("grid", ())]:
        called = name_of(line)
        facts = {**line, **facts_below(line, "axes"), **facts_below(line, "reported"), **line.get("changes", {})}
        for key in {*TEXT, "axes", "reported", "changes"} | ({"recipe"} if called == line["recipe"] else set()):
            facts.pop(key, None)
        found |= {f"{called}.{key}": value for key, value in facts.items()}
    found |= facts_below(content, "changes")
    for source in content["data"]:
        called = source.get("name", source["source"])
        found |= {f"data.{called}.{key}": value for key, value in source.items() if key != "name"}
    return found


def name_of(line):
    """What an entrant of a suite is called, or a grid."""
    return line.get("name", f"bagged_{line['recipe']}" if line.get("bagged") else line["recipe"])


def facts_below(content, key):
    return {f"{key}.{name}": value for name, value in content.get(key, {}).items()}


def of_search(content):
    """What a search's file says, tables in tables as dotted names."""
    found = {}
    for key, value in content.items():
        if isinstance(value, dict):
            found |= {f"{key}.{name}": part for name, part in of_search(value).items()}
        elif key not in TEXT:
            found[key] = value
    return found


def shipped(kind):
    """Name and content of every suite or search that comes with the package."""
    package = {"suite": "benchmarking", "search": "tuning"}[kind]
    folder = importlib.resources.files(f"genrezoo.{package}") / KINDS[kind]
    paths = sorted((file for file in folder.iterdir() if file.name.endswith(".toml")), key=lambda file: file.name)
    return {path.name.removesuffix(".toml"): tomllib.loads(path.read_text(encoding="utf-8")) for path in paths}

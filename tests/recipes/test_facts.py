"""Every constant of a recipe, suite or search is what ``docs/systems.toml`` says, and a change of any is noticed."""

import ast
import copy
from pathlib import Path

import facts
import pytest

import genrezoo.recipes.recipe as base
from genrezoo.errors import GenrezooError
from genrezoo.recipes import RECIPES, get_recipe
from genrezoo.registry import Registry

FILES = sorted(path for path in Path(base.__file__).parent.glob("*.py") if path.stem not in ("__init__", "recipe"))
ALL = facts.reached(RECIPES.members())


@pytest.mark.parametrize("name", ALL)
def test_a_recipe_is_what_the_table_says(name):
    assert facts.problems("recipe", name, facts.of_recipe(ALL[name])) == []


@pytest.mark.parametrize(
    ("kind", "name"), [(kind, name) for kind in ("suite", "search") for name in facts.shipped(kind)]
)
def test_a_suite_and_a_search_are_what_the_table_says(kind, name):
    of = {"suite": facts.of_suite, "search": facts.of_search}[kind]
    assert facts.problems(kind, name, of(facts.shipped(kind)[name])) == []


def test_the_table_is_about_what_there_is():
    known = {"recipe": ALL, "suite": facts.shipped("suite"), "search": facts.shipped("search")}
    for level, part in facts.RECORDS:
        named = [
            (kind, name) for kind, many in facts.KINDS.items() for name in part.get(many, [part.get(kind)]) if name
        ]
        assert named or (level == "differs" and part["what"]), part
        assert [one for one in named if one[1] != "*" and one[1] not in known[one[0]]] == []
        assert part["quote"] and part["section"] if level == "source" else part["reason"], part


MISTAKES = {  # nine that no test noticed before there was a table, as changes of a recipe
    "steps of truncated training": ("rnn", {"num_steps": 40}),
    "the order of a curriculum": ("curriculum_reverse", {"hardest_first": False}),
    "a student's rate": ("student_mlp", {"learning_rate": 1e-3}),
    "a student's penalty": ("student_mlp", {"l2": 1e-2}),
    "no noise": ("rnn_with_noise", {"noise": 0.0}),
    "frozen for unfrozen": ("unfrozen_combiner", {"freeze": True}),
    "no diversity": ("diverse_combiner", {"diversity": 0.0}),
    "one segment under a kernel": ("conv_in_time", {"kernel_size": 1}),
    "another threshold": ("pruned", {"threshold": 0.1}),
    "no stabilisation": ("stabilised_lstm", {"beta": 0.0}),
    "teachers": ("student_mlp", {"teacher.epochs": 50}),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_in_a_recipe_is_noticed(mistake):
    name, changes = MISTAKES[mistake]
    assert facts.problems("recipe", name, facts.of_recipe(get_recipe(name).changed(changes)))


def changed(value):
    """Another value of the same type."""
    if isinstance(value, bool):
        return not value
    return {str: lambda: f"{value}_", int: lambda: value * 2 + 1, float: lambda: value * 1.5 + 0.25}.get(
        type(value), lambda: 7
    )()


def mutants(path):
    """The syntax tree of a file of recipes with one constant changed, for each of its constants."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    documents = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and id(node) not in documents:
            usual, node.value = node.value, changed(node.value)
            yield f"{path.name}, line {node.lineno}: {usual!r}", tree
            node.value = usual


def settings_of(tree, monkeypatch):
    """The settings of the recipes that a file makes, by name; None where it makes no valid ones."""
    registry = Registry("recipe", package="genrezoo.recipes")
    registry._filled = True
    try:
        with monkeypatch.context() as patch:
            patch.setattr(base, "RECIPES", registry)
            exec(compile(tree, "mutant", "exec"), {"__name__": "mutant"})
        return {name: facts.of_recipe(recipe) for name, recipe in facts.reached(registry.members()).items()}
    except (GenrezooError, ValueError):
        return None


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_changed_constant_of_a_recipe_is_noticed(path, monkeypatch):
    usual = settings_of(ast.parse(path.read_text(encoding="utf-8")), monkeypatch)
    results = {}
    for what, mutant in mutants(path):
        found = settings_of(mutant, monkeypatch)
        if found is None or found.keys() != usual.keys():
            results[what] = True
        elif found != usual:  # else only a text has changed
            results[what] = any(facts.problems("recipe", name, found[name]) for name in found)
    assert [what for what, result in results.items() if not result] == []
    assert len(results) > 20


def leaves(content, path=()):
    """Where the values of a file stand."""
    if isinstance(content, dict | list):
        for key in content if isinstance(content, dict) else range(len(content)):
            yield from leaves(content[key], (*path, key))
    else:
        yield path


@pytest.mark.parametrize("kind", ["suite", "search"])
def test_every_changed_constant_of_a_suite_or_search_is_noticed(kind):
    of = {"suite": facts.of_suite, "search": facts.of_search}[kind]
    results = {}
    for name, content in facts.shipped(kind).items():
        usual = facts.held(kind, name, of(content))
        for path in leaves(content):
            mutant = copy.deepcopy(content)
            place = mutant
            for key in path[:-1]:
                place = place[key]
            place[path[-1]] = changed(place[path[-1]])
            found = of(mutant)
            if facts.held(kind, name, found) != usual:  # else it is a text, or one of a suite's own choices
                results[name, path] = bool(facts.problems(kind, name, found))
    assert [what for what, result in results.items() if not result] == []
    assert len(results) > 60

"""Every constant of a recipe, suite or search is what ``docs/systems.toml`` says, and a change of any is noticed."""

import re

import facts
import mutations
import pytest

from genrezoo.recipes import get_recipe
from genrezoo.registry import COMPOSITIONS, MODELS

ALL = mutations.ALL


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


def test_percentages_that_models_report_are_in_the_table():
    settings = [one for _, part in facts.RECORDS for one in part.get("settings", {}).items()]
    stated = {
        round(100 * float(number), 4)
        for name, value in settings
        if "reported" in name
        for number in re.findall(r"\b0\.\d+", str(value))
    }
    seen = 0
    for entry in [*MODELS.members(), *COMPOSITIONS.members()]:
        found = {float(n) for text in entry.reported.values() for n in re.findall(r"(\d[\d.]*)(?: to \d+)? %", text)}
        assert found <= stated, entry.name
        seen += len(found)
    assert seen > 20


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


def missed(results):
    """Which of the changes that matter nobody noticed."""
    return [what for what, noticed in results.items() if noticed is False]


@pytest.mark.parametrize("path", mutations.FILES, ids=lambda path: path.stem)
def test_every_changed_constant_of_a_recipe_is_noticed(path):
    results = mutations.of_file(path)
    assert missed(results) == []
    assert list(results.values()).count(True) > 5  # one recipe has more


@pytest.mark.parametrize("name", mutations.ALL)
def test_every_changed_setting_of_a_recipe_is_noticed_though_it_is_a_default(name):
    results = mutations.of_settings(name)
    assert missed(results) == []
    assert len(results) > 10


@pytest.mark.parametrize("kind", ["suite", "search"])
def test_every_changed_constant_of_a_suite_or_search_is_noticed(kind):
    results = {}
    for name in facts.shipped(kind):
        results |= mutations.of_shipped(kind, name)
    assert missed(results) == []
    assert list(results.values()).count(True) > 60

"""The search space of a recipe: what it has, how it is restricted, and what its points are."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest

from genrezoo.errors import SettingsError, UnknownNameError
from genrezoo.models import register_model
from genrezoo.recipes import Recipe, get_recipe, list_recipes
from genrezoo.registry import COMPOSITIONS, MODELS
from genrezoo.spaces import Boolean, Choice, Float, Int, holds
from genrezoo.training.search_space import SMALL_SETS
from genrezoo.tuning.oracles.base import random_points
from genrezoo.tuning.search_space import search_space

OUTSIDE = {"cascade", "sparse_kernels", "student_mlp_small"}
"""Recipes whose own values are none that one would search: of forms that their sources left behind."""


def test_what_small_sets_need_is_searched_besides():
    space = search_space(get_recipe("attention_pool"), space=SMALL_SETS, only=[*SMALL_SETS])
    assert space.point_of(space.start) == {
        "average": None, "label_smoothing": 0.0, "time_mask": 0, "feature_mask": 0
    }  # fmt: skip
    for point in itertools.islice(random_points(space, 1), 8):
        settings = space.recipe(point).procedure_settings()
        assert {name: getattr(settings, name) for name in point} == point


def recipe_of(model="lstm", procedure="supervised", **given):
    return Recipe(name="mine", summary="mine", reference="me", model=model, procedure=procedure, **given)


def points_of(space):
    return list(space.points(space.values))


@pytest.fixture
def tree():
    """A model whose space has conditions within conditions, and two side by side."""

    @register_model(
        "tree",
        summary="a tree",
        reference="me",
        space={
            "skip": Boolean(when={"layers": (2, 3)}),  # before what its condition names
            "kind": Choice(("plain", "deep", "wide")),
            "flag": Boolean(),
            "layers": Int(1, 3, when={"kind": ("deep",)}),
            "width": Int(10, 40, step=10, when={"kind": ("deep", "wide"), "flag": (True,)}),
        },
    )
    def build(input_shape, num_classes, *, kind="plain", flag=False, layers=1, skip=False, width=10, free=1):
        raise NotImplementedError

    yield recipe_of("tree")
    MODELS.remove("tree")


BARE = ["kind", "flag", "layers", "skip", "width"]


@pytest.mark.parametrize("name", list_recipes())
def test_search_begins_at_the_recipe_itself_and_every_point_is_a_recipe_of_its_own(name):
    recipe = get_recipe(name)
    space = search_space(recipe)
    assert 0 < len(space.hyperparameters) <= 15
    own = space.point_of(recipe)
    assert (own is None) == (name in OUTSIDE)
    if own is not None:
        assert own == space.point(space.template.values)
        assert space.recipe(own).digest(1, "songs") == space.start.changed(space.changes(own)).digest(1, "songs")
        defaults = {**recipe.procedure_settings().model_dump(), **recipe.settings}
        assert {**defaults, **space.recipe(own).settings} == defaults
    points = list(itertools.islice(random_points(space, 1), 4))
    for point in points:
        assert space.holds(point)
        assert space.point_of(space.recipe(point)) == point
    texts = {json.dumps(point) for point in points}
    assert len({space.recipe(point).digest(1, "songs") for point in points}) == len(texts)


def test_lists_ranges_and_single_values_restrict():
    space = search_space(
        get_recipe("lstm"),
        space={"units": [64, 16, 32], "learning_rate": {"min": 1e-4, "max": 1e-2}, "dropout": 0.2, "mixup": [0.1]},
    )
    found = {d["name"]: d for d in space.describe()}
    assert (found["units"]["kind"], found["units"]["values"], found["units"]["default"]) == ("choice", [16, 32, 64], 64)
    assert (found["learning_rate"]["min"], found["learning_rate"]["max"]) == (1e-4, 1e-2)
    assert found["learning_rate"]["sampling"] == "log"  # as declared
    assert not {"dropout", "mixup"} & set(found)
    recipe = space.recipe(space.point(space.template.values))
    assert (recipe.arguments["dropout"], recipe.settings["mixup"]) == (0.2, 0.1)
    json.dumps(space.describe())


def test_only_some_are_searched_and_the_others_stay_as_they_are():
    recipe = get_recipe("mlp").changed({"units": [70, 50, 30]})
    space = search_space(recipe, only=["learning_rate", "l2"])
    assert {one.name for one in space.hyperparameters} == {"l2", "learning_rate"}
    assert set(space.changes(space.template.values)) == {"l2", "learning_rate"}
    assert space.recipe({"l2": 0.1, "learning_rate": 0.02}).arguments["units"] == [70, 50, 30]


def test_a_declared_choice_has_the_recipes_own_value_too():
    recipe = get_recipe("mlp").changed({"units": [70, 50, 30]})
    space = search_space(recipe, only=["units"])
    assert space.point_of(recipe) == {"units": [70, 50, 30]}
    assert space.template.values == {"units": "[70, 50, 30]"}
    assert space.point({"units": "[70, 50, 30]"}) == {"units": [70, 50, 30]}


def test_any_other_option_can_be_searched():
    space = search_space(
        get_recipe("rnn"),
        space={"epochs": {"min": 2, "max": 8, "step": 2}, "clip": [3.0, 5.0], "readout": [True, False], "l2": [0, 0.1]},
        only=["epochs", "clip", "readout", "l2"],
    )
    assert list(space.values["epochs"]) == [2, 4, 6, 8]
    assert list(space.values["l2"]) == [0.0, 0.1]
    recipe = space.recipe({"epochs": 6, "clip": 5.0, "readout": False, "l2": 0.1})
    assert (recipe.settings["epochs"], recipe.clip, recipe.arguments["readout"]) == (6, 5.0, False)


def test_values_of_any_kind_can_be_searched_and_fixed():
    space = search_space(get_recipe("lstm"), space={"schedule": [None, "cosine"], "patience": [None, 5]})
    point = {**space.point(space.template.values), "schedule": "cosine", "patience": None}
    assert space.holds(point)
    assert space.recipe(point).settings["schedule"] == "cosine"
    assert space.point({**space.template.values, "patience": "5"})["patience"] == 5
    fixed = search_space(get_recipe("fully_connected"), fixed={"units": (8, 4), "schedule": "cosine"})
    recipe = fixed.recipe(fixed.template.values)
    assert (recipe.arguments["units"], recipe.settings["schedule"]) == ([8, 4], "cosine")


def test_options_of_members_can_be_searched():
    space = search_space(
        get_recipe("lstm_ensemble"), space={"members.units": [10, 20], "member_1.l2": 0.5}, only=["members.units"]
    )
    assert space.size == 2
    recipe = space.recipe({"members.units": 20})
    assert {member.recipe.arguments["units"] for member in recipe.members.values()} == {20}
    assert recipe.members["member_1"].recipe.arguments["l2"] == 0.5
    assert space.point_of(recipe) == {"members.units": 20}
    with pytest.raises(UnknownNameError, match="unknown option 'unitz'"):
        search_space(get_recipe("lstm_ensemble"), space={"members.unitz": [10, 20]})


def test_an_option_called_as_another_one_has_its_scope_before_it():
    @register_model("twin", summary="a twin", reference="me", space={"noise": Int(1, 3)})
    def build(input_shape, num_classes, *, noise=1):
        raise NotImplementedError

    try:
        space = search_space(recipe_of("twin"), only=["model.noise", "settings.noise"])
        assert space.recipe({"model.noise": 2, "settings.noise": 0.25}).arguments == {"noise": 2}
        with pytest.raises(SettingsError, match=r"'noise' could be model.noise or settings.noise; use one"):
            search_space(recipe_of("twin"), only=["noise"])
    finally:
        MODELS.remove("twin")


@pytest.mark.parametrize(
    ("space", "only", "reason"),
    [
        ({"units": []}, None, "units: an empty list leaves no choice"),
        ({"units": {"min": 3, "max": 3}}, None, "units: min must be below max, got 3 and 3"),
        ({"noise": {"min": 0, "max": float("inf")}}, None, "must be finite"),
        ({"noise": {"min": 0, "max": "1"}}, None, "numbers are expected"),
        ({"noise": {"low": 0, "max": 1}}, None, "a range is a table of min, max"),
        ({"epochs": {"max": 8}}, None, "a range is a table of min, max"),
        ({"optimizer": ["adam", 3]}, None, "optimizer: must be a valid string, got 3"),
        ({"units": [16, 16]}, None, "a value occurs twice"),
        ({"units": [16, 16.5]}, None, "whole numbers are expected"),
        ({"units": {"min": 1.5, "max": 9}}, None, "whole numbers are expected"),
        ({}, [], r"only must be a list of names to search, got \[\]"),
        ({}, "units", "only must be a list of names to search, got 'units'"),
        ({}, ["epochs"], "'epochs' has no declared values; pass the values to search in `space`"),
        ({"units": 3}, ["units"], "'units' is to be searched, but has one value, 3"),
        ({"units": [3, 4]}, ["l2"], "'units' has values to search, but `only` leaves it out"),
        ({"learning_rate": [-1.0, 1e-3]}, None, "learning_rate: must be greater than 0"),
        ({"dropout": 0.1, "model.dropout": 0.2}, None, "'dropout' is specified twice"),
        ({"optimizer": ["adam", "sgd"]}, ["optimizer", "weight_decay"], "'weight_decay' never counts .*adamw"),
    ],
)
def test_what_cannot_be_searched_is_refused(space, only, reason):
    with pytest.raises(SettingsError, match=reason):
        search_space(get_recipe("lstm"), space=space, only=only)


def test_a_space_with_nothing_to_search_is_refused():
    with pytest.raises(SettingsError, match="nothing of 'lstm_ensemble' is left to search"):
        search_space(get_recipe("lstm_ensemble"), space={"rule": "mean"})


def test_unknown_names_suggest_near_ones():
    with pytest.raises(UnknownNameError, match="unknown option 'unit'. Did you mean 'units'"):
        search_space(get_recipe("lstm"), space={"unit": [1, 2]})
    with pytest.raises(UnknownNameError, match="Did you mean 'learning_rate'"):
        search_space(get_recipe("lstm"), only=["learning_rat"])
    with pytest.raises(UnknownNameError, match="unknown option 'settings.units'"):
        search_space(get_recipe("lstm"), fixed={"settings.units": 3})


def test_what_has_no_weights_searches_no_training():
    assert [one.name for one in search_space(get_recipe("lstm_ensemble")).hyperparameters] == ["rule"]
    assert [one.name for one in search_space(get_recipe("cascade")).hyperparameters] == ["fraction"]


def test_weight_decay_counts_for_adamw_alone_and_goes_back_to_its_default():
    recipe = get_recipe("lstm").changed({"optimizer": "adamw", "weight_decay": 0.05})
    space = search_space(recipe, only=["optimizer", "weight_decay"])
    assert space.point_of(recipe) == {"optimizer": "adamw", "weight_decay": 0.05}
    assert space.point({"optimizer": "adam", "weight_decay": 0.05}) == {"optimizer": "adam"}
    assert space.recipe({"optimizer": "adam"}).settings["weight_decay"] is None
    with pytest.raises(SettingsError, match="needs 'weight_decay'"):
        space.recipe({"optimizer": "adamw"})


def test_arguments_of_the_recipes_own_choice_do_not_go_with_another_one():
    recipe = get_recipe("lstm").changed({"schedule": "cosine", "schedule_arguments": {"warmup_epochs": 2}})
    space = search_space(recipe, only=["schedule"])
    assert space.recipe({"schedule": "cosine"}).settings["schedule_arguments"] == {"warmup_epochs": 2}
    assert space.recipe({"schedule": None}).settings["schedule_arguments"] == {}


def test_an_option_whose_condition_nobody_decides_is_searched_if_asked_for():
    space = search_space(get_recipe("lstm"), space={"optimizer": "adam", "weight_decay": [0.1, 0.2]})
    assert space.changes(space.template.values)["weight_decay"] == 0.1
    assert search_space(get_recipe("lstm"), fixed={"optimizer": "adam", "weight_decay": 0.1}).fixed == {
        "optimizer": "adam",
        "weight_decay": 0.1,
    }


def test_conditions_within_conditions_and_side_by_side(tree):
    space = search_space(tree, only=BARE)
    points = points_of(space)
    # flag off: plain, wide, deep with 1 + 2 + 2 ways; flag on: 1 + 4 + 5 x 4
    assert space.size == len(points) == (1 + 1 + 5) + (1 + 4 + 20)
    assert len({json.dumps(space.changes(point), sort_keys=True) for point in points}) == space.size
    drawn = list(itertools.islice(random_points(space, 1), 1000))
    assert {json.dumps(point) for point in drawn} == {json.dumps(point) for point in points}
    assert set(space.template.values) == {"kind", "flag"}


@pytest.mark.parametrize(
    ("restricted", "size"),
    [
        ({"kind": "deep", "flag": True}, 5 * 4),
        ({"kind": ["plain", "wide"]}, 2 + 1 + 4),
        ({"layers": [1, 2]}, (1 + 1 + 3) + (1 + 4 + 3 * 4)),
        ({"free": {"min": 1, "max": 10**9}}, 32 * 10**9),
    ],
)
def test_size_counts_each_branch(tree, restricted, size):
    space = search_space(tree, space=restricted, fixed={name: None for name in ("epochs",) if name in restricted})
    names = [one.name for one in space.hyperparameters if one.name in {*BARE, *restricted}]
    space = search_space(tree, space=restricted, only=names)
    assert space.size == size
    if size < 1000:
        assert len(points_of(space)) == size
    else:
        assert search_space(tree).size is None  # the learning rate is a real number


def test_what_kerastuner_draws_is_a_value_of_the_domain(tree):
    asked = {
        "layers": {"min": 2, "max": 90, "sampling": "log"},
        "free": {"min": 2, "max": 162, "step": 3, "sampling": "log"},
        "noise": {"min": 0.0, "max": 0.3, "step": 0.1},
        "mixup": {"min": 0.5, "max": 9.0},
    }
    space = search_space(tree, space={"kind": "deep", **asked}, only=list(asked))
    for template, one in zip(space.template.space, space.hyperparameters, strict=True):
        drawn = [template.prob_to_value(probability) for probability in np.linspace(0, 1, 400)]
        values = [space.point({**space.template.values, one.name: value})[one.name] for value in drawn]
        assert all(holds(one.domain, value) for value in values)
        if one.name != "mixup":
            assert set(values) == set(space.values[one.name])


def test_values_of_numpy_become_plain(tree):
    point = search_space(tree, only=["layers", "kind"]).point({"kind": np.str_("deep"), "layers": np.int64(2)})
    assert point == {"kind": "deep", "layers": 2}
    assert (type(point["layers"]), type(point["kind"])) == (int, str)


def test_too_many_or_impossible_values_are_no_point(tree):
    space = search_space(tree, only=["layers", "kind"])
    assert space.holds({"kind": "plain"})
    assert not space.holds({"kind": "plain", "layers": 1})
    assert not space.holds({"kind": "deep"})
    assert not space.holds({"kind": "deep", "layers": 4})
    assert not space.holds({"kind": "deep", "layers": True})


def test_a_recipe_elsewhere_is_no_point():
    space = search_space(get_recipe("lstm"), space={"dropout": 0.2}, only=["units"])
    assert space.point_of(get_recipe("lstm")) is None  # its dropout is another one
    assert space.point_of(get_recipe("lstm").changed({"dropout": 0.2})) == {"units": 100}
    assert space.point_of(get_recipe("gru")) is None
    assert space.point_of(get_recipe("lstm").changed({"dropout": 0.2, "units": 26})) is None


@pytest.mark.parametrize(
    ("own", "asked", "begin"),
    [
        (26, {"min": 10, "max": 40, "step": 10}, 30),
        (70, {"min": 10, "max": 40}, 40),
        (30, [8, 32], 32),
        (None, {"min": 4, "max": 9, "sampling": "log"}, 6),
        ("c", ["a", "b"], "a"),
    ],
)
def test_a_search_begins_as_near_as_it_can(tree, own, asked, begin):
    space = search_space(tree.changed({"free": own}), space={"free": asked}, only=["free"])
    assert space.hyperparameters[0].default == begin


def test_compositions_are_searched_too():
    assert [entry.name for entry in COMPOSITIONS.members() if entry.space]
    assert isinstance(search_space(get_recipe("lstm_ensemble")).hyperparameters[0].domain, Choice)
    assert Float(0.0, 1.0).when == {}

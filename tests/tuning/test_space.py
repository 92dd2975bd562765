"""The search space of a recipe: what it has, how it is restricted, and what its points are."""

from __future__ import annotations

import itertools
import json

import keras_tuner
import numpy as np
import pytest
from genrezoo.tuning.dimension import Dimension, read_dimension
from genrezoo.tuning.exploring import explore
from genrezoo.tuning.oracles.points import all_points
from hypothesis import given
from hypothesis import strategies as st

from genrezoo.errors import SettingsError, UnknownNameError
from genrezoo.models import register_model
from genrezoo.recipes import Recipe, get_recipe, list_recipes
from genrezoo.recipes.recipe import Member
from genrezoo.registry import COMPOSITIONS, MODELS, PROCEDURES
from genrezoo.runs.building import build_model
from genrezoo.tuning.space import search_space

SHAPES = {"mel_cnn": (21, 18), "resnet50": (32, 33, 3), "spectrogram_cnn": (124, 126, 3)}
OUTSIDE = {"cascade", "mel_cnn_batch_norm", "mel_cnn_plain", "sparse_kernels", "student_mlp_small"}
"""Recipes whose own values are none that one would search: of forms that their sources left behind."""


def recipe_of(model="lstm", procedure="supervised", **given):
    return Recipe(name="mine", summary="mine", reference="me", model=model, procedure=procedure, **given)


def random_point(space, seed):
    """A point as KerasTuner draws it."""
    hp = space.template
    hp.values = {}
    for number, parameter in enumerate(hp.space):
        if hp.is_active(parameter):
            hp.values[parameter.name] = parameter.random_sample(seed * 1000 + number)
    return hp.values


def every_point(space):
    """All points of a finite space, one by one."""
    found = [{}]
    for dimension in space.dimensions:
        longer = []
        for values in found:
            if dimension.name in values or not dimension.active(values):
                longer.append(values)
            else:
                longer += [{**values, dimension.name: value} for value in dimension.points()]
        found = longer
    return found


@pytest.fixture
def tree():
    """A model whose space has conditions within conditions."""

    def space(hp):
        kind = hp.Choice("kind", ["plain", "deep", "wide"], default="plain")
        options = {"kind": kind, "flag": hp.Boolean("flag")}
        with hp.conditional_scope("kind", ["deep"]):
            layers = hp.Int("layers", 1, 3)
            with hp.conditional_scope("layers", [2, 3]):
                skip = hp.Boolean("skip")
        if kind == "deep":
            options |= {"layers": layers} | ({"skip": skip} if layers > 1 else {})
        width = hp.Int("width", 10, 40, step=10, parent_name="kind", parent_values=["deep", "wide"])
        return options | ({"width": width} if width is not None else {})

    @register_model("tree", summary="a tree", reference="me", space=space)
    def build(input_shape, num_classes, *, kind="plain", flag=False, layers=1, skip=False, width=10, free=1):
        raise NotImplementedError

    yield recipe_of("tree")
    MODELS.remove("tree")


BARE = ["kind", "flag", "layers", "skip", "width"]


@pytest.mark.parametrize("name", list_recipes())
def test_search_begins_at_the_recipe_itself(name):
    recipe = get_recipe(name)
    space = search_space(recipe)
    assert 0 < len(space.dimensions) <= 13
    own = space.values_of(recipe)
    if name in OUTSIDE:
        assert own is None
        return
    assert own == space.template.values
    again = space.recipe(own)
    assert space.values_of(again) == own
    defaults = {**recipe.procedure_settings().model_dump(), **recipe.settings}
    assert {**defaults, **again.settings} == defaults
    for argument, value in recipe.arguments.items():
        assert json.dumps(again.arguments[argument]) == json.dumps(value)


@pytest.mark.parametrize("name", list_recipes())
def test_every_point_is_a_recipe_of_its_own(name):
    space = search_space(get_recipe(name))
    points = [random_point(space, seed) for seed in range(20)]
    for point in points:
        assert space.holds(point)
        assert space.values_of(space.recipe(point)) == point
    texts = {json.dumps(space.active(point), sort_keys=True) for point in points}
    digests = {space.recipe(point).digest(1, "songs") for point in points}
    assert len(digests) == len(texts) > (1 if "ensemble" in name else 2)


@pytest.mark.parametrize("name", PROCEDURES.names())
def test_every_procedure_searches_its_own_settings(name):
    entry = PROCEDURES.get(name)
    explored = explore(entry.space)
    assert set(explored.reach) <= set(entry.settings.model_fields)
    assert not explored.constant
    for dimension in explored.dimensions:
        if dimension.name in entry.settings.model_fields:
            assert dimension.name in explored.reach[dimension.name]


@pytest.mark.parametrize("name", [*MODELS.names(), *(e.name for e in COMPOSITIONS.members() if e.space)])
def test_points_of_a_model_and_its_training_build(name):
    members = {}
    if name in COMPOSITIONS.names():
        names = COMPOSITIONS.get(name).members
        small = recipe_of("fully_connected", arguments={"units": [3]})
        members = {member: Member(recipe=small) for member in (("one", "two") if names == ("*",) else names)}
    space = search_space(recipe_of(name, "stagewise" if members else "supervised", members=members))
    shape = SHAPES.get(name, (40, 5))
    for seed in range(20 if members else 2):  # twenty of each model's own part are built among the tests of models
        model = build_model(space.recipe(random_point(space, seed)), shape, 3)
        assert 3 in model.get_layer("logits").output.shape


def test_training_settings_are_searched_under_standard_names():
    names = {dimension.name for dimension in search_space(get_recipe("lstm")).dimensions}
    assert names == {
        *("units", "l2", "dropout", "learning_rate", "batch_size", "optimizer", "weight_decay", "schedule"),
        *("noise", "mixup"),
    }
    student = {dimension.name for dimension in search_space(get_recipe("student_mlp")).dimensions}
    assert {"temperature", "teacher_weight"} <= student


def test_what_has_no_weights_searches_no_training():
    assert [d.name for d in search_space(get_recipe("lstm_ensemble")).dimensions] == ["rule"]
    assert [d.name for d in search_space(get_recipe("cascade")).dimensions] == ["share"]


def test_weight_decay_counts_for_adamw_alone():
    space = search_space(get_recipe("lstm"))
    values = {**space.template.values, "weight_decay": 0.05}
    assert "weight_decay" not in space.active(values)
    assert "weight_decay" not in space.changes(values)
    values["optimizer"] = "adamw"
    assert space.recipe(values).settings["weight_decay"] == 0.05
    del values["weight_decay"]
    with pytest.raises(SettingsError, match="needs 'weight_decay'"):
        space.recipe(values)


def test_arguments_of_the_own_optimiser_do_not_go_to_another():
    recipe = get_recipe("lstm").changed({"optimizer": "sgd", "optimizer_arguments": {"momentum": 0.9}})
    space = search_space(recipe, only=["optimizer"])
    assert space.recipe({"optimizer": "sgd"}).settings["optimizer_arguments"] == {"momentum": 0.9}
    assert space.recipe({"optimizer": "adam"}).settings["optimizer_arguments"] == {}
    decayed = search_space(get_recipe("statistics_mlp"), only=["optimizer"])
    assert decayed.changes({"optimizer": "adam"}) == {"optimizer": "adam", "weight_decay": None}


def test_a_choice_has_the_recipes_own_value_too():
    optimizer = next(d for d in search_space(get_recipe("feature_mlp")).dimensions if d.name == "optimizer")
    assert optimizer.values == ("adam", "adamw", "sgd")
    assert optimizer.default == "sgd"
    given_ = search_space(get_recipe("feature_mlp"), space={"optimizer": ["adam", "lion"]}, only=["optimizer"])
    assert given_.dimensions[0].values == ("adam", "lion")
    assert given_.values_of(get_recipe("feature_mlp")) is None


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
    recipe = space.recipe(space.template.values)
    assert (recipe.arguments["dropout"], recipe.settings["mixup"]) == (0.2, 0.1)
    json.dumps(space.describe())


def test_only_some_are_searched_and_the_others_stay_as_they_are():
    recipe = get_recipe("mlp").changed({"units": [70, 50, 30]})
    space = search_space(recipe, only=["learning_rate", "l2"])
    assert [d.name for d in space.dimensions] == ["l2", "learning_rate"]
    assert set(space.changes(space.template.values)) == {"l2", "learning_rate"}
    assert space.recipe({"l2": 0.1, "learning_rate": 0.02}).arguments["units"] == [70, 50, 30]


def test_only_one_of_two_that_make_an_option_keeps_the_other():
    space = search_space(get_recipe("fully_connected").changed({"units": [50, 50, 50]}), only=["size"])
    assert space.template.values == {"size": 50}
    assert space.changes({"size": 100}) == {"units": [100, 100, 100]}


def test_any_other_option_can_be_searched():
    space = search_space(
        get_recipe("rnn"),
        space={"epochs": {"min": 2, "max": 8, "step": 2}, "clip": [3.0, 5.0], "readout": [True, False], "l2": [0, 0.1]},
        only=["epochs", "clip", "readout", "l2"],
    )
    found = {d.name: d for d in space.dimensions}
    assert found["epochs"].points() == (2, 4, 6, 8)
    assert found["l2"].values == (0.0, 0.1)
    recipe = space.recipe({"epochs": 6, "clip": 5.0, "readout": False, "l2": 0.1})
    assert (recipe.settings["epochs"], recipe.clip, recipe.arguments["readout"]) == (6, 5.0, False)


def test_lists_as_values_take_the_place_of_what_they_follow_from():
    space = search_space(get_recipe("fully_connected"), space={"units": [[100], [200, 200]]})
    assert not {"size", "layers"} & {d.name for d in space.dimensions}
    own = space.values_of(get_recipe("fully_connected"))
    assert own["units"] == "[200, 200]" == space.template.values["units"]
    assert space.recipe({**own, "units": "[100]"}).arguments["units"] == [100]
    with pytest.raises(SettingsError, match="size and units decide the same option"):
        search_space(get_recipe("fully_connected"), space={"units": [[100], [200]], "size": [50, 100]})


def test_values_of_any_kind_can_be_held():
    space = search_space(get_recipe("fully_connected"), fixed={"units": (8, 4), "schedule": "cosine"})
    assert not {"size", "layers", "schedule"} & {d.name for d in space.dimensions}
    recipe = space.recipe(space.template.values)
    assert (recipe.arguments["units"], recipe.settings["schedule"]) == ([8, 4], "cosine")
    filters = search_space(get_recipe("mel_cnn"), fixed={"filters": [4, 8]})
    assert filters.recipe(filters.template.values).arguments["filters"] == [4, 8]
    assert "kernel_size" in {d.name for d in filters.dimensions}


def test_options_of_members_can_be_searched():
    space = search_space(
        get_recipe("lstm_ensemble"), space={"members.units": [10, 20], "member_1.l2": 0.5}, only=["members.units"]
    )
    assert space.size == 2
    recipe = space.recipe({"members.units": 20})
    assert {member.recipe.arguments["units"] for member in recipe.members.values()} == {20}
    assert recipe.members["member_1"].recipe.arguments["l2"] == 0.5
    assert space.values_of(recipe) == {"members.units": 20}
    with pytest.raises(UnknownNameError, match="unknown option 'unitz'"):
        search_space(get_recipe("lstm_ensemble"), space={"members.unitz": [10, 20]})


def test_a_hyperparameter_called_as_an_option_elsewhere_has_its_room_before_it():
    recipe = recipe_of("fully_connected", "prune_and_refit", settings={"refit_share": 0.5, "threshold": 0.1})
    space = search_space(recipe)
    assert "model.layers" in {d.name for d in space.dimensions}  # beside the pattern of the layers to prune
    with pytest.raises(SettingsError, match=r"'layers' could be model.layers or settings.layers; write one of them"):
        search_space(recipe, only=["layers"])
    narrow = search_space(recipe, space={"settings.layers": ["*", "hidden_*"]}, only=["settings.layers"])
    assert narrow.changes({"layers": "hidden_*"}) == {"layers": "hidden_*"}
    assert search_space(recipe, only=["model.layers"]).changes({"model.layers": 1}) == {"units": [200]}


@pytest.mark.parametrize(
    ("space", "only", "reason"),
    [
        ({"units": []}, None, "units: an empty list leaves no choice"),
        ({"units": {"min": 3, "max": 3}}, None, "min must be below max, got 3 and 3"),
        ({"l2": {"min": 0, "max": 1, "sampling": "log"}}, None, "needs a min above 0, got 0"),
        ({"l2": {"min": 0, "max": 1, "sampling": "linear", "step": 0}}, None, "step must be above 0, got 0"),
        ({"l2": {"min": 0.1, "max": 1, "step": 1}}, None, "step must be above 1 with sampling 'log'"),
        ({"l2": {"min": 0.1, "max": 1, "sampling": "cubic"}}, None, "sampling must be 'linear' or 'log', got 'cubic'"),
        ({"noise": {"min": 0, "max": 0.5, "step": 1e-6}}, None, "step 1e-06 makes 500001 values"),
        ({"noise": {"min": 0, "max": 0.5, "step": 2}}, None, "step 2.0 makes 1 values"),
        ({"noise": {"min": 0, "max": float("inf")}}, None, "must be finite"),
        ({"noise": {"min": 0, "max": "1"}}, None, "must be numbers"),
        ({"noise": {"low": 0, "max": 1}}, None, "a range is a table of min, max"),
        ({"epochs": {"max": 8}}, None, "a range is a table of min, max"),
        ({"optimizer": ["adam", 3]}, None, "values must be of one type"),
        ({"optimizer": ["adam", None]}, None, "values must be of one type"),
        ({"units": [16, 16]}, None, "a value stands there twice"),
        ({"units": [16, 16.5]}, None, "whole numbers are expected"),
        ({"units": {"min": 1.5, "max": 9}}, None, "whole numbers are expected"),
        ({}, [], r"only must be a list of names to search, got \[\]"),
        ({}, "units", "only must be a list of names to search, got 'units'"),
        ({}, ["epochs"], "'epochs' has no declared values; say in `space`"),
        ({"units": 3}, ["units"], "'units' is to be searched, but has one value, 3"),
        ({"units": [3, 4]}, ["l2"], "'units' has values to search, but `only` leaves it out"),
        ({"learning_rate": [-1.0, 1e-3]}, None, "learning_rate: Input should be greater than 0"),
        ({"dropout": 0.1, "model.dropout": 0.2}, None, "'dropout' is given twice"),
        (
            {"optimizer": ["adam", "sgd"]},
            ["optimizer", "weight_decay"],
            "'weight_decay' never counts: optimizer must be",
        ),
    ],
)
def test_what_cannot_be_searched_is_refused(space, only, reason):
    with pytest.raises(SettingsError, match=reason):
        search_space(get_recipe("lstm"), space=space, only=only)


def test_a_space_with_nothing_to_search_is_refused():
    with pytest.raises(SettingsError, match="nothing of 'lstm_ensemble' is left to search"):
        search_space(get_recipe("lstm_ensemble"), space={"rule": "mean"})


def test_unknown_names_suggest_near_ones():
    with pytest.raises(UnknownNameError, match="unknown hyperparameter 'unit'. Did you mean 'units'"):
        search_space(get_recipe("lstm"), space={"unit": [1, 2]})
    with pytest.raises(UnknownNameError, match="Did you mean 'learning_rate'"):
        search_space(get_recipe("lstm"), only=["learning_rat"])
    with pytest.raises(UnknownNameError, match="unknown hyperparameter 'settings.units'"):
        search_space(get_recipe("lstm"), fixed={"settings.units": 3})


def test_a_hyperparameter_that_never_counts_is_an_option_like_others():
    space = search_space(get_recipe("lstm"), space={"optimizer": "adam", "weight_decay": [0.1, 0.2]})
    assert space.changes(space.template.values)["weight_decay"] == 0.1
    assert search_space(get_recipe("lstm"), fixed={"optimizer": "adam", "weight_decay": 0.1}).fixed == {
        "weight_decay": 0.1
    }


def test_conditions_within_conditions(tree):
    space = search_space(tree, only=BARE)
    assert space.size == len(every_point(space)) == 2 * (1 + (1 + 2 + 2) * 4 + 4)
    layers = next(d for d in space.dimensions if d.name == "skip")
    assert layers.conditions == (("kind", ("deep",)), ("layers", (2, 3)))
    changes = [json.dumps(space.changes(point), sort_keys=True) for point in every_point(space)]
    assert len(set(changes)) == space.size
    assert {hp.name for hp in space.template.space} == set(BARE)
    assert set(space.template.values) == {"kind", "flag"}


@pytest.mark.parametrize(
    ("restricted", "size"),
    [
        ({"kind": "plain", "flag": [True, False]}, 2),
        ({"kind": "deep"}, 2 * 5 * 4),
        ({"kind": ["plain", "wide"]}, 2 * (1 + 4)),
        ({"layers": [1, 2]}, 2 * (1 + 3 * 4 + 4)),
        ({"layers": 3, "width": [10, 20, 70]}, 2 * (1 + 2 * 3 + 3)),
        ({"width": 20, "flag": True}, 1 + 5 + 1),
        ({"free": {"min": 1, "max": 10**9}}, 50 * 10**9),
    ],
)
def test_size_counts_each_branch(tree, restricted, size):
    names = [name for name in [*BARE, "free"] if name not in restricted or isinstance(restricted[name], list | dict)]
    only = [name for name in names if name != "free" or "free" in restricted]
    if restricted.get("kind") in ("plain", ["plain", "wide"]):
        only = [name for name in only if name in ("kind", "flag") or (name == "width" and size == 10)]
    space = search_space(tree, space=restricted, only=only)
    assert space.size == size
    if size < 1000:
        points = every_point(space)
        assert len(points) == size
        assert len({json.dumps(space.changes(point), sort_keys=True) for point in points}) == size
    else:  # too many to go through: any of them is found without those before it
        assert space.active(all_points(space.template).at(size - 1))["free"] == 10**9


def test_a_range_of_real_numbers_has_no_end(tree):
    assert search_space(tree).size is None
    assert search_space(get_recipe("lstm"), space={"l2": {"min": 0.1, "max": 1, "step": 10}}, only=["l2"]).size == 2


@given(st.integers(1, 50), st.integers(1, 200), st.integers(1, 9))
def test_steps_of_whole_numbers_are_kerastuners(least, width, step):
    dimension, _ = read_dimension("x", {"min": least, "max": least + width * step, "step": step}, None)
    hp = keras_tuner.HyperParameters()
    dimension.register(hp)
    assert tuple(hp.space[0].values) == dimension.points()
    assert all(dimension.holds(value) for value in dimension.points())
    assert not dimension.holds(least - 1)


def test_steps_of_real_numbers_reach_the_end():
    dimension, _ = read_dimension("x", {"min": 0, "max": 0.3, "step": 0.1}, None)
    assert dimension.points() == (0.0, 0.1, 0.2, 0.3)
    hp = keras_tuner.HyperParameters()
    dimension.register(hp)
    assert hp.space[0].values == [0.0, 0.1, 0.2, 0.3]
    assert dimension.holds(0.3)
    assert not dimension.holds(0.15)
    assert dimension.begin(0.26) == 0.3
    ratio, _ = read_dimension("x", {"min": 1e-4, "max": 0.1, "step": 10, "sampling": "log"}, None)
    assert ratio.points() == (1e-4, 1e-3, 1e-2, 1e-1)


@pytest.mark.parametrize("sampling", ["linear", "log"])
@pytest.mark.parametrize("whole", [True, False])
def test_what_kerastuner_draws_lies_within(sampling, whole):
    ends = {"min": 2, "max": 90} if whole else {"min": 0.5, "max": 90.0}
    dimension, _ = read_dimension("x", {**ends, "sampling": sampling}, None)
    hp = keras_tuner.HyperParameters()
    dimension.register(hp)
    drawn = [hp.space[0].prob_to_value(p) for p in np.linspace(0, 1, 500, endpoint=False)]
    assert all(dimension.holds(value) for value in drawn)
    if whole:
        assert set(drawn) == set(range(2, 91))
        assert dimension.count == 89


def test_values_of_numpy_become_plain(tree):
    space = search_space(tree, only=["layers", "kind"])
    point = space.active({"kind": np.str_("deep"), "layers": np.int64(2)})
    assert point == {"kind": "deep", "layers": 2}
    assert type(point["layers"]) is int
    assert type(point["kind"]) is str


def test_too_many_or_impossible_values_are_no_point(tree):
    space = search_space(tree, only=["layers", "kind"])
    assert space.holds({"kind": "plain"})
    assert not space.holds({"kind": "plain", "layers": 1})
    assert not space.holds({"kind": "deep"})
    assert not space.holds({"kind": "deep", "layers": 4})
    assert not space.holds({"kind": "deep", "layers": True})


def test_a_recipe_elsewhere_is_no_point():
    space = search_space(get_recipe("lstm"), space={"dropout": 0.2}, only=["units"])
    assert space.values_of(get_recipe("lstm")) is None  # its dropout is another one
    assert space.values_of(get_recipe("lstm").changed({"dropout": 0.2})) == {"units": 100}
    assert space.values_of(get_recipe("gru")) is None
    assert space.values_of(get_recipe("lstm").changed({"dropout": 0.2, "units": 26})) is None


def test_hyperparameters_that_are_asked_for_later_are_found():
    def space(hp):
        units = [hp.Int(f"units_{number}", 2, 4) for number in range(hp.Int("layers", 1, 3))]
        with hp.name_scope("end"):
            rate = hp.Float("rate", 0.0, 1.0, step=0.25)
        last = hp.get("layers") if "layers" in hp and "units_9" not in hp else None
        return {"units": units, "rate": rate, "last": last, "always": 1}

    found = explore(space)
    assert [d.name for d in found.dimensions] == ["layers", "units_0", "end/rate", "units_1", "units_2"]
    assert found.reach["units"] == {"layers", "units_0", "units_1", "units_2"}
    assert found.reach["rate"] == {"end/rate"}
    assert found.constant == {"always"}
    assert found.values_of({"units": [3, 2, 4]}, {}) == {"layers": 3, "units_0": 3, "units_1": 2, "units_2": 4}


def test_condition_on_what_is_not_declared_is_refused():
    def space(hp):
        with hp.conditional_scope("kind", ["deep"]):
            return {}

    with pytest.raises(ValueError, match="'kind', which is not declared before it"):
        explore(space)


def test_dimension_begins_as_near_as_it_can():
    assert Dimension("x", "int", min=10, max=40, step=10, default=10).begin(26) == 30
    assert Dimension("x", "int", min=10, max=40, default=10).begin(70) == 40
    assert Dimension("x", "float", min=0.0, max=1.0, default=0.5).begin(None) == 0.5
    assert Dimension("x", "choice", values=(8, 32), default=8).begin(30) == 32
    assert Dimension("x", "choice", values=("a", "b"), default="z").begin("c") == "a"
    assert list(itertools.islice(Dimension("x", "boolean", default=True).samples(), 2)) == [False, True]

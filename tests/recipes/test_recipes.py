import pytest
from pydantic import ValidationError

from genrezoo.errors import SettingsError, UnknownNameError
from genrezoo.recipes import RECIPES, Recipe, get_recipe, list_recipes
from genrezoo.recipes.recipe import Member
from genrezoo.runs.building import build_model, check_members

OWN = Recipe(name="own", summary="s", reference="r", model="lstm", arguments={"units": 8}, settings={"epochs": 3})

SHAPES = {
    "efficientnet_lite0": (32, 32, 3),
    "mel_cnn": (21, 18),
    "resnet50": (32, 32, 3),
    "spectrogram_cnn": (172, 173, 3),
    "vgg_tagger": (187, 96),
}
"""Shapes of songs for models that need another than (40, 3)."""

GROUPS = {"musicnn.msd": [0], "vgg_tagger.msd": [1, 2]}
"""Groups of features that members read."""


@pytest.mark.parametrize("name", list_recipes())
def test_every_recipe_builds_and_its_settings_are_known(name):
    recipe = get_recipe(name)
    recipe.procedure_settings()
    check_members(recipe)
    shape = SHAPES.get(recipe.model, (40, 3))
    model = build_model(recipe, shape, 4, again=True, groups=GROUPS)  # without fetching weights to begin with
    assert model.count_params() > 0
    assert Recipe.model_validate_json(recipe.model_dump_json()) == recipe


def test_the_sources_defaults_are_kept():
    mlp = get_recipe("mlp")
    assert mlp.arguments == {"units": [500, 500, 25], "input_dropout": 0.3, "dropout": 0.16287534, "l2": 0.01}
    assert mlp.procedure_settings().learning_rate == 1e-4
    assert mlp.procedure_settings().batch_size == 50
    assert get_recipe("stabilised_lstm").arguments == {"units": 100, "beta": 100.0}
    assert get_recipe("snippet_lstm").arguments == {"units": 100, "snippets": 4, "rule": "product"}
    source = {"optimizer": "sgd", "learning_rate": 0.002, "batch_size": 16, "epochs": 30, "monitor": "macro_f1"}
    assert get_recipe("mfcc_mlp").settings == source
    for recipe in map(get_recipe, list_recipes("mel_cnn*")):
        assert recipe.settings == source
        assert (recipe.chunks.segments, recipe.chunks.hop) == (21, 21)
    tables = {"optimizer": "sgd", "learning_rate": 0.01, "weight_decay": 0.001, "batch_size": 32, "epochs": 100}
    assert get_recipe("feature_mlp").settings == tables
    pictures = {"learning_rate": 1e-3, "weight_decay": 1e-4, "batch_size": 32, "epochs": 100, "monitor": "loss"}
    for recipe in map(get_recipe, ("spectrogram_cnn", "resnet50")):
        assert pictures.items() <= recipe.settings.items()
        assert recipe.settings["schedule"] == "reduce_on_plateau"
    assert get_recipe("resnet50").arguments == {"unfrozen": 2, "weights": "imagenet"}
    assert not get_recipe("resnet50").standardise


@pytest.mark.parametrize(
    ("name", "pooling", "batch_norm", "activation"),
    [
        ("mel_cnn_plain", False, False, "linear"),
        ("mel_cnn_pooled", True, False, "linear"),
        ("mel_cnn_relu", True, False, "relu"),
        ("mel_cnn_batch_norm", False, True, "relu"),
        ("mel_cnn", True, True, "relu"),
    ],
)
def test_each_form_of_the_mel_cnn_has_a_name(name, pooling, batch_norm, activation):
    model = build_model(get_recipe(name), (21, 18), 4)
    kinds = [type(layer).__name__ for layer in model.layers]
    assert (kinds.count("MaxPooling2D"), kinds.count("ZeroPadding2D")) == ((4, 4) if pooling else (0, 0))
    assert kinds.count("BatchNormalization") == 4 * batch_norm
    assert {layer.activation.__name__ for layer in model.layers if "activation" in layer.name} == {activation}


def test_changes_reach_arguments_settings_and_input():
    changed = OWN.changed({"units": 16, "epochs": 5, "clip": 3.0, "settings.learning_rate": 0.01})
    assert changed.arguments == {"units": 16}
    assert changed.settings == {"epochs": 5, "learning_rate": 0.01}
    assert changed.clip == 3.0
    assert OWN.arguments == {"units": 8}


def test_a_transform_is_switched_off_by_a_word_because_toml_has_none():
    assert get_recipe("attention_pool").transform == "signed_log"
    assert get_recipe("attention_pool").changed({"transform": "none"}).transform is None
    with pytest.raises(SettingsError, match="transform: must be"):
        get_recipe("attention_pool").changed({"transform": "no"})


def test_unknown_changes_suggest_the_nearest():
    with pytest.raises(UnknownNameError, match="unknown option 'unit'. Did you mean 'units'"):
        OWN.changed({"unit": 16})
    with pytest.raises(UnknownNameError, match="unknown option 'settings.units'"):
        OWN.changed({"settings.units": 16})
    with pytest.raises(UnknownNameError, match="unknown option 'epochs'. Did you mean 'members.epochs'"):
        get_recipe("cascade").changed({"epochs": 2})  # it has none of its own


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epochs": 0}, "epochs: must be greater than or equal to 1, got 0"),
        ({"learning_rate": -1}, "learning_rate: must be greater than 0"),
        ({"clip": 0}, "clip: must be greater than 0"),
        ({"clip": 3.0, "standardise": False}, "clip needs standardise"),
        ({"transform": "quantile", "standardise": False}, "transform needs standardise"),
        ({"batch_size": "many"}, "batch_size: must be a valid integer"),
    ],
)
def test_values_out_of_range_are_refused(changes, message):
    with pytest.raises(SettingsError, match=message):
        OWN.changed(changes)


def test_a_name_that_could_mean_two_things_must_say_which():
    RECIPES.names()
    with pytest.raises(SettingsError, match="could be model.dropout or settings.dropout"):
        _with_setting("dropout")


def _with_setting(name):
    from genrezoo.registry import PROCEDURES
    from genrezoo.training.supervised import SupervisedSettings

    twin = type("TwinSettings", (SupervisedSettings,), {"__annotations__": {name: float}, name: 0.1})
    PROCEDURES.register("twin", summary="s", reference="r", settings=twin)(lambda: None)
    try:
        OWN.model_copy(update={"procedure": "twin"}).changed({name: 0.2})
    finally:
        PROCEDURES.remove("twin")


def test_recipes_are_plain_data_and_immutable():
    with pytest.raises(ValidationError, match="plain data"):
        Recipe(name="own", summary="s", reference="r", model="lstm", arguments={"activation": len})
    with pytest.raises(ValidationError, match="frozen"):
        OWN.name = "other"
    with pytest.raises(ValidationError, match="Extra inputs"):
        Recipe(name="own", summary="s", reference="r", model="lstm", unknown=1)
    with pytest.raises(UnknownNameError, match="setting of 'supervised' 'epoch'. Did you mean 'epochs'"):
        Recipe(name="own", summary="s", reference="r", model="lstm", settings={"epoch": 1}).procedure_settings()


def test_unknown_recipe_suggests_the_nearest():
    with pytest.raises(UnknownNameError, match="unknown recipe 'snippet_lstn'. Did you mean 'snippet_lstm'"):
        get_recipe("snippet_lstn")


PAIR = OWN.model_copy(update={"name": "pair", "model": "ensemble", "arguments": {}, "procedure": "stagewise"})
PAIR = Recipe(**{**PAIR.model_dump(), "members": {"b": {"recipe": OWN}, "a": "lstm"}})


def test_members_stand_in_the_order_of_their_names_and_may_be_named():
    assert list(PAIR.members) == ["a", "b"]
    assert PAIR.members["a"].recipe == get_recipe("lstm")
    ten = {f"m{number}": Member(recipe=OWN) for number in (10, 2, 1)}
    assert list(Recipe(**{**PAIR.model_dump(), "members": ten}).members) == ["m1", "m2", "m10"]
    assert (OWN.depth, PAIR.depth) == (0, 1)


def test_changes_of_members_are_addressed_to_one_to_all_or_to_everything():
    one = PAIR.changed({"b.units": 3, "epochs": 7})
    assert (one.members["b"].recipe.arguments["units"], one.members["a"].recipe.arguments["units"]) == (3, 100)
    assert (one.settings["epochs"], one.members["b"].recipe.settings["epochs"]) == (7, 3)
    every = PAIR.changed({"members.units": 4})
    assert [member.recipe.arguments["units"] for member in every.members.values()] == [4, 4]
    whole = PAIR.changed({"epochs": 2}, everywhere=True)
    assert [part.settings["epochs"] for part in (whole, *(m.recipe for m in whole.members.values()))] == [2, 2, 2]
    with pytest.raises(UnknownNameError, match="unknown option 'c.units'"):
        PAIR.changed({"c.units": 3})
    trained = PAIR.with_runs({"a": "runs/a"})
    with pytest.raises(SettingsError, match="'a' is already trained"):
        trained.changed({"a.units": 3})
    with pytest.raises(UnknownNameError, match="unknown member of 'pair' 'c'"):
        PAIR.with_runs({"c": "runs/a"})


@pytest.mark.parametrize(
    ("member", "message"),
    [
        ({}, "one of recipe, run and logits"),
        ({"recipe": OWN, "logits": "a.npz"}, "one of recipe, run and logits"),
        ({"run": "a", "folds": 3}, "need a recipe"),
        ({"recipe": OWN, "folds": 1}, "at least 2"),
        ({"recipe": OWN, "folds": 3, "fresh": True}, "not with fresh"),
    ],
)
def test_a_member_is_given_in_one_way(member, message):
    with pytest.raises(ValidationError, match=message):
        Member(**member)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"members": {"a": Member(recipe=OWN)}}, SettingsError, "at least two members, got 1"),
        ({"model": "correcting"}, SettingsError, "needs a member 'original'"),
        ({"model": "lstm"}, UnknownNameError, "unknown member of 'lstm' 'a'"),
        ({"members": {**PAIR.members, "c": Member(logits="x.npz")}}, SettingsError, "must be a recipe or a run"),
        ({"members": {**PAIR.members, "c": Member(recipe=OWN, folds=2)}}, SettingsError, "must be a recipe or a run"),
    ],
)
def test_members_that_do_not_fit_are_refused(changes, error, message):
    with pytest.raises(error, match=message):
        check_members(PAIR.model_copy(update=changes))


def test_a_training_keeps_its_name_when_a_recipe_or_a_member_is_described_in_other_words():
    recipe = get_recipe("lstm_ensemble")
    words = {"summary": "in other words", "reference": "elsewhere", "reported": {}}
    members = {
        name: member.model_copy(update={"recipe": member.recipe.model_copy(update=words)})
        for name, member in recipe.members.items()
    }
    reworded = recipe.model_copy(update={**words, "members": members})
    assert reworded.digest(1, "songs") == recipe.digest(1, "songs")
    assert recipe.changed({"members.epochs": 3}).digest(1, "songs") != recipe.digest(1, "songs")


def test_changes_may_be_given_as_keywords():
    recipe = get_recipe("lstm")
    assert recipe.changed(epochs=3, units=8) == recipe.changed({"epochs": 3, "units": 8})


def test_an_abbreviation_finds_its_name():
    with pytest.raises(UnknownNameError, match="unknown option 'lr'. Did you mean 'learning_rate'"):
        get_recipe("lstm").changed(lr=0.1)


@pytest.mark.parametrize("levels", [30, 600])
def test_values_nested_deep_are_refused(levels):
    value = []
    for _ in range(levels):
        value = [value]
    with pytest.raises(SettingsError, match="nested too deep"):
        get_recipe("lstm").changed({"units": value})

import pytest
from pydantic import ValidationError

from genrezoo.errors import SettingsError, UnknownNameError
from genrezoo.models import create_model
from genrezoo.recipes import RECIPES, Recipe, get_recipe, list_recipes

OWN = Recipe(name="own", summary="s", reference="r", model="lstm", arguments={"units": 8}, settings={"epochs": 3})


@pytest.mark.parametrize("name", list_recipes())
def test_every_recipe_builds_and_its_settings_are_known(name):
    recipe = get_recipe(name)
    recipe.procedure_settings()
    model = create_model(recipe.model, (40, 3), 4, **recipe.arguments)
    assert model.count_params() > 0
    assert Recipe.model_validate_json(recipe.model_dump_json()) == recipe


def test_the_sources_defaults_are_kept():
    mlp = get_recipe("mlp")
    assert mlp.arguments == {"units": [500, 500, 25], "input_dropout": 0.3, "dropout": 0.16287534, "l2": 0.01}
    assert mlp.procedure_settings().learning_rate == 1e-4
    assert mlp.procedure_settings().batch_size == 50
    assert get_recipe("stabilised_lstm").arguments == {"units": 100, "beta": 100.0}
    assert get_recipe("snippet_lstm").arguments == {"units": 100, "snippets": 4, "rule": "product"}


def test_changes_reach_arguments_settings_and_input():
    changed = OWN.changed({"units": 16, "epochs": 5, "clip": 3.0, "settings.learning_rate": 0.01})
    assert changed.arguments == {"units": 16}
    assert changed.settings == {"epochs": 5, "learning_rate": 0.01}
    assert changed.clip == 3.0
    assert OWN.arguments == {"units": 8}


def test_unknown_changes_suggest_the_nearest():
    with pytest.raises(UnknownNameError, match="unknown option 'unit'. Did you mean 'units'"):
        OWN.changed({"unit": 16})
    with pytest.raises(UnknownNameError, match="unknown option 'settings.units'"):
        OWN.changed({"settings.units": 16})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epochs": 0}, "epochs: Input should be greater than or equal to 1, got 0"),
        ({"learning_rate": -1}, "learning_rate: Input should be greater than 0"),
        ({"clip": 0}, "clip: Input should be greater than 0"),
        ({"batch_size": "many"}, "batch_size: Input should be a valid integer"),
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

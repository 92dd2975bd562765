"""A whole recipe in one file: everything that a run depends on, but the songs and the seed."""

import json

import pytest
from toys import make_songs

from genrezoo.errors import DataError
from genrezoo.recipes import get_recipe
from genrezoo.runs import train

OWN = {
    "name": "own", "summary": "s", "reference": "r", "model": "lstm", "arguments": {"units": 8},
    "settings": {"epochs": 3, "patience": None},
}  # fmt: skip

TOML = """
name = "own"
summary = "s"
reference = "r"
model = "combiner"
[members]
first = "lstm"
second = { recipe = { name = "small", summary = "s", reference = "r", model = "lstm", arguments = { units = 4 } } }
"""


def write(path, value):
    path.write_text(value if isinstance(value, str) else json.dumps(value), encoding="utf-8")
    return path


def test_a_recipe_goes_into_a_file_and_comes_back(tmp_path):
    recipe = get_recipe("snippet_lstm")
    assert get_recipe(write(tmp_path / "a.json", recipe.model_dump(mode="json"))) == recipe
    assert get_recipe(str(write(tmp_path / "b.json", OWN))).settings == {"epochs": 3, "patience": None}


def test_toml_holds_members_as_names_and_as_recipes(tmp_path):
    recipe = get_recipe(write(tmp_path / "own.toml", TOML))
    assert recipe.members["first"].recipe == get_recipe("lstm")
    assert recipe.members["second"].recipe.arguments == {"units": 4}


def test_the_card_of_a_run_trains_the_same_again(tmp_path):
    songs = make_songs()
    recipe = get_recipe("fully_connected").changed({"epochs": 2, "units": [4]})
    first = train(recipe, songs, seed=5, out=tmp_path / "first")
    again = train(str(tmp_path / "first" / "card.json"), songs, seed=5, out=tmp_path / "again")
    assert again.card.recipe == recipe
    assert again.card.weights_sha256 == first.card.weights_sha256


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("a.json", "{", "not valid JSON"),
        ("a.json", [], "valid dictionary"),
        ("a.json", {**OWN, "name": "Own Recipe"}, "name: String should match"),
        ("a.json", {key: value for key, value in OWN.items() if key != "model"}, "model: is missing"),
        ("a.json", {**OWN, "model": "lsmt"}, "unknown model or composition 'lsmt'. Did you mean 'lstm'"),
        ("a.json", {**OWN, "procedure": "supervise"}, "unknown procedure 'supervise'. Did you mean 'supervised'"),
        ("a.json", {**OWN, "arguments": {"unit": 8}}, "unknown option 'model.unit'"),
        ("a.json", {**OWN, "settings": {"epoch": 8}}, "unknown setting of 'supervised' 'epoch'. Did you mean 'epochs'"),
        ("a.json", {**OWN, "settings": {"epochs": 0}}, "epochs: must be greater than or equal to 1, got 0"),
        ("a.json", {**OWN, "oops": 1}, "oops: is unknown"),
        ("a.toml", "name = ", "not valid TOML"),
        ("a.toml", TOML.replace('"lstm"', '"lsmt"', 1), "unknown recipe 'lsmt'"),
        ("a.toml", TOML + "when = 2026-01-01\n", "members"),
    ],
)
def test_the_first_thing_that_is_wrong_is_named_with_the_file(tmp_path, name, value, message):
    with pytest.raises(DataError, match=message) as caught:
        get_recipe(write(tmp_path / name, value))
    assert str(tmp_path / name) in str(caught.value)


@pytest.mark.parametrize("name", ["none.json", "none.toml"])
def test_a_file_that_is_not_there_is_said(tmp_path, name):
    with pytest.raises(DataError, match="cannot be read"):
        get_recipe(tmp_path / name)

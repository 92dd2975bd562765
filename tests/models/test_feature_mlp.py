from __future__ import annotations

import numpy as np
import pytest

from genrezoo.errors import SettingsError
from genrezoo.models import create_model
from genrezoo.recipes import get_recipe
from genrezoo.runs import train
from genrezoo.songs import SongSet


def test_mfcc_mlp_has_the_layers_of_its_source():
    model = create_model("mfcc_mlp", (1, 26), 4)
    assert [model.get_layer(name).kernel.shape for name in ("hidden_1", "hidden_2", "logits")] == [
        (26, 128),
        (128, 32),
        (32, 4),
    ]


def test_feature_mlp_has_the_layers_of_its_source():
    model = create_model("feature_mlp", (1, 57), 10)
    names = ("hidden_1", "hidden_2", "hidden_3", "logits")
    assert [model.get_layer(name).kernel.shape[1] for name in names] == [90, 70, 50, 10]


@pytest.mark.parametrize("name", ["mfcc_mlp", "feature_mlp"])
def test_without_activation_it_is_an_affine_map(name):
    model = create_model(name, (1, 5), 3, activation="linear")
    first, second = np.random.default_rng(0).standard_normal((2, 4, 1, 5)).astype("float32")
    middle = np.asarray(model((first + second) / 2))
    np.testing.assert_allclose(middle, (np.asarray(model(first)) + np.asarray(model(second))) / 2, atol=1e-5)
    bent = create_model(name, (1, 5), 3)
    middle = np.asarray(bent((first + second) / 2))
    assert not np.allclose(middle, (np.asarray(bent(first)) + np.asarray(bent(second))) / 2, atol=1e-3)


@pytest.mark.parametrize("name", ["mfcc_mlp", "feature_mlp"])
@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"units": (0,)}, "units must be a list of whole numbers"),
        ({"activation": "rely"}, "activation='rely' .* Could not interpret activation"),
        ({"dropout": 1}, "dropout must be a number of at least 0 and below 1, got 1"),
    ],
)
def test_options_out_of_range_are_refused(name, arguments, reason):
    with pytest.raises(SettingsError, match=reason):
        create_model(name, (1, 5), 3, **arguments)


def songs_of(n_segments):
    """Songs whose genre is the feature that stands out in every one of their segments."""
    y = np.arange(60) % 3
    x = np.random.default_rng(0).standard_normal((60, n_segments, 4)) + 4 * np.eye(3, 4)[y][:, None]
    splits = {"train": np.arange(30), "valid": np.arange(30, 45), "test": np.arange(45, 60)}
    lengths = np.where(np.arange(60) % 2, n_segments, (n_segments + 1) // 2)
    return SongSet(x=x, y=y, genres=("a", "b", "c"), lengths=lengths, splits=splits, provenance="random")


@pytest.mark.parametrize("name", ["mfcc_mlp", "feature_mlp"])
@pytest.mark.parametrize("n_segments", [1, 5])
@pytest.mark.slow
def test_recipes_take_tables_and_songs_of_many_segments(name, n_segments, tmp_path):
    songs = songs_of(n_segments)
    recipe = get_recipe(name).changed({"epochs": 20, "optimizer": "adam", "learning_rate": 0.01})
    run = train(recipe, songs, seed=1, out=tmp_path / "run")
    assert run.card.input_shape == (1, 4)
    assert run.evaluate()["accuracy"] > 0.8
    test = songs.split("test")
    segments = [run.predict(test.x[song, : test.lengths[song], None]) for song in range(len(test))]
    together = run.predict(test.x, test.lengths)
    np.testing.assert_allclose(together, [segment.mean(axis=0) for segment in segments], atol=1e-5)


def test_chunks_of_one_segment_change_nothing_in_a_table(tmp_path):
    songs = songs_of(1)
    recipe = get_recipe("mfcc_mlp").changed({"epochs": 2})
    forms = {"chunks": recipe, "whole": recipe.changed({"chunks": None})}
    runs = [train(form, songs, seed=1, out=tmp_path / name) for name, form in forms.items()]
    np.testing.assert_allclose(*(run.predict(songs.x) for run in runs), atol=1e-6)
    assert runs[0].history()["loss"] == runs[1].history()["loss"]

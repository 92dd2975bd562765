from __future__ import annotations

import keras
import numpy as np
import pytest
import safetensors.numpy
from toys import make_songs

from genrezoo.errors import SettingsError
from genrezoo.models import create_model
from genrezoo.recipes import Recipe
from genrezoo.runs import load_run, train

array = keras.ops.convert_to_numpy
SMALL = {"timbral_filters": 4, "temporal_filters": 3, "filters": 5, "units": 6}


def spectrograms(*shape):
    return np.random.default_rng(0).uniform(0, 4, shape).astype("float32")


def test_musicnn_has_the_layers_of_its_source():
    model = create_model("musicnn", (187, 96), 50)
    kernels = {layer.name: tuple(layer.kernel.shape) for layer in model.layers if hasattr(layer, "kernel")}
    assert kernels["timbral_1"] == (7, 38, 1, 204)
    assert kernels["timbral_2"] == (7, 67, 1, 204)
    assert [kernels[f"temporal_{number}"] for number in (1, 2, 3)] == [(n, 1, 1, 51) for n in (128, 64, 32)]
    assert [kernels[f"conv_{number}"] for number in (1, 2, 3)] == [(7, n, 64) for n in (561, 64, 64)]
    assert model.get_layer("all").output.shape == (None, 187, 753)
    assert model.get_layer("hidden_1_norm").output.shape == (None, 200)
    assert model.count_params() == 792_079


@pytest.mark.parametrize(
    ("options", "shapes"),
    [
        ({}, [(46, 96), (46, 24), (23, 12), (11, 6), (2, 1)]),
        (
            {
                "pool_sizes": ((4, 1), (2, 2), (2, 2), (2, 2), (4, 4)),
                "pool_strides": ((2, 2), (2, 2), (2, 2), (2, 2), (4, 4)),
            },
            [(92, 48), (46, 24), (23, 12), (11, 6), (2, 1)],
        ),
    ],
)
def test_vgg_tagger_has_the_shapes_of_its_source(options, shapes):
    model = create_model("vgg_tagger", (187, 96), 50, **options)
    assert [model.get_layer(f"pool_{number}").output.shape[1:3] for number in (1, 2, 3, 4, 5)] == shapes
    assert model.get_layer("flatten").output.shape == (None, 256)
    assert model.count_params() == 607_030


def test_padding_counts_as_silence_for_the_vgg_tagger():
    model = create_model("vgg_tagger", (64, 64), 3, filters=4, seed=1)
    songs = spectrograms(2, 64, 64)
    songs[:, 50:] = 0
    padded = songs.copy()
    padded[:, 50:] = np.nan
    np.testing.assert_array_equal(array(model(padded)), array(model(songs)))


def moved_by_training(name, shape, **options):
    """Names of the layers whose weights or statistics a training step changes."""
    model = create_model(name, shape, 3, seed=1, **options)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss=loss, run_eagerly=True)
    before = {weight.path: array(weight) for weight in model.weights}
    model.train_on_batch(50 * spectrograms(6, *shape), np.arange(6) % 3)
    moved = [weight.path for weight in model.weights if not np.array_equal(array(weight), before[weight.path])]
    return {path.partition("/")[0] for path in moved}


@pytest.mark.parametrize(
    ("trainable", "moved"),
    [("head", {"logits"}), ("top", {"pooled_norm", "hidden_1", "hidden_1_norm", "logits"})],
)
def test_the_named_part_of_musicnn_alone_is_trained(trainable, moved):
    assert moved_by_training("musicnn", (20, 8), trainable=trainable, **SMALL) == moved


@pytest.mark.slow
def test_a_trained_network_is_opened_without_the_weights_that_it_began_with(tmp_path):
    songs, path = make_songs(n_segments=20, n_features=8), tmp_path / "begun.safetensors"
    begun = create_model("musicnn", (20, 8), 3, seed=2, **SMALL)
    safetensors.numpy.save_file({weight.path: array(weight) for weight in begun.weights}, path)
    arguments = {**SMALL, "weights": str(path), "trainable": "head"}
    about = {"summary": "s", "reference": "r", "settings": {"epochs": 1}}
    run = train(Recipe(name="tuned", model="musicnn", arguments=arguments, **about), songs, out=tmp_path / "run")
    np.testing.assert_array_equal(array(run.network.get_layer("hidden_1").kernel), begun.get_layer("hidden_1").kernel)
    path.unlink()
    np.testing.assert_allclose(load_run(tmp_path / "run").predict(songs.x), run.predict(songs.x), atol=1e-6)


@pytest.mark.parametrize(
    ("trainable", "moved"),
    [
        ("head", {"logits"}),
        ("top", {"conv_2", "conv_2_norm", "conv_3", "conv_3_norm", "logits"}),
        ("all", {"input_norm", *(f"conv_{n}{norm}" for n in (1, 2, 3) for norm in ("", "_norm")), "logits"}),
    ],
)
def test_the_named_part_of_the_vgg_tagger_alone_is_trained(trainable, moved):
    pools = ((2, 1), (1, 2), (2, 2))
    assert moved_by_training("vgg_tagger", (20, 8), trainable=trainable, filters=4, pool_sizes=pools) == moved


@pytest.mark.slow
@pytest.mark.parametrize(
    ("trainable", "stages"),
    [(0, set()), ("head", set()), (1, {7}), (2, {6, 7}), ("top", {6, 7}), (7, set(range(1, 8)))],
)
def test_the_named_stages_of_efficientnet_alone_are_trained(trainable, stages):
    moved = moved_by_training("efficientnet_lite0", (32, 32, 3), trainable=trainable)
    parts = {name.partition("_")[0] for name in moved}
    assert parts == {f"stage{stage}" for stage in stages} | ({"head", "logits"} if stages else {"logits"})


def test_efficientnet_has_the_size_of_its_source():
    model = create_model("efficientnet_lite0", (224, 224, 3), 1000)
    assert model.count_params() == 4_694_024
    assert model.get_layer("head_relu").output.shape == (None, 7, 7, 1280)


def test_one_channel_is_the_same_image_in_grey():
    colour, grey = (create_model("efficientnet_lite0", (32, 32, n), 3, seed=1) for n in (3, 1))
    images = 60 * spectrograms(2, 32, 32, 1)
    np.testing.assert_allclose(array(grey(images)), array(colour(np.repeat(images, 3, axis=-1))), atol=1e-5)


@pytest.mark.parametrize(
    ("model", "shape", "options", "reason"),
    [
        ("vgg_tagger", (60, 96), {}, "60 frames of 96 bands are too few .* 3 x 6 are left after conv_5"),
        ("vgg_tagger", (None, 96), {}, "fixed number of segments"),
        (
            "vgg_tagger",
            (187, 96),
            {"pool_sizes": ((4, 1), 2)},
            "pool_sizes must be a list of pairs of frames and bands",
        ),
        ("vgg_tagger", (187, 96), {"pool_sizes": ((4, 0),)}, "pool_sizes must be a whole number from 1, got 0"),
        ("vgg_tagger", (187, 96), {"pool_strides": ((4, 1),)}, "the same length, got 5 and 1"),
        ("vgg_tagger", (187, 96), {"trainable": 2}, "trainable must be one of 'all', 'top', 'head', got 2"),
        ("musicnn", (187, 96), {"trainable": "some"}, "trainable must be one of 'all', 'top', 'head', got 'some'"),
        ("musicnn", (187, 96), {"units": 0}, "units must be a whole number from 1, got 0"),
        ("musicnn", (187, 96), {"dropout": 1}, "dropout must be a number of at least 0 and below 1"),
        ("efficientnet_lite0", (31, 32, 3), {}, "at least 32 x 32, got 31 x 32"),
        ("efficientnet_lite0", (32, 32, 2), {}, "1 or 3 channels, got 2"),
        ("efficientnet_lite0", (32, 32, 3), {"trainable": 8}, "trainable must be a whole number from 0 to 7, got 8"),
        ("efficientnet_lite0", (32, 32, 3), {"trainable": "some"}, "'head' or a number of stages, got 'some'"),
    ],
)
def test_shapes_and_options_out_of_range_are_refused(model, shape, options, reason):
    with pytest.raises(SettingsError, match=reason):
        create_model(model, shape, 10, **options)

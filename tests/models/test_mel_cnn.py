from __future__ import annotations

import numpy as np
import pytest

from genrezoo.errors import SettingsError
from genrezoo.models import create_model
from genrezoo.recipes import get_recipe
from genrezoo.runs import train
from genrezoo.songs import SongSet

SMALL = {"filters": (2, 3, 4, 5), "units": (6, 5, 4)}
PLAIN = {"pool_size": None, "padding": 0, "batch_norm": False, "activation": "linear"}


def kinds(model):
    return [type(layer).__name__ for layer in model.layers]


def test_the_first_form_is_that_of_its_source():
    model = create_model("mel_cnn", (21, 128), 4, **PLAIN, filters=(16, 32, 64, 128), units=(4, 3, 2))
    outputs = [model.get_layer(f"conv_{number}").output.shape[1:] for number in (1, 2, 3, 4)]
    assert outputs == [(17, 124, 16), (13, 120, 32), (9, 116, 64), (5, 112, 128)]
    assert model.get_layer("hidden_1").kernel.shape[0] == 5 * 112 * 128
    assert kinds(model).count("Conv2D") == 4
    assert not {"ZeroPadding2D", "MaxPooling2D", "BatchNormalization", "Dropout"} & set(kinds(model))


def test_the_last_form_is_that_of_its_source():
    model = create_model("mel_cnn", (21, 128), 4)
    layer = ["ZeroPadding2D", "Conv2D", "BatchNormalization", "Activation", "MaxPooling2D"]
    begin = kinds(model).index("ZeroPadding2D")
    assert kinds(model)[begin : begin + 20] == layer * 4
    outputs = [model.get_layer(f"conv_{number}").output.shape[1:3] for number in (1, 2, 3, 4)]
    assert outputs == [(21, 128), (10, 64), (5, 32), (2, 16)]
    sizes = [model.get_layer(name).kernel.shape for name in ("hidden_1", "hidden_2", "hidden_3", "logits")]
    assert sizes == [(8 * 128, 1024), (1024, 256), (256, 32), (32, 4)]
    assert model.get_layer("conv_1").bias is None  # what the normalisation adds stands for it


def test_the_linear_forms_are_affine_and_only_they():
    def bend(**form):
        model = create_model("mel_cnn", (21, 18), 3, seed=1, **SMALL, **form)
        first, second = np.random.default_rng(0).standard_normal((2, 4, 21, 18)).astype("float32")
        middle = np.asarray(model((first + second) / 2))
        return np.abs(middle - (np.asarray(model(first)) + np.asarray(model(second))) / 2).max()

    assert bend(**PLAIN) < 1e-5
    assert bend(**{**PLAIN, "activation": "relu"}) > 1e-3


def test_activation_and_dropout_reach_every_layer():
    model = create_model("mel_cnn", (21, 18), 3, **SMALL, activation="elu", dropout=0.3)
    activations = [layer.activation.__name__ for layer in model.layers if "activation" in layer.name]
    assert activations == ["elu"] * 7
    assert [model.get_layer(f"hidden_{number}_dropout").rate for number in (1, 2, 3)] == [0.3] * 3


@pytest.mark.parametrize("kernel_size", [1, 3, 5])
@pytest.mark.parametrize("pool_size", [None, 2, 3])
@pytest.mark.parametrize("padding", [0, 1, 2, 3])
def test_the_length_that_a_form_needs_is_the_least_that_builds(kernel_size, pool_size, padding):
    def build(length):
        return create_model(
            "mel_cnn", (length, 250), 3, **SMALL, kernel_size=kernel_size, pool_size=pool_size, padding=padding
        )

    def left(length):
        for _ in range(4):
            length = max((length + 2 * padding - kernel_size + 1) // (pool_size or 1), -2 * padding)
        return length

    length = next(length for length in range(1, 250) if left(length) >= 1)
    assert build(length).get_layer("conv_4").output.shape[1] >= 1
    if length > 1:
        with pytest.raises(SettingsError, match=rf"an input of {length - 1} x 250 is too small .* at least {length} x"):
            build(length - 1)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"filters": (16, 0)}, "filters must be a list of whole numbers from 1"),
        ({"kernel_size": 0}, "kernel_size=0"),
        ({"pool_size": 0}, "pool_size=0"),
        ({"padding": -1}, "padding=-1"),
        ({"activation": "rely"}, "activation='rely' .* Could not interpret activation"),
        ({"dropout": -0.1}, "dropout must be a number"),
        ({"units": 3}, "units must be a list"),
        ({"pool_size": 3}, "too small for 4 convolutions .* pooling of 3: at least 81 x 81 is needed"),
    ],
)
def test_options_out_of_range_are_refused(arguments, reason):
    with pytest.raises(SettingsError, match=reason):
        create_model("mel_cnn", (21, 128), 4, **arguments)


def test_a_song_of_seconds_gets_the_mean_of_their_answers(tmp_path):
    """The recipe, on three songs of three seconds and nine of two, whose genre is the band that is loud."""
    y = np.arange(12) % 2
    x = np.random.default_rng(0).standard_normal((12, 63, 16)) + 3 * np.repeat(np.eye(2)[y], 8, axis=1)[:, None]
    splits = {"train": np.arange(6), "valid": np.arange(6, 9), "test": np.arange(9, 12)}
    lengths = np.where(np.arange(12) % 4, 42, 63)
    songs = SongSet(x=x, y=y, genres=("low", "high"), lengths=lengths, splits=splits, provenance="random")
    recipe = get_recipe("mel_cnn").changed({"epochs": 2, "filters": [2, 2, 2, 2], "units": [4, 4]})
    run = train(recipe, songs, seed=1, out=tmp_path / "run")
    assert run.card.input_shape == (21, 16)
    seconds = run.predict(songs.x[0].reshape(3, 21, 16))
    np.testing.assert_allclose(run.predict(songs.x[:1], songs.lengths[:1])[0], seconds.mean(axis=0), atol=1e-5)
    short = run.predict(songs.x[1, :42].reshape(2, 21, 16))
    np.testing.assert_allclose(run.predict(songs.x[1:2], songs.lengths[1:2])[0], short.mean(axis=0), atol=1e-5)


def test_a_network_that_would_take_all_memory_is_refused_before_it_is_built():
    with pytest.raises(SettingsError, match="conv_2 would have 200 x 200 x 3 x 3,000,000 weights"):
        create_model("mel_cnn", (21, 128), 4, filters=(3, 3_000_000), kernel_size=200, padding=200)
    with pytest.raises(SettingsError, match=r"hidden_1 would have .* weights"):
        create_model("mel_cnn", (21, 128), 4, padding=2, pool_size=None, units=(100_000,))

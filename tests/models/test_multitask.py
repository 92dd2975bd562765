from __future__ import annotations

import keras
import numpy as np
import pytest

from genrezoo.errors import SettingsError, UnknownNameError
from genrezoo.models import create_model, register_model
from genrezoo.registry import MODELS

TASKS = ("binary", "autoencoder")
SONGS = np.random.default_rng(0).standard_normal((3, 6, 4)).astype("float32")


def build(task, **arguments):
    return create_model(f"multitask_{task}", (6, 4), 3, seed=1, **{"trunk_arguments": {"units": 5}, **arguments})


def head(model):
    return model.get_layer(next(name for name in model.output if name != "logits"))


def test_it_is_the_network_of_the_source():
    arguments = {"trunk": "stabilised_lstm", "trunk_arguments": {"units": 100, "beta": 100.0}}
    binary, autoencoder = (create_model(f"multitask_{task}", (120, 25), 10, **arguments) for task in TASKS)
    for model, size in ((binary, 10), (autoencoder, 3000)):
        assert model.get_layer("lstm_stabiliser").beta == 100
        assert model.get_layer("logits").kernel.shape == (100, 10)
        (layer,) = (layer for layer in model.layers if layer.name in ("answers", "numbers"))
        assert layer.kernel.shape == (100, size)  # reads the same state
    assert binary.output["binary"].shape == (None, 10)
    assert autoencoder.output["song"].shape == (None, 120, 25)


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("alpha", [0, 1, 2.5])
def test_alpha_is_the_share_of_the_second_head(task, alpha):
    model = build(task, alpha=alpha)
    assert head(model).target == {"binary": "binary", "autoencoder": "song"}[task]
    assert head(model).weight == alpha
    assert not hasattr(model.get_layer("logits"), "target")  # trained on the genre with weight 1


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize(
    ("trunk", "arguments"),
    [
        ("lstm", {"units": 5}),
        ("conv_in_time", {"filters": 3, "units": 5, "pooling": None}),
        ("mlp", {"units": [5]}),
        ("mlp", {"units": [5], "batch_norm": False}),
        ("statistics_mlp", {"units": [5]}),
    ],
)
def test_the_logits_are_those_of_the_trunk_and_its_last_hidden_layer_is_shared(task, trunk, arguments):
    model = build(task, trunk=trunk, trunk_arguments=arguments)
    alone = create_model(trunk, (6, 4), 3, seed=1, **arguments)
    np.testing.assert_array_equal(np.asarray(model(SONGS)["logits"]), np.asarray(alone(SONGS)))
    second = model.get_layer("answers" if task == "binary" else "numbers")
    assert second.kernel.shape[0] == 5


def test_the_song_comes_back_in_its_own_order():
    model = build("autoencoder")
    numbers = model.get_layer("numbers")
    numbers.kernel.assign(np.zeros(numbers.kernel.shape))
    numbers.bias.assign(np.arange(24))
    np.testing.assert_array_equal(np.asarray(model(SONGS)["song"])[0], np.arange(24).reshape(6, 4))


def test_binary_takes_songs_of_any_length_if_the_trunk_does():
    model = create_model("multitask_binary", (None, 4), 3, trunk_arguments={"units": 5})
    assert model(SONGS)["binary"].shape == model(SONGS[:, :2])["binary"].shape == (3, 3)
    with pytest.raises(SettingsError, match="fixed number of segments"):
        create_model("multitask_binary", (None, 4), 3, trunk="mlp")
    with pytest.raises(SettingsError, match="fixed number of segments"):
        create_model("multitask_autoencoder", (None, 4), 3)


def test_a_trunk_without_hidden_layer_shares_what_its_logits_read():
    @register_model("straight", summary="no layer", reference="none")
    def straight(input_shape, num_classes):
        songs = keras.Input(input_shape)
        state = keras.layers.SimpleRNN(num_classes)(songs)
        return keras.Model(songs, keras.layers.Activation("linear", name="logits")(state))

    try:
        assert build("binary", trunk="straight", trunk_arguments={}).get_layer("answers").kernel.shape == (3, 3)
    finally:
        MODELS.remove("straight")


def test_a_trunk_without_a_vector_is_refused():
    @register_model("sequence", summary="logits are the last layer of the sequence", reference="none")
    def sequence(input_shape, num_classes):
        songs = keras.Input(input_shape)
        return keras.Model(songs, keras.layers.SimpleRNN(num_classes, name="logits")(songs))

    try:
        with pytest.raises(SettingsError, match="trunk 'sequence' has no single vector before its logits"):
            build("binary", trunk="sequence", trunk_arguments={})
    finally:
        MODELS.remove("sequence")


def test_images_are_refused():
    register_model("picture", summary="of images", reference="none", expects="image")(
        lambda input_shape, num_classes: 1
    )
    try:
        with pytest.raises(SettingsError, match="trunk must be a segment model, but 'picture' takes images"):
            build("binary", trunk="picture", trunk_arguments={})
    finally:
        MODELS.remove("picture")


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"alpha": -1}, "alpha=-1.* must be a finite number of at least 0, got -1"),
        ({"alpha": float("inf")}, "alpha=inf.* must be a finite number of at least 0, got inf"),
        ({"trunk": "snippet_lstm"}, "trunk must be a model with one output, but 'snippet_lstm' has logits, expert_1"),
    ],
)
def test_options_out_of_range_are_refused(task, arguments, reason):
    with pytest.raises(SettingsError, match=reason):
        build(task, **arguments)


def test_unknown_trunk_suggests_near_names():
    with pytest.raises(UnknownNameError, match="unknown model 'lsmt'. Did you mean 'lstm'"):
        build("binary", trunk="lsmt")
    with pytest.raises(UnknownNameError, match="unknown argument of model 'lstm' 'size'"):
        build("binary", trunk_arguments={"size": 3})

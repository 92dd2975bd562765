"""A frozen model is the same function whatever happens around it."""

from __future__ import annotations

import warnings

import keras
import numpy as np
import pytest
from keras.src.backend import get_keras_mask  # Keras has no public way to ask

from genrezoo.errors import SettingsError
from genrezoo.layers import ActivityStabiliser, EndMask, Frozen, Head, MaskPadding
from genrezoo.models import create_model

SONGS = np.random.default_rng(0).standard_normal((6, 5, 3)).astype("float32")
SONGS[0, 3:] = np.nan
LABELS = np.arange(6) % 2


class Louder(keras.layers.Layer):
    """Does in training what it does not do otherwise, and leaves it to the call around it to say which it is."""

    def call(self, inputs, training=None):
        return inputs * 2 if training else inputs


def restless(*, heads=False):
    """Whatever can change or add to a loss: dropout, batch normalisation, an activity loss, penalties."""
    songs = keras.Input((5, 3))
    states = ActivityStabiliser(5.0)(keras.layers.SimpleRNN(4, return_sequences=True)(MaskPadding()(Louder()(songs))))
    x = keras.layers.Dropout(0.5)(keras.layers.Flatten()(EndMask()(states)))
    x = keras.layers.BatchNormalization()(keras.layers.Dense(4, kernel_regularizer="l2")(x))
    logits = keras.layers.Dense(2, name="logits", activity_regularizer="l1")(x)
    outputs = {"logits": logits, "hidden": Head(target="genre", weight=0.0, name="hidden")(x)} if heads else logits
    return keras.Model(songs, outputs)


def around(model):
    """A trainable layer on a frozen model; a trainable one below it would show a gradient to the inputs."""
    songs = keras.Input((5, 3))
    below = keras.layers.Dense(3, name="below")(songs)
    return keras.Model(songs, keras.layers.Dense(2, name="logits")(Frozen(model, name="frozen")(below)))


def bits(model):
    return [np.asarray(keras.ops.convert_to_tensor(weight)).tobytes() for weight in model.weights]


def test_outputs_are_those_of_inference_even_in_training():
    model = restless()
    expected = np.asarray(model(SONGS, training=False))
    layer = Frozen(model)
    outer = keras.Model(songs := keras.Input((5, 3)), layer(songs))
    np.testing.assert_allclose(np.asarray(outer(SONGS, training=True)), expected, atol=1e-6)
    assert not np.allclose(np.asarray(model(SONGS, training=True)), expected, atol=1e-3)  # or nothing was shown


def test_training_around_it_changes_no_bit_of_it():
    outer = around(restless())
    layer = outer.get_layer("frozen")
    before, state = bits(layer.model), [np.asarray(variable) for variable in layer.model.variables]
    outer.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True), jit_compile=False)
    start = {name: np.asarray(outer.get_layer(name).kernel) for name in ("below", "logits")}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Gradients do not exist")  # TensorFlow says what is asserted below
        outer.train_on_batch(np.nan_to_num(SONGS), LABELS)
    assert bits(layer.model) == before
    assert all(np.array_equal(a, np.asarray(b)) for a, b in zip(state, layer.model.variables, strict=True))  # seeds too
    assert np.array_equal(start["below"], np.asarray(outer.get_layer("below").kernel))  # none reaches the inputs
    assert not np.array_equal(start["logits"], np.asarray(outer.get_layer("logits").kernel))


def test_losses_inside_stay_inside():
    model = restless()
    model(SONGS, training=True)
    assert len(model.losses) == 3
    outer = around(restless())
    outer(np.nan_to_num(SONGS), training=True)
    assert outer.losses == []


def test_weights_are_untrainable_whatever_is_set_from_outside():
    outer = around(restless())
    outer.trainable = True
    outer.get_layer("frozen").trainable = True
    assert [weight.path for weight in outer.trainable_weights] == ["below/kernel", "below/bias"] + [
        "logits/kernel",
        "logits/bias",
    ]
    assert len(outer.weights) == 4 + len(outer.get_layer("frozen").model.weights)


def test_changed_weights_are_heard():
    """They are read at each call, not copied into the graph."""
    outer = around(restless())
    songs = np.nan_to_num(SONGS)
    before = outer.predict_on_batch(songs)
    kernel = outer.get_layer("frozen").model.get_layer("logits").kernel
    kernel.assign(2 * kernel)
    assert not np.allclose(outer.predict_on_batch(songs), before)


def test_several_outputs_keep_their_names_and_no_mask():
    outputs = Frozen(restless(heads=True))(SONGS)
    assert {name: tuple(output.shape) for name, output in outputs.items()} == {"logits": (6, 2), "hidden": (6, 4)}
    sequence = keras.Model(songs := keras.Input((5, 3)), MaskPadding()(songs))
    assert get_keras_mask(sequence(SONGS)) is not None
    assert get_keras_mask(Frozen(sequence)(SONGS)) is None


def test_one_inside_another_survives_its_configuration():
    inner = keras.Model(songs := keras.Input((None, 3)), Frozen(create_model("lstm", (None, 3), 2, units=3))(songs))
    layer = Frozen(inner)
    expected = np.asarray(layer(SONGS))
    again = Frozen.from_config(layer.get_config())
    again.set_weights(layer.get_weights())
    np.testing.assert_array_equal(np.asarray(again(SONGS)), expected)
    assert tuple(again(SONGS[:, :2]).shape) == (6, 2)  # any length still


def test_what_is_no_built_model_is_refused():
    with pytest.raises(SettingsError, match="built functional model with one input can be frozen, got 'lstm'"):
        Frozen("lstm")
    with pytest.raises(SettingsError, match="built functional model"):
        Frozen(keras.Sequential([keras.layers.Dense(2)]))

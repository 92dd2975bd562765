"""A model that keeps the contract, and one for each check that must not pass it.

The broken builders differ from `build_good` in one thing each, which their names say.
"""

from __future__ import annotations

import keras
import numpy as np
from keras import ops

from genrezoo.layers import EndMask, Head, MaskPadding

FRESH = np.random.default_rng()  # deliberately without a seed


def build_good(input_shape, num_classes, *, units=8):
    """A mean over the real segments, and a dense layer.

    Args:
        input_shape: ``(n_segments or None, n_features)``.
        num_classes: Number of genres.
        units: Size of the dense layer.

    Returns:
        An uncompiled model.

    Example:
        >>> build_good((12, 3), 3).output_shape
        (None, 3)
    """
    songs = keras.Input(input_shape)
    x = keras.layers.GlobalAveragePooling1D()(MaskPadding()(songs))
    x = keras.layers.Dense(units, activation="tanh")(x)
    return keras.Model(songs, keras.layers.Dense(num_classes, name="logits")(x))


def build_without_logits(input_shape, num_classes, *, units=8):
    model = build_good(input_shape, num_classes, units=units)
    return keras.Model(model.input, keras.layers.Activation("linear", name="output")(model.output))


def build_one_class_too_many(input_shape, num_classes, *, units=8):
    return build_good(input_shape, num_classes + 1, units=units)


def build_with_an_unmarked_output(input_shape, num_classes, *, units=8):
    model = build_good(input_shape, num_classes, units=units)
    other = keras.layers.Dense(num_classes, name="other")(model.layers[-2].output)
    return keras.Model(model.input, {"logits": model.output, "other": other})


def build_with_half_a_song(input_shape, num_classes, *, units=8):
    model = build_good(input_shape, num_classes, units=units)
    half = keras.layers.Dense(input_shape[1])(model.layers[-2].output)
    return keras.Model(
        model.input, {"logits": model.output, "song": Head(target="song", weight=1.0, name="song")(half)}
    )


def build_unseeded(input_shape, num_classes, *, units=8):
    model = build_good(input_shape, num_classes, units=units)
    kernel = model.get_layer("logits").kernel
    kernel.assign(FRESH.standard_normal(kernel.shape))
    return model


class Centred(keras.layers.Layer):
    def call(self, inputs):
        return inputs - ops.mean(inputs, axis=0, keepdims=True)


def build_looking_at_batch_mates(input_shape, num_classes, *, units=8):
    model = build_good(input_shape, num_classes, units=units)
    x = Centred()(model.layers[-2].output)
    return keras.Model(model.input, keras.layers.Dense(num_classes, name="logits")(x))


def build_with_a_useless_bias(input_shape, num_classes, *, units=8):
    model = build_good(input_shape, num_classes, units=units)
    x = keras.layers.BatchNormalization()(keras.layers.Dense(units)(model.layers[-2].output))  # cancels the bias
    return keras.Model(model.input, keras.layers.Dense(num_classes, name="logits")(x))


def build_with_state_outside_its_weights(input_shape, num_classes, *, units=8):
    model = build_good(input_shape, num_classes, units=units)
    x = keras.layers.Rescaling(1 + FRESH.uniform())(model.layers[-2].output)  # another factor in each process
    return keras.Model(model.input, keras.layers.Dense(num_classes, name="logits")(x))


class Forgetful(keras.layers.Layer):
    def __init__(self, factor=1.0, **options):
        super().__init__(**options)
        self.factor = factor

    def call(self, inputs):
        return inputs * self.factor

    def get_config(self):
        return super().get_config()  # hides the arguments that Keras would have noted by itself


def build_with_a_forgetful_layer(input_shape, num_classes, *, units=8):
    model = build_good(input_shape, num_classes, units=units)
    x = Forgetful(3.0)(model.layers[-2].output)
    return keras.Model(model.input, keras.layers.Dense(num_classes, name="logits")(x))


def build_deaf(input_shape, num_classes, *, units=8):
    model = build_good(input_shape, num_classes, units=units)
    x = keras.layers.Rescaling(0.0)(model.layers[-2].output)
    return keras.Model(model.input, keras.layers.Dense(num_classes, name="logits")(x))


def build_counting_padding(input_shape, num_classes, *, units=8):
    songs = keras.Input(input_shape)
    x = keras.layers.GlobalAveragePooling1D()(EndMask()(MaskPadding()(songs)))
    x = keras.layers.Dense(units, activation="tanh")(x)
    return keras.Model(songs, keras.layers.Dense(num_classes, name="logits")(x))


def build_without_mask(input_shape, num_classes, *, units=8):
    songs = keras.Input(input_shape)
    x = keras.layers.Dense(units, activation="tanh")(keras.layers.Flatten()(songs))
    return keras.Model(songs, keras.layers.Dense(num_classes, name="logits")(x))


class OtherWhenTraced(keras.layers.Layer):
    """Doubles its input where it is called on symbolic tensors."""

    def call(self, inputs):
        return inputs * 2 if isinstance(inputs, keras.KerasTensor) else inputs


def build_unlike_its_export(input_shape, num_classes, *, units=8):
    model = build_good(input_shape, num_classes, units=units)
    x = OtherWhenTraced()(model.layers[-2].output)
    return keras.Model(model.input, keras.layers.Dense(num_classes, name="logits")(x))


class AnyRank(keras.Model):
    """Takes songs of any rank."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def call(self, inputs):
        return ops.reshape(ops.sum(inputs), (1, 1))


def build_taking_any_rank(input_shape, num_classes, *, units=8):
    return AnyRank(build_good(input_shape, num_classes, units=units))

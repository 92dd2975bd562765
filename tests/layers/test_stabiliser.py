"""The penalty by hand: beta times the mean squared change of the states' length; before the first it is zero."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import ops

from genrezoo.errors import SettingsError
from genrezoo.layers import ActivityStabiliser


def penalty(states, mask=None, beta=1.0):
    layer = ActivityStabiliser(beta)
    outputs = layer(np.asarray(states, "float32"), mask=None if mask is None else np.asarray(mask))
    np.testing.assert_array_equal(np.asarray(outputs), np.asarray(states, "float32"))
    (loss,) = layer.losses
    return float(loss)


def test_lengths_count_and_directions_do_not():
    assert penalty([[[3, 4], [4, 3], [-5, 0]]]) == pytest.approx((25 + 0 + 0) / 3)


def test_mean_is_over_songs_and_segments():
    # Lengths 1, 2 and 3, 3: changes 1, 1 and 9, 0.
    assert penalty([[[1], [2]], [[-3], [3]]], beta=4.0) == pytest.approx(4 * 11 / 4)


def test_masked_segments_neither_add_nor_count():
    states = [[[1], [2], [9]], [[-3], [7], [8]]]
    assert penalty(states, [[True, True, False], [True, False, False]]) == pytest.approx((1 + 1 + 9) / 3)
    assert penalty(states, np.ones((2, 3), bool)) == pytest.approx(penalty(states))


def test_single_segment_is_pulled_towards_zero():
    assert penalty([[[2.0]]]) == pytest.approx(4)


def test_batch_of_padding_alone_adds_nothing():
    assert penalty([[[5.0], [6.0]]], [[False, False]]) == 0


def test_beta_zero_adds_no_loss():
    layer = ActivityStabiliser(0.0)
    layer(np.ones((1, 2, 3), "float32"))
    assert layer.losses == []


class States(keras.layers.Layer):
    """Its weight is a sequence of states, so that a step of gradient descent shows their gradient."""

    def build(self, input_shape):
        self.states = self.add_weight(shape=(1, *input_shape[1:]), initializer="zeros")

    def call(self, inputs):
        return self.states + 0 * inputs


def test_gradient_is_finite_where_states_are_zero():
    """States 0, 0, (3, 4): the penalty is 25 / 3, its gradient 2 * 5 / 3 along the last state, and zero elsewhere."""
    inputs = keras.Input((3, 2))
    held = States()
    model = keras.Model(inputs, ActivityStabiliser(1.0)(held(inputs)))
    states = np.array([[[0.0, 0.0], [0.0, 0.0], [3.0, 4.0]]], "float32")
    held.states.assign(states)
    model.compile(keras.optimizers.SGD(1.0), loss="mse", run_eagerly=True)
    model.train_on_batch(np.zeros_like(states), states)  # nothing to learn but the penalty
    gradient = states - np.asarray(held.states)
    np.testing.assert_allclose(gradient, [[[0, 0], [0, 0], [2, 8 / 3]]], atol=1e-5)


@pytest.mark.slow
def test_training_with_it_keeps_the_length_of_the_state_steady():
    songs = np.random.default_rng(0).standard_normal((16, 12, 3)).astype("float32")
    unsteadiness = {}
    for beta in (0.0, 100.0):
        keras.utils.set_random_seed(1)
        inputs = keras.Input((12, 3))
        states = ActivityStabiliser(beta)(keras.layers.LSTM(4, return_sequences=True)(inputs))
        model = keras.Model(inputs, keras.layers.Dense(1)(states[:, -1]))
        model.compile(keras.optimizers.Adam(0.02), loss="mse")
        for _ in range(40):
            model.train_on_batch(songs, songs.sum(axis=(1, 2))[:, None])
        lengths = np.asarray(ops.norm(keras.Model(inputs, states)(songs), axis=-1))
        unsteadiness[beta] = np.square(np.diff(lengths, axis=1)).mean()
    assert unsteadiness[100.0] < 0.5 * unsteadiness[0.0]


@pytest.mark.parametrize("beta", [-1.0, float("nan")])
def test_beta_out_of_range_is_refused(beta):
    with pytest.raises(SettingsError, match=f"beta must be a finite number of at least 0, got {beta}"):
        ActivityStabiliser(beta)

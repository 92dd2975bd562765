import keras
import numpy as np
import pytest
import tensorflow as tf

from genrezoo import layers
from genrezoo.training._lstm import quick_lstms

GENERATOR = np.random.default_rng(0)
SONGS = GENERATOR.standard_normal((4, 9, 5)).astype("float32")
PADDED = SONGS.copy()
PADDED[0, 3:], PADDED[1], PADDED[2, 8:] = np.nan, np.nan, np.nan  # one of padding alone


def lstm(**arguments):
    """A masked LSTM of songs ``(9, 5)`` and its outputs: of segments, and both states."""
    songs = keras.Input((9, 5))
    options = {"return_state": True, "bias_initializer": "uniform", "seed": 1, **arguments}
    return keras.Model(songs, list(keras.layers.LSTM(6, **options)(layers.MaskPadding()(songs))))


def learnt(model, songs):
    """All outputs in training, and the gradients of every weight from all of them."""
    shapes = [output.shape for output in model(songs)]
    pull = [np.random.default_rng(2).standard_normal(shape).astype("float32") for shape in shapes]
    with tf.GradientTape() as tape:
        outputs = model(songs, training=True)
        loss = sum(tf.reduce_sum(tf.sin(output) * weight) for output, weight in zip(outputs, pull, strict=True))
    gradients = tape.gradient(loss, [weight.value for weight in model.trainable_variables])
    return [value.numpy() for value in (*outputs, *gradients)]


@pytest.mark.parametrize("songs", [SONGS, PADDED], ids=["whole", "padded"])
@pytest.mark.parametrize("return_sequences", [False, True])
def test_outputs_and_gradients_equal_keras(songs, return_sequences):
    model = lstm(return_sequences=return_sequences)
    expected = learnt(model, songs)
    with quick_lstms(model):
        found = learnt(model, songs)
    assert any((one != other).any() for one, other in zip(found, expected, strict=True))  # it was another way
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=2e-6)
    for one, other in zip(learnt(model, songs), expected, strict=True):  # nothing stays behind
        np.testing.assert_array_equal(one, other)


def test_dropout_leaves_out_the_same_features_in_all_segments():
    model = lstm(dropout=0.5)
    keras.utils.set_random_seed(0)
    states = model.layers[-1].cell.seed_generator.state
    start = np.asarray(keras.ops.convert_to_tensor(states)).copy()
    expected = learnt(model, SONGS)
    states.assign(start)
    with quick_lstms(model):
        found = learnt(model, SONGS)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=2e-6)


@pytest.mark.parametrize("odd", [{"activation": "relu"}, {"recurrent_dropout": 0.2}, {"go_backwards": True}])
def test_other_kinds_are_left_to_keras(odd):
    model = lstm(**odd)
    with quick_lstms(model):
        assert "inner_loop" not in vars(model.layers[-1])


def test_a_gpu_is_left_to_keras(monkeypatch):
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [kind])
    model = lstm()
    with quick_lstms(model):
        assert "inner_loop" not in vars(model.layers[-1])


def test_prediction_is_left_to_keras():
    model = lstm()
    expected = model(PADDED)
    with quick_lstms(model):
        found = model(PADDED)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)

"""Recurrent layers against plain NumPy loops in double precision, in training and inference, with songs that end."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from genrezoo.errors import SettingsError
from genrezoo.layers import BatchNormRNN, TanhCell

N_SONGS, N_SEGMENTS, N_FEATURES, UNITS = 5, 7, 3, 4
SONGS = np.random.default_rng(0).standard_normal((N_SONGS, N_SEGMENTS, N_FEATURES)).astype("float32")
LENGTHS = np.array([6, 6, 4, 2, 0])  # nobody reaches the last step, and one song is padding alone
REAL = np.arange(N_SEGMENTS) < LENGTHS[:, None]
START = np.random.default_rng(1).uniform(-0.9, 0.9, (N_SONGS, UNITS)).astype("float32")


def with_random_weights(layer):
    """The layer, its weights away from their start, and these in double precision by name."""
    layer(SONGS)
    generator = np.random.default_rng(2)
    weights = {}
    for weight in layer.weights:
        low, high = (0.3, 2) if "variance" in weight.path or "gamma" in weight.path else (-0.8, 0.8)
        weights[weight.name] = generator.uniform(low, high, weight.shape).astype("float32").astype("float64")
        weight.assign(weights[weight.name])
    return layer, weights


def tanh_loop(weights, songs, real, start):
    states, state = [], start
    for step in range(songs.shape[1]):
        new = np.tanh(np.concatenate([songs[:, step], state], axis=1) @ weights["kernel"] + weights["bias"])
        state = np.where(real[:, step, None], new, state)
        states.append(state)
    return np.stack(states, axis=1)


def batch_norm_loop(weights, songs, real, start, *, momentum, training, epsilon=1e-3):
    """All states, and the moving averages; statistics are over the songs that have a segment at the step."""
    moving = {name: weights[f"moving_{name}"].copy() for name in ("mean", "variance")}
    states, state = [], start.astype("float64")
    for step in range(songs.shape[1]):
        here, state = real[:, step], state.copy()
        if here.any():
            x = np.concatenate([songs[here, step], state[here]], axis=1) @ weights["kernel"]
            now = {"mean": x.mean(axis=0), "variance": x.var(axis=0)} if training else moving
            x = (x - now["mean"]) / np.sqrt(now["variance"] + epsilon)
            state[here] = np.tanh(x * weights["gamma"] + weights["beta"])
            if training:
                keep = 1 - (1 - momentum) * here.mean()
                moving = {name: keep * moving[name] + (1 - keep) * now[name] for name in moving}
        states.append(state)
    return np.stack(states, axis=1), moving


def averages(layer):
    return np.stack([np.asarray(layer.cell.moving_mean), np.asarray(layer.cell.moving_variance)])


def test_tanh_step_by_hand():
    cell = TanhCell(1)
    cell.build((None, 2))
    cell.kernel.assign([[1.0], [2.0], [-0.5]])
    cell.bias.assign([0.25])
    new, states = cell(np.array([[0.5, -1.0]], "float32"), [np.array([[0.4]], "float32")])
    assert float(new[0, 0]) == pytest.approx(np.tanh(0.5 - 2.0 - 0.2 + 0.25), abs=1e-6)
    assert states == [new]


@pytest.mark.parametrize("real", [None, REAL], ids=["all", "masked"])
@pytest.mark.parametrize("start", [None, START], ids=["zeros", "given"])
def test_tanh_equals_a_plain_loop(real, start):
    layer, weights = with_random_weights(keras.layers.RNN(TanhCell(UNITS), return_sequences=True, return_state=True))
    outputs, state = layer(SONGS, initial_state=None if start is None else [start], mask=real)
    expected = tanh_loop(
        weights, SONGS, np.ones_like(REAL) if real is None else real, 0 * START if start is None else start
    )
    np.testing.assert_allclose(state, expected[:, -1], atol=1e-6)
    read = LENGTHS > 0 if real is not None else LENGTHS >= 0  # Keras gives zeros before a song's first segment
    np.testing.assert_allclose(np.asarray(outputs)[read], expected[read], atol=1e-6)


@pytest.mark.parametrize(
    "make", [lambda: keras.layers.RNN(TanhCell(UNITS)), lambda: BatchNormRNN(UNITS)], ids=["tanh", "batch_norm"]
)
def test_stepping_by_hand_equals_the_layer(make):
    layer, _ = with_random_weights(make())
    states = [np.zeros((N_SONGS, UNITS), "float32")]
    for step in range(N_SEGMENTS):
        output, states = layer.cell(SONGS[:, step], states)
    np.testing.assert_allclose(output, layer(SONGS), atol=1e-6)


@pytest.mark.parametrize("real", [None, REAL], ids=["all", "masked"])
@pytest.mark.parametrize("training", [False, True], ids=["inference", "training"])
@pytest.mark.parametrize("start", [None, START], ids=["zeros", "given"])
def test_batch_norm_equals_a_plain_loop(real, training, start):
    layer, weights = with_random_weights(BatchNormRNN(UNITS, momentum=0.8, return_sequences=True, return_state=True))
    outputs, state = layer(SONGS, initial_state=None if start is None else [start], mask=real, training=training)
    expected, moving = batch_norm_loop(
        weights,
        SONGS,
        np.ones_like(REAL) if real is None else real,
        0 * START if start is None else start,
        momentum=0.8,
        training=training,
    )
    np.testing.assert_allclose(state, expected[:, -1], atol=1e-6)
    read = LENGTHS > 0 if real is not None else LENGTHS >= 0
    np.testing.assert_allclose(np.asarray(outputs)[read], expected[read], atol=1e-6)
    np.testing.assert_allclose(averages(layer), [moving["mean"], moving["variance"]], atol=1e-6)


def test_batch_norm_step_by_hand():
    """Maps 1 and 3: mean 2, variance 1; the averages take a tenth of them."""
    layer = BatchNormRNN(1, initial_scale=2.0, momentum=0.9, epsilon=0.25)
    layer.build((None, 1, 1))
    layer.cell.kernel.assign([[1.0], [5.0]])
    layer.cell.beta.assign([0.5])
    outputs = layer(np.array([[[1.0]], [[3.0]]], "float32"), training=True)
    root = np.sqrt(1.25)
    np.testing.assert_allclose(np.asarray(outputs)[:, 0], np.tanh([-2 / root + 0.5, 2 / root + 0.5]), atol=1e-6)
    np.testing.assert_allclose(averages(layer), [[0.2], [1.0]], atol=1e-6)


def test_what_stands_in_padding_has_no_influence_on_training():
    found = []
    for padding in (0, 50):
        layer, _ = with_random_weights(BatchNormRNN(UNITS))
        songs = np.where(REAL[..., None], SONGS, padding).astype("float32")
        found.append((np.asarray(layer(songs, mask=REAL, training=True)), averages(layer)))
    np.testing.assert_allclose(found[0][0], found[1][0], atol=1e-6)
    np.testing.assert_allclose(found[0][1], found[1][1], atol=1e-6)


@pytest.mark.parametrize("training", [False, True], ids=["inference", "training"])
@pytest.mark.parametrize(
    "make",
    [
        lambda: keras.layers.RNN(TanhCell(UNITS), return_state=True),
        lambda: BatchNormRNN(UNITS, return_state=True),
        lambda: keras.layers.LSTM(UNITS, return_state=True),
        lambda: keras.layers.GRU(UNITS, return_state=True),
    ],
    ids=["tanh", "batch_norm", "lstm", "gru"],
)
def test_parts_one_after_the_other_equal_the_whole(make, training):
    whole, parts = with_random_weights(make())[0], with_random_weights(make())[0]
    _, *expected = whole(SONGS, mask=REAL, training=training)
    states = parts.get_initial_state(N_SONGS)
    for part in (slice(0, 3), slice(3, 6), slice(6, 7)):
        _, *states = parts(SONGS[:, part], initial_state=states, mask=REAL[:, part], training=training)
    for state, other in zip(states, expected, strict=True):
        np.testing.assert_allclose(state, other, atol=1e-6)
    for weight, other in zip(parts.weights, whole.weights, strict=True):  # the moving averages among them
        np.testing.assert_allclose(np.asarray(weight), np.asarray(other), atol=1e-6)


def test_compiled_training_step_follows_the_plain_loop():
    """One step of gradient descent, in a compiled graph, against differences of the plain loop's loss."""
    layer, weights = with_random_weights(BatchNormRNN(UNITS, momentum=0.8))
    inputs, real = keras.Input((None, N_FEATURES)), keras.Input((None,), dtype="bool")
    model = keras.Model([inputs, real], layer(inputs, mask=real))
    model.compile(keras.optimizers.SGD(1.0), loss="mse")
    model.train_on_batch([SONGS, REAL], START)

    def loss(changed):
        states, _ = batch_norm_loop(changed, SONGS, REAL, 0 * START, momentum=0.8, training=True)
        return np.square(states[:, -1] - START).mean()

    for name in ("kernel", "gamma", "beta"):
        gradient = weights[name] - np.asarray(getattr(layer.cell, name))
        for place in np.ndindex(weights[name].shape):
            sides = [weights | {name: weights[name].copy()} for _ in range(2)]
            sides[0][name][place] += 1e-5
            sides[1][name][place] -= 1e-5
            expected = (loss(sides[0]) - loss(sides[1])) / 2e-5
            assert gradient[place] == pytest.approx(expected, abs=2e-6), (name, place)
    _, moving = batch_norm_loop(weights, SONGS, REAL, 0 * START, momentum=0.8, training=True)
    np.testing.assert_allclose(averages(layer), [moving["mean"], moving["variance"]], atol=1e-6)


def test_frozen_layer_normalises_as_in_inference_and_stays_as_it_is():
    layer, _ = with_random_weights(BatchNormRNN(UNITS))
    before = averages(layer)
    layer.trainable = False
    np.testing.assert_array_equal(layer(SONGS, training=True), layer(SONGS))
    np.testing.assert_array_equal(averages(layer), before)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: TanhCell(0), "units must be at least 1, got 0"),
        (lambda: BatchNormRNN(0), "units must be at least 1, got 0"),
        (lambda: BatchNormRNN(2, momentum=1.0), "momentum must be at least 0 and below 1, got 1.0"),
        (lambda: BatchNormRNN(2, momentum=-0.1), "momentum must be at least 0 and below 1, got -0.1"),
        (lambda: BatchNormRNN(2, epsilon=0.0), "epsilon must be a finite number above 0, got 0.0"),
        (lambda: BatchNormRNN(2, initial_scale=-1.0), "initial_scale must be a finite number above 0, got -1.0"),
        (lambda: BatchNormRNN(2, zero_output_for_mask=True), "it has no zero_output_for_mask"),
    ],
    ids=["tanh_units", "units", "momentum", "momentum_below", "epsilon", "scale", "option"],
)
def test_settings_out_of_range_are_refused(make, reason):
    with pytest.raises(SettingsError, match=reason):
        make()

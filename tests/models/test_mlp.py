from __future__ import annotations

import keras
import numpy as np
import pytest

from genrezoo.errors import SettingsError
from genrezoo.models import create_model

SHAPE = (5, 3)


def kinds(model):
    return [type(layer).__name__ for layer in model.layers]


def test_mlp_is_the_baseline_of_its_source():
    model = create_model("mlp", (120, 25), 10)
    sizes = [model.get_layer(name).kernel.shape for name in ("hidden_1", "hidden_2", "hidden_3", "readout")]
    assert sizes == [(3000, 500), (500, 500), (500, 25), (25, 10)]
    assert model.get_layer("input_dropout").rate == pytest.approx(1 - 0.7)
    assert [model.get_layer(f"hidden_{n}_dropout").rate for n in (1, 2, 3)] == pytest.approx([1 - 0.83712466] * 3)
    assert isinstance(model.get_layer("logits"), keras.layers.BatchNormalization)
    assert kinds(model).count("BatchNormalization") == 4
    hidden = kinds(model)[5:9]
    assert hidden == ["Dense", "BatchNormalization", "Activation", "Dropout"]


def test_mlp_penalises_the_weights_of_every_layer_and_nothing_else():
    model = create_model("mlp", SHAPE, 3, seed=1, units=(4, 2), l2=0.5)
    model(np.zeros((1, *SHAPE), "float32"))
    expected = sum(0.5 * np.square(np.asarray(weight)).sum() for weight in model.weights if "kernel" in weight.path)
    assert float(sum(model.losses)) == pytest.approx(expected, rel=1e-5)
    assert len(model.losses) == 3


def test_student_is_that_of_its_source():
    """Dropout of the input, affine map, normalisation, tanh, dropout, and a readout that is normalised too."""
    model = create_model("student_mlp", (120, 25), 10, dropout=0.316)
    assert model.get_layer("hidden_1").kernel.shape == (3000, 1784)
    assert model.get_layer("readout").kernel.shape == (1784, 10)
    assert model.get_layer("input_dropout").rate == 0.5
    order = [
        "Flatten",
        "Dropout",
        "Dense",
        "BatchNormalization",
        "Activation",
        "Dropout",
        "Dense",
        "BatchNormalization",
    ]
    assert kinds(model)[3:] == order
    assert model.get_layer("hidden_1_activation").activation is keras.activations.tanh
    penalties = {weight.path: float(weight.regularizer.l2) for weight in model.weights if weight.regularizer}
    assert penalties == pytest.approx({"hidden_1/kernel": 1e-3, "readout/kernel": 1e-3})


def test_student_has_one_hidden_layer_of_any_size():
    assert create_model("student_mlp", SHAPE, 3, units=7).get_layer("hidden_1").units == 7
    with pytest.raises(SettingsError, match="units must be a whole number from 1, got 0"):
        create_model("student_mlp", SHAPE, 3, units=0)
    with pytest.raises(SettingsError, match=r"units must be a whole number from 1, got \(7, 7\)"):
        create_model("student_mlp", SHAPE, 3, units=(7, 7))


def test_fully_connected_leaves_the_output_free():
    model = create_model("fully_connected", SHAPE, 3, seed=1, units=(4, 2))
    penalised = [weight.path for weight in model.trainable_weights if weight.regularizer]
    assert penalised == ["hidden_1/kernel", "hidden_2/kernel"]
    assert kinds(model) == ["InputLayer", "MaskPadding", "EndMask", "Flatten", *["Dense", "Activation"] * 2, "Dense"]
    studied = create_model("fully_connected", SHAPE, 3, units=(4, 2), output_l2=0.1)
    assert studied.get_layer("logits").kernel_regularizer.l2 == pytest.approx(0.1)


@pytest.mark.parametrize("name", ["mlp", "fully_connected"])
def test_padding_is_the_training_mean_whatever_the_weights(name):
    model = create_model(name, SHAPE, 3, seed=1, units=(6, 4))
    for weight in model.trainable_weights:
        weight.assign(np.random.default_rng(2).standard_normal(weight.shape))
    songs = np.random.default_rng(3).standard_normal((2, *SHAPE)).astype("float32")
    padded, filled = songs.copy(), songs.copy()
    padded[:, 3:], filled[:, 3:] = np.nan, 0
    np.testing.assert_array_equal(np.asarray(model(padded)), np.asarray(model(filled)))
    assert not np.allclose(np.asarray(model(padded)), np.asarray(model(songs)))


@pytest.mark.parametrize("name", ["mlp", "fully_connected"])
@pytest.mark.parametrize("batch_norm", [True, False])
def test_softmax_gives_the_posteriors_of_the_logits(name, batch_norm):
    songs = np.random.default_rng(3).standard_normal((2, *SHAPE)).astype("float32")
    logits, posteriors = (
        create_model(name, SHAPE, 3, seed=1, units=(4,), batch_norm=batch_norm, classifier_activation=activation)
        for activation in (None, "softmax")
    )
    for to, weight in zip(posteriors.weights, logits.weights, strict=True):
        to.assign(weight)
    expected = np.asarray(keras.ops.softmax(logits(songs)))
    np.testing.assert_allclose(np.asarray(posteriors(songs)), expected, atol=1e-6)
    assert posteriors.layers[-1].name == "logits"


def test_without_hidden_layers_it_is_linear():
    model = create_model("statistics_mlp", (None, 4), 3, units=(), batch_norm=False)
    assert [layer.name for layer in model.layers][-1] == "logits"
    assert [tuple(weight.shape) for weight in model.get_layer("logits").weights] == [(8, 3), (3,)]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"units": (4, 0)}, r"units must be a list of whole numbers from 1, e.g. \(200, 200\), got \(4, 0\)"),
        ({"units": 4}, "got 4"),
        ({"activation": "wavy"}, "activation='wavy'.* Could not interpret activation"),
        ({"dropout": 1.0}, "dropout must be a number of at least 0 and below 1, got 1.0"),
        ({"dropout": True}, "got True"),
        ({"input_dropout": -0.1}, "input_dropout must be"),
        ({"l2": float("inf")}, "l2=inf.* expected a non-negative float"),
        ({"l2": -1}, "l2=-1.* expected a non-negative float"),
        ({"classifier_activation": "sigmoid"}, "classifier_activation must be one of None, 'softmax', got 'sigmoid'"),
    ],
)
def test_options_out_of_range_are_refused(arguments, reason):
    with pytest.raises(SettingsError, match=reason):
        create_model("mlp", SHAPE, 3, **arguments)

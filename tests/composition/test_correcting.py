"""The sum, what the correcting network sees, and stacks of any depth."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from genrezoo.composition._hidden import hidden_representations
from genrezoo.composition.combiner import build_combiner
from genrezoo.composition.correcting import build_correcting
from genrezoo.composition.diagnosis import diagnose
from genrezoo.errors import DataError, SettingsError
from genrezoo.evaluation import evaluate
from genrezoo.models import create_model
from genrezoo.registry import COMPOSITIONS

SHAPE, CLASSES = (12, 3), 4
SONGS = np.random.default_rng(0).standard_normal((5, *SHAPE)).astype("float32")
SONGS[0, 9:] = np.nan


def conv(seed=1):
    return create_model("conv_in_time", SHAPE, CLASSES, seed=seed, filters=5, units=6)


def numbers(outputs):
    return {name: np.asarray(output) for name, output in outputs.items()}


def test_logits_are_the_sum_of_original_and_correction():
    original = conv()
    found = numbers(build_correcting({"original": original}, SHAPE, CLASSES, units=(7,))(SONGS))
    np.testing.assert_array_equal(found["original"], np.asarray(original(SONGS)))
    np.testing.assert_array_equal(found["logits"], found["original"] + found["correcting"])
    assert np.abs(found["correcting"]).max() > 0


def test_the_network_is_the_fully_connected_model():
    model = build_correcting({"original": conv()}, SHAPE, CLASSES)
    alone = create_model("fully_connected", SHAPE, CLASSES)
    network = model.get_layer("correcting_network")
    assert [weight.shape for weight in network.weights] == [weight.shape for weight in alone.weights]
    assert len(model.losses) == len(alone.losses) == 2  # penalties of its two hidden layers, none of the original's


def test_twice_corrected_is_the_sum_of_three():
    model = original = conv()
    parts = [np.asarray(original(SONGS))]
    for _ in range(2):
        model = build_correcting({"original": model}, SHAPE, CLASSES, units=(7,))
        parts.append(numbers(model(SONGS))["correcting"])
        np.testing.assert_allclose(numbers(model(SONGS))["logits"], sum(parts), atol=1e-6)
        assert len(model.trainable_weights) == 4  # the last network's alone
    combined = build_combiner({"a": model, "b": conv(2)}, SHAPE, CLASSES)
    assert build_correcting({"original": combined}, SHAPE, CLASSES).output["logits"].shape == (None, CLASSES)


@pytest.mark.parametrize(
    ("name", "arguments", "sizes"),
    [
        ("fully_connected", {"units": (7, 8)}, [7, 8]),
        ("mlp", {"units": (7, 8)}, [7, 8]),
        ("lstm", {"units": 6}, [6]),
        ("stabilised_lstm", {"units": 6}, [6]),
        ("conv_in_time", {"filters": 5, "units": 6}, [5, 6]),  # 12 -> 10 -> 5 -> 3 -> 1 position
        ("segment_cnn", {"filters": 5, "units": 6}, [60, 6]),
        ("snippet_lstm", {"units": 6, "snippets": 2}, [6, 6, 4, 4]),  # and the experts' logits
        ("statistics_mlp", {"units": (7,)}, [7]),
    ],
)
def test_hidden_representations_of_the_zoo(name, arguments, sizes):
    model = create_model(name, SHAPE, CLASSES, **arguments)
    assert [tensor.shape for tensor in hidden_representations(model)] == [(None, size) for size in sizes]


def test_hidden_representations_are_those_after_the_activation():
    model = create_model("fully_connected", SHAPE, CLASSES, units=(7,))
    (tensor,) = hidden_representations(model)
    found = np.asarray(keras.Model(model.input, tensor)(SONGS))
    assert found.min() == 0
    kernel, bias = (np.asarray(weight) for weight in model.get_layer("logits").weights)
    np.testing.assert_allclose(found @ kernel + bias, np.asarray(model(SONGS)), atol=1e-5)


def test_branches_beside_the_way_to_the_logits_do_not_count():
    songs = keras.Input(SHAPE)
    shared = keras.layers.Dense(6)(keras.layers.Flatten()(songs))
    other = keras.layers.Dense(9, name="other")(keras.layers.Dense(5)(shared))
    model = keras.Model(songs, {"logits": keras.layers.Dense(CLASSES, name="logits")(shared), "other": other})
    assert [tensor.shape for tensor in hidden_representations(model)] == [(None, 6)]


def test_hidden_representations_of_a_corrected_model_are_what_its_parts_pass_on():
    once = build_correcting({"original": conv()}, SHAPE, CLASSES, units=(7,))
    assert [tensor.shape[1] for tensor in hidden_representations(once)] == [CLASSES, CLASSES]  # both summands
    seeing = build_correcting({"original": conv()}, SHAPE, CLASSES, units=(7,), see_hidden=True)
    assert [tensor.shape[1] for tensor in hidden_representations(seeing)] == [5, 6, CLASSES, CLASSES]


def test_what_the_network_sees_is_input_hidden_and_output():
    original = conv()
    model = build_correcting({"original": original}, SHAPE, CLASSES, units=(7,), see_hidden=True)
    hidden = keras.Model(original.input, [*hidden_representations(original), original.output])(SONGS)
    flat = np.nan_to_num(SONGS).reshape(len(SONGS), -1)
    seen = np.concatenate([flat, *(np.asarray(hidden[place]) for place in (2, 0, 1))], axis=1)
    w1, b1, w2, b2 = (np.asarray(weight) for weight in model.trainable_weights)
    assert w1.shape == (12 * 3 + 5 + 6 + 4, 7)
    expected = np.maximum(seen @ w1 + b1, 0) @ w2 + b2
    np.testing.assert_allclose(numbers(model(SONGS))["correcting"], expected, atol=1e-5)


def test_songs_of_unknown_length_are_refused():
    original = create_model("lstm", (None, 3), CLASSES, units=4)
    with pytest.raises(SettingsError, match="needs a fixed number of segments"):
        build_correcting({"original": original}, (None, 3), CLASSES)
    build_correcting({"original": original}, SHAPE, CLASSES)  # a known one will do


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"units": (0,)}, "units must be a list of whole numbers"),
        ({"activation": "rely"}, "activation='rely'.* Could not interpret activation"),
        ({"dropout": 1.0}, "dropout must be a number of at least 0 and below 1"),
        ({"l2": -1.0}, "l2=-1.0.* expected a non-negative float"),
    ],
)
def test_options_out_of_range_are_refused(arguments, message):
    with pytest.raises(SettingsError, match=message):
        COMPOSITIONS.get("correcting").build({"original": conv()}, SHAPE, CLASSES, **arguments)


def test_diagnosis_by_hand():
    original = np.eye(3)[[0, 1, 2, 0, 0, 0]]
    y = np.array([0, 1, 2, 0, 1, 2])  # the last two are wrong
    correcting = np.zeros((6, 3))
    correcting[0, 1] = 2.0  # breaks a right one
    correcting[4, 1] = correcting[5, 2] = 2.0  # mend both wrong ones
    found = diagnose(original, correcting, y, seed=1)
    assert found.fixed.tolist() == [4, 5]
    assert found.broken.tolist() == [0]
    values = {name: accuracy.value for name, accuracy in found.accuracies.items()}
    assert values == pytest.approx({"original": 4 / 6, "correcting": 3 / 6, "sum": 5 / 6})  # of ties the first counts
    assert found.chance == pytest.approx(1 / 3)
    assert found.gain.value == pytest.approx(1 / 6)
    assert found.p == 1.0  # 2 against 1
    for accuracy in found.accuracies.values():
        assert 0 <= accuracy.low <= accuracy.value <= accuracy.high <= 1


def test_diagnosis_of_a_correction_that_says_nothing():
    logits = np.random.default_rng(1).standard_normal((40, 3))
    y = np.arange(40) % 3
    found = diagnose(logits, np.zeros((40, 3)), y, seed=1)
    assert found.accuracies["sum"] == found.accuracies["original"]
    assert found.accuracies["sum"].value == evaluate(logits, y)["accuracy"]
    assert (len(found.fixed), len(found.broken), found.gain.value, found.gain.high) == (0, 0, 0.0, 0.0)


def test_diagnosis_refuses_what_does_not_belong_together():
    with pytest.raises(DataError, match=r"shapes \(4, 3\) and \(4, 2\)"):
        diagnose(np.zeros((4, 3)), np.zeros((4, 2)), np.arange(4) % 2, seed=1)

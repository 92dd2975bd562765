import dataclasses

import keras
import numpy as np
import pytest
from toys import make_songs

from genrezoo import seeds
from genrezoo.errors import DataError
from genrezoo.layers import EndMask, Head, MaskPadding
from genrezoo.training import forward
from genrezoo.training.checkpoint import weights_of
from genrezoo.training.objectives import (
    binary_errors,
    member_errors,
    objectives,
    reconstruction_error,
    song_weights,
)
from genrezoo.training.supervised import SupervisedSettings, supervised


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softmax(logits):
    exp = np.exp(logits - logits.max(axis=1, keepdims=True))
    return exp / exp.sum(axis=1, keepdims=True)


def test_binary_errors_by_hand():
    logits = np.array([[0.0, np.log(3.0)], [np.log(3.0), 0.0]], "float32")  # says yes with 1/2 and 3/4
    errors = np.asarray(binary_errors(np.array([[1.0, 0.0], [1.0, 0.0]], "float32"), logits))
    np.testing.assert_allclose(errors, [np.log(2) + np.log(4), np.log(4 / 3) + np.log(2)], rtol=1e-6)


def test_member_errors_are_those_of_each_member_and_not_of_their_mean():
    """Posteriors of the genre 3/4 and 1/4: their mean is 1/2, whose error would be log 2."""
    logits = np.array([[[np.log(3.0), 0.0], [0.0, np.log(3.0)]]], "float32")
    errors = np.asarray(member_errors(np.array([[1.0, 0.0]], "float32"), logits))
    np.testing.assert_allclose(errors, [(np.log(4 / 3) + np.log(4)) / 2], rtol=1e-6)


def test_labels_of_members_are_smoothed():
    songs = make_songs(9).split("train")
    inputs = keras.Input((6, 4))
    answers = keras.layers.Reshape((2, 3))(keras.layers.Dense(6)(keras.layers.Flatten()(inputs)))
    outputs = {"logits": Head(target="genre", weight=0.0, name="logits")(answers[:, 0])}
    outputs["members"] = Head(target="members", weight=1.0, name="members")(answers)
    aims = objectives(keras.Model(inputs, outputs), songs, SupervisedSettings(label_smoothing=0.3))
    np.testing.assert_allclose(aims["members"].target, 0.7 * np.eye(3)[songs.y] + 0.1, rtol=1e-6)


def test_reconstruction_error_by_hand():
    nan = np.nan
    songs = np.array([[[1.0, 2.0], [3.0, 4.0]], [[5.0, 6.0], [nan, nan]], [[nan, nan], [nan, nan]]], "float32")
    outputs = np.array([[[1.0, 4.0], [3.0, 4.0]], [[4.0, 3.0], [99.0, 99.0]], [[9.0, 9.0], [9.0, 9.0]]], "float32")
    errors = np.asarray(reconstruction_error(songs, outputs))
    np.testing.assert_allclose(errors, [4 / 4, (1 + 9) / 2, 0.0])  # padding is left out of sum and count


def test_weights_of_songs_and_of_genres_are_multiplied():
    songs = dataclasses.replace(make_songs(4, num_classes=2), weights=[1, 2, 3, 6])  # of mean 3
    np.testing.assert_allclose(song_weights(songs, SupervisedSettings()), [1 / 3, 2 / 3, 1, 2], rtol=1e-6)
    settings = SupervisedSettings(class_weights={"genre0": 1, "genre1": 3})
    np.testing.assert_allclose(song_weights(songs, settings), [1 / 3, 2, 1, 6], rtol=1e-6)
    assert song_weights(make_songs(4), SupervisedSettings()) is None
    with pytest.raises(DataError, match="weights of all training songs are zero"):
        song_weights(dataclasses.replace(songs, weights=[0, 0, 0, 1]).take([0, 1, 2]), settings)


def test_padding_gives_no_gradient():
    import tensorflow as tf

    songs = tf.constant([[[1.0], [np.nan]]])
    outputs = tf.Variable([[[3.0], [5.0]]])
    with tf.GradientTape() as tape:
        error = reconstruction_error(songs, outputs)
    np.testing.assert_array_equal(tape.gradient(error, outputs), [[[4.0], [0.0]]])


def linear_heads():
    """A plain linear map of the song for each kind of target."""
    with seeds.keras_seed(0):
        inputs = keras.Input((6, 4))
        flat = keras.layers.Flatten()(EndMask()(MaskPadding()(inputs)))

        def dense(units, name):
            return keras.layers.Dense(units, use_bias=False, name=name)(flat)

        binary = Head(target="binary", weight=0.5, name="binary")(dense(3, "answers"))
        numbers = keras.layers.Reshape((6, 4))(dense(24, "numbers"))
        song = Head(target="song", weight=2.0, name="song")(numbers)
        return keras.Model(inputs, {"logits": dense(3, "logits"), "binary": binary, "song": song})


@pytest.mark.parametrize("class_weights", [None, {"genre0": 0.5, "genre1": 1.0, "genre2": 2.0}])
def test_every_head_descends_its_own_error_by_its_weight(class_weights):
    songs = make_songs()
    lengths = np.random.default_rng(0).integers(1, 7, 60)
    x = np.where(np.arange(6)[:, None] < lengths[:, None, None], songs.x, np.nan).astype(np.float32)
    songs = dataclasses.replace(songs, x=x, lengths=lengths)
    train, model = songs.split("train"), linear_heads()
    before = {name: model.get_layer(name).kernel.numpy().astype(float) for name in ("logits", "answers", "numbers")}
    options = SupervisedSettings(
        optimizer="sgd", learning_rate=0.1, batch_size=36, epochs=1, snapshot="last", class_weights=class_weights
    )
    (record,) = supervised(model, songs, options, seed=1).history

    weights = np.array(list(class_weights.values()))[train.y] if class_weights else np.ones(36)
    targets, real = np.eye(3)[train.y], ~np.isnan(train.x)
    flat = np.where(real, train.x, 0).reshape(36, 24).astype(float)
    count = real.sum(axis=(1, 2))
    outputs = {name: flat @ kernel for name, kernel in before.items()}
    wrong = np.where(real.reshape(36, 24), outputs["numbers"] - flat, 0)
    slopes = {
        "logits": softmax(outputs["logits"]) - targets,
        "answers": 0.5 * (sigmoid(outputs["answers"]) - targets),
        "numbers": 2.0 * 2 * wrong / count[:, None],
    }
    for name, slope in slopes.items():
        expected = before[name] - 0.1 * flat.T @ (slope * weights[:, None] / 36)
        np.testing.assert_allclose(model.get_layer(name).kernel.numpy(), expected, atol=1e-6)
    posterior, yes = softmax(outputs["logits"]), sigmoid(outputs["answers"])
    errors = {
        "logits": -np.log((posterior * targets).sum(axis=1)),
        "binary": -np.log(np.where(targets > 0, yes, 1 - yes)).sum(axis=1),
        "song": (wrong**2).sum(axis=1) / count,
    }
    means = {name: (weights * error).mean() for name, error in errors.items()}
    plain = {name: error.mean() for name, error in errors.items()}
    assert {name: record[f"{name}_loss"] for name in plain} == pytest.approx(plain, rel=1e-5)
    assert record["loss"] == pytest.approx(means["logits"] + 0.5 * means["binary"] + 2.0 * means["song"], rel=1e-5)
    assert record["accuracy"] == pytest.approx((posterior.argmax(axis=1) == train.y).mean())


def test_errors_of_heads_on_validation_songs_are_of_the_epochs_end_and_of_true_labels():
    songs, model = make_songs(), linear_heads()
    soft = {"mixup": 0.3, "label_smoothing": 0.2}
    options = SupervisedSettings(epochs=1, batch_size=16, learning_rate=0.01, snapshot="last", **soft)
    (record,) = supervised(model, songs, options, seed=1).history
    parts = [record[f"{name}_loss"] for name in ("logits", "binary", "song")]  # the last batch has 4 songs
    assert record["loss"] == pytest.approx(parts[0] + 0.5 * parts[1] + 2.0 * parts[2], rel=1e-5)
    valid = songs.split("valid")
    found = forward(model, valid.x)
    assert record["valid_logits_loss"] == pytest.approx(record["valid_loss"], rel=1e-5)
    yes, targets = sigmoid(found["binary"].astype(float)), np.eye(3)[valid.y]
    expected = -np.log(np.where(targets > 0, yes, 1 - yes)).sum(axis=1).mean()
    assert record["valid_binary_loss"] == pytest.approx(expected, rel=1e-5)
    assert record["valid_song_loss"] == pytest.approx(((found["song"] - valid.x) ** 2).mean(), rel=1e-5)


def test_objectives_of_a_model_with_several_heads():
    train = make_songs().split("train")
    aims = objectives(linear_heads(), train, SupervisedSettings())
    assert {name: aim.weight for name, aim in aims.items()} == {"logits": 1.0, "binary": 0.5, "song": 2.0}
    assert [name for name, aim in aims.items() if aim.accuracy] == ["logits"]
    np.testing.assert_array_equal(aims["binary"].target, np.eye(3, dtype="float32")[train.y])
    assert aims["song"].target is train.x
    assert aims["logits"].target.ndim == 1
    soft = objectives(linear_heads(), train, SupervisedSettings(mixup=0.5))
    np.testing.assert_array_equal(soft["logits"].target, np.eye(3)[train.y])


@pytest.mark.slow
def test_heads_train_with_augmentation():
    songs = make_songs()
    options = SupervisedSettings(
        epochs=4, batch_size=12, learning_rate=0.01, mixup=0.3, time_shift=1, noise=0.1, label_smoothing=0.1
    )
    fitted = supervised(linear_heads(), songs, options, seed=1)
    assert fitted.history[-1]["loss"] < fitted.history[0]["loss"]
    assert all(np.isfinite(value).all() for value in weights_of(fitted.model).values())

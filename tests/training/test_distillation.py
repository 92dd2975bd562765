import itertools

import keras
import numpy as np
import pytest
from toys import make_model, make_songs

from genrezoo import seeds
from genrezoo.errors import DataError, SettingsError
from genrezoo.evaluation import evaluate, log_softmax, softmax
from genrezoo.layers import Head
from genrezoo.training import forward
from genrezoo.training.checkpoint import weights_of
from genrezoo.training.distillation import (
    DistillationSettings,
    distillation,
    softened_cross_entropy,
    squared_error,
)
from genrezoo.training.supervised import SupervisedSettings, supervised

SMALL = {"optimizer": "sgd", "learning_rate": 0.1, "batch_size": 100}  # one step is the whole gradient


def settings(**options):
    return DistillationSettings(**{**SMALL, "epochs": 1, "snapshot": "last", **options})


def taught(songs, seed=3):
    return {"teacher": np.random.default_rng(seed).standard_normal((songs.n_songs, 3)).astype(np.float32) * 2}


def bits(fitted):
    return b"".join(value.tobytes() for value in weights_of(fitted.model).values())


def test_losses_by_hand():
    teacher, student = np.float32([[1, 3], [0, 0]]), np.float32([[2, 1], [0, 4]])
    np.testing.assert_allclose(squared_error(teacher, student), [(1 + 4) / 2, 16 / 2])
    np.testing.assert_allclose(squared_error(teacher, student, "sum"), [1 + 4, 16])
    # temperature 2: posteriors of (0.5, 1.5) under the teacher, log posteriors of (1, 0.5) of the student
    p = np.exp([0.5, 1.5]) / np.exp([0.5, 1.5]).sum()
    q = np.array([1.0, 0.5]) - np.log(np.exp([1.0, 0.5]).sum())
    found = softened_cross_entropy(teacher, student, 2.0)
    np.testing.assert_allclose(found[0], -4 * (p @ q), rtol=1e-5)
    np.testing.assert_allclose(found[1], 4 * (np.log(2) + np.logaddexp(0, 2) - 0.5 * 2 - np.log(2)), rtol=1e-5)


def one_step(songs, logits, options, kernel, bias):
    """The gradient step of a linear student in NumPy."""
    train = songs.split("train")
    x = train.x.reshape(len(train), -1).astype(np.float64)
    z, t = x @ kernel + bias, logits["teacher"][songs.splits["train"]].astype(np.float64)
    weight = options.teacher_weight
    hard = softmax(z) - np.eye(3)[train.y]
    if options.match == "logits":
        soft = 2 * (z - t) / (3 if options.class_reduction == "mean" else 1)
    else:
        soft = options.temperature * (softmax(z / options.temperature) - softmax(t / options.temperature))
    error = weight * soft + (1 - weight) * hard
    if options.class_weights:
        error *= (len(train) / (3 * np.bincount(train.y)))[train.y, None]
    error /= len(x)
    return kernel - 0.1 * x.T @ error, bias - 0.1 * error.sum(axis=0)


@pytest.mark.parametrize(
    ("match", "weight", "balanced", "reduction"),
    [
        ("logits", 1.0, None, "mean"),
        ("logits", 1.0, None, "sum"),
        ("posteriors", 0.3, "balanced", "mean"),
        *(
            pytest.param(match, weight, balanced, "mean", marks=pytest.mark.slow)
            for match, weight, balanced in itertools.product(("logits", "posteriors"), (1.0, 0.3), (None, "balanced"))
            if (match, weight, balanced) not in (("logits", 1.0, None), ("posteriors", 0.3, "balanced"))
        ),
    ],
)
def test_it_descends_the_gradient_of_the_mixture(match, weight, balanced, reduction):
    songs = make_songs(57)
    songs = songs.with_split({**songs.splits, "train": songs.splits["train"][3:]}, "random")
    options = settings(
        match=match, temperature=3.0, teacher_weight=weight, class_weights=balanced, class_reduction=reduction
    )
    model, logits = make_model(), taught(songs)
    start = list(weights_of(model).values())
    expected = one_step(songs, logits, options, *(value.astype(np.float64) for value in start))
    found = list(weights_of(distillation(model, songs, options, seed=1, logits=logits).model).values())
    for value, right in zip(found, expected, strict=True):
        np.testing.assert_allclose(value, right, atol=2e-5)


@pytest.mark.parametrize(
    "options",
    [
        {"label_smoothing": 0.2, "class_weights": "balanced"},
        pytest.param({}, marks=pytest.mark.slow),
        pytest.param({"mixup": 0.3}, marks=pytest.mark.slow),
    ],
)
def test_without_a_share_of_the_teacher_it_is_supervised_training_to_the_bit(songs, options):
    options = {"optimizer": "adam", "learning_rate": 0.01, "batch_size": 16, "epochs": 2, **options}
    plain = supervised(make_model("dropout"), songs, SupervisedSettings(**options), seed=1)
    none = DistillationSettings(**options, teacher_weight=0.0)
    fitted = distillation(make_model("dropout"), songs, none, seed=1, logits=taught(songs))
    assert bits(fitted) == bits(plain)


@pytest.mark.parametrize("options", [{"label_smoothing": 0.2}, pytest.param({}, marks=pytest.mark.slow)])
def test_a_small_fraction_of_the_teacher_is_nearly_supervised_training(songs, options):
    """The truth that is packed with the teacher's logits is unpacked as it was, smoothed labels too."""
    few = {"optimizer": "sgd", "learning_rate": 0.1, "batch_size": 16, "epochs": 2, "snapshot": "last", **options}
    plain = supervised(make_model(), songs, SupervisedSettings(**few), seed=1)
    near = DistillationSettings(**few, teacher_weight=1e-6)
    fitted = distillation(make_model(), songs, near, seed=1, logits=taught(songs))
    for one, other in zip(weights_of(fitted.model).values(), weights_of(plain.model).values(), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)
    assert fitted.history[-1]["accuracy"] == plain.history[-1]["accuracy"]


def test_loss_is_the_teachers_and_accuracy_and_validation_are_the_truths(songs):
    model, logits = make_model(), taught(songs)
    train, valid = songs.split("train"), songs.split("valid")
    before = forward(model, train.x)["logits"]
    record = distillation(model, songs, settings(), seed=1, logits=logits).history[0]
    teacher = logits["teacher"][songs.splits["train"]]
    assert record["loss"] == pytest.approx(((before - teacher) ** 2).mean(), rel=1e-5)
    assert record["accuracy"] == pytest.approx((before.argmax(1) == train.y).mean())
    assert record["valid_loss"] == pytest.approx(evaluate(forward(model, valid.x)["logits"], valid.y)["log_loss"])


def test_a_song_beside_the_training_songs_needs_no_teacher(songs):
    logits = taught(songs)
    whole = bits(distillation(make_model(), songs, settings(), seed=1, logits=logits))
    for split in ("valid", "test"):
        logits["teacher"][songs.splits[split]] = np.nan
    assert bits(distillation(make_model(), songs, settings(), seed=1, logits=logits)) == whole
    logits["teacher"][songs.splits["train"][2]] = np.nan
    with pytest.raises(DataError, match="member teacher: logits of training song .* are not finite"):
        distillation(make_model(), songs, settings(), seed=1, logits=logits)
    with pytest.raises(SettingsError, match="needs the logits of a member 'teacher'"):
        distillation(make_model(), songs, settings(), seed=1, logits={})


def two_heads(weight):
    with seeds.keras_seed(0):
        inputs = keras.Input((6, 4))
        flat = keras.layers.Flatten()(inputs)
        expert = Head(target="genre", weight=1.0, name="expert_1")(keras.layers.Dense(3, name="expert")(flat))
        other = Head(target="genre", weight=weight, name="logits")(keras.layers.Dense(3, name="other")(flat))
        return keras.Model(inputs, {"logits": other, "expert_1": expert})


def test_other_heads_are_trained_as_ever(songs):
    plain = supervised(two_heads(1.0), songs, SupervisedSettings(**SMALL, epochs=1, snapshot="last"), seed=1)
    fitted = distillation(two_heads(1.0), songs, settings(), seed=1, logits=taught(songs))
    for name, value in weights_of(plain.model).items():
        assert np.array_equal(weights_of(fitted.model)[name], value) == ("expert" in name)


def test_logits_that_are_not_trained_cannot_be_taught(songs):
    with pytest.raises(SettingsError, match="does not train its logits"):
        distillation(two_heads(0.0), songs, settings(), seed=1, logits=taught(songs))


def test_log_posteriors_teach_the_same_as_logits(songs):
    """Softened posteriors do not change when a constant is added to a song's logits."""
    logits, options = taught(songs), settings(match="posteriors", temperature=2.0)
    one = distillation(make_model(), songs, options, seed=1, logits=logits)
    shifted = {"teacher": log_softmax(logits["teacher"]).astype(np.float32)}
    other = distillation(make_model(), songs, options, seed=1, logits=shifted)
    for value, right in zip(weights_of(one.model).values(), weights_of(other.model).values(), strict=True):
        np.testing.assert_allclose(value, right, atol=1e-5)

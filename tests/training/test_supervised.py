import keras
import numpy as np
import pytest
from pydantic import ValidationError
from toys import make_model, make_songs

from genrezoo import seeds
from genrezoo.errors import DataError, GenrezooWarning, SettingsError
from genrezoo.layers import Head
from genrezoo.training import forward, loop
from genrezoo.training import settings as training_settings
from genrezoo.training.checkpoint import read_arrays, weights_of
from genrezoo.training.objectives import objectives
from genrezoo.training.optimisation import build_optimizer, plateau_rate
from genrezoo.training.supervised import SupervisedSettings, supervised


def settings(**options):
    return SupervisedSettings(**{"optimizer": "sgd", "learning_rate": 0.1, "batch_size": 16, "epochs": 3, **options})


def softmax(logits):
    exp = np.exp(logits - logits.max(axis=1, keepdims=True))
    return exp / exp.sum(axis=1, keepdims=True)


def numpy_descent(model, songs, options, targets, weights):
    """Plain gradient descent of a linear model in NumPy, songs in the procedure's documented order."""
    kernel, bias = (value.astype(np.float64) for value in weights_of(model).values())
    train = songs.split("train")
    x = train.x.reshape(len(train), -1).astype(np.float64)
    for epoch in range(options.epochs):
        order = seeds.generator(1, "order", epoch).permutation(len(x))
        for start in range(0, len(x), options.batch_size):
            part = order[start : start + options.batch_size]
            error = (softmax(x[part] @ kernel + bias) - targets[part]) * weights[part, None] / len(part)
            kernel, bias = kernel - 0.1 * x[part].T @ error, bias - 0.1 * error.sum(axis=0)
    return kernel, bias


@pytest.mark.parametrize("case", ["plain", "smoothed", "balanced"])
def test_it_is_plain_gradient_descent(case):
    songs = make_songs(57)  # 34 training songs: the last batch is a part of one
    songs = songs.with_split({**songs.splits, "train": songs.splits["train"][3:]}, "random")
    train = songs.split("train")
    options = settings(
        snapshot="last",
        batch_size=3 if case == "plain" else 16,  # more and fewer batches than TensorFlow trains on at once
        label_smoothing=0.3 if case == "smoothed" else 0.0,
        class_weights="balanced" if case == "balanced" else None,
    )
    targets, weights = np.eye(3)[train.y], np.ones(len(train))
    if case == "smoothed":
        targets = 0.7 * targets + 0.1
    if case == "balanced":
        weights = (len(train) / (3 * np.bincount(train.y)))[train.y]
        assert len(set(weights)) > 1
    model = make_model()
    kernel, bias = numpy_descent(model, songs, options, targets, weights)
    fitted = supervised(model, songs, options, seed=1)
    trained = list(weights_of(fitted.model).values())
    np.testing.assert_allclose(trained[0], kernel, atol=2e-5)
    np.testing.assert_allclose(trained[1], bias, atol=2e-5)


def test_history_has_what_happened(songs, model):
    seen = []
    fitted = supervised(model, songs, settings(), seed=1, on_epoch=seen.append)
    assert seen == fitted.history
    assert [row["epoch"] for row in seen] == [1, 2, 3]
    assert seen[-1]["loss"] < seen[0]["loss"]
    assert all(row["learning_rate"] == pytest.approx(0.1) for row in seen)
    valid = songs.split("valid")
    accuracy = (forward(fitted.model, valid.x)["logits"].argmax(1) == valid.y).mean()
    assert accuracy == seen[fitted.best_epoch - 1]["valid_accuracy"]
    assert fitted.seconds == pytest.approx(sum(row["seconds"] for row in seen))


@pytest.mark.parametrize("monitor", ["accuracy", pytest.param("macro_f1", marks=pytest.mark.slow), "loss"])
def test_the_first_best_epoch_is_kept(songs, monitor):
    fitted = supervised(make_model(), songs, settings(epochs=6, learning_rate=1.0, monitor=monitor), seed=1)
    scores = [row[f"valid_{monitor}"] * (-1 if monitor == "loss" else 1) for row in fitted.history]
    assert fitted.best_epoch == 1 + int(np.argmax(scores))
    again = supervised(
        make_model(), songs, settings(epochs=fitted.best_epoch, learning_rate=1.0, snapshot="last"), seed=1
    )
    for kept, expected in zip(weights_of(fitted.model).values(), weights_of(again.model).values(), strict=True):
        np.testing.assert_array_equal(kept, expected)


def test_it_stops_when_patience_is_over(songs, model):
    fitted = supervised(model, songs, settings(epochs=50, patience=2, learning_rate=3.0), seed=1)
    scores = [row["valid_accuracy"] for row in fitted.history]
    assert len(scores) == int(np.argmax(scores)) + 3 < 50
    last = supervised(make_model(), songs, settings(epochs=50, patience=2, learning_rate=3.0, snapshot="last"), seed=1)
    assert last.best_epoch == len(last.history) == len(scores)


def test_the_same_seed_gives_the_same_bits_and_another_seed_does_not(songs):
    def bits(seed):
        fitted = supervised(
            make_model("dropout"), songs, settings(epochs=2, optimizer="adam", snapshot="last"), seed=seed
        )
        losses = [(record["loss"], record["valid_loss"]) for record in fitted.history]  # of each epoch, exactly
        return losses, b"".join(value.tobytes() for value in weights_of(fitted.model).values())

    one, again, other = bits(1), bits(1), bits(2)
    assert one == again
    assert one[0] != other[0]
    assert one[1] != other[1]


def two_heads(weight):
    with seeds.keras_seed(0):
        inputs = keras.Input((6, 4))
        flat = keras.layers.Flatten()(inputs)
        expert = Head(target="genre", weight=weight, name="expert_1")(keras.layers.Dense(3, name="expert")(flat))
        other = Head(target="genre", weight=0.0, name="logits")(keras.layers.Dense(3, name="other")(flat))
        return keras.Model(inputs, {"logits": other, "expert_1": expert})


@pytest.mark.filterwarnings("ignore:Gradients do not exist")  # that is what the test is about
def test_heads_are_trained_by_their_weight_and_not_at_all_at_zero(songs):
    moved = {}
    for weight in (1.0, 2.0):
        model = two_heads(weight)
        before = weights_of(model)
        aims = objectives(model, songs.split("train"), settings())
        assert {name: aim.weight for name, aim in aims.items()} == {"expert_1": weight, "logits": 0.0}
        supervised(model, songs, settings(epochs=1, batch_size=100, snapshot="last"), seed=1)
        moved[weight] = {name: value - before[name] for name, value in weights_of(model).items()}
    for name in moved[1.0]:
        np.testing.assert_allclose(moved[2.0][name], 2 * moved[1.0][name], atol=1e-6)
        assert np.any(moved[1.0][name]) == ("expert" in name)


class Stop(Exception):
    pass


@pytest.mark.parametrize(
    "schedule", ["cosine", *(pytest.param(s, marks=pytest.mark.slow) for s in (None, "reduce_on_plateau"))]
)
def test_a_stopped_training_ends_with_the_same_bits(songs, tmp_path, schedule):
    arguments = {"patience": 1, "factor": 0.3} if schedule == "reduce_on_plateau" else {}
    options = settings(optimizer="adam", epochs=5, schedule=schedule, schedule_arguments=arguments, learning_rate=0.02)
    expected = supervised(make_model("dropout"), songs, options, seed=1)
    path = tmp_path / "checkpoint.safetensors"

    def stop(record):
        if record["epoch"] in (1, 3):
            raise Stop

    for _ in range(2):
        with pytest.raises(Stop):
            supervised(make_model("dropout"), songs, options, seed=1, checkpoint_path=path, on_epoch=stop)
    resumed = supervised(make_model("dropout", seed=9), songs, options, seed=1, checkpoint_path=path)
    assert resumed.best_epoch == expected.best_epoch
    untimed = [[{**row, "seconds": 0} for row in fitted.history] for fitted in (resumed, expected)]
    assert untimed[0] == untimed[1]
    for one, other in zip(weights_of(resumed.model).values(), weights_of(expected.model).values(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_damaged_or_foreign_checkpoint_is_refused(songs, model, tmp_path):
    path = tmp_path / "checkpoint.safetensors"
    supervised(model, songs, settings(epochs=1), seed=1, checkpoint_path=path)
    with pytest.raises(DataError, match="checkpoint of another model"):
        supervised(make_model("dropout"), songs, settings(), seed=1, checkpoint_path=path)
    whole = path.read_bytes()
    for length in (0, 7, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(DataError, match="damaged checkpoint|is empty"):
            supervised(make_model(), songs, settings(), seed=1, checkpoint_path=path)


def test_one_flipped_bit_in_a_checkpoint_is_noticed_wherever_it_is(songs, model, tmp_path):
    path = tmp_path / "checkpoint.safetensors"
    supervised(model, songs, settings(epochs=1), seed=1, checkpoint_path=path)
    whole = path.read_bytes()
    for place in range(0, len(whole), 41):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << place % 8
        path.write_bytes(damaged)
        with pytest.raises(DataError, match="damaged checkpoint"):
            read_arrays(path)


def test_divergence_is_said_and_not_kept(songs, model):
    with pytest.raises(DataError, match="training diverged in epoch 1.*Remedy: lower the learning rate"):
        supervised(model, songs, settings(learning_rate=1e38), seed=1)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"optimizer": "adm"}, "unknown optimizer 'adm'. Did you mean 'adam'"),
        ({"schedule": "cosin"}, "unknown schedule 'cosin'. Did you mean 'cosine'"),
        ({"optimizer_arguments": {"clipnorm": "x"}}, "clipnorm must be a number"),
        ({"optimizer_arguments": {"clipnorm": -1.0}}, "clipnorm must be above 0, got -1.0"),
        ({"optimizer_arguments": {"clipnorm": [1.0]}}, "clipnorm must be a number \\["),
        ({"schedule_arguments": {"decay_epochs": {}}}, "decay_epochs must be a number"),
        ({"time_shift": 999999999999}, "time_shift"),
        ({"epochs": 10**12}, "epochs"),
        ({"noise": float("nan")}, "noise"),
        ({"class_weights": {"a": -1, "b": 1}}, "genre weights must be at least 0"),
        ({"class_weights": {"a": 0, "b": 0}}, "genre weights must be at least 0"),
    ],
)
def test_settings_that_cannot_be_are_refused_before_anything_is_trained(wrong, message):
    with pytest.raises(ValidationError, match=message):
        SupervisedSettings(**wrong)


def test_the_optimisers_are_those_of_keras():
    assert {name.lower() for name in OPTIMIZERS} == set(training_settings.OPTIMIZERS)


def test_a_loss_out_of_all_proportion_is_warned_of(songs, model, monkeypatch):
    monkeypatch.setattr(loop, "HUGE", 0.0)
    with pytest.warns(GenrezooWarning, match="training almost diverged; lower the learning rate"):
        supervised(model, songs, settings(epochs=1), seed=1)


OPTIMIZERS = [
    "Adadelta", "Adafactor", "Adagrad", "Adam", "Adamax", "AdamW", "Ftrl", "Lamb", "Lion", "Muon", "Nadam", "RMSprop",
    "SGD", "ScheduleFreeAdamW",
]  # fmt: skip


def test_every_keras_optimizer_goes_by_its_name():
    for name in OPTIMIZERS:
        assert type(build_optimizer(settings(optimizer=name.lower(), weight_decay=0.01), 3)).__name__ == name


@pytest.mark.slow
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_keras_optimizer_trains(name, songs):
    options = settings(optimizer=name.lower(), weight_decay=0.01, epochs=1)
    assert np.isfinite(supervised(make_model(), songs, options, seed=1).history[0]["loss"])


def test_no_keras_optimizer_is_missing_above():
    known = {
        name
        for name, value in vars(keras.optimizers).items()
        if isinstance(value, type) and issubclass(value, keras.optimizers.Optimizer)
    }
    assert {name for name in known if not name.endswith("Optimizer")} == set(OPTIMIZERS)


def test_optimizers_take_their_arguments_and_refuse_others():
    assert build_optimizer(settings(optimizer_arguments={"momentum": 0.9}), 3).momentum == 0.9
    with pytest.raises(SettingsError, match="'sgd' rejects its arguments.*beta_9"):
        build_optimizer(settings(optimizer_arguments={"beta_9": 1}), 3)


def test_weight_decay_leaves_biases_alone(songs):
    def trained(decay):
        model = make_model()
        model.get_layer("logits").bias.assign([1.0, 1.0, 1.0])
        fitted = supervised(
            model, songs, settings(epochs=1, weight_decay=decay, batch_size=100, snapshot="last"), seed=1
        )
        return list(weights_of(fitted.model).values())

    (plain_kernel, plain_bias), (kernel, bias) = trained(None), trained(0.5)
    np.testing.assert_array_equal(bias, plain_bias)
    assert np.linalg.norm(kernel) < np.linalg.norm(plain_kernel)


@pytest.mark.parametrize(
    ("schedule", "arguments", "rates"),
    [
        (
            "cosine",
            {},
            [0.5, 0.25, 0.0],
        ),  # cos of 0, half and whole pi, after 2, 4 and 6 of the 6 steps of 3 epochs less one
        ("exponential", {"decay_epochs": 1, "decay_rate": 0.5, "staircase": True}, [0.5, 0.25, 0.125]),
        ("piecewise", {"boundaries_epochs": [2], "values": [1.0, 0.1]}, [1.0, 1.0, 0.1]),
    ],
)
def test_schedules_count_in_epochs(schedule, arguments, rates):
    optimizer = build_optimizer(settings(learning_rate=1.0, schedule=schedule, schedule_arguments=arguments), 2)
    found = []
    for step in (2, 4, 6):
        optimizer.iterations.assign(step)
        found.append(float(np.asarray(optimizer.learning_rate)))
    if schedule == "cosine":
        rates = [0.5 * (1 + np.cos(np.pi * step / 6)) for step in (2, 4, 6)]
    np.testing.assert_allclose(found, rates, atol=1e-6)


def test_schedules_refuse_what_they_do_not_take():
    with pytest.raises(SettingsError, match="'cosine' rejects its arguments"):
        build_optimizer(settings(schedule="cosine", schedule_arguments={"oops": 1}), 2)
    with pytest.raises(SettingsError, match="decay_epochs of the schedule 'cosine' must be a number of epochs"):
        build_optimizer(settings(schedule="cosine", schedule_arguments={"decay_epochs": None}), 2)
    with pytest.raises(SettingsError, match=r"boundaries_epochs .* must be a number of epochs, got \[1, None\]"):
        build_optimizer(settings(schedule="piecewise", schedule_arguments={"boundaries_epochs": [1, None]}), 2)


@pytest.mark.parametrize("name", ["CosineRestarts", "cosine_restarts", "REDUCE_ON_PLATEAU", "reduceonplateau"])
def test_schedules_go_by_their_name_in_any_case_like_optimisers(name):
    arguments = {"first_decay_epochs": 2} if "osine" in name else {"patience": 1}
    optimizer = build_optimizer(settings(schedule=name, schedule_arguments=arguments), 2)
    scheduled = isinstance(optimizer._learning_rate, keras.optimizers.schedules.CosineDecayRestarts)
    assert scheduled == ("osine" in name)


@pytest.mark.parametrize(
    "arguments",
    [{"factor": 2}, {"patience": 0}, {"patience": None}, {"factor": [0.5, 0.5]}, {"minimum": 2.0}, {"a": 1}],
)
def test_a_plateau_refuses_what_it_does_not_take(arguments):
    options = settings(learning_rate=1.0, schedule="reduce_on_plateau", schedule_arguments=arguments)
    with pytest.raises(SettingsError, match=r"factor in \(0, 1\), patience >= 1 and minimum from 0 to .* 1.0, got"):
        plateau_rate([], options)


def test_reduce_on_plateau_follows_the_validation_loss(songs, model):
    options = settings(
        epochs=8, learning_rate=4.0, schedule="reduce_on_plateau", schedule_arguments={"factor": 0.1, "patience": 1}
    )
    history = supervised(model, songs, options, seed=1).history
    rate, best = 4.0, np.inf
    for before, after in zip(history, history[1:], strict=False):
        if before["valid_loss"] >= best:
            rate *= 0.1
        best = min(best, before["valid_loss"])
        assert after["learning_rate"] == pytest.approx(rate, rel=1e-5)
    assert rate < 4.0


def test_class_weights_must_name_the_genres(songs, model):
    with pytest.raises(SettingsError, match="class_weights must name the genres"):
        supervised(model, songs, settings(class_weights={"genre0": 1.0}), seed=1)
    named = supervised(model, songs, settings(class_weights={"genre0": 1.0, "genre1": 2.0, "genre2": 0.0}), seed=1)
    assert named.history[0]["loss"] > 0

import dataclasses

import keras
import numpy as np
import pytest
from toys import make_songs

from genrezoo import seeds
from genrezoo.errors import SettingsError
from genrezoo.layers import MaskPadding
from genrezoo.models.multitask import build_multitask_binary
from genrezoo.models.recurrent import build_batch_norm_rnn, build_rnn
from genrezoo.models.stabilised import build_stabilised_lstm
from genrezoo.training.checkpoint import weights_of
from genrezoo.training.supervised import SupervisedSettings, supervised
from genrezoo.training.truncated import PartReader, TruncatedSettings, truncated


def settings(**options):
    plain = {
        "optimizer": "sgd",
        "learning_rate": 0.5,
        "batch_size": 16,
        "epochs": 2,
        "num_steps": 3,
        "snapshot": "last",
    }
    return TruncatedSettings(**{**plain, "num_steps": 3, **options})


def recurrent_model(units=5, n_segments=6):
    with seeds.keras_seed(0):
        inputs = keras.Input((n_segments, 4))
        state = keras.layers.SimpleRNN(units)(MaskPadding()(inputs))
        return keras.Model(inputs, keras.layers.Dense(3, name="logits")(state))


def built(builder, *arguments, **options):
    with seeds.keras_seed(0):
        return builder((6, 4), 3, *arguments, **options)


def cut(songs, lengths):
    """The songs with other lengths, padding as procedures are given it."""
    x = np.where(np.arange(songs.n_segments)[:, None] < lengths[:, None, None], songs.x, np.nan)
    return dataclasses.replace(songs, x=x.astype(np.float32), lengths=lengths)


def ragged(songs):
    return cut(songs, np.random.default_rng(0).integers(1, 7, songs.n_songs))


def values(model):
    return list(weights_of(model).values())


def assert_same_bits(one, other):
    for left, right in zip(values(one), values(other), strict=True):
        np.testing.assert_array_equal(left, right)


class NumpyTraining:
    """The procedure in float64, gradients by hand: SimpleRNN and a readout, plain gradient descent."""

    def __init__(self, model, options, weights):
        self.weights = [value.astype(np.float64) for value in values(model)]
        self.options, self.song_weights = options, weights

    def train(self, x, y, weights):
        losses, hits = [], []
        for epoch in range(self.options.epochs):
            order = seeds.generator(1, "order", epoch).permutation(len(x))
            found = [
                self.batch(x[part], np.eye(3)[y[part]], weights[part])
                for part in np.split(order, range(self.options.batch_size, len(x), self.options.batch_size))
            ]
            loss, hit = (np.concatenate(parts) for parts in zip(*found, strict=True))
            losses.append(loss.mean())
            hits.append(hit.mean())
        return losses, hits

    def batch(self, x, targets, weights):
        steps, real = self.options.num_steps, ~np.isnan(x[:, :, 0])
        x = np.where(real[..., None], x, 0).astype(np.float64)
        count = -(-real.sum(axis=1) // steps)
        state, sums = np.zeros((len(x), 5)), [np.zeros_like(value) for value in self.weights]
        last = np.zeros((len(x), 3))
        for number in range(count.max()):
            here, part = number < count, slice(number * steps, (number + 1) * steps)
            share = weights * here / len(x)
            if self.options.update == "song":
                share = share / count
            posterior, state, gradients = self.part(x[:, part], real[:, part], state, targets, share)
            last[here] = posterior[here]
            if self.options.update == "part":
                self.step(gradients)
            sums = [total + gradient for total, gradient in zip(sums, gradients, strict=True)]
        if self.options.update == "song":
            self.step(sums)
        return -np.log((last * targets).sum(axis=1)) * weights, last.argmax(axis=1) == targets.argmax(axis=1)

    def part(self, x, real, state, targets, share):
        kernel, recurrent, bias, readout, shift = self.weights
        states = [state]
        for step in range(x.shape[1]):
            new = np.tanh(x[:, step] @ kernel + states[-1] @ recurrent + bias)
            states.append(np.where(real[:, step, None], new, states[-1]))
        scores = np.exp(states[-1] @ readout + shift)
        posterior = scores / scores.sum(axis=1, keepdims=True)
        error = (posterior - targets) * share[:, None]
        found = [np.zeros_like(kernel), np.zeros_like(recurrent), np.zeros_like(bias)]
        back = error @ readout.T
        for step in reversed(range(x.shape[1])):
            inner = back * (1 - states[step + 1] ** 2) * real[:, step, None]
            found[0] += x[:, step].T @ inner
            found[1] += states[step].T @ inner
            found[2] += inner.sum(axis=0)
            back = np.where(real[:, step, None], inner @ recurrent.T, back)
        return posterior, states[-1], [*found, states[-1].T @ error, error.sum(axis=0)]

    def step(self, gradients):
        rate = self.options.learning_rate
        self.weights = [value - rate * change for value, change in zip(self.weights, gradients, strict=True)]


@pytest.mark.parametrize(
    ("case", "update"),
    [
        ("ragged", "part"),
        ("weighted", "song"),
        pytest.param("two parts", "part", marks=pytest.mark.slow),
        pytest.param("two parts", "song", marks=pytest.mark.slow),
        pytest.param("ragged", "song", marks=pytest.mark.slow),
        pytest.param("weighted", "part", marks=pytest.mark.slow),
    ],
)
def test_it_is_the_sources_loop(case, update):
    songs, options = make_songs(40), settings(update=update)
    if case == "ragged":  # and parts that do not divide the song
        songs, options = ragged(songs), settings(update=update, num_steps=4)
    weights = {"genre0": 0.5, "genre1": 1.0, "genre2": 2.0} if case == "weighted" else None
    options = options.model_copy(update={"class_weights": weights})
    train, model = songs.split("train"), recurrent_model()
    reference = NumpyTraining(model, options, weights)
    per_song = np.array([0.5, 1.0, 2.0])[train.y] if weights else np.ones(len(train))
    losses, hits = reference.train(train.x, train.y, per_song)
    fitted = truncated(model, songs, options, seed=1)
    for found, expected in zip(values(fitted.model), reference.weights, strict=True):
        np.testing.assert_allclose(found, expected, atol=2e-5)
    np.testing.assert_allclose([row["loss"] for row in fitted.history], losses, rtol=1e-5)
    np.testing.assert_allclose([row["accuracy"] for row in fitted.history], hits, rtol=1e-6)


@pytest.mark.slow
def test_no_gradient_reaches_the_part_before():
    songs = make_songs(40)
    x = songs.x.copy()
    x[:, 3:] = 0  # so that the second part by itself has nothing to say of the input's weights
    both = recurrent_model()
    before = values(both)[0]
    truncated(both, dataclasses.replace(songs, x=x), settings(update="song", epochs=1, batch_size=40), seed=1)
    first, half = recurrent_model(), settings(update="song", epochs=1, batch_size=40, learning_rate=0.25)
    truncated(first, cut(songs, np.full(40, 3)), half, seed=1)
    np.testing.assert_allclose(values(both)[0] - before, values(first)[0] - before, atol=1e-6)
    assert np.abs(values(first)[0] - before).max() > 1e-3


EVERYTHING = {
    "label_smoothing": 0.1,
    "mixup": 0.4,
    "noise": 0.3,
    "time_shift": 2,
    "segment_dropout": 0.1,
    "class_weights": "balanced",
    "learning_rate": 0.01,
    "optimizer_arguments": {"use_ema": True},
}


@pytest.mark.slow
@pytest.mark.parametrize("update", ["part", "song"])
@pytest.mark.parametrize(
    ("build", "options"),
    [
        (lambda: built(build_stabilised_lstm, units=4, beta=1.0, dropout=0.3), {"optimizer": "adam", **EVERYTHING}),
        (lambda: built(build_batch_norm_rnn, units=4, l2=0.01, momentum=0.8), {"weight_decay": 0.01}),
        (lambda: built(build_multitask_binary, trunk="gru", trunk_arguments={"units": 4}), {"num_steps": 10}),
    ],
    ids=["stabilised_lstm", "batch_norm_rnn", "multitask_binary"],
)
def test_with_parts_as_long_as_songs_it_is_supervised_training(build, options, update):
    options = settings(**{"num_steps": 6, "update": update, **options})
    songs = make_songs(40)
    if update == "part":  # batch normalisation and the stabiliser see masks then
        songs = ragged(songs)
    plain = SupervisedSettings(**options.model_dump(exclude={"num_steps", "update"}))
    expected = supervised(build(), songs, plain, seed=1)
    fitted = truncated(build(), songs, options, seed=1)
    for found, value in zip(values(fitted.model), values(expected.model), strict=True):
        np.testing.assert_allclose(found, value, atol=2e-6)
    for found, row in zip(fitted.history, expected.history, strict=True):
        for name in ("accuracy", "learning_rate", *(name for name in row if name.endswith("loss"))):
            assert found[name] == pytest.approx(row[name], rel=1e-5)


@pytest.mark.parametrize("update", ["part", "song"])
@pytest.mark.slow
def test_padding_after_every_song_changes_nothing(update):
    songs = make_songs(40)
    longer = dataclasses.replace(
        songs, x=np.pad(songs.x, ((0, 0), (0, 5), (0, 0)), constant_values=np.nan), lengths=songs.lengths
    )
    options = settings(update=update, optimizer="adam", learning_rate=0.01)
    one = truncated(recurrent_model(), songs, options, seed=1)
    other = truncated(recurrent_model(n_segments=11), longer, options, seed=1)
    assert_same_bits(one.model, other.model)


@pytest.mark.slow
def test_batch_statistics_follow_the_segments_however_they_are_cut():
    def averages(num_steps):
        model = built(build_batch_norm_rnn, units=4, momentum=0.7)
        truncated(model, make_songs(40), settings(num_steps=num_steps, learning_rate=1e-30), seed=1)
        cell = model.get_layer("rnn").cell
        return np.asarray(cell.moving_mean), np.asarray(cell.moving_variance)

    for part, whole in zip(averages(2), averages(6), strict=True):
        np.testing.assert_allclose(part, whole, atol=1e-6)
        assert np.abs(part).max() > 0.1


def test_a_stabiliser_sees_the_state_that_a_part_begins_with():
    model = built(build_stabilised_lstm, units=4, beta=2.0)
    x = make_songs(5).x.copy()
    x[0, 5:] = np.nan
    reader = PartReader(model, padded=True)
    _, states = reader(keras.ops.convert_to_tensor(x[:, :3]), reader.layer.get_initial_state(5))
    reader(keras.ops.convert_to_tensor(x[:, 3:]), states)
    found = float(sum(model.losses))
    hidden, *_ = model.get_layer("lstm")(np.nan_to_num(x))
    lengths = np.linalg.norm(np.asarray(hidden), axis=-1)
    changes = np.diff(lengths, axis=1)[:, 2:] ** 2  # from segment 3 to 4, 4 to 5, 5 to 6
    real = ~np.isnan(x[:, 3:, 0])
    assert found == pytest.approx(2.0 * changes[real].mean(), rel=1e-5)


@pytest.mark.slow
def test_the_layer_is_left_as_it_was():
    model = recurrent_model()
    truncated(model, make_songs(40), settings(epochs=1), seed=1)
    layer = model.layers[2]
    assert (layer.return_state, layer.unroll) == (False, False)
    again = truncated(model, make_songs(40), settings(epochs=1), seed=1)  # and the model can be trained once more
    assert again.best_epoch == 1


@pytest.mark.slow
def test_long_parts_are_looped_over_to_the_same_result(monkeypatch):
    songs = ragged(make_songs(40))
    one = truncated(recurrent_model(), songs, settings(), seed=1)
    monkeypatch.setattr("genrezoo.training.truncated.UNROLLED", 2)
    other = truncated(recurrent_model(), songs, settings(), seed=1)
    for left, right in zip(values(one.model), values(other.model), strict=True):
        np.testing.assert_allclose(left, right, atol=1e-6)


@pytest.mark.parametrize(("update", "steps"), [("part", 4), pytest.param("song", 2, marks=pytest.mark.slow)])
def test_schedules_count_in_epochs(update, steps):
    model = recurrent_model()
    options = settings(update=update, schedule="cosine", epochs=3)
    history = truncated(model, make_songs(40), options, seed=1).history  # 24 training songs: two batches of two parts
    assert int(model.optimizer.iterations) == 3 * steps
    rates = [0.5 * 0.5 * (1 + np.cos(np.pi * epoch / 3)) for epoch in (1, 2, 3)]
    np.testing.assert_allclose([row["learning_rate"] for row in history], rates, atol=1e-6)


def test_an_epoch_has_as_many_steps_as_its_longest_songs_have_parts():
    model, lengths = recurrent_model(), np.full(40, 2)
    songs = make_songs(40)
    lengths[songs.splits["train"][0]] = 6
    options = settings(num_steps=2, schedule="cosine", epochs=2)
    history = truncated(model, cut(songs, lengths), options, seed=1).history
    assert int(model.optimizer.iterations) == 2 * (3 + 1)
    assert history[-1]["learning_rate"] == pytest.approx(0, abs=1e-6)


class Stop(Exception):
    pass


@pytest.mark.slow
def test_a_stopped_training_ends_with_the_same_bits(tmp_path):
    options = settings(optimizer="adam", epochs=2, schedule="cosine", learning_rate=0.02, noise=0.1)
    songs = ragged(make_songs(40))

    def train(**further):
        model = built(build_stabilised_lstm, units=4, dropout=0.3, recurrent_dropout=0.2)
        return truncated(model, songs, options, seed=1, **further)

    def stop(record):
        raise Stop

    path = tmp_path / "checkpoint.safetensors"
    with pytest.raises(Stop):
        train(checkpoint_path=path, on_epoch=stop)
    resumed, expected = train(checkpoint_path=path), train()
    assert_same_bits(resumed.model, expected.model)
    assert [row["loss"] for row in resumed.history] == [row["loss"] for row in expected.history]


def layers_of(kind):
    inputs = keras.Input((6, 4))
    masked = MaskPadding()(inputs)
    rnn = keras.layers.SimpleRNN
    if kind == "none":
        state = keras.layers.Flatten()(inputs)
    elif kind == "two":
        state = rnn(3)(rnn(4, return_sequences=True)(masked))
    elif kind == "backwards":
        state = rnn(3, go_backwards=True)(masked)
    elif kind == "no mask":
        state = rnn(3)(inputs)
    else:
        state = keras.layers.Concatenate()([rnn(3)(masked), inputs[:, 0]])
    return keras.Model(inputs, keras.layers.Dense(3, name="logits")(state), name=kind.replace(" ", "_"))


@pytest.mark.parametrize("kind", ["none", "two", "backwards", "no mask", "beside"])
def test_models_that_cannot_be_read_in_parts_are_refused(kind):
    message = {
        "none": r"one recurrent layer.*'none' has 1 inputs and the layers .*Flatten.*Choose a model such as 'rnn'",
        "two": r"one recurrent layer.*'two' has .*SimpleRNN.*SimpleRNN",
        "backwards": "neither stateful nor backwards",
        "no mask": "MaskPadding and one recurrent layer.*'no_mask'",
        "beside": "an output does not depend only on its recurrent layer.*Train it with the procedure 'supervised'",
    }[kind]
    with pytest.raises(SettingsError, match=message):
        truncated(layers_of(kind), make_songs(40), settings(), seed=1)


@pytest.mark.slow
def test_the_basic_network_learns_in_parts():
    model = built(build_rnn, units=8)
    history = truncated(model, make_songs(90), settings(optimizer="adam", learning_rate=0.02, epochs=5), seed=1).history
    assert history[-1]["valid_accuracy"] > 0.7
    assert history[-1]["loss"] < history[0]["loss"]


def test_other_backends_are_refused_in_words(monkeypatch):
    monkeypatch.setattr(keras.config, "backend", lambda: "jax")
    with pytest.raises(SettingsError, match="needs the backend tensorflow, got jax; set KERAS_BACKEND=tensorflow"):
        truncated(recurrent_model(), make_songs(), settings(), seed=1)

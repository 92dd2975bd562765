import keras
import numpy as np
import pytest
from toys import make_model, make_songs

from genrezoo import seeds
from genrezoo.errors import DataError, SettingsError
from genrezoo.layers import Head
from genrezoo.models import create_model
from genrezoo.training.checkpoint import weights_of
from genrezoo.training.pretraining import (
    Autoencoder,
    PretrainingSettings,
    hidden_stack,
    pretrain,
    pretraining,
    settled,
    train_autoencoder,
)
from genrezoo.training.supervised import SupervisedSettings, supervised

SMALL = {"optimizer": "adam", "learning_rate": 0.02, "batch_size": 16, "epochs": 2}


def settings(**options):
    return PretrainingSettings(**{**SMALL, "autoencoder_epochs": 3, "autoencoder_learning_rate": 0.01, **options})


def make_stack(**options):
    return create_model("mlp", (6, 4), 3, seed=0, units=(7, 5), input_dropout=0.4, **options)


def bits(fitted):
    return b"".join(value.tobytes() for value in weights_of(fitted.model).values())


@pytest.mark.parametrize(
    ("errors", "expected"),
    [
        ([], False),
        ([0.5], False),
        ([0.5, 0.5], False),  # two may agree by chance
        ([0.5, 0.5, 0.5], True),
        ([0.9, 0.5009, 0.5012, 0.5014], True),  # 0.501 three times
        ([0.503, 0.502, 0.501], False),
        ([0.5, 0.5, 0.499], False),  # the third decimal has just moved, down
        ([0.5, 0.5, 0.501], False),  # or up
        ([0.499, 0.5, 0.5], False),
        ([0.5, 0.4996, 0.4993], False),  # by less than a thousandth, and yet into the next
        ([0.0002, 0.0002], False),
        ([0.0002, 0.0001, 0.0003], True),
    ],
)
def test_an_error_is_settled_when_its_third_decimal_stands_still(errors, expected):
    assert settled(errors) == expected


def test_the_stack_is_what_leads_to_the_logits():
    start, layers = hidden_stack(make_stack())
    assert [layer.name for layer in layers] == ["hidden_1", "hidden_2"]
    assert start.shape == (None, 24)
    start, layers = hidden_stack(create_model("conv_in_time", (12, 4), 3, seed=0, filters=5, units=6))
    assert [layer.name for layer in layers] == ["dense"]
    inputs = keras.Input((6, 4))
    flat = keras.layers.Flatten()(inputs)
    dense = [keras.layers.Dense(size, name=f"of_{size}") for size in (9, 8, 7)]
    left = dense[1](dense[0](flat))
    both = keras.layers.Concatenate()([left, flat])  # what lies before a junction is no stack
    logits = Head(target="genre", weight=0.5, name="logits")(
        keras.layers.Dense(3)(keras.layers.LeakyReLU()(dense[2](both)))
    )
    start, layers = hidden_stack(keras.Model(inputs, {"logits": logits, "other": left}))
    assert (layers, start.shape) == ([dense[2]], (None, 32))


@pytest.mark.parametrize("name", ["linear", "lstm"])
def test_a_model_without_a_stack_is_refused(songs, name):
    model = make_model() if name == "linear" else create_model("lstm", (6, 4), 3, seed=0, units=5)
    with pytest.raises(SettingsError, match="no hidden dense layers before its logits"):
        pretraining(model, songs, settings(), seed=1)


def test_an_autoencoder_is_gradient_descent_on_the_squared_error():
    """One epoch of one batch is one step of Adam: each weight moves by the rate against the sign of its gradient."""
    x = np.random.default_rng(0).standard_normal((20, 4)).astype(np.float32)
    options = settings(batch_size=20, autoencoder_epochs=1)
    found = train_autoencoder(x, 3, options, seed=5)
    with seeds.keras_seed(seeds.child_seed(5, "weights")):
        inputs = keras.Input((4,))
        first, second = keras.layers.Dense(3), keras.layers.Dense(4)  # in this order they draw their weights
        outputs = second(first(inputs))
        kernel, _, back, _ = (weight.astype(np.float64) for weight in keras.Model(inputs, outputs).get_weights())
    code = np.tanh(x @ kernel)
    outputs = np.tanh(code @ back)
    assert found.errors == pytest.approx([((outputs - x) ** 2).mean()], rel=1e-5)
    slope = 2 * (outputs - x) / x.size * (1 - outputs**2)
    slope = slope @ back.T * (1 - code**2)
    np.testing.assert_allclose(found.kernel, kernel - 0.01 * np.sign(x.T @ slope), atol=1e-4)
    np.testing.assert_allclose(found.bias, -0.01 * np.sign(slope.sum(axis=0)), atol=1e-4)


@pytest.mark.slow
def test_an_autoencoder_learns_and_stops_when_its_error_is_settled():
    generator = np.random.default_rng(0)
    x = np.tanh(generator.standard_normal((64, 2)) @ generator.standard_normal((2, 6))).astype(np.float32) * 0.5
    found = train_autoencoder(x, 3, settings(autoencoder_epochs=60, autoencoder_learning_rate=0.05), seed=1)
    assert found.errors[-1] < 0.3 * found.errors[0]
    assert settled(found.errors)
    assert not any(settled(found.errors[:epoch]) for epoch in range(len(found.errors)))
    again = train_autoencoder(x, 3, settings(autoencoder_epochs=2, autoencoder_learning_rate=0.05), seed=1)
    assert again.errors == found.errors[:2]


def test_each_layer_gets_the_weights_learnt_on_the_codes_below_it(songs):
    train = songs.split("train").x
    model = create_model("fully_connected", (6, 4), 3, seed=0, units=(7, 5))
    readout = model.get_layer("logits").kernel.numpy()
    done = pretrain(model, train, settings(), seed=1)
    first = train_autoencoder(train.reshape(len(train), -1), 7, settings(), seed=seeds.child_seed(1, "autoencoder", 0))
    code = np.tanh(train.reshape(len(train), -1) @ first.kernel + first.bias)
    second = train_autoencoder(code, 5, settings(), seed=seeds.child_seed(1, "autoencoder", 1))
    for name, part, expected in zip(("hidden_1", "hidden_2"), done, (first, second), strict=True):
        layer = model.get_layer(name)
        np.testing.assert_array_equal(layer.kernel, expected.kernel)
        np.testing.assert_array_equal(layer.bias, expected.bias)
        assert part.errors == expected.errors
        assert len(part.errors) == 3
    np.testing.assert_array_equal(model.get_layer("logits").kernel, readout)


def test_padding_and_layers_without_a_bias_are_taken(songs):
    x = songs.split("train").x.copy()
    x[3:, 4:] = np.nan
    model = make_stack()
    done = pretrain(model, x, settings(autoencoder_epochs=1), seed=1)
    assert np.isfinite(done[0].errors).all()
    np.testing.assert_array_equal(model.get_layer("hidden_1").kernel, done[0].kernel)


@pytest.mark.slow
def test_only_training_songs_are_seen(songs):
    x = songs.x.copy()
    for split in ("valid", "test"):
        x[songs.splits[split]] += 100
    other = make_songs().__class__(x=x, y=songs.y, genres=songs.genres, splits=songs.splits, provenance="random")
    last = settings(snapshot="last", epochs=1)
    assert bits(pretraining(make_stack(), songs, last, seed=1)) == bits(pretraining(make_stack(), other, last, seed=1))


@pytest.mark.slow
def test_without_epochs_for_autoencoders_it_is_supervised_training_to_the_bit(songs):
    plain = supervised(make_stack(), songs, SupervisedSettings(**SMALL), seed=1)
    assert bits(pretraining(make_stack(), songs, settings(autoencoder_epochs=0), seed=1)) == bits(plain)


class Stop(Exception):
    pass


@pytest.mark.slow
@pytest.mark.parametrize("finished_layers", [1, 2])
def test_killed_between_layers_it_ends_with_the_same_bits(songs, tmp_path, monkeypatch, finished_layers):
    import genrezoo.training.pretraining as module

    expected = bits(pretraining(make_stack(), songs, settings(), seed=1))
    path, original, calls = tmp_path / "checkpoint.safetensors", module.train_autoencoder, []

    def counted(*arguments, **options):
        if len(calls) == finished_layers:
            raise Stop
        calls.append(1)
        return original(*arguments, **options)

    def stop(record):
        raise Stop

    monkeypatch.setattr(module, "train_autoencoder", counted)
    with pytest.raises(Stop):
        pretraining(make_stack(), songs, settings(), seed=1, checkpoint_path=path, on_epoch=stop)
    monkeypatch.setattr(module, "train_autoencoder", lambda *a, **o: calls.append(1) or original(*a, **o))
    assert bits(pretraining(make_stack(), songs, settings(), seed=1, checkpoint_path=path)) == expected
    assert len(calls) == 2  # no finished layer was trained again
    assert sorted(found.name for found in tmp_path.iterdir()) == [
        "checkpoint.safetensors",
        "checkpoint_pretraining.safetensors",
    ]


@pytest.mark.slow
def test_a_damaged_or_foreign_file_of_autoencoders_is_refused(songs, tmp_path):
    path, x = tmp_path / "autoencoders.safetensors", songs.split("train").x
    pretrain(make_stack(), x, settings(autoencoder_epochs=1), seed=1, path=path)
    other = create_model("mlp", (6, 4), 3, seed=0, units=(7, 6))
    with pytest.raises(DataError, match="autoencoders of another model"):
        pretrain(other, x, settings(), seed=1, path=path)
    with pytest.raises(DataError, match="autoencoders of another model"):
        pretrain(create_model("mlp", (6, 4), 3, seed=0, units=(7,)), x, settings(), seed=1, path=path)
    whole = path.read_bytes()
    for length in (0, 7, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(DataError, match="damaged checkpoint|is empty"):
            pretrain(make_stack(), x, settings(), seed=1, path=path)


def test_divergence_is_said():
    with pytest.raises(DataError, match="autoencoder of 3 to 2 diverged in epoch 1.*autoencoder_learning_rate"):
        train_autoencoder(np.full((8, 3), np.inf, np.float32), 2, settings(), seed=1)


def test_a_code_is_the_tanh_of_an_affine_map():
    part = Autoencoder(np.float32([[1.0], [2.0]]), np.float32([0.5]), [])
    np.testing.assert_allclose(part.encode(np.float32([[1.0, -0.5]])), np.tanh([[0.5]]))

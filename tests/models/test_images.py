from __future__ import annotations

import hashlib
import re
import warnings

import h5py
import keras
import numpy as np
import pytest
from keras.src.legacy.saving import legacy_h5_format

from genrezoo.benchmarking.cost import multiply_adds
from genrezoo.errors import DataError, SettingsError
from genrezoo.models import create_model, model_info
from genrezoo.recipes import get_recipe
from genrezoo.runs import train
from genrezoo.runs.building import build_model
from genrezoo.seeds import keras_seed
from genrezoo.songs import SongSet
from genrezoo.weights import WEIGHTS

array = keras.ops.convert_to_numpy
PICTURES = np.random.default_rng(0).uniform(0, 255, (6, 32, 32, 3)).astype("float32")


def test_spectrogram_cnn_has_the_layers_of_its_source():
    model = create_model("spectrogram_cnn", (172, 173, 3), 10)
    assert [type(layer).__name__ for layer in model.layers] == [
        "InputLayer",
        *["ZeroPadding2D", "Conv2D", "Activation"] * 4,
        "Flatten",
        "Dense",
    ]
    outputs = [model.get_layer(f"conv_{number}").output.shape[1:] for number in (1, 2, 3, 4)]
    assert outputs == [(43, 43, 32), (11, 11, 64), (3, 3, 128), (1, 1, 256)]
    assert model.get_layer("conv_1").kernel.shape == (4, 4, 3, 32)
    assert {layer.activation.__name__ for layer in model.layers if "activation" in layer.name} == {"tanh"}


@pytest.mark.parametrize(
    ("conv_layers", "kernel_size", "strides"),
    [(3, 4, 5), (4, 3, 4), (4, 4, 4), (4, 5, 4), (5, 4, 3), (6, 4, 2)],
)
@pytest.mark.parametrize("activation", ["tanh", "relu", "sigmoid"])
def test_the_variants_that_the_source_compares_build(conv_layers, kernel_size, strides, activation):
    model = create_model(
        "spectrogram_cnn",
        (172, 173, 3),
        10,
        conv_layers=conv_layers,
        kernel_size=kernel_size,
        strides=strides,
        activation=activation,
        filters=4,
    )
    size = 172
    for number in range(1, conv_layers + 1):
        size = (size + 2 - kernel_size) // strides + 1
        assert model.get_layer(f"conv_{number}").output.shape[1::2] == (size, 4 * 2 ** (number - 1))


@pytest.mark.parametrize(
    ("model", "shape", "arguments", "reason"),
    [
        ("spectrogram_cnn", (85, 173, 3), {}, "an input of 85 x 173 is too small .* at least 86 x 86 is needed"),
        ("spectrogram_cnn", (173, 85, 3), {}, "an input of 173 x 85 is too small"),
        ("spectrogram_cnn", (172, 173), {}, r"input_shape must be \(height, width, channels\)"),
        ("spectrogram_cnn", (None, 173, 3), {}, r"input_shape must be \(height, width, channels\)"),
        ("spectrogram_cnn", (172, 173, 3), {"conv_layers": 0}, "conv_layers must be a whole number from 1, got 0"),
        ("spectrogram_cnn", (172, 173, 3), {"strides": 0}, "strides=0.* must be a tuple of 2 integers"),
        ("spectrogram_cnn", (172, 173, 3), {"filters": 2.5}, "filters=2.5.* list of whole numbers from 1"),
        ("resnet50", (31, 32, 3), {}, "at least 32 x 32, got 31 x 32"),
        ("resnet50", (32, 32, 2), {"unfrozen": 0}, r"1 or 3 channels, got \(32, 32, 2\)"),
        ("resnet50", (32, 32, 3), {"unfrozen": 5}, "unfrozen must be a whole number from 0 to 4, got 5"),
        ("resnet50", (32, 32, 3), {"unfrozen": True}, "unfrozen must be a whole number from 0, got True"),
    ],
)
def test_shapes_and_options_out_of_range_are_refused(model, shape, arguments, reason):
    with pytest.raises(SettingsError, match=reason):
        create_model(model, shape, 10, **arguments)


def test_the_smallest_picture_builds():
    assert create_model("spectrogram_cnn", (86, 86, 1), 3, filters=2).get_layer("conv_4").output.shape[1:3] == (1, 1)


@pytest.mark.slow
def test_resnet50_is_the_whole_of_its_source():
    """Parameters and multiply-adds of He et al.: 25.6 million less the old output layer, and 3.8 billion."""
    model = create_model("resnet50", (224, 224, 3), 10, unfrozen=2)
    assert model.count_params() == 23_587_712 + 2048 * 10 + 10
    assert 3.8e9 < multiply_adds(model, 0) < 3.9e9
    norms = [layer for layer in model.get_layer("trained").layers if isinstance(layer, keras.layers.BatchNormalization)]
    assert [norm.momentum for norm in norms] == [0.9] * (6 * 3 + 1 + 3 * 3 + 1)


@pytest.mark.parametrize(
    ("unfrozen", "stages"),
    [(0, set()), (2, {"conv4", "conv5"}), (4, {"conv2", "conv3", "conv4", "conv5"})],
)
@pytest.mark.slow
def test_the_unfrozen_stages_alone_move_and_keep_statistics(unfrozen, stages):
    model = create_model("resnet50", (32, 32, 3), 3, seed=1, unfrozen=unfrozen)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss=loss, run_eagerly=True)  # one step is not worth compiling
    before = {weight.path: array(weight) for weight in model.weights}
    model.train_on_batch(PICTURES, np.arange(6) % 3)
    moved = {weight.path for weight in model.weights if not np.array_equal(array(weight), before[weight.path])}
    biases = {path for path in before if path.endswith("conv/bias")}
    expected = {path for path in before if path.partition("_")[0] in stages} - biases  # cancelled by the normalisation
    assert moved == expected | {"logits/kernel", "logits/bias"}
    assert any("moving_mean" in path for path in moved) == bool(stages)


@pytest.mark.slow
def test_frozen_stages_stay_frozen_in_a_copy_of_the_model(tmp_path):
    model = create_model("resnet50", (32, 32, 3), 3, unfrozen=1)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert {weight.path.partition("_")[0] for weight in again.trainable_weights} == {
        "conv5",
        "logits/kernel",
        "logits/bias",
    }


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory):
    """A network with weights of its own, and files of them: as Keras writes now, and in the form of ImageNet's."""
    folder = tmp_path_factory.mktemp("weights")
    with keras_seed(7):
        network = keras.applications.ResNet50(
            include_top=False, weights=None, input_shape=(32, 32, 3), pooling="avg", name="other"
        )
    with warnings.catch_warnings():  # Keras's writer converts its variables in a way that NumPy calls outdated
        warnings.filterwarnings("ignore", "__array__ implementation", DeprecationWarning)
        network.save_weights(folder / "new.weights.h5")
        with h5py.File(folder / "old.h5", "w") as file:
            legacy_h5_format.save_weights_to_hdf5_group(file, network)
    return network, folder


def sha256_of(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize(("file", "unfrozen"), [("new.weights.h5", 0), ("old.h5", 2)])
@pytest.mark.slow
def test_a_local_file_gives_its_weights(pretrained, file, unfrozen):
    network, folder = pretrained
    path = folder / file
    model = create_model(
        "resnet50", (32, 32, 3), 3, unfrozen=unfrozen, weights=str(path), weights_sha256=sha256_of(path).upper()
    )
    features = keras.Model(model.input, model.get_layer("logits").input)
    pixels = keras.applications.resnet50.preprocess_input(PICTURES.copy())
    np.testing.assert_allclose(features(PICTURES), network(pixels), rtol=1e-3, atol=1e-4)


def test_one_channel_is_the_same_picture_in_grey():
    colour, grey = (create_model("resnet50", (32, 32, n), 3, seed=1, unfrozen=1) for n in (3, 1))
    one = PICTURES[..., :1]
    np.testing.assert_allclose(grey(one), colour(np.repeat(one, 3, axis=-1)), rtol=1e-5, atol=1e-5)


@pytest.mark.slow
def test_a_file_is_checked_before_it_is_opened(tmp_path, monkeypatch):
    opened = []
    monkeypatch.setattr(keras.Model, "load_weights", lambda self, path: opened.append(path))
    path = tmp_path / "a.weights.h5"
    path.write_bytes(b"of somebody else")

    def build(**arguments):
        create_model("resnet50", (32, 32, 3), 3, **arguments)

    with pytest.raises(DataError, match=f"sha256 of the weights is {sha256_of(path)}, not {'0' * 64}"):
        build(weights=str(path), weights_sha256="0" * 64)
    with pytest.raises(SettingsError, match="need weights_sha256, the checksum .* got None"):
        build(weights=str(path))
    with pytest.raises(SettingsError, match="64 hex digits.* got 'abc'"):
        build(weights=str(path), weights_sha256="abc")
    with pytest.raises(DataError, match="no such weights file"):
        build(weights=str(tmp_path / "b.h5"), weights_sha256="0" * 64)
    (tmp_path / "a.pickle").write_bytes(b"")
    with pytest.raises(DataError, match="only be read from HDF5"):
        build(weights=str(tmp_path / "a.pickle"), weights_sha256=sha256_of(tmp_path / "a.pickle"))
    with pytest.raises(SettingsError, match="weights must be None, a name or the path of a file, got 3"):
        build(weights=3)
    for weights in (None, "imagenet"):
        with pytest.raises(SettingsError, match="weights_sha256 applies to a local file"):
            build(weights=weights, weights_sha256="0" * 64)
    assert not opened
    build(weights=str(path), weights_sha256=sha256_of(path))
    assert opened == [path]


@pytest.mark.parametrize("content", ["no HDF5", "another network"])
def test_a_file_of_something_else_is_refused(tmp_path, content):
    path = tmp_path / "a.weights.h5"
    path.write_bytes(b"no HDF5")
    if content == "another network":
        songs = keras.Input((3,))
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "__array__ implementation", DeprecationWarning)
            keras.Model(songs, keras.layers.Dense(2)(songs)).save_weights(path)
    with pytest.raises(DataError, match="not the weights of a ResNet50 without its top"):
        create_model("resnet50", (32, 32, 3), 3, weights=str(path), weights_sha256=sha256_of(path))


@pytest.mark.slow
def test_offline_no_weights_are_fetched_but_those_that_are_here_are_taken(pretrained, monkeypatch, tmp_path):
    _, folder = pretrained
    monkeypatch.setenv("GENREZOO_OFFLINE", "1")
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    with pytest.raises(DataError, match="GENREZOO_OFFLINE forbids downloads"):
        create_model("resnet50", (32, 32, 3), 3, weights="imagenet")
    source, content = WEIGHTS.get("resnet50.imagenet").source, (folder / "old.h5").read_bytes()
    monkeypatch.setitem(vars(source), "md5", hashlib.md5(content).hexdigest())
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / source.file).write_bytes(content)
    assert create_model("resnet50", (32, 32, 3), 3, weights="imagenet", unfrozen=0).output_shape == (None, 3)


@pytest.mark.slow
def test_imagenet_weights_are_fetched_once_and_a_failure_names_the_way_out(pretrained, monkeypatch):
    network, folder = pretrained
    asked = []

    def fetch(name, address, **options):
        asked.append((name, address, options))
        return str(folder / "old.h5")

    monkeypatch.setattr(keras.utils, "get_file", fetch)
    model = create_model("resnet50", (32, 32, 3), 3, weights="imagenet", unfrozen=0)
    np.testing.assert_array_equal(array(model.weights[0]), array(network.weights[0]))
    (name, address, options) = asked[0]
    assert address.endswith(name)
    assert re.fullmatch("[0-9a-f]{32}", options["file_hash"])

    def fail(*arguments, **options):
        raise Exception("URL fetch failure")

    monkeypatch.setattr(keras.utils, "get_file", fail)
    with pytest.raises(
        DataError, match="cannot be downloaded .URL fetch failure.*Remedy: .*resnet50.imagenet --from FILE"
    ):
        create_model("resnet50", (32, 32, 3), 3, weights="imagenet")
    recipe = get_recipe("resnet50")
    assert recipe.arguments["weights"] == "imagenet"
    assert build_model(recipe, (32, 32, 3), 3, again=True).count_params() == model.count_params()  # fetches nothing
    defaults = model_info("resnet50")["arguments"]
    assert (defaults["weights"], defaults["weights_sha256"]) == (None, None)


def picture_songs():
    """Pictures whose genre is the half that is bright."""
    y = np.arange(24) % 2
    x = np.random.default_rng(0).uniform(0, 100, (24, 32, 32, 1))
    x += 150 * np.repeat(np.eye(2)[y], 16, axis=1)[:, :, None, None]
    splits = {"train": np.arange(12), "valid": np.arange(12, 18), "test": np.arange(18, 24)}
    return SongSet(x=x, y=y, genres=("low", "high"), splits=splits, provenance="random", kind="image")


@pytest.mark.slow
def test_recipe_of_the_spectrogram_cnn_trains(tmp_path):
    small = {"conv_layers": 2, "filters": 4, "epochs": 10, "learning_rate": 0.01}
    recipe = get_recipe("spectrogram_cnn").changed(small)
    run = train(recipe, picture_songs(), seed=1, out=tmp_path / "run")
    assert run.card.input_shape == (32, 32, 1)
    assert run.evaluate()["accuracy"] == 1
    best = int(np.argmin(run.history()["valid_loss"])) + 1
    assert run.card.best_epoch == best

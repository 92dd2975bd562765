import dataclasses
import json

import keras
import numpy as np
import pytest
import safetensors.numpy
from typer.testing import CliRunner

import genrezoo as gz
from genrezoo import embedding
from genrezoo.audio.settings import extract, feature_settings
from genrezoo.audio.tagger_mel import tagger_mel
from genrezoo.cli import app
from genrezoo.embedding import Embedding, keep_exported
from genrezoo.errors import DataError, SettingsError, UnknownNameError
from genrezoo.files import sha256_of
from genrezoo.models import create_model
from genrezoo.weights import WEIGHTS, Weights, fetch_weights, register_weights, weights_path

ARGUMENTS = {
    "vgg_tagger": {"filters": 2},
    "musicnn": {"timbral_filters": 2, "temporal_filters": 2, "filters": 2, "units": 5},
}
MODELS = {}


@pytest.fixture(scope="module", autouse=True)
def weights(tmp_path_factory):
    """Small taggers of both kinds, registered and in the cache."""
    folder = tmp_path_factory.mktemp("weights")
    for name, arguments in ARGUMENTS.items():
        shape = (None if name == "musicnn" else 187, 96)
        model = MODELS[f"{name}.small"] = create_model(name, shape, 3, seed=1, **arguments)
        path = folder / f"{name}.safetensors"
        arrays = {weight.path: np.asarray(weight) for weight in model.weights}
        path.write_bytes(safetensors.numpy.save(arrays, metadata={"genrezoo": json.dumps({"weights": name})}))
        register_weights(
            Weights(
                name=f"{name}.small",
                summary="three tags",
                reference="these tests",
                arguments=arguments,
                input_shape=shape,
                labels=("a", "b", "c"),
                features={"kind": "tagger_mel"},
                size=path.stat().st_size,
                licence="MIT",
                trained_on="nothing",
                weights_sha256=sha256_of(path),
            )
        )
        fetch_weights(f"{name}.small", from_file=path)
    yield
    for name in ARGUMENTS:
        WEIGHTS.remove(f"{name}.small")
    embedding._built_size.cache_clear()
    embedding._trained.cache_clear()


def noise(seconds):
    return (0.1 * np.random.default_rng(1).standard_normal(round(16000 * seconds))).astype(np.float32)


def activations(name, patch):
    model = MODELS[name]
    return np.asarray(keras.Model(model.input, model.layers[-2].output)(patch[None]))[0]


@pytest.mark.parametrize("name", ["vgg_tagger.small", "musicnn.small"])
def test_a_row_is_what_comes_before_the_logits(name):
    sound = noise(7)  # 437 frames: two patches and a rest
    features = extract(Embedding(weights=(name,)), [sound])
    mel = tagger_mel(sound)
    expected = [activations(name, mel[first : first + 187]) for first in (0, 187)]
    np.testing.assert_allclose(features.x, expected, atol=1e-5)
    np.testing.assert_allclose(features.edges, [0, 2.992, 5.984])


def test_a_short_recording_is_repeated():
    sound = noise(2)  # 125 frames
    mel = tagger_mel(sound)
    features = extract(Embedding(weights=("vgg_tagger.small",)), [sound])
    np.testing.assert_allclose(
        features.x, [activations("vgg_tagger.small", np.concatenate([mel, mel])[:187])], atol=1e-5
    )
    np.testing.assert_allclose(features.edges, [0, 2.0])


@pytest.mark.parametrize(("hop_seconds", "patches"), [(0.992, 30), (2.992, 10), (4.0, 8)])
def test_patches_begin_every_hop(hop_seconds, patches):
    sound = noise(32)  # 2,000 frames
    settings = Embedding(weights=("vgg_tagger.small",), hop_seconds=hop_seconds)
    whole = extract(settings, [sound])
    assert whole.x.shape == (patches, 4)
    np.testing.assert_allclose(whole.edges[:-1], np.arange(patches) * hop_seconds)
    assert whole.edges[-1] == pytest.approx((patches - 1) * hop_seconds + 2.992)
    streamed = extract(settings, np.array_split(sound, 17))
    assert np.array_equal(whole.x, streamed.x)


def test_several_weights_are_groups():
    settings = Embedding(weights=("musicnn.small", "vgg_tagger.small"))
    assert settings.groups == {"musicnn.small": [0, 1, 2, 3, 4], "vgg_tagger.small": [5, 6, 7, 8]}
    assert settings.names[4:6] == ("musicnn.small 5", "vgg_tagger.small 1")
    both = extract(settings, [noise(3)]).x
    alone = [extract(Embedding(weights=(name,)), [noise(3)]).x for name in settings.weights]
    assert np.array_equal(both, np.concatenate(alone, axis=1))


def test_a_layer_can_be_chosen():
    settings = Embedding(weights=("musicnn.small",), layer="pooled")
    assert extract(settings, [noise(3)]).x.shape == (1, len(settings.names)) == (1, 32)
    with pytest.raises(UnknownNameError, match="unknown layer of 'musicnn' 'poled'. Did you mean 'pooled'"):
        _ = Embedding(weights=("musicnn.small",), layer="poled").names
    with pytest.raises(SettingsError, match="'conv_1' of 'musicnn.small' does not give a vector per patch"):
        _ = Embedding(weights=("musicnn.small",), layer="conv_1").names


def test_settings_are_checked():
    assert feature_settings("embedding", weights="vgg_tagger.small").weights == ("vgg_tagger.small",)
    for wrong in ("vgg_tagger.smal", ["vgg_tagger.small", "vgg_tagger.small"], "efficientnet_lite0.imagenet"):
        with pytest.raises(SettingsError, match=r"weights: .*one of .*vgg_tagger\.small.*, without duplicates"):
            feature_settings("embedding", weights=wrong)
    with pytest.raises(DataError, match="'embedding' needs at least"):
        extract(Embedding(weights=("vgg_tagger.small",)), [noise(0.02)])


def test_the_digest_is_of_the_weights_too(monkeypatch):
    settings = Embedding(weights=("vgg_tagger.small",))
    before = settings.digest()
    other = dataclasses.replace(WEIGHTS.get("vgg_tagger.small"), weights_sha256="0" * 64)
    monkeypatch.setattr(WEIGHTS, "get", lambda name: other)
    assert settings.digest() != before


@pytest.fixture(scope="module")
def exported(weights, tmp_path_factory):
    """The exported embeddings of the small taggers."""
    folder = tmp_path_factory.mktemp("exported")
    made = {name: folder / f"{name}.onnx" for name in ("vgg_tagger.small", "musicnn.small")}
    for name, path in made.items():
        gz.export(name, "onnx", path, embedding=True)
    return made


@pytest.fixture
def empty(tmp_path, monkeypatch):
    """A cache of its own."""
    return lambda: monkeypatch.setenv("GENREZOO_CACHE", str(tmp_path / "cache"))


@pytest.mark.slow
def test_exported_networks_compute_the_same_without_keras(exported, empty, monkeypatch):
    settings = Embedding(weights=tuple(exported))
    trained = extract(settings, [noise(32)]).x
    digest = settings.digest()
    assert "keras" in settings.preload
    empty()
    for name, path in exported.items():
        assert keep_exported(name, path).parent == weights_path(name).parent
    monkeypatch.setattr(embedding, "create_model", None)
    assert settings.preload == ()
    assert settings.digest() != digest
    settings.prepare()
    assert settings.groups == {"vgg_tagger.small": [0, 1, 2, 3], "musicnn.small": [4, 5, 6, 7, 8]}
    np.testing.assert_allclose(extract(settings, [noise(32)]).x, trained, atol=1e-5)


def test_exports_of_something_else_are_refused(exported, empty):
    empty()
    with pytest.raises(DataError, match="is embedding of 'vgg_tagger.small', not an embedding of 'musicnn.small'"):
        keep_exported("musicnn.small", exported["vgg_tagger.small"])
    answer = CliRunner().invoke(
        app, ["weights", "fetch", "vgg_tagger.small", "--from", str(exported["vgg_tagger.small"])]
    )
    assert answer.exit_code == 0
    assert "embedding.onnx" in answer.output
    weights_path("vgg_tagger.small").with_name("embedding.onnx").write_text("damaged")
    with pytest.raises(DataError, match="not an ONNX model"):
        extract(Embedding(weights=("vgg_tagger.small",)), [noise(7)])

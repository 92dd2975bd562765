from __future__ import annotations

import csv
import io
import json
import wave

import keras
import numpy as np
import pytest
import safetensors.numpy
from made_weights import sha256
from typer.testing import CliRunner

import genrezoo as gz
from genrezoo.audio.tagger_mel import tagger_mel
from genrezoo.cli import app
from genrezoo.errors import DataError, SettingsError
from genrezoo.weights import WEIGHTS, Weights, fetch_weights

LABELS, GENRES = ("loud", "rock", "quiet", "jazz"), ("rock", "jazz")
SHAPES = {"vgg_tagger.small": (187, 96), "musicnn.small": (None, 96)}
OPTIONS = {
    "vgg_tagger": {"filters": 2, "pool_sizes": [[16, 16], [8, 3]], "pool_strides": None},
    "musicnn": {"timbral_filters": 2, "temporal_filters": 2, "filters": 3, "units": 6},
}


@pytest.fixture(scope="module", autouse=True)
def small(tmp_path_factory):
    """Small taggers at random, by name, in a cache of their own."""
    folder = tmp_path_factory.mktemp("small")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GENREZOO_CACHE", str(folder / "cache"))
        for name, shape in SHAPES.items():
            model = name.partition(".")[0]
            network = gz.create_model(model, shape, len(LABELS), seed=1, **OPTIONS[model])
            arrays = {weight.path: keras.ops.convert_to_numpy(weight) for weight in network.weights}
            path = folder / f"{name}.safetensors"
            path.write_bytes(safetensors.numpy.save(arrays))
            gz.register_weights(
                Weights(
                    name=name, summary="small", reference="these tests", arguments=OPTIONS[model], input_shape=shape,
                    labels=LABELS, genres=GENRES, activation="sigmoid", features={"kind": "tagger_mel"}, licence="MIT",
                    weights_sha256=sha256(path.read_bytes()), size=1, trained_on="nothing",
                )
            )  # fmt: skip
            fetch_weights(name, from_file=path)
        yield
    for name in SHAPES:
        WEIGHTS.remove(name)


@pytest.fixture(scope="module")
def sounds(tmp_path_factory):
    """Recordings of 10 s and of 1 s, and a file that is none."""
    folder = tmp_path_factory.mktemp("sounds")
    for name, seconds in (("long", 10), ("short", 1)):
        samples = np.random.default_rng(seconds).integers(-20_000, 20_000, 16_000 * seconds)
        with wave.open(str(folder / f"{name}.wav"), "wb") as file:
            file.setparams((1, 2, 16_000, 0, "NONE", "none"))
            file.writeframes(samples.astype("<i2").tobytes())
    (folder / "broken.wav").write_text("no sound")
    return folder


def activations(name, path, windows):
    """What the network says of stretches of frames, its genres first."""
    with wave.open(str(path)) as file:
        samples = np.frombuffer(file.readframes(-1), "<i2").astype("float32") / 32_768
    spectra = tagger_mel(samples)
    model = gz.create_model(name.partition(".")[0], weights=name)
    logits = [np.asarray(model(spectra[None, np.arange(*window) % len(spectra)]))[0] for window in windows]
    return 1 / (1 + np.exp(-np.array(logits)[:, [1, 3, 0, 2]]))


@pytest.mark.parametrize("name", SHAPES)
def test_a_recording_is_the_mean_of_its_windows(sounds, name):
    (found,) = gz.predict_audio(name, sounds / "long.wav")
    expected = activations(name, sounds / "long.wav", [(0, 187), (187, 374), (374, 561)])
    np.testing.assert_allclose(found.windows, expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found.probabilities, expected.mean(axis=0), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found.starts, [0, 2.992, 5.984])
    np.testing.assert_allclose(found.ends, [2.992, 5.984, 8.976])
    assert found.genres == ("rock", "jazz", "loud", "quiet")
    assert (found.other_tags, found.scores, found.how) == (2, "activations", "mean of 3 windows")
    assert found.genre == GENRES[expected.mean(axis=0)[:2].argmax()]  # never a tag that is no genre
    described = found.describe()
    assert list(described["activations"]) == ["rock", "jazz", "loud", "quiet"]
    assert "probabilities" not in described
    assert len(described["timeline"]) == 3


def test_windows_may_overlap_and_of_any_length_where_the_network_takes_any(sounds):
    (found,) = gz.predict_audio("musicnn.small", sounds / "long.wav", window=4, hop=3)
    expected = activations("musicnn.small", sounds / "long.wav", [(0, 250), (188, 438), (375, 625)][:1])
    np.testing.assert_allclose(found.windows[:1], expected, rtol=1e-4, atol=1e-5)
    assert len(found.windows) == 2
    (found,) = gz.predict_audio("vgg_tagger.small", sounds / "long.wav", hop=1)
    np.testing.assert_allclose(found.starts[:3], [0, 0.992, 1.984])


def test_a_short_recording_is_repeated_and_a_broken_one_has_its_reason(sounds):
    broken, long, short = gz.predict_audio("vgg_tagger.small", sounds)
    assert broken.reason
    assert broken.genre is None
    assert not long.warnings
    assert short.warnings == ("shorter than the 187 segments that the network reads: repeated",)
    expected = activations("vgg_tagger.small", sounds / "short.wav", [(0, 187)])
    np.testing.assert_allclose(short.windows, expected, rtol=1e-4, atol=1e-5)
    with pytest.raises(DataError, match="broken.wav"):
        gz.predict_audio("vgg_tagger.small", sounds, strict=True)


@pytest.mark.parametrize(
    ("weights", "options", "error", "reason"),
    [
        ("vgg_tagger.smal", {}, DataError, "did you mean 'vgg_tagger.small'"),
        ("efficientnet_lite0.imagenet", {}, SettingsError, "not music genres; use one of musicnn.msd"),
        ("vgg_tagger.small", {"window": 4.0}, SettingsError, "vgg_tagger.small reads 187 segments at a time"),
        ("vgg_tagger.small", {"hop": 4.0}, SettingsError, "hop of 4.0 s is 250 segments, more than the 187"),
        ("musicnn.small", {"window": 1.0, "hop": 2.0}, SettingsError, "hop must be at most the window"),
        ("musicnn.small", {"window": 0.0}, SettingsError, "window must be from 0.001"),
    ],
)
def test_what_does_not_fit_is_refused(sounds, weights, options, error, reason):
    with pytest.raises(error, match=reason):
        gz.predict_audio(weights, sounds / "long.wav", **options)


def test_the_command_takes_weights_in_place_of_a_run(sounds, tmp_path):
    def run(*arguments):
        return CliRunner().invoke(app, ["predict", "vgg_tagger.small", str(sounds), *map(str, arguments)])

    shown = run("--top", 2)
    assert shown.exit_code == 0
    for word in ("activation", "other tags", "long.wav", "broken.wav", "mean of 3 windows"):
        assert word in shown.output, word
    found = json.loads(run("--json").stdout)
    assert found["genres"] == ["rock", "jazz", "loud", "quiet"]
    assert [bool(one.get("activations")) for one in found["files"]] == [False, True, True]
    rows = list(csv.DictReader(io.StringIO(run("--csv").stdout)))
    assert [row["genre"] in GENRES for row in rows] == [True, True]
    assert run("--timeline", tmp_path / "a.png").exit_code == 0
    assert len(list(tmp_path.glob("a-*.png"))) == 2
    for option in (("--rule", "mean"), ("--excerpt",)):
        assert isinstance(run(*option).exception, SettingsError)

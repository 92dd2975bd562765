"""Exported models answer as what they were made from, by ONNX Runtime alone."""

import json
import subprocess
import sys
import wave
from concurrent.futures import Future

import numpy as np
import pytest
from here_executor import HereExecutor
from made_exports import GENRES, graph, metadata, model, regression, sealed, weights

import genrezoo as gz
from genrezoo import exported
from genrezoo.audio.extract import extract_file
from genrezoo.audio.settings import feature_settings
from genrezoo.errors import DataError, ResourceError, SettingsError
from genrezoo.evaluation import softmax
from genrezoo.parallel import ChildError
from genrezoo.songs import SongSet

HEAVY = (
    "tensorflow",
    "keras",
    "librosa",
    "numba",
    "scipy",
    "sklearn",
    "pandas",
    "matplotlib",
    "statsmodels",
    "onnx",
    "pyarrow",
)


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return sealed(tmp_path_factory.mktemp("exported") / "a.onnx")


def songs(number=50, segments=9, features=4, seed=0, **options):
    generator = np.random.default_rng(seed)
    x = generator.standard_normal((number, segments, features)).astype(np.float32)
    lengths = generator.integers(1, segments + 1, number)
    return SongSet(x=x, y=np.zeros(number, int), genres=GENRES, lengths=lengths, **options)


def write_noise(path, seconds):
    samples = np.random.default_rng(1).integers(-9999, 9999, 22050 * seconds)
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 22050, 0, "NONE", "none"))
        file.writeframes(samples.astype("<i2").tobytes())
    return path


def test_answers_are_those_of_the_model_whatever_the_lengths_and_the_batches(file, monkeypatch):
    made = songs()
    found = gz.load_exported(file).logits(made)
    np.testing.assert_allclose(found, regression(made.x, made.lengths, weights()), atol=1e-5)
    assert found.dtype == np.float32
    monkeypatch.setattr("genrezoo.exported.model._BATCH", 3)
    np.testing.assert_allclose(gz.load_exported(file).logits(made), found, atol=1e-6)


def test_predict_takes_one_song_or_several_with_lengths(file):
    opened, made = gz.load_exported(file), songs(6)
    assert opened.genres == GENRES
    expected = softmax(regression(made.x, made.lengths, weights()))
    np.testing.assert_allclose(opened.predict(made.x, made.lengths), expected, atol=1e-6)
    np.testing.assert_allclose(opened.predict(made.x[0, : made.lengths[0]]), expected[:1], atol=1e-6)
    wrong = made.x.copy()
    wrong[2, 0, 1] = np.nan
    with pytest.raises(DataError, match="song '2' has nan in segment 0"):
        opened.predict(wrong)
    with pytest.raises(DataError, match="songs have 3 features, by_hand was trained on songs of 4"):
        opened.predict(made.x[..., :3])


def test_activations_of_tags_stand_for_themselves(tmp_path):
    opened = gz.load_exported(sealed(tmp_path / "a.onnx", activation="sigmoid", other_tags=1))
    made = songs(4)
    logits = regression(made.x, made.lengths, weights())
    np.testing.assert_allclose(opened.predict(made.x, made.lengths), 1 / (1 + np.exp(-logits)), atol=1e-6)


@pytest.mark.parametrize("rule", ["mean", "product"])
def test_songs_are_cut_and_their_chunks_combined(tmp_path, rule):
    chunks = {"segments": 2, "hop": 2, "rule": rule}
    about = metadata(segments=2, chunks=chunks)
    opened = gz.load_exported(sealed(tmp_path / "a.onnx", model(graph(weights(), 2)), about))
    x = np.random.default_rng(3).standard_normal((2, 5, 4)).astype(np.float32)
    parts = softmax(np.stack([regression(x[:, first : first + 2], [2, 2], weights()) for first in (0, 2, 3)], axis=1))
    expected = parts.mean(axis=1) if rule == "mean" else parts.prod(axis=1) / parts.prod(axis=1).sum(-1, keepdims=True)
    np.testing.assert_allclose(opened.predict(x), expected, atol=1e-6)


def test_images(tmp_path):
    about = metadata(3, kind="image", input_shape=(2, 2, 3), trained_segments=None, masks_padding=False)
    made = graph(weights(3), images=True, inputs=("batch", 2, 2))
    opened = gz.load_exported(sealed(tmp_path / "a.onnx", model(made), about))
    x = np.random.default_rng(3).integers(0, 256, (5, 2, 2, 3)).astype(np.uint8)
    expected = softmax(x.reshape(5, 4, 3).mean(axis=1) @ weights(3))
    np.testing.assert_allclose(opened.predict(x), expected, atol=1e-5)
    with pytest.raises(DataError, match=r"images have the shape \(3, 2, 3\)"):
        opened.predict(np.zeros((1, 3, 2, 3), np.uint8))


def test_an_embedding_has_no_genres(tmp_path):
    about = metadata(output="embedding", genres=())
    opened = gz.load_exported(sealed(tmp_path / "a.onnx", model(graph(weights(), output="embedding")), about))
    made = songs(3)
    np.testing.assert_allclose(opened.logits(made), regression(made.x, made.lengths, weights()), atol=1e-5)
    with pytest.raises(SettingsError, match="without its output layer"):
        opened.predict(made.x)
    with pytest.raises(DataError, match="without feature settings"):
        gz.predict_audio(opened, "a.wav")


def test_a_model_of_one_length_refuses_others(tmp_path):
    about = metadata(segments=5, masks_padding=False)
    opened = gz.load_exported(sealed(tmp_path / "a.onnx", model(graph(weights(), 5)), about))
    with pytest.raises(DataError, match="songs have 9 segments, by_hand was trained on 5"):
        opened.predict(songs().x)
    with pytest.raises(DataError, match="1 songs are shorter than 5 segments and by_hand does not mask padding"):
        opened.predict(songs(1, 5).x, lengths=[4])


def test_answers_that_are_no_numbers_are_refused(file):
    with pytest.raises(DataError, match="not finite numbers"):
        gz.load_exported(file).predict(np.full((1, 3, 4), 3e38, np.float32))


@pytest.mark.slow
def test_workers_answer_the_same(file):
    made = songs(200)
    opened = gz.load_exported(file)
    np.testing.assert_allclose(opened.logits(made, workers=2), opened.logits(made), atol=1e-6)
    with pytest.raises(SettingsError, match="workers must be at least 1"):
        opened.logits(made, workers=0)


@pytest.mark.parametrize(("fault", "error"), [({"died": True}, ResourceError), ({"user": True}, DataError)])
def test_workers_that_fail_raise_errors_that_name_the_remedy(file, monkeypatch, fault, error):
    class Failing(HereExecutor):
        def submit(self, *_):
            future = Future()
            future.set_exception(ChildError("the worker process ended with signal SIGKILL", **fault))
            return future

    monkeypatch.setattr("genrezoo.exported.model.ProcessExecutor", Failing)
    with pytest.raises(error, match="ended with signal SIGKILL"):
        gz.load_exported(file).logits(songs(4), workers=2)


WATCH = """
import sys
import numpy as np
import genrezoo as gz
opened = gz.load_exported(sys.argv[1])
early = "onnxruntime" in sys.modules
answer = opened.predict(np.ones((2, 3, 4), np.float32))
import json
print(json.dumps([early, answer.tolist(), [name for name in {heavy} if name in sys.modules]]))
"""


def test_nothing_heavy_is_loaded(file):
    call = [sys.executable, "-c", WATCH.format(heavy=HEAVY), str(file)]
    done = subprocess.run(call, capture_output=True, text=True, check=True)
    early, answer, heavy = json.loads(done.stdout)
    assert not early
    assert heavy == []
    np.testing.assert_allclose(answer, gz.load_exported(file).predict(np.ones((2, 3, 4), np.float32)), atol=1e-6)


def test_sealing_adds_nothing_but_the_metadata(tmp_path):
    import onnx

    plain = model(graph(weights()))
    loaded = onnx.load(sealed(tmp_path / "a.onnx", plain))
    onnx.checker.check_model(loaded)
    (entry,) = loaded.metadata_props
    assert json.loads(entry.value)["genres"] == list(GENRES)
    del loaded.metadata_props[:]
    assert loaded == plain
    assert exported.load_exported(tmp_path / "a.onnx").metadata == metadata()


COMMAND = """
import atexit, json, re, sys
def tell():
    with open("/proc/self/status") as status:
        used = int(re.search(r"VmHWM:\\s+(\\d+)", status.read())[1]) // 1024
    print(json.dumps([used, [name for name in {heavy} if name in sys.modules]]))
atexit.register(tell)
from genrezoo.cli import main
main()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("kind", ["log_mel", "mfcc_statistics", "tagger_mel"])
def test_the_command_predicts_audio_with_nothing_heavy(tmp_path, kind):
    """From the start of the process to the answer: what it loads, and how much memory it takes."""
    settings = feature_settings(kind)
    size = len(settings.names)
    about = {"features": settings.model_dump(mode="json"), "feature_names": settings.names}
    model_file = sealed(tmp_path / "a.onnx", model(graph(weights(size) / 100)), metadata(size, **about))
    path = write_noise(tmp_path / "a.wav", seconds=3)
    words = ["predict", str(model_file), str(path), "--json", "--data-cache", str(tmp_path / "cache")]
    call = [sys.executable, "-c", COMMAND.format(heavy=HEAVY), *words]
    done = subprocess.run(call, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    *answer, last = done.stdout.splitlines()
    memory, heavy = json.loads(last)
    assert heavy == []
    assert memory < 150
    (found,) = json.loads("\n".join(answer))["files"]
    features, _ = extract_file(path, settings)
    expected = softmax(regression(features.x[None], [len(features.x)], weights(size) / 100))[0]
    np.testing.assert_allclose(list(found["probabilities"].values()), expected, atol=1e-4)

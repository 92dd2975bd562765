"""Recipes as classifiers of scikit-learn, on audio files; sounds are made on the spot."""

import pickle
import wave

import numpy as np
import pytest
from here_executor import HereExecutor

import genrezoo as gz
from genrezoo.errors import DataError, SettingsError, UnknownNameError

RATE = 8000
FEATURES = {"kind": "mfcc_statistics", "rate": RATE}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Tones of two seconds, high or low, with labels that are numbers."""
    folder = tmp_path_factory.mktemp("tones")
    paths, labels = [], []
    for number in range(12):
        pitch = (250, 2500)[number % 2]
        samples = 0.3 * np.sin(2 * np.pi * pitch * (1 + number / 200) * np.arange(2 * RATE) / RATE)
        path = folder / f"{number}.wav"
        with wave.open(str(path), "wb") as file:
            file.setparams((1, 2, RATE, 0, "NONE", "none"))
            file.writeframes((samples * 32767).astype("<i2").tobytes())
        paths.append(str(path))
        labels.append((9, 10)[number % 2])  # 10 comes before 9 as text
    return paths, np.array(labels)


@pytest.fixture(scope="module")
def fitted(files):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("genrezoo.parallel.ProcessExecutor", HereExecutor)
        model = gz.AudioGenreClassifier(
            "fully_connected", features=FEATURES, epochs=8, changes={"units": [4], "learning_rate": 0.1}
        )
        return model.fit(*files)


def test_it_learns_files_and_answers_with_their_labels(fitted, files, no_children):
    paths, y = files
    assert fitted.classes_.tolist() == [9, 10]  # scikit-learn's order, though the run has "10" before "9"
    assert fitted.predict_proba(paths[:2]).argmax(axis=1).tolist() == [0, 1]
    assert fitted.score(paths, y) == 1.0
    np.testing.assert_allclose(fitted.predict_proba(paths[:2]).sum(axis=1), 1, rtol=1e-5)
    assert [found.genre for found in fitted.timelines(paths[:2])] == ["9", "10"]
    again = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(again.predict(np.array(paths)), y)


def test_what_is_no_list_of_audio_files_is_refused(fitted, files, tmp_path, no_children):
    paths, y = files
    unread = gz.AudioGenreClassifier("fully_connected", features=FEATURES)
    with pytest.raises(DataError, match="missing.wav"):
        fitted.predict([tmp_path / "missing.wav"])
    with pytest.raises(SettingsError, match="list of paths"):
        unread.fit(np.zeros((12, 3)), y)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        unread.fit(paths, y[:3])
    with pytest.raises(DataError, match="y has one class, 9"):
        unread.fit(paths, np.full(12, 9))
    with pytest.raises(UnknownNameError, match="kind of features"):
        gz.AudioGenreClassifier("fully_connected", features="loudness").fit(paths, y)

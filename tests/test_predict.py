"""A run's answers to recordings over time; sounds are made on the spot, and their features in this process."""

import dataclasses
import wave
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from toys import make_songs

import genrezoo as gz
from genrezoo.audio.extract import extract_file
from genrezoo.audio.settings import Features, feature_settings
from genrezoo.errors import DataError, SettingsError, UnknownNameError
from genrezoo.predict import (
    Prediction,
    audio_files,
    audio_settings,
    find_audio,
    predict_audio,
    predict_features,
    windows,
)
from genrezoo.reading import Reading
from genrezoo.runs.run import Run
from genrezoo.songs import SongSet

RATE = 8000
SETTINGS = {"kind": "mfcc_statistics", "rate": RATE}
SMALL = {"units": [8], "epochs": 15, "batch_size": 8, "learning_rate": 0.03}
GENRES = ("high", "low")


def tone(genre, seconds, seed):
    """Noise and a tone that says the genre."""
    generator = np.random.default_rng(seed)
    time = np.arange(round(seconds * RATE)) / RATE
    pitch = {"high": 2500, "low": 250}[genre] * generator.uniform(0.9, 1.1)
    return (0.3 * np.sin(2 * np.pi * pitch * time) + 0.03 * generator.standard_normal(len(time))).astype(np.float32)


def write(path, samples):
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", "none"))
        file.writeframes((samples * 32767).astype("<i2").tobytes())
    return path


@pytest.fixture(scope="module")
def songs():
    """Songs of four seconds with the features of the package."""
    settings = feature_settings(SETTINGS)
    x = np.stack([settings.extract([tone(GENRES[song % 2], 4, song)]).x for song in range(24)])
    about = {"features": settings.model_dump(mode="json"), "feature_names": list(settings.names)}
    splits = {"train": np.arange(12), "valid": np.arange(12, 18), "test": np.arange(18, 24)}
    y = np.arange(24) % 2
    return SongSet(x=x, y=y, genres=GENRES, splits=splits, provenance="random", name="synthetic_audio", about=about)


@pytest.fixture(scope="module")
def runs(songs, tmp_path_factory):
    """A run that reads chunks of a second, one of four seconds, one of any length."""
    folder = tmp_path_factory.mktemp("runs")
    whole = gz.get_recipe("fully_connected").changed(SMALL)
    recipes = {
        "chunks": whole.changed({"chunks": {"segments": 1, "hop": 1, "rule": "mean"}}),
        "fixed": whole,
        "free": gz.get_recipe("gru").changed({"units": 4, "epochs": 3}),
    }
    return {name: gz.train(recipe, songs, seed=1, out=folder / name) for name, recipe in recipes.items()}


@pytest.fixture
def here(monkeypatch):
    """Features made in this process, without a cache; what was asked for is noted."""
    asked = []

    def extract_files(paths, settings, *, cache, workers, scheduler, strict, on_start, on_file):
        asked.append(settings)
        features, rejected, warnings = {}, {}, {}
        for path in paths:
            try:
                features[path], warnings[path] = extract_file(path, settings)
            except DataError as error:
                if strict:
                    raise
                rejected[path] = error.what
        return SimpleNamespace(rejected=rejected, warnings=warnings, features=features.__getitem__)

    monkeypatch.setattr(audio_files, "extract_files", extract_files)
    return asked


def recording(n_segments, n_features=26, seed=0, segment=1.0):
    """Features without audio: any numbers."""
    x = np.random.default_rng(seed).standard_normal((n_segments, n_features)).astype(np.float32) * 40
    return Features(x=x, edges=np.arange(n_segments + 1) * segment)


def by_hand(run, windows):
    return np.concatenate([run.predict(window) for window in windows])


@pytest.mark.slow
def test_a_joined_recording_changes_its_genre_at_the_right_second(runs, here, tmp_path):
    joined = np.concatenate([tone("low", 5, 100), tone("high", 3, 101)])
    (found,) = predict_audio(runs["chunks"], write(tmp_path / "joined.wav", joined))
    edges, posteriors = found.timeline()
    assert edges.tolist() == list(range(9))
    assert [GENRES[best] for best in posteriors.argmax(axis=1)] == ["low"] * 5 + ["high"] * 3
    assert found.genre == "low"
    assert found.seconds == 8
    assert found.how == "mean of 8 windows"


def test_samples_in_memory_are_answered_as_their_file_is(runs, here, tmp_path):
    whole = np.round(tone("low", 4, 7) * 32767).astype("<i2")
    (filed,) = predict_audio(runs["fixed"], write(tmp_path / "low.wav", whole / 32767))
    for same in (whole, np.stack([whole, whole], axis=1), whole / 32768):
        found = gz.predict_samples(runs["fixed"], same, RATE)
        np.testing.assert_allclose(found.probabilities, filed.probabilities, rtol=1e-5)
    assert found.path == Path("samples")
    for genre in GENRES:  # at twice the rate, each sample twice: what is above the old rate's half is filtered out
        assert gz.predict_samples(runs["fixed"], np.repeat(tone(genre, 4, 9), 2), 2 * RATE).genre == genre


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (np.zeros((2, 2, 2)), r"shape \(2, 2, 2\) and type float64"),
        (np.zeros(0), r"shape \(0,\)"),
        (np.zeros(9, np.uint8), "type uint8"),
        (np.zeros((2, 4000)), r"4,000 channels of 2. Remedy: pass samples.T"),
        (np.array([0.0, np.nan]), "samples reach nan"),
        (np.array([0.0, -17.0]), "samples reach 17.* 16 is the limit"),
        (np.zeros(10), "audio"),
    ],
)
def test_samples_that_are_none_are_refused(runs, samples, message):
    with pytest.raises(DataError, match=message):
        gz.predict_samples(runs["fixed"], samples, RATE)


def test_chunks_agree_with_the_run_on_the_same_features(runs):
    heard = recording(7)
    found = predict_features(runs["chunks"], heard)
    np.testing.assert_allclose(found.probabilities, runs["chunks"].predict(heard.x)[0], atol=1e-6)
    np.testing.assert_allclose(found.windows, by_hand(runs["chunks"], heard.x[:, None]), atol=1e-6)
    assert found.probabilities.sum() == pytest.approx(1, abs=1e-6)


def test_rules_by_hand(runs):
    heard = recording(5, seed=3)
    posterior = by_hand(runs["chunks"], heard.x[:, None]).astype(float)
    product = posterior.prod(axis=0) / posterior.prod(axis=0).sum()
    for rule, expected in (("mean", posterior.mean(axis=0)), ("product", product)):
        found = predict_features(runs["chunks"], heard, rule=rule)
        assert found.rule == rule
        np.testing.assert_allclose(found.probabilities, expected, atol=1e-5)
    with pytest.raises(UnknownNameError, match="unknown rule 'maen'. Did you mean 'mean'"):
        predict_audio(runs["chunks"], "a.wav", rule="maen")


def test_a_model_of_one_length_reads_overlapping_windows(runs):
    heard = recording(11)
    found = predict_features(runs["fixed"], heard)
    starts = range(8)  # a quarter of four segments from one to the next; the last ends with the recording
    posterior = by_hand(runs["fixed"], [heard.x[start : start + 4] for start in starts])
    np.testing.assert_allclose(found.windows, posterior, atol=1e-6)
    np.testing.assert_allclose(found.probabilities, posterior.mean(axis=0), atol=1e-6)
    assert found.starts.tolist() == list(starts)
    assert found.ends.tolist() == [start + 4 for start in starts]
    edges, timeline = found.timeline()
    assert edges.tolist() == list(range(12))
    np.testing.assert_allclose(timeline[0], posterior[0], atol=1e-6)
    np.testing.assert_allclose(timeline[5], posterior[2:6].mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(timeline[10], posterior[7], atol=1e-6)


def test_a_hop_of_ones_own_keeps_the_last_window_at_the_end(runs):
    found = predict_features(runs["fixed"], recording(11), hop=3)
    assert found.starts.tolist() == [0, 3, 6, 7]


def test_a_model_of_any_length_reads_the_whole_and_windows(runs):
    heard = recording(30, segment=0.5)
    found = predict_features(runs["free"], heard)
    np.testing.assert_allclose(found.probabilities, runs["free"].predict(heard.x)[0], atol=1e-6)
    assert (found.rule, found.how) == (None, "read at once")
    assert found.ends[0] - found.starts[0] == 2  # four segments, the length of the songs that it was trained on
    found = predict_features(runs["free"], heard, window=5, hop=2.5)
    windows = [heard.x[start : start + 10] for start in (0, 5, 10, 15, 20)]
    np.testing.assert_allclose(found.windows, by_hand(runs["free"], windows), atol=1e-6)
    answer = predict_features(runs["free"], heard, window=5, hop=2.5, rule="mean")
    np.testing.assert_allclose(answer.probabilities, found.windows.mean(axis=0), atol=1e-6)


def test_a_window_longer_than_the_recording_is_the_recording(runs):
    found = predict_features(runs["free"], recording(3), window=20)
    assert (found.starts.tolist(), found.ends.tolist()) == ([0], [3])
    np.testing.assert_allclose(found.windows[0], found.probabilities, atol=1e-6)


def test_a_recording_too_long_to_be_read_at_once_is_answered_by_its_windows(runs, monkeypatch):
    monkeypatch.setattr(windows, "MOST_SEGMENTS", 8)
    found = predict_features(runs["free"], recording(9))
    assert found.rule == "mean"
    assert "longer than 8 segments" in found.warnings[0]


def test_blocks_of_windows_change_nothing(runs, monkeypatch):
    heard = recording(40)
    whole = predict_features(runs["fixed"], heard)
    monkeypatch.setattr(windows, "_BLOCK_BYTES", 4 * 4 * 26 * 3)  # three windows at a time
    np.testing.assert_allclose(predict_features(runs["fixed"], heard).windows, whole.windows, atol=1e-6)


def test_two_hours_are_read_second_by_second(runs):
    found = predict_features(runs["fixed"], recording(7200))
    edges, timeline = found.timeline()
    assert timeline.shape == (7200, 2)
    middle = found.windows[997:1001].mean(axis=0, dtype=float)  # those that cover second 1000
    np.testing.assert_allclose(timeline[1000], middle, atol=1e-6)


def test_overlap_is_averaged_on_the_seconds_where_segments_are_irregular():
    windows = np.array([[1.0, 0.0], [0.0, 1.0], [0.5, 0.5]], np.float32)
    starts, ends = np.array([0.2, 0.9, 1.8]), np.array([1.5, 2.4, 2.9])
    found = Prediction(Path("a"), GENRES, windows[0], "mean", starts, ends, windows)
    edges, timeline = found.timeline()
    assert edges.tolist() == [0.2, 1.2, 2.2, 2.9]
    assert timeline.tolist() == [[1.0, 0.0], [0.0, 1.0], [0.5, 0.5]]  # the middles are at 0.7, 1.7 and 2.55
    later = dataclasses.replace(found, starts=np.array([0.2, 0.6, 1.8]))
    assert later.timeline()[1][0].tolist() == [0.5, 0.5]


def test_a_recording_shorter_than_the_model_is_padded_or_refused(runs):
    heard = recording(2)
    found = predict_features(runs["fixed"], heard)
    padded = np.zeros((1, 4, 26), np.float32)
    padded[0, :2] = heard.x
    np.testing.assert_allclose(found.probabilities, runs["fixed"].predict(padded, lengths=[2])[0], atol=1e-6)
    assert "padded" in found.warnings[0]
    assert found.ends.tolist() == [2]
    unmasked = SimpleNamespace(reading=runs["fixed"].reading.model_copy(update={"masks_padding": False}))
    with pytest.raises(DataError, match=r"2 segments \(2.0 s\), fully_connected reads 4 at a time"):
        predict_features(unmasked, heard)


def test_a_bad_file_stops_nothing_but_with_strict(runs, here, tmp_path):
    write(tmp_path / "b.wav", tone("high", 2, 1))
    (tmp_path / "a.wav").write_text("not sound")
    (tmp_path / "notes.txt").write_text("not sound")
    write(tmp_path / "deeper" / "c.wav", tone("low", 2, 2))
    paths = [tmp_path, tmp_path / "nothing.wav", str(tmp_path / "*.ogg")]
    found = predict_audio(runs["chunks"], paths)
    assert [prediction.path.name for prediction in found] == ["a.wav", "b.wav", "c.wav", "nothing.wav", "*.ogg"]
    assert [prediction.genre for prediction in found] == [None, "high", "low", None, None]
    assert found[4].reason == "no file matches"
    assert found[0].describe().keys() == {"file", "reason"}
    assert len(found[0].probabilities) == 0
    with pytest.raises(DataError, match=r"a\.wav"):
        predict_audio(runs["chunks"], paths, strict=True)
    with pytest.raises(DataError, match="no file matches"):
        predict_audio(runs["chunks"], str(tmp_path / "*.ogg"), strict=True)


def test_whole_recordings_are_read_unless_the_excerpt_is_asked_for(runs, here, tmp_path):
    run = with_about(runs["chunks"], features={**SETTINGS, "offset": 2.0, "duration": 3.0})
    path = write(tmp_path / "a.wav", np.concatenate([tone("low", 2, 1), tone("high", 5, 2)]))
    (whole,) = predict_audio(run, path)
    (part,) = predict_audio(run, path, excerpt=True)
    assert [(settings.offset, settings.duration) for settings in here] == [(0.0, None), (2.0, 3.0)]
    assert (whole.starts[0], whole.seconds) == (0, 7)
    assert (part.starts.tolist(), part.seconds) == ([2.0, 3.0, 4.0], 3)
    np.testing.assert_allclose(part.windows[1], whole.windows[3], atol=1e-5)  # the others begin or end elsewhere


def with_about(run, *, columns=26, **about):
    """The run as if it had been trained on songs of which something else is known."""
    told = {**run.card.songs, "features": columns, "about": {**run.card.songs["about"], **about}}
    return Run(run.folder, run.card.model_copy(update={"songs": told}))


def test_runs_without_feature_settings_are_refused(tmp_path):
    recipe = gz.get_recipe("fully_connected").changed({**SMALL, "epochs": 1})
    run = gz.train(recipe, make_songs(name="tables"), seed=1, out=tmp_path / "a")
    with pytest.raises(DataError, match=r"without feature settings \(tables\), so its features .*genrezoo data build"):
        predict_audio(run.folder, "a.wav")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"columns": 25}, "trained on 25 features, mfcc_statistics computes 26[.]"),
        (
            {"columns": 3, "feature_names": ["mfcc1_mean", "mfcc1_std", "flux"]},
            "computes 26, without 'flux'",
        ),
        (
            {"columns": 26, "feature_names": [], "features": {"kind": "log_mel"}},
            "26 features, log_mel computes",
        ),
        ({"features": {"kind": "mfccs"}}, "unknown kind of features 'mfccs'"),
        ({"features": ["log_mel"]}, "without feature settings"),
    ],
)
def test_features_that_do_not_fit_are_refused(runs, change, message):
    with pytest.raises((DataError, UnknownNameError), match=message):
        predict_audio(with_about(runs["chunks"], **change), "a.wav")


def test_songs_with_some_of_the_columns_get_them_in_their_order(songs, here, tmp_path):
    chosen = songs.select([5, 1, 0])
    recipe = gz.get_recipe("fully_connected").changed({**SMALL, "chunks": {"segments": 1, "hop": 1}})
    run = gz.train(recipe, chosen, seed=1, out=tmp_path / "run")
    assert audio_settings(run)[1] == [5, 1, 0]
    path = write(tmp_path / "a.wav", tone("high", 3, 7))
    (found,) = predict_audio(run, path)
    features, _ = extract_file(path, feature_settings(SETTINGS))
    np.testing.assert_allclose(found.probabilities, run.predict(features.x[:, [5, 1, 0]])[0], atol=1e-6)


@pytest.mark.parametrize(
    ("run", "times", "message"),
    [
        ("chunks", {"window": 3}, "window must be left out: fully_connected reads 1 segments"),
        ("fixed", {"window": 3}, "window must be left out"),
        ("free", {"window": 0}, "window must be from"),
        ("free", {"hop": float("nan")}, "hop must be from"),
        ("free", {"window": 3, "hop": 4}, "hop must be at most the window"),
    ],
)
def test_times_that_do_not_fit_are_refused(runs, run, times, message):
    with pytest.raises(SettingsError, match=message):
        predict_audio(runs[run], "a.wav", **times)


def test_a_hop_that_would_leave_segments_out_is_refused(runs):
    with pytest.raises(DataError, match="hop of 5 s is 5 segments of this recording, more than the 4"):
        predict_features(runs["fixed"], recording(9), hop=5)


def test_images_are_windows():
    pictures = np.arange(3 * 2 * 2 * 3, dtype=np.uint8).reshape(3, 2, 2, 3)
    asked = []

    def logits(songs):
        asked.append((songs.kind, songs.x.shape))
        return np.log(np.array([[0.9, 0.1], [0.2, 0.8], [0.1, 0.9]], np.float32))

    reading = Reading(name="cnn", n_outputs=2, genres=GENRES, kind="image", input_shape=(2, 2, 3))
    run = SimpleNamespace(reading=reading, logits=logits)
    found = predict_features(run, Features(x=pictures, edges=np.array([0.0, 30.0, 60.0, 75.0])))
    assert asked == [("image", (3, 2, 2, 3))]
    assert found.timeline()[0].tolist() == [0, 30, 60, 75]
    np.testing.assert_allclose(found.probabilities, [0.4, 0.6], atol=1e-6)
    for times in ({"window": 3}, {"hop": 3}):
        with pytest.raises(SettingsError, match="reads images"):
            windows.check_options(reading, rule=None, window=times.get("window"), hop=times.get("hop"))


def test_describe_is_plain_and_agrees_with_the_timeline(runs):
    found = predict_features(runs["fixed"], recording(6))
    told = found.describe()
    assert told["genre"] == max(told["probabilities"], key=told["probabilities"].get)
    edges, posteriors = found.timeline()
    assert [moment["start"] for moment in told["timeline"]] == edges[:-1].tolist()
    assert [moment["end"] for moment in told["timeline"]] == edges[1:].tolist()
    given = [list(moment["probabilities"].values()) for moment in told["timeline"]]
    np.testing.assert_allclose(given, posteriors, atol=1e-6)


def test_what_files_are_found(tmp_path):
    for name in ("b.mp3", "sub/a.wav", ".hidden.wav", ".git/x.wav", "cover.jpg", "no suffix", "x[1].wav", "x1.wav"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    empty = tmp_path / "empty"
    empty.mkdir()

    def names(*paths):
        return [path.name for path in find_audio(paths)[0]]

    assert names(tmp_path) == ["b.mp3", "no suffix", "x1.wav", "x[1].wav", "a.wav"]
    assert names(tmp_path / "b.mp3", tmp_path / "*.mp3", tmp_path / "cover.jpg") == ["b.mp3", "cover.jpg"]
    assert names(tmp_path / "x[1].wav") == ["x[1].wav"]  # a file before a pattern
    assert names(tmp_path / "**" / "*.wav") == ["a.wav", "x1.wav", "x[1].wav"]
    assert names(tmp_path / "s*") == ["a.wav"]  # a pattern may match folders
    assert find_audio(empty) == ([empty], {empty: "no audio file in it"})
    assert find_audio(tmp_path / "*.flac")[1] == {tmp_path / "*.flac": "no file matches"}
    assert names("a" * 300, tmp_path / "b.mp3") == ["a" * 300, "b.mp3"]  # a name too long for the system is a bad file


@pytest.mark.parametrize("name", ["chunks", "fixed", "free"])
def test_an_exported_run_answers_as_the_run_does(runs, here, tmp_path, name):
    gz.export(runs[name], "onnx", tmp_path / "a.onnx")
    path = write(tmp_path / "a.wav", np.concatenate([tone("low", 5, 100), tone("high", 3, 101)]))
    for options in ({}, {"rule": "product"}, {"hop": 1}):
        (found,) = predict_audio(tmp_path / "a.onnx", path, **options)
        (expected,) = predict_audio(runs[name], path, **options)
        assert found.describe().keys() == expected.describe().keys()
        assert (found.genre, found.how, found.warnings) == (expected.genre, expected.how, expected.warnings)
        np.testing.assert_allclose(found.probabilities, expected.probabilities, atol=1e-5)
        np.testing.assert_allclose(found.windows, expected.windows, atol=1e-5)
        assert np.array_equal(found.starts, expected.starts)
    assert gz.load_exported(tmp_path / "a.onnx").reading.features == runs[name].reading.features

import csv
import os
import wave

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from genrezoo.audio import feature_csv
from genrezoo.audio.extract import extract_file
from genrezoo.audio.feature_csv import write_feature_table
from genrezoo.audio.settings import feature_settings
from genrezoo.cli import app
from genrezoo.datasets.gtzan import load_gtzan_table
from genrezoo.datasets.synthetic_audio import render_audio
from genrezoo.errors import DataError, SettingsError
from genrezoo.files import write_atomic

pytestmark = pytest.mark.usefixtures("no_children")


@pytest.fixture(scope="module")
def music(tmp_path_factory):
    folder = tmp_path_factory.mktemp("music")
    render_audio(folder, n_genres=2, n_train=2, n_valid=2, n_test=2, seconds=2.5, seed=1)
    (folder / "drone" / "broken.wav").write_text("no audio")
    (folder / "drone" / "notes.txt").write_text("passed over")
    return folder


def run(*words):
    return CliRunner().invoke(app, [*map(str, words)])


def test_the_table_has_the_form_and_the_figures(music, tmp_path):
    answer = run("data", "features", music, tmp_path / "features_30_sec.csv")
    assert answer.exit_code == 0, answer.output
    assert "6 good, 1 rejected" in answer.output
    rows = list(csv.DictReader((tmp_path / "features_30_sec.csv").read_text().splitlines()))
    settings = feature_settings("feature_table")
    assert list(rows[0]) == ["filename", "length", *settings.names, "label"]
    assert {row["label"] for row in rows} == {path.name for path in music.iterdir()}
    row = next(row for row in rows if row["filename"] == "drone.00001.wav")
    features, _ = extract_file(music / "drone" / "drone.00001.wav", settings)
    found = [float(row[name]) for name in settings.names]
    np.testing.assert_allclose(found, features.x[0], rtol=1e-5, atol=1e-6)  # means of samples cancel nearly to 0
    assert int(row["length"]) == round(2.5 * 22050)


def test_a_long_recording_has_several_rows(music, tmp_path):
    assert run("data", "features", music, tmp_path / "short.csv", "--window", 1).exit_code == 0
    names = [row["filename"] for row in csv.DictReader((tmp_path / "short.csv").read_text().splitlines())]
    assert names[:2] == ["drone.00000.0.wav", "drone.00000.1.wav"]
    assert len(names) == 3 * 6


def test_our_table_can_stand_for_the_well_known_one(music, tmp_path):
    sounds = sorted((music / "drone").glob("*.0*.wav"))
    for genre in ("blues", "jazz"):
        for number, sound in enumerate(sounds * 2):
            write_atomic(tmp_path / genre / f"{genre}.{number:05}.wav", sound.read_bytes())
    assert run("data", "features", tmp_path, tmp_path / "features_30_sec.csv").exit_code == 0
    songs = load_gtzan_table(tmp_path / "features_30_sec.csv", split="random")
    assert songs.genres == ("blues", "jazz")
    assert songs.x.shape == (4 * len(sounds), 1, 57)


def test_the_pictures_are_a_tree(music, tmp_path):
    answer = run("data", "spectrograms", music, tmp_path, "--scale", "linear")
    assert answer.exit_code == 0, answer.output
    made = sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*.png"))
    assert len(made) == 6
    assert str(made[0]) == "linear/drone/drone.00000.wav.png"
    with Image.open(tmp_path / made[0]) as picture:
        assert picture.size == (173, 172)


@pytest.mark.parametrize("command", ["features", "spectrograms"])
def test_a_folder_without_sound_is_refused(tmp_path, command):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "notes.txt").write_text("no audio")
    answer = run("data", command, tmp_path, tmp_path / "out")
    assert isinstance(answer.exception, DataError)
    assert "contains no audio files in genre folders; it contains 1 x .txt" in str(answer.exception)
    assert not (tmp_path / "out").exists()


def copy(sound, *targets):
    for target in targets:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(sound.read_bytes())


def names_and_labels(path):
    return {row["filename"]: row["label"] for row in csv.DictReader(path.read_text().splitlines())}


def test_the_first_folder_is_the_genre_and_loose_files_have_none(music, tmp_path):
    folder, sound = tmp_path / "mine", music / "drone" / "drone.00000.wav"
    copy(sound, folder / "loose.wav", folder / "jazz/artist/one.wav", folder / "rock/x.wav")
    answer = run("data", "features", folder, tmp_path / "a.csv")
    assert answer.exit_code == 0, answer.output
    assert "ignored: 1 x outside genre folders" in answer.output
    assert names_and_labels(tmp_path / "a.csv") == {"one.wav": "jazz", "x.wav": "rock"}
    assert run("data", "spectrograms", folder, tmp_path / "out").exit_code == 0
    made = {path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.png")}
    assert made == {"log_db/jazz/one.wav.png", "log_db/rock/x.wav.png"}
    copy(sound, tmp_path / "flat" / "a.wav")
    answer = run("data", "features", tmp_path / "flat", tmp_path / "b.csv")
    assert "it contains 1 x outside genre folders" in str(answer.exception)


def test_files_of_one_name_are_written_with_their_paths(music, tmp_path):
    folder, sound = tmp_path / "mine", music / "drone" / "drone.00000.wav"
    copy(sound, folder / "jazz/one/01.wav", folder / "jazz/two/01.wav", folder / "rock/01.wav", folder / "rock/02.wav")
    assert run("data", "features", folder, tmp_path / "a.csv").exit_code == 0
    assert names_and_labels(tmp_path / "a.csv") == {
        "jazz/one/01.wav": "jazz",
        "jazz/two/01.wav": "jazz",
        "rock/01.wav": "rock",
        "02.wav": "rock",
    }
    assert run("data", "features", folder, tmp_path / "b.csv", "--window", 1).exit_code == 0
    assert {"jazz/one/01.0.wav", "rock/01.2.wav", "02.1.wav"} < set(names_and_labels(tmp_path / "b.csv"))


def test_two_rows_of_one_name_are_refused(music, tmp_path):
    folder = tmp_path / "mine"
    copy(music / "drone" / "drone.00000.wav", folder / "a" / "x.wav")
    with wave.open(str(folder / "a" / "x.wav")) as file:
        second = file.readframes(file.getframerate())
        facts = file.getparams()
    with wave.open(str(folder / "a" / "x.0.wav"), "wb") as file:
        file.setparams(facts)
        file.writeframes(second)
    answer = run("data", "features", folder, tmp_path / "a.csv", "--window", 1)
    assert isinstance(answer.exception, DataError)
    assert "x.wav: would have the same row name 'x.0.wav' as " in str(answer.exception)
    assert not (tmp_path / "a.csv").exists()


@pytest.mark.parametrize("window", ["5000", "nan", "0.5"])
def test_a_window_out_of_range_is_a_fault_of_settings(music, tmp_path, window):
    answer = run("data", "features", music, tmp_path / "a.csv", "--window", window)
    assert isinstance(answer.exception, SettingsError)
    assert "window_seconds: must be" in str(answer.exception)


@pytest.mark.parametrize(
    ("out", "message"),
    [
        ("folder", "is a folder, a file was expected"),
        ("file/a.csv", "cannot be written .*file: a file, not a folder"),
        ("pipe", "is not a regular file"),
    ],
)
def test_a_table_that_cannot_be_written_is_refused_before_the_work(music, tmp_path, monkeypatch, out, message):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    os.mkfifo(tmp_path / "pipe")
    monkeypatch.setattr(feature_csv, "extract_files", None)  # would be a TypeError
    with pytest.raises(DataError, match=message):
        write_feature_table({music / "drone" / "drone.00000.wav": "drone"}, tmp_path / out)


def test_a_folder_without_permission_is_refused_before_the_work(music, tmp_path, monkeypatch):
    monkeypatch.setattr(feature_csv, "extract_files", None)
    monkeypatch.setattr(feature_csv.os, "access", lambda path, mode: path != tmp_path)
    with pytest.raises(DataError, match="cannot be written .*no permission"):
        write_feature_table({music / "drone" / "drone.00000.wav": "drone"}, tmp_path / "new" / "a.csv")


def test_a_disk_that_fails_at_the_end_is_told(music, tmp_path, monkeypatch):
    def full(path, text):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(feature_csv, "write_text", full)
    with pytest.raises(DataError, match=r"a\.csv: cannot be written \(No space left on device\)"):
        write_feature_table({music / "drone" / "drone.00000.wav": "drone"}, tmp_path / "a.csv")


def test_without_a_good_file_an_existing_table_stays(tmp_path):
    write_atomic(tmp_path / "music" / "jazz" / "bad.wav", b"no audio")
    (tmp_path / "a.csv").write_text("kept")
    answer = run("data", "features", tmp_path / "music", tmp_path / "a.csv")
    assert isinstance(answer.exception, DataError)
    assert "none of the files can be used" in str(answer.exception)
    assert (tmp_path / "a.csv").read_text() == "kept"


@pytest.mark.parametrize("command", ["features", "spectrograms"])
def test_names_that_are_not_utf8_are_rejected(music, tmp_path, command):
    folder, sound = tmp_path / "mine", music / "drone" / "drone.00000.wav"
    copy(sound, folder / "jazz" / "good.wav", folder / "jazz" / os.fsdecode(b"b\xff.wav"))
    answer = run("data", command, folder, tmp_path / "out")
    assert answer.exit_code == 0, answer.output
    assert "1 good, 1 rejected" in answer.output
    assert "b\\xff.wav" in answer.output
    answer = run("data", command, folder, tmp_path / "strict", "--strict")
    assert "not UTF-8" in str(answer.exception)


def test_the_function_rejects_names_that_are_not_utf8(music, tmp_path):
    sound, bad = music / "drone" / "drone.00000.wav", tmp_path / os.fsdecode(b"b\xff.wav")
    copy(sound, bad)
    done = write_feature_table({bad: "drone", sound: "drone"}, tmp_path / "a.csv")
    assert (done.rows, list(done.rejected)) == (1, [bad])
    with pytest.raises(DataError, match="not UTF-8"):
        write_feature_table({bad: "drone", sound: "drone"}, tmp_path / "a.csv", strict=True)

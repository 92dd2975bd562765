import csv

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from genrezoo.audio.extract import extract_file
from genrezoo.audio.settings import feature_settings
from genrezoo.cli import app
from genrezoo.datasets.gtzan import load_gtzan_table
from genrezoo.datasets.tones import render_tones
from genrezoo.errors import DataError
from genrezoo.files import write_atomic


@pytest.fixture(scope="module")
def music(tmp_path_factory):
    folder = tmp_path_factory.mktemp("music")
    render_tones(folder, n_genres=2, n_train=2, n_valid=2, n_test=2, seconds=2.5, seed=1)
    (folder / "drone" / "broken.wav").write_text("no sound")
    (folder / "drone" / "notes.txt").write_text("passed over")
    return folder


def run(*words):
    return CliRunner().invoke(app, [*map(str, words)])


def test_the_table_has_the_form_and_the_figures(music, tmp_path):
    answer = run("data", "table", music, tmp_path / "features_30_sec.csv")
    assert answer.exit_code == 0, answer.output
    assert "6 good, 1 rejected" in answer.output
    rows = list(csv.DictReader((tmp_path / "features_30_sec.csv").read_text().splitlines()))
    settings = feature_settings("feature_table")
    assert list(rows[0]) == ["filename", "length", *settings.names, "label"]
    assert {row["label"] for row in rows} == {path.name for path in music.iterdir()}
    row = next(row for row in rows if row["filename"] == "drone.00001.wav")
    features, _ = extract_file(music / "drone" / "drone.00001.wav", settings)
    np.testing.assert_array_equal([np.float32(row[name]) for name in settings.names], features.x[0])
    assert int(row["length"]) == round(2.5 * 22050)


def test_a_long_recording_has_several_rows(music, tmp_path):
    assert run("data", "table", music, tmp_path / "short.csv", "--window", 1).exit_code == 0
    names = [row["filename"] for row in csv.DictReader((tmp_path / "short.csv").read_text().splitlines())]
    assert names[:2] == ["drone.00000.0.wav", "drone.00000.1.wav"]
    assert len(names) == 3 * 6


def test_our_table_can_stand_for_the_well_known_one(music, tmp_path):
    sounds = sorted((music / "drone").glob("*.0*.wav"))
    for genre in ("blues", "jazz"):
        for number, sound in enumerate(sounds * 2):
            write_atomic(tmp_path / genre / f"{genre}.{number:05}.wav", sound.read_bytes())
    assert run("data", "table", tmp_path, tmp_path / "features_30_sec.csv").exit_code == 0
    songs = load_gtzan_table(tmp_path / "features_30_sec.csv", split="random")
    assert songs.genres == ("blues", "jazz")
    assert songs.x.shape == (4 * len(sounds), 1, 57)


def test_the_pictures_are_a_tree(music, tmp_path):
    answer = run("data", "pictures", music, tmp_path, "--scale", "linear")
    assert answer.exit_code == 0, answer.output
    made = sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*.png"))
    assert len(made) == 6
    assert str(made[0]) == "linear/drone/drone.00000.wav.png"
    with Image.open(tmp_path / made[0]) as picture:
        assert picture.size == (173, 172)


@pytest.mark.parametrize("command", ["table", "pictures"])
def test_a_folder_without_sound_is_refused(tmp_path, command):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "notes.txt").write_text("no sound")
    answer = run("data", command, tmp_path, tmp_path / "out")
    assert isinstance(answer.exception, DataError)
    assert "holds no sound files" in str(answer.exception)
    assert not (tmp_path / "out").exists()

import csv
import io
import json
import os
import sys
import wave
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import genrezoo as gz
from genrezoo.audio.extract import extract_file
from genrezoo.audio.settings import feature_settings
from genrezoo.cli import app, main
from genrezoo.songs import SongSet

RATE = 8000
SETTINGS = feature_settings("mfcc_statistics", rate=RATE)
GENRES = ("high", "low [slow]")


def tone(genre, seconds, seed):
    generator = np.random.default_rng(seed)
    time = np.arange(seconds * RATE) / RATE
    return 0.3 * np.sin(2 * np.pi * (2500, 250)[genre] * time) + 0.03 * generator.standard_normal(len(time))


def write(path, samples):
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", "none"))
        file.writeframes((samples * 32767).astype("<i2").tobytes())


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A run that reads chunks of a second, and a folder with two good files and a bad one."""
    folder = tmp_path_factory.mktemp("predict")
    x = np.stack([SETTINGS.extract([tone(song % 2, 3, song).astype(np.float32)]).x for song in range(24)])
    about = {"features": SETTINGS.model_dump(mode="json"), "feature_names": list(SETTINGS.names)}
    splits = {"train": np.arange(12), "valid": np.arange(12, 18), "test": np.arange(18, 24)}
    songs = SongSet(x=x, y=np.arange(24) % 2, genres=GENRES, splits=splits, provenance="random", about=about)
    recipe = gz.get_recipe("fully_connected").changed(
        {"units": [8], "epochs": 15, "learning_rate": 0.03, "chunks": {"segments": 1, "hop": 1}}
    )
    gz.train(recipe, songs, seed=1, out=folder / "run")
    (folder / "music").mkdir()
    write(folder / "music" / "a.wav", np.concatenate([tone(1, 3, 30), tone(0, 1, 31)]))
    write(folder / "music" / "b.wav", tone(0, 2, 32))
    (folder / "music" / "c.wav").write_text("not sound")
    return folder


def run(made, *words):
    cache = ["--data-cache", str(made / "cache"), "--workers", "1"]
    return CliRunner().invoke(app, ["predict", str(made / "run"), *map(str, words), *cache])


def test_the_table_names_genres_and_what_was_refused(made):
    answer = run(made, made / "music")
    assert answer.exit_code == 0, answer.output
    lines = answer.stdout.splitlines()
    assert any("low [slow]" in line and "mean of 4 windows" in line for line in lines)
    assert "mean of 2 windows" in answer.stdout
    assert "a.wav" in "".join(line.split()[0] for line in lines)  # folded, not cut
    assert "c.wav: " in answer.stderr
    assert "c.wav" not in answer.stdout


def test_json_and_csv_agree_with_each_other_and_with_the_run(made):
    told = json.loads(run(made, made / "music", "--json").stdout)
    rows = list(csv.DictReader(io.StringIO(run(made, made / "music", "--csv").stdout)))
    good = [file for file in told["files"] if "reason" not in file]
    assert [file["file"] for file in good] == [row["file"] for row in rows]
    assert list(rows[0]) == ["file", "genre", *GENRES, "seconds", "warnings"]
    opened = gz.load_run(made / "run")
    for file, row in zip(good, rows, strict=True):
        features, _ = extract_file(file["file"], SETTINGS)
        expected = opened.predict(features.x)[0]
        assert [file["probabilities"][genre] for genre in GENRES] == pytest.approx(expected, abs=1e-6)
        assert [float(row[genre]) for genre in GENRES] == pytest.approx(expected, abs=1e-6)
        assert (file["genre"], file["seconds"]) == (row["genre"], float(row["seconds"]))
        seconds = opened.predict(features.x[:, None])
        given = [list(moment["probabilities"].values()) for moment in file["timeline"]]
        np.testing.assert_allclose(given, seconds, atol=1e-6)
    assert [(moment["start"], moment["end"]) for moment in good[1]["timeline"]] == [(0, 1), (1, 2)]
    assert told["files"][2]["file"].endswith("c.wav")
    assert told["files"][2]["reason"]


def test_a_rule_changes_the_answer(made):
    one, other = (
        json.loads(run(made, made / "music" / "a.wav", "--json", "--rule", rule).stdout)["files"][0]
        for rule in ("mean", "product")
    )
    assert one["probabilities"] != other["probabilities"]
    assert (one["rule"], other["rule"]) == ("mean", "product")
    assert one["timeline"] == other["timeline"]


def test_one_picture_for_one_file_and_one_for_each_of_several(made, tmp_path):
    answer = run(made, made / "music" / "a.wav", "--timeline", tmp_path / "one.png")
    assert answer.exit_code == 0, answer.output
    assert (tmp_path / "one.png").read_bytes()[1:4] == b"PNG"
    (made / "music" / "deeper").mkdir()
    write(made / "music" / "deeper" / "a.wav", tone(1, 2, 33))
    pattern = made / "music" / "**" / "*.wav"
    answer = run(made, pattern, "--timeline", tmp_path / "all" / "time.svg")
    assert answer.exit_code == 0, answer.output
    names = sorted(path.name for path in (tmp_path / "all").iterdir())
    assert names == ["time-a.svg", "time-a.wav.svg", "time-b.svg"]
    assert (tmp_path / "all" / "time-b.svg").read_text().startswith("<svg")


def test_a_name_that_is_no_utf8_is_printed_all_the_same(made, tmp_path):
    odd = Path(os.fsdecode(os.fsencode(tmp_path) + b"/odd\xff.wav"))
    odd.write_bytes((made / "music" / "a.wav").read_bytes())
    for words in (["--json"], ["--csv"], []):
        answer = run(made, odd, *words)
        assert answer.exit_code == 0, answer.output
        assert "odd" in answer.stdout


def test_a_bad_file_beside_a_good_one_leaves_the_pictures_name(made, tmp_path):
    for name in ("a.wav", "c.wav"):
        (tmp_path / name).write_bytes((made / "music" / name).read_bytes())
    assert run(made, tmp_path, "--timeline", tmp_path / "out" / "time.png").exit_code == 0
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["time-a.png"]


def test_nothing_predicted_is_exit_code_2(made, tmp_path):
    assert run(made, made / "music" / "c.wav").exit_code == 2
    answer = run(made, tmp_path / "none-*.wav", "--json")
    assert answer.exit_code == 2
    assert json.loads(answer.stdout)["files"][0]["reason"] == "no file matches"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["RUN", "MUSIC", "--strict"], "c.wav"),
        (["RUN", "MUSIC", "--json", "--csv"], "pass one of them"),
        (["RUN", "MUSIC", "--timeline", "a.jpg"], "--timeline must be a .png or .svg file"),
        (["RUN", "MUSIC", "--rule", "maen"], "Did you mean 'mean'"),
        (["RUN", "MUSIC", "--window", "5"], "window must be left out"),
        (["MUSIC", "MUSIC"], "not a run folder"),
        (["missing.onnx", "MUSIC"], "missing.onnx: no such file or folder"),
    ],
)
def test_mistakes_end_in_one_line_and_exit_code_2(made, monkeypatch, capsys, words, message):
    places = {"RUN": str(made / "run"), "MUSIC": str(made / "music")}
    cache = ["--data-cache", str(made / "cache"), "--workers", "1"]
    monkeypatch.setattr(sys, "argv", ["genrezoo", "predict", *[places.get(word, word) for word in words], *cache])
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 2
    error = capsys.readouterr().err
    assert message in error.splitlines()[-1]
    assert "Traceback" not in error

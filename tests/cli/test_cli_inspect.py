"""``genrezoo data inspect``: what a file is, or why it cannot be used."""

import json
import os
import signal
import sys
import wave
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from genrezoo.cli import audio, main
from genrezoo.cli.data import app
from genrezoo.errors import DataError, SettingsError


def run(*arguments, code=0):
    result = CliRunner().invoke(app, ["inspect", *map(str, arguments)], catch_exceptions=False)
    assert result.exit_code == code, result.output
    return result.stdout


@pytest.fixture
def music(tmp_path):
    """A folder with a good, a silent, a cut and a false audio file, and a text beside them."""
    folder = tmp_path / "music"
    (folder / "jazz [live]").mkdir(parents=True)
    noise = np.random.default_rng(0).integers(-9999, 9999, (44100, 2)).astype("<i2")
    for name, samples in {"jazz [live]/a.wav": noise, "cut.wav": noise, "silence.wav": 0 * noise}.items():
        with wave.open(str(folder / name), "wb") as file:
            file.setparams((2, 2, 22050, 0, "NONE", "none"))
            file.writeframes(samples.tobytes())
    (folder / "cut.wav").write_bytes((folder / "cut.wav").read_bytes()[:110_044])
    (folder / "page.mp3").write_text("<html>Not found</html>")
    (folder / "notes.txt").write_text("about the music")
    return folder


def test_a_good_file(music):
    assert run(music / "jazz [live]/a.wav").split(": ", 1)[1] == "WAV (PCM_16), 22,050 Hz, 2 channels, 2.00 s\n"
    facts = json.loads(run(music / "jazz [live]/a.wav", "--json"))
    assert facts == {
        "path": str(music / "jazz [live]/a.wav"),
        "format": "WAV",
        "subtype": "PCM_16",
        "rate": 22050,
        "channels": 2,
        "seconds": 2.0,
        "decoded_seconds": 2.0,
        "outcome": "good",
        "warnings": [],
    }


def test_a_cut_file(music):
    words = run(music / "cut.wav")
    assert "1.25 s\nwarning: ends after 1.2 of 2.0 s: the file is truncated\n" in words


def test_a_refused_file_ends_with_exit_code_2_and_the_reason(music, monkeypatch, capsys):
    with pytest.raises(DataError, match="looks like HTML"):
        run(music / "page.mp3")
    monkeypatch.setattr(sys, "argv", ["genrezoo", "data", "inspect", str(music / "page.mp3")])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert "not a supported audio file (looks like HTML)" in capsys.readouterr().err


def test_a_folder_gives_a_row_for_each_file(music):
    words = run(music)
    rows = {cells[0].strip(): cells for line in words.splitlines() if len(cells := line.strip("│ ").split("│")) == 3}
    assert set(rows) >= {"cut.wav", "jazz [live]/a.wav", "page.mp3", "silence.wav"}
    assert "notes.txt" not in words
    assert "1 good, 2 with warnings, 1 refused" in words
    report = json.loads(run(music, "--json"))
    assert {file["path"].removeprefix(f"{music}/"): file["outcome"] for file in report["files"]} == {
        "jazz [live]/a.wav": "good",
        "cut.wav": "flagged",
        "page.mp3": "refused",
        "silence.wav": "flagged",
    }
    assert (report["good"], report["flagged"], report["refused"]) == (1, 2, 1)


decode_files = audio._decode_files


def odd_child(paths):
    """Stands in for the child's side: a file's name says what happens."""
    for path in paths:
        if Path(path).name == "kills.wav":
            os.kill(os.getpid(), signal.SIGSEGV)
        if Path(path).name == "extra.wav":
            raise SettingsError("needs the extra `audio`")
    return decode_files(paths)


def test_a_file_that_kills_its_decoder_is_refused_alone(music, monkeypatch):
    monkeypatch.setattr(audio, "_decode_files", odd_child)
    (music / "kills.wav").touch()
    monkeypatch.setattr(audio, "CHUNK", 3)
    report = json.loads(run(music, "--json", "--workers", 1))  # five files: two chunks
    names = [file["path"].removeprefix(f"{music}/") for file in report["files"]]
    assert names == ["cut.wav", "kills.wav", "page.mp3", "silence.wav", "jazz [live]/a.wav"]
    facts = dict(zip(names, report["files"], strict=True))
    assert facts["kills.wav"]["reason"] == ("killed its decoder: the worker process ended with signal SIGSEGV")
    assert [facts[name]["outcome"] for name in ("jazz [live]/a.wav", "cut.wav")] == ["good", "flagged"]
    assert (report["good"], report["flagged"], report["refused"]) == (1, 2, 2)


def test_missing_libraries_are_said_once(music, monkeypatch):
    monkeypatch.setattr(audio, "_decode_files", odd_child)
    (music / "extra.wav").touch()
    with pytest.raises(SettingsError, match="needs the extra `audio`"):
        run(music)


def test_names_that_are_not_utf8_are_shown(tmp_path):
    (tmp_path / os.fsdecode(b"b\xff.wav")).touch()
    (file,) = json.loads(run(tmp_path, "--json", code=2))["files"]
    assert file["path"] == f"{tmp_path}/b\ufffd.wav"


def test_a_folder_without_one_usable_file_ends_with_exit_code_2(tmp_path):
    (tmp_path / "a.mp3").write_bytes(b"")
    assert "0 good, 0 with warnings, 1 refused" in run(tmp_path, code=2)


def test_a_folder_without_sound_is_refused(tmp_path):
    (tmp_path / "a.txt").write_text("text")
    with pytest.raises(DataError, match="contains no audio files"):
        run(tmp_path)


def test_songs_are_loaded(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.zeros((4, 6)), y=[0, 1] * 2, class_names=["a", "b"])
    assert "4 songs x 1 segments x 6 features" in run(tmp_path / "a.npz")
    (tmp_path / "torn.npz").write_bytes(b"PK\x03\x04")
    with pytest.raises(DataError, match="cut short or damaged"):
        run(tmp_path / "torn.npz")
    (tmp_path / "songs").mkdir()
    (tmp_path / "songs" / "manifest.json").write_text("{}")
    with pytest.raises(DataError, match="not the manifest of a songs folder"):
        run(tmp_path / "songs")

"""``genrezoo data build``: audio files in, a songs folder and a tally out."""

import dataclasses
import json

import pytest
from toys import write_noise
from typer.testing import CliRunner

from genrezoo.cli.data import app
from genrezoo.datasets.arrays import load_arrays
from genrezoo.datasets.folder import load_folder
from genrezoo.errors import DataError, SettingsError
from genrezoo.registry import DATASETS

pytestmark = pytest.mark.usefixtures("no_children")


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("GENREZOO_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def music(tmp_path):
    for number in range(4):
        write_noise(tmp_path / "music" / "ab"[number % 2] / f"{number}.wav", seed=number)
    (tmp_path / "music" / "b" / "[page].mp3").write_text("<html>")
    return tmp_path / "music"


def run(*arguments):
    """Runs the command; what a user causes is raised, as the top-level command expects."""
    words = ["build", *map(str, arguments)]
    result = CliRunner().invoke(app, words, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_build_writes_songs_and_tells_what_was_rejected(music, tmp_path):
    words = run(music, tmp_path / "songs", "--set", "n_mels=8", "--workers", 1, "--cache", tmp_path / "kept")
    songs = load_arrays(tmp_path / "songs")
    assert songs.x.shape == (4, 21, 8)
    assert songs.about["features"]["n_mels"] == 8
    assert "files: 4 good, 1 rejected, 0 with warnings" in words
    assert "b/[page].mp3" in words
    assert list(songs.about["rejected"]) == ["b/[page].mp3"]
    assert len(list((tmp_path / "kept").rglob("*.npz"))) == 4


def test_build_for_programs_and_again(music, tmp_path):
    out = tmp_path / "songs"
    facts = json.loads(run(music, out, "--features", "mfcc_statistics", "--json"))
    assert (facts["songs"], facts["features"], facts["about"]["files"]) == (4, 26, 4)
    assert facts["about"]["features"]["kind"] == "mfcc_statistics"
    with pytest.raises(DataError, match="already contains songs"):
        run(music, out)
    run(music, out, "--overwrite", "--set", "n_mels=8")
    assert load_arrays(out).n_features == 8


def test_build_takes_a_manifest_and_collections(music, tmp_path):
    (tmp_path / "list.csv").write_text("path,genre,split\na/0.wav,x,train\na/2.wav,y,train\nb/1.wav,x,\nb/3.wav,y,\n")
    run(music, tmp_path / "one", "--manifest", tmp_path / "list.csv", "--provenance", "random", "--set", "n_mels=8")
    songs = load_arrays(tmp_path / "one")
    assert (songs.genres, songs.provenance, songs.splits["train"].tolist()) == (("x", "y"), "random", [0, 1])
    for number in range(4):
        write_noise(tmp_path / "gtzan" / f"{('blues', 'jazz')[number % 2]}.0000{number}.wav", seed=number)
    run(tmp_path / "gtzan", tmp_path / "two", "--as", "gtzan", "--split", "stratified", "--set", "n_mels=8")
    assert load_arrays(tmp_path / "two").about["split"] == "stratified"
    with pytest.raises(SettingsError, match="folder has no option 'split'"):
        run(music, tmp_path / "three", "--split", "stratified")


def test_the_kind_is_not_a_setting(music, tmp_path):
    with pytest.raises(SettingsError, match="--set kind=segments: specify the feature kind with --features"):
        run(music, tmp_path / "songs", "--set", "kind=segments")


def test_a_download_is_asked_for_and_shown(music, tmp_path, monkeypatch):
    asked = []

    def fma(path, *, features, on_file, on_start, strict, download=False, on_progress=None):
        asked.append((download, on_progress is None))
        if on_progress:
            for there in (0, 5_000_000, 10_000_000):
                on_progress(there, 10_000_000)
        return load_folder(path, features=features, on_file=on_file, on_start=on_start, strict=strict)

    entry = DATASETS.get("fma")
    DATASETS.remove("fma")
    DATASETS.add(dataclasses.replace(entry, call=fma))
    try:
        words = CliRunner().invoke(
            app, ["build", str(music), str(tmp_path / "a"), "--as", "fma", "--download", "--set", "n_mels=8"]
        )
        run(music, tmp_path / "b", "--as", "fma", "--set", "n_mels=8")
    finally:
        DATASETS.remove("fma")
        DATASETS.add(entry)
    assert words.exit_code == 0, words.output
    assert asked == [(True, False), (False, True)]
    assert "10.0/10.0 MB" in words.stderr
    assert "log_mel of music" in words.stderr
    with pytest.raises(SettingsError, match="folder has no option 'download'"):
        run(music, tmp_path / "c", "--download")


def test_build_pictures(tmp_path):
    for number in range(4):
        write_noise(tmp_path / "music" / "ab"[number % 2] / f"{number}.wav", 2, number)
    words = run(tmp_path / "music", tmp_path / "songs", "--features", "spectrogram_image", "--set", "window_seconds=2")
    assert "4 images of 172 x 173 pixels x 3 channels, 2 genres" in words
    assert load_arrays(tmp_path / "songs").kind == "image"


def test_strict_stops_and_writes_nothing(music, tmp_path):
    with pytest.raises(DataError, match=r"\[page\]\.mp3"):
        run(music, tmp_path / "songs", "--strict")
    assert not (tmp_path / "songs").exists()


def test_twenty_rejected_files_are_shown_and_all_are_kept(music, tmp_path):
    for number in range(25):
        (music / "a" / f"bad{number:02}.wav").touch()
    words = run(music, tmp_path / "songs", "--set", "n_mels=8")
    assert "26 rejected" in words
    assert "bad19.wav" in words
    assert "bad20.wav" not in words
    assert "and 6 more" in words
    assert len(load_arrays(tmp_path / "songs").about["rejected"]) == 26

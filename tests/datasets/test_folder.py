"""A folder of audio files as songs: what is taken, what is passed over, what is rejected, and what is said."""

import json
import os

import numpy as np
import pytest
from toys import write_noise

from genrezoo.audio.extract import extract_file
from genrezoo.audio.settings import feature_settings
from genrezoo.datasets import load_songs
from genrezoo.datasets.arrays import load_arrays
from genrezoo.datasets.folder import load_folder, read_tree
from genrezoo.errors import DataError, SettingsError, UnknownNameError
from genrezoo.songs.storage import save_songs

pytestmark = pytest.mark.usefixtures("no_children")

MEL = {"kind": "log_mel", "n_mels": 8}


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("GENREZOO_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def music(tmp_path):
    """Four files of two genres, of 1 and 2 seconds, one of them below an artist's folder."""
    root = tmp_path / "music"
    for number, name in enumerate(("blues/a.wav", "blues/artist/b.mp3", "jazz/c.wav", "jazz/d.xyz")):
        write_noise(root / name, 1 + number % 2, number)
    return root


def test_a_tree_becomes_songs(music):
    (music / "notes.txt").touch()
    (music / "jazz" / "cover.JPG").touch()
    (music / "jazz" / ".hidden.wav").touch()
    (music / ".git").mkdir()
    (music / ".git" / "e.wav").touch()
    write_noise(music / "loose.wav")
    songs = load_folder(music, features=MEL)
    assert songs.genres == ("blues", "jazz")
    assert songs.ids.tolist() == ["blues/a.wav", "blues/artist/b.mp3", "jazz/c.wav", "jazz/d.xyz"]
    assert (songs.name, songs.kind, songs.groups, dict(songs.splits)) == ("music_log_mel", "segments", None, {})
    assert songs.y.tolist() == [0, 0, 1, 1]
    assert songs.lengths.tolist() == [21, 42, 21, 42]  # 21 frames a second
    for song, name in enumerate(songs.ids):
        x = extract_file(music / str(name), feature_settings(MEL))[0].x
        np.testing.assert_array_equal(songs.x[song, : songs.lengths[song]], x)
    about = dict(songs.about)
    assert about["features"] == feature_settings(MEL).model_dump(mode="json")
    assert len(about["feature_names"]) == 8
    assert about["passed_over"] == {".jpg": 1, ".txt": 1, "outside genre folders": 1}
    assert (about["files"], about["rejected"], about["warnings"]) == (4, {}, {})


def test_bad_files_are_told_and_stop_nothing_unless_strict(music):
    (music / "blues" / "page.mp3").write_text("<html>")
    (music / "rock").mkdir()
    (music / "rock" / "empty.wav").touch()
    broken = os.fsencode(music / "jazz") + b"/\xff.wav"
    with open(broken, "wb") as file:
        file.write((music / "jazz" / "c.wav").read_bytes())
    songs = load_songs(music, features=MEL)  # a folder of folders needs no name
    assert songs.n_songs == 4
    assert songs.genres == ("blues", "jazz")  # rock has no good file
    assert set(songs.about["rejected"]) == {"blues/page.mp3", "rock/empty.wav", "jazz/\\xff.wav"}
    assert "not UTF-8" in songs.about["rejected"]["jazz/\\xff.wav"]
    loaded = load_arrays(save_songs(songs, music.parent / "songs"))
    assert loaded.checksum() == songs.checksum()
    assert loaded.about == songs.about
    with pytest.raises(DataError, match="not UTF-8"):
        load_folder(music, features=MEL, strict=True)
    os.unlink(broken)
    with pytest.raises(DataError, match=r"page\.mp3|empty\.wav"):
        load_folder(music, features=MEL, strict=True)


def test_a_cut_file_is_a_song_with_a_warning(music):
    cut = music / "blues" / "cut.wav"
    write_noise(cut, 3, 9)
    cut.write_bytes(cut.read_bytes()[: 44 + 2 * 22050 * 2])  # two of three seconds
    songs = load_folder(music, features=MEL)
    assert songs.lengths[songs.ids.tolist().index("blues/cut.wav")] == 42
    (text,) = songs.about["warnings"]["blues/cut.wav"]
    assert "truncated" in text


def test_fewer_than_two_genres_lists_the_reasons(tmp_path):
    write_noise(tmp_path / "blues" / "a.wav")
    for number in range(7):
        (tmp_path / "jazz").mkdir(exist_ok=True)
        (tmp_path / "jazz" / f"{number}.wav").touch()
    message = r"1 good files of 1 genres, 7 rejected \(jazz/0.wav: .*empty.*; jazz/4.wav: .*; and 2 more\)"
    with pytest.raises(DataError, match=message):
        load_folder(tmp_path, features=MEL)


def test_a_folder_that_holds_no_genres_is_refused_with_advice(tmp_path):
    with pytest.raises(DataError, match="is not a folder"):
        load_folder(tmp_path / "missing")
    with pytest.raises(DataError, match="contains no audio files in genre folders; it contains nothing"):
        load_folder(tmp_path)
    (tmp_path / "a.txt").touch()
    with pytest.raises(DataError, match=r"it contains 1 x \.txt"):
        load_folder(tmp_path)
    (tmp_path / "genres" / "blues").mkdir(parents=True)
    (tmp_path / "genres" / "blues" / "a.wav").touch()
    with pytest.raises(DataError, match="all files are in genres/.*pass .*/genres if"):
        load_folder(tmp_path)


def test_the_rule_for_genres_can_be_asked_for(music):
    (music / "loose.wav").touch()
    (music / "jazz" / "notes.txt").touch()
    tree = read_tree(str(music))
    assert {file.path.relative_to(music).as_posix(): file.genre for file in tree.files} == {
        "blues/a.wav": "blues",
        "blues/artist/b.mp3": "blues",
        "jazz/c.wav": "jazz",
        "jazz/d.xyz": "jazz",
    }
    assert (tree.rejected, tree.passed_over) == ({}, {".txt": 1, "outside genre folders": 1})


def test_links_are_followed_once(music):
    (music / "jazz" / "again").symlink_to(music / "jazz")
    (music / "rock").symlink_to(music.parent / "elsewhere")
    write_noise(music.parent / "elsewhere" / "e.wav", seed=5)
    write_noise(music.parent / "elsewhere" / "f.wav", seed=6)
    songs = load_folder(music, features=MEL)
    assert songs.ids.tolist()[-2:] == ["rock/e.wav", "rock/f.wav"]
    assert songs.n_songs == 6


def manifest(folder, *rows):
    path = folder / "manifest.csv"
    path.write_text("\n".join(rows) + "\n")
    return path


def test_a_manifest_says_genres_artists_ids_and_split(music):
    table = manifest(
        music,
        "path,genre,artist,split,id",
        "jazz/c.wav,slow,Ann,train,",
        "blues/a.wav,slow,Ann,train,007",
        f"{music}/jazz/d.xyz,fast,,Validation,d",
        "blues/artist/b.mp3,fast,Ben,,b",
        "blues/missing.wav,fast,Ben,test,m",
    )
    songs = load_folder(music, features=MEL, manifest=table)
    assert songs.genres == ("fast", "slow")
    assert songs.ids.tolist() == ["jazz/c.wav", "007", "d", "b"]
    assert songs.groups.tolist() == ["Ann", "Ann", "d", "Ben"]
    assert {name: index.tolist() for name, index in songs.splits.items()} == {"train": [0, 1], "valid": [2]}
    assert songs.provenance == "official"
    assert list(songs.about["rejected"]) == ["m"]
    filtered = load_folder(music, features=MEL, manifest=table, provenance="artist-filtered")
    assert filtered.provenance == "artist-filtered"


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (("path,genre", "jazz/c.wav,"), "row 2, column 'genre': is blank"),
        (("path,genre", "a,b", ",b"), "row 3, column 'path': is blank"),
        (("path,genre,split", "a,b,train", "c,d,dev"), "row 3, column 'split': 'dev' is not a split"),
        (("path,genre", "a,b", "a,c"), "row 3, column 'path': .* is also in row 2"),
        (("path,genre,id", "a,b,1", "c,c,1"), "row 3, column 'id': '1' is also in row 2"),
        (("file,genre", "a,b"), "no column 'path'"),
    ],
)
def test_a_manifest_that_contradicts_itself_is_refused(music, rows, message):
    with pytest.raises(DataError, match=message):
        load_folder(music, features=MEL, manifest=manifest(music, *rows))


def test_provenance_without_a_split_and_unknown_features_are_refused(music):
    with pytest.raises(SettingsError, match="has no split"):
        load_folder(music, features=MEL, provenance="official")
    with pytest.raises(UnknownNameError, match="log_mel"):
        load_folder(music, features="logmel")


def test_pictures_are_songs_of_their_own_and_windows_of_a_file_one_group(tmp_path):
    for number, seconds in enumerate((2, 4, 2, 2)):
        write_noise(tmp_path / "m" / "ab"[number // 2] / f"{number}.wav", seconds, number)
    songs = load_folder(tmp_path / "m", features={"kind": "spectrogram_image", "window_seconds": 2})
    assert songs.kind == "image"
    assert songs.ids.tolist() == ["a/0.wav", "a/1.wav#1", "a/1.wav#2", "b/2.wav", "b/3.wav"]
    assert songs.groups.tolist() == ["a/0.wav", "a/1.wav", "a/1.wav", "b/2.wav", "b/3.wav"]
    assert (songs.x.dtype, songs.x.ndim, songs.y.tolist()) == (np.float32, 4, [0, 0, 0, 1, 1])
    assert 0 <= songs.x.min() < songs.x.max() <= 255
    assert songs.about["files"] == 4
    json.dumps(songs.describe(), allow_nan=False)


def test_songs_that_do_not_fit_into_memory_are_refused(music, monkeypatch):
    monkeypatch.setattr("genrezoo.datasets._audio.available_bytes", lambda: 1000)
    with pytest.raises(DataError, match="GiB of memory.*the longest has 42 segments.*`duration`"):
        load_folder(music, features=MEL)


@pytest.mark.parametrize("sides", [("train", "test"), ("Train", "val", "live"), ("test",)])
def test_folders_named_after_a_split_are_no_genres(tmp_path, sides):
    for side in sides:
        write_noise(tmp_path / side / "jazz.wav")
    with pytest.raises(DataError, match="are splits, not genres.*Remedy: pass a manifest"):
        read_tree(tmp_path)


def test_a_genre_may_be_called_test(tmp_path):
    for genre in ("test", "jazz"):
        write_noise(tmp_path / genre / "a.wav")
    assert {file.genre for file in read_tree(tmp_path).files} == {"jazz", "test"}

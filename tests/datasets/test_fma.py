"""A small tree in the form of the Free Music Archive data set, with sounds made on the spot."""

import csv
import hashlib
import json
import zipfile
from pathlib import Path

import numpy as np
import pooch
import pytest
from toys import write_noise

from genrezoo.datasets import _download, fma, load_songs
from genrezoo.datasets._download import Published
from genrezoo.datasets.fma import load_fma
from genrezoo.errors import DataError, UnknownNameError
from genrezoo.songs.splits import check_split, find_leaks

pytestmark = pytest.mark.usefixtures("no_children")

FEATURES = {"kind": "log_mel", "n_mels": 8}
HEADER = [
    ["", "album", "artist", "artist", "set", "set", "track", "track"],
    ["", "title", "id", "name", "split", "subset", "genre_top", "title"],
    ["track_id", "", "", "", "", "", "", ""],
]
SIDES = ("training",) * 4 + ("validation",) * 2 + ("test",) * 2


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("GENREZOO_CACHE", str(tmp_path / "cache"))


def make_tables(folder, rows, genres=("Rock", "Hip-Hop")):
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "tracks.csv", "w", newline="") as file:
        csv.writer(file).writerows([*HEADER, *rows])
    lines = [["genre_id", "#tracks", "parent", "title", "top_level"]]
    lines += [[number, 4, 0, title, number] for number, title in enumerate(genres)]
    with open(folder / "genres.csv", "w", newline="") as file:
        csv.writer(file).writerows(lines)


def make_rows():
    """Eight tracks of the small subset by four artists, one of medium, and one without a root genre."""
    rows = [
        [
            2 + 1000 * n,
            "an album,\nof two lines",
            10 + n // 2,
            "x",
            side,
            "small",
            ("Rock", "Hip-Hop")[n % 2],
            'a "title"',
        ]
        for n, side in enumerate(SIDES)
    ]
    rows.append([90001, "", 77, "x", "test", "medium", "Rock", ""])
    rows.append([90002, "", 78, "x", "test", "small", "", ""])
    return rows


def make_sounds(folder, rows):
    import soundfile

    for n, row in enumerate(rows):
        name = f"{row[0]:06}"
        path = write_noise(folder / name[:3] / f"{name}.wav", 1, seed=n)
        kind = ("mp3", "flac", "wav")[n % 3]
        if kind != "wav":
            soundfile.write(path.with_suffix(f".{kind}"), *soundfile.read(path))
            path.unlink()


@pytest.fixture
def tree(tmp_path):
    rows = make_rows()
    make_tables(tmp_path / "fma" / "fma_metadata", rows)
    make_sounds(tmp_path / "fma" / "fma_small", rows)
    return tmp_path / "fma"


def test_the_published_split_and_artists(tree):
    (tree / "fma_small" / "checksums").write_text("of all files")
    (tree / "fma_small" / "README.txt").write_text("read me")
    songs = load_songs("fma", path=tree, features=FEATURES)
    assert songs.name == "fma_small_log_mel"
    assert songs.genres == ("Hip-Hop", "Rock")
    assert songs.ids.tolist() == [f"{2 + 1000 * n:06}" for n in range(8)]
    assert [songs.genres[y] for y in songs.y] == ["Rock", "Hip-Hop"] * 4
    assert songs.groups.tolist() == ["10", "10", "11", "11", "12", "12", "13", "13"]
    assert {side: index.tolist() for side, index in songs.splits.items()} == {
        "train": [0, 1, 2, 3],
        "valid": [4, 5],
        "test": [6, 7],
    }
    assert songs.provenance == "official"
    check_split(songs)
    assert songs.about["left_out"] == {"no file": 0, "no one root genre": 1}
    assert songs.about["passed_over"] == {"": 1, ".txt": 1, ".wav": 1}  # a track of medium
    assert songs.about["artists_on_two_sides"] == []
    json.dumps(songs.describe(), allow_nan=False)


def test_the_clips_folder_itself_and_tables_elsewhere(tree, tmp_path):
    whole = load_fma(tree, features=FEATURES)
    assert load_fma(tree / "fma_small", features=FEATURES).checksum() == whole.checksum()  # beside it
    (tree / "fma_metadata").rename(tmp_path / "tables")
    assert load_fma(tree, metadata=tmp_path / "tables", features=FEATURES).checksum() == whole.checksum()
    with pytest.raises(DataError, match="there is no tracks.csv in .*fma_metadata.zip .sha1:f0df49ff"):
        load_fma(tree, features=FEATURES)


def test_a_larger_subset_holds_the_smaller(tree):
    (tree / "fma_small").rename(tree / "fma_medium")
    assert load_fma(tree, subset="medium", features=FEATURES).n_songs == 9
    with pytest.raises(UnknownNameError, match="unknown subset of FMA 'smal'. Did you mean 'small'"):
        load_fma(tree, subset="smal")


def test_missing_and_bad_files_are_counted(tree):
    (tree / "fma_small" / "001" / "001002.flac").unlink()
    (tree / "fma_small" / "000" / "000002.mp3").write_bytes(b"")
    songs = load_fma(tree, features=FEATURES)
    assert songs.n_songs == 6
    assert songs.about["left_out"]["no file"] == 1
    assert list(songs.about["rejected"]) == ["000002"]
    with pytest.raises(DataError, match="000002.mp3"):
        load_fma(tree, features=FEATURES, strict=True)


def test_an_artist_on_two_sides_is_told(tree):
    rows = make_rows()
    rows[7][2] = 10
    make_tables(tree / "fma_metadata", rows)
    songs = load_fma(tree, features=FEATURES)
    assert songs.about["artists_on_two_sides"] == ["10"]
    assert find_leaks(songs).groups == ("10",)


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        (0, "two", "track 3, column 'track_id': 'two' is not a track number"),
        (0, 2, "column 'track_id': 2 occurs twice"),
        (2, "", "'artist.id': '' is not an artist number"),
        (4, "train ing", "'train ing' is not a split"),
        (5, "tiny", "'tiny' is not a subset"),
        (6, "Polka", "'Polka' is not among the titles in genres.csv"),
    ],
)
def test_tables_that_contradict_themselves(tree, column, value, message):
    rows = make_rows()
    rows[2][column] = value
    make_tables(tree / "fma_metadata", rows)
    with pytest.raises(DataError, match=message):
        load_fma(tree)


def test_a_file_that_is_there_twice(tree):
    write_noise(tree / "fma_small" / "copy" / "000002.wav")
    with pytest.raises(DataError, match="track 000002 occurs twice"):
        load_fma(tree)


def test_a_folder_without_clips_says_what_to_get(tree, tmp_path):
    with pytest.raises(DataError, match=r"contains none of the 9 tracks.*fma_small.zip .sha1:ade154f7.*download=True"):
        load_fma(tree / "fma_metadata", metadata=tree / "fma_metadata")
    with pytest.raises(DataError, match="is not a folder.*fma_small.zip"):
        load_fma(tmp_path / "none")


def zipped(folder, archive):
    with zipfile.ZipFile(archive, "w") as opened:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                opened.write(path, path.relative_to(folder.parent))
    return hashlib.sha1(archive.read_bytes()).hexdigest()


def test_a_download_gets_what_is_missing(tree, tmp_path, monkeypatch):
    archives, asked = {}, []
    (tree / "fma_metadata" / "features.csv").write_text("not wanted")
    for name in ("small", "metadata"):
        archive = tmp_path / f"{name}.zip"
        archives[name] = Published(f"https://example.org/{name}", f"sha1:{zipped(tree / f'fma_{name}', archive)}")
    monkeypatch.setattr(fma, "ARCHIVES", archives)
    monkeypatch.delenv(_download.OFFLINE, raising=False)

    def download(self, url, output_file, pooch):
        asked.append(url)
        Path(output_file).write_bytes((tmp_path / f"{url.rpartition('/')[2]}.zip").read_bytes())

    monkeypatch.setattr(pooch.HTTPDownloader, "__call__", download)
    songs = load_fma(tmp_path / "new", features=FEATURES, download=True)
    np.testing.assert_array_equal(songs.x, load_fma(tree, features=FEATURES).x)
    assert asked == ["https://example.org/small", "https://example.org/metadata"]
    assert {path.name for path in (tmp_path / "new" / "fma_metadata").iterdir()} == {"tracks.csv", "genres.csv"}
    for path in (tmp_path / "new").glob("*.zip"):
        path.unlink()
    load_fma(tmp_path / "new", features=FEATURES, download=True)
    assert len(asked) == 2
    monkeypatch.setenv(_download.OFFLINE, "1")
    with pytest.raises(DataError, match="GENREZOO_OFFLINE forbids downloads.*download https://example.org/small"):
        load_fma(tmp_path / "other", features=FEATURES, download=True)

"""`SongSet`: immutable, checked, and the same songs whichever way they are reached."""

import dataclasses
import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from genrezoo.errors import DataError
from genrezoo.songs import SongSet, songset


def make(n_songs=8, n_segments=3, n_features=2, **changes):
    x = np.arange(n_songs * n_segments * n_features, dtype=np.float32).reshape(n_songs, n_segments, n_features)
    return SongSet(**{"x": x, "y": np.arange(n_songs) % 2, "genres": ("blues", "jazz"), **changes})


def test_defaults_and_types():
    songs = make(y=[0.0, 1.0] * 4)
    assert (songs.n_songs, songs.n_segments, songs.n_features, songs.num_classes, len(songs)) == (8, 3, 2, 2, 8)
    assert (songs.y.dtype, songs.lengths.dtype, songs.x.dtype) == (np.int64, np.int64, np.float32)
    assert songs.lengths.tolist() == [3] * 8
    assert songs.ids.tolist() == list("01234567")
    assert not songs.has_padding
    assert make(lengths=[3, 2, 3, 3, 3, 3, 3, 3]).has_padding


def test_nothing_in_it_can_be_changed():
    songs = make(splits={"train": [0, 1]}, provenance="random", about={"rate": 1})
    for array in (songs.x, songs.y, songs.lengths, songs.ids, songs.splits["train"]):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = array[1]
    with pytest.raises(TypeError, match="assignment"):
        songs.splits["train"] = np.arange(3)
    with pytest.raises(dataclasses.FrozenInstanceError):
        songs.y = np.zeros(8)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"x": np.zeros((8, 2))}, r"x: x has shape \(8, 2\).*a table has one segment"),
        ({"x": np.zeros((8, 2, 1), complex)}, "complex128"),
        ({"x": np.full((8, 1, 1), 1e300)}, "x: a float64 number is beyond the range of float32"),
        ({"y": np.arange(7)}, r"y: shape \(7,\), expected \(8,\)"),
        ({"y": np.full(8, 1e30)}, r"y\[0\]: 1e\+30 is not a whole number"),
        ({"y": ["a"] * 8}, "y: type <U1"),
        ({"lengths": [1.5] * 8}, r"lengths\[0\]: 1.5 is not a whole number"),
        ({"ids": [1.5] * 8}, "ids: shape .* float64"),
        ({"ids": [None] * 8}, "ids: shape .* object"),
        ({"groups": [b"\xff"] * 8}, "groups: a name is not UTF-8"),
        (
            {"splits": {"train": [0, 8]}, "provenance": "random"},
            "split 'train' contains song 8. Remedy: songs are 0 to 7",
        ),
        ({"splits": {"train": [-1, 3]}, "provenance": "random"}, "split 'train' contains song -1"),
        ({"splits": {"train": [[1, 3]]}, "provenance": "random"}, "shape"),
        ({"splits": {"train": [0.5]}, "provenance": "random"}, "float64"),
        ({"splits": {"train": [0]}}, "the split has no provenance.*official"),
        ({"provenance": "guessed"}, "'guessed' is unknown.*official, artist-filtered"),
    ],
)
def test_wrong_shapes_and_types_are_refused_when_it_is_made(changes, message):
    with pytest.raises(DataError, match=message):
        make(name="set", **changes)


def test_names_may_come_from_pandas_or_as_numbers():
    assert make(ids=np.array(list("abcdefgh"), dtype=object)).ids.tolist() == list("abcdefgh")
    assert make(groups=[3] * 8).groups.tolist() == ["3"] * 8


# Taking


@given(st.data())
def test_take_keeps_each_song_together(data):
    n_songs = data.draw(st.integers(1, 12))
    songs = make(n_songs, lengths=1 + np.arange(n_songs) % 3, groups=np.arange(n_songs) // 2)
    index = data.draw(hnp.arrays(np.int64, st.integers(0, 20), elements=st.integers(0, n_songs - 1)))
    taken = songs.take(index)
    np.testing.assert_array_equal(taken.x, songs.x[index])
    assert taken.ids.tolist() == [str(song) for song in index]
    assert taken.y.tolist() == [song % 2 for song in index]
    assert taken.lengths.tolist() == [1 + song % 3 for song in index]
    assert taken.groups.tolist() == [str(song // 2) for song in index]
    assert (taken.genres, dict(taken.splits), taken.provenance) == (songs.genres, {}, None)
    mask = np.isin(np.arange(n_songs), index)
    np.testing.assert_array_equal(songs.take(mask).ids, songs.take(np.unique(index)).ids)


@pytest.mark.parametrize("index", [[8], [True] * 7, [[True] * 8]])
def test_take_refuses_what_is_outside(index):
    with pytest.raises(IndexError):
        make().take(index)


def test_split_takes_its_songs():
    songs = make(splits={"train": [3, 1], "test": []}, provenance="official")
    assert songs.split("train").ids.tolist() == ["3", "1"]
    assert songs.split("test").n_songs == 0
    with pytest.raises(DataError, match=r"no split 'valid'; it has train, test.*genrezoo data split"):
        songs.split("valid")


# Blocks and checksum


@given(st.integers(1, 9), st.integers(1, 12))
def test_blocks_are_the_songs_in_order_with_padding_as_nan(size, n_songs):
    lengths = 1 + np.arange(n_songs) % 3
    songs = make(n_songs, lengths=lengths)
    parts = list(songs.blocks(size))
    assert [part.start for part, _ in parts] == list(range(0, n_songs, size))
    joined = np.concatenate([x for _, x in parts])
    real = np.arange(3) < lengths[:, None]
    np.testing.assert_array_equal(joined[real], songs.x[real])
    assert np.isnan(joined[~real]).all()
    assert not np.isnan(songs.x).any()  # the songs themselves are left alone


def test_blocks_hold_so_many_bytes(monkeypatch):
    monkeypatch.setattr(songset, "BLOCK_BYTES", 3 * 24)
    assert [len(x) for _, x in make().blocks()] == [3, 3, 2]
    monkeypatch.setattr(songset, "BLOCK_BYTES", 1)
    assert [len(x) for _, x in make().blocks()] == [1] * 8


def test_checksum_is_of_the_songs_not_of_how_they_are_stored(monkeypatch):
    songs = make(lengths=[2] + [3] * 7)
    whole = songs.checksum()
    other = songs.x.copy()
    other[0, 2] = 99  # padding
    monkeypatch.setattr(songset, "BLOCK_BYTES", 40)
    assert dataclasses.replace(songs, x=np.asfortranarray(other), name="other", groups=["a"] * 8).checksum() == whole


@pytest.mark.parametrize(
    "changes",
    [
        {"x": np.nextafter(make().x, np.inf)},
        {"y": [1, 0] * 4},
        {"lengths": [2] + [3] * 7},
        {"ids": np.arange(8) + 1},
        {"genres": ("jazz", "blues")},
        {"x": make().x.reshape(8, 2, 3), "lengths": [2] * 8},
        {"splits": {"train": [0, 1]}, "provenance": "random"},
    ],
)
def test_checksum_changes_with_what_a_figure_depends_on(changes):
    assert make(**changes).checksum() != make().checksum()


def test_checksum_tells_splits_apart():
    one = make(splits={"train": [0, 1], "test": [2]}, provenance="random")
    other = make(splits={"test": [2], "train": [0, 1]}, provenance="random")
    swapped = make(splits={"train": [2], "test": [0, 1]}, provenance="random")
    assert one.checksum() == other.checksum() != swapped.checksum()


# Description


def test_description_is_plain_data_with_counts():
    songs = make(
        y=[0, 0, 0, 1, 1, 0, 0, 0],
        lengths=[1, 2, 3, 3, 3, 3, 3, 3],
        groups=list("aabbccdd"),
        splits={"train": [0, 3, 4], "test": [5]},
        provenance="official",
        name="eight",
    )
    assert songs.describe() == {
        "name": "eight",
        "kind": "segments",
        "songs": 8,
        "segments": 3,
        "features": 2,
        "lengths": [1, 3, 3],
        "genres": {"blues": 6, "jazz": 2},
        "groups": 4,
        "splits": {"train": 3, "test": 1},
        "in_no_split": 4,
        "provenance": "official",
        "about": {},
    }
    assert make().describe()["in_no_split"] == 0
    assert "8 songs x 3 segments x 2 features, 2 genres, train 3, test 1, official" in repr(songs)


# Validation


def test_good_songs_are_returned_themselves():
    x = make().x.copy()
    x[0, 2] = np.inf  # padding
    songs = make(x=x, lengths=[2] + [3] * 7)
    assert songs.validate() is songs


def spoilt(song, segment, feature, value):
    x = make().x.copy()
    x[song, segment, feature] = value
    return x


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"x": np.zeros((0, 3, 2)), "y": []}, r"set: x: no songs: x has shape \(0, 3, 2\)"),
        ({"genres": ()}, "genres: no genre"),
        ({"genres": ("blues",), "y": np.zeros(8)}, "genres: one genre"),
        ({"genres": ("blues", "blues")}, "genres: a genre name occurs twice"),
        ({"genres": ("blues", "")}, "genres: a genre name is empty or longer than 1000 letters"),
        ({"genres": ("blues", "a" * 1001)}, "genres: a genre name is empty or longer than 1000 letters"),
        ({"y": [0, 1, 2, 0, 1, 0, 1, 0]}, r"y\[2\]: label 2 of song '2' is out of range.*0 to 1"),
        ({"y": [0, 1, 0, 0, 1, 0, -1, 0]}, r"y\[6\]: label -1 of song '6'"),
        ({"y": np.zeros(8)}, "y: no song has the label of 'jazz'"),
        ({"y": [1, 0, 0, 0, 0, 0, 0, 0]}, "y: genre 'jazz' has one song"),
        ({"ids": list("abcdbfgh")}, "ids: id 'b' occurs 2 times"),
        ({"lengths": [3, 4, 3, 3, 3, 3, 3, 3]}, r"lengths\[1\]: song '1' has a length of 4 segments.*1 to 3"),
        ({"lengths": [3, 0, 3, 3, 3, 3, 3, 3]}, r"lengths\[1\]: song '1' has a length of 0 segments"),
        ({"x": spoilt(7, 2, 1, np.nan)}, r"x\[7, 2, 1\]: song '7' has nan in segment 2, feature 1"),
        ({"x": spoilt(6, 1, 0, np.inf), "lengths": [2] * 8}, r"x\[6, 1, 0\]: song '6' has inf"),
    ],
)
def test_validate_names_the_place_and_the_remedy(monkeypatch, changes, message):
    monkeypatch.setattr(songset, "BLOCK_BYTES", 3 * 24)  # the place is counted over blocks
    with pytest.raises(DataError, match=message) as caught:
        make(name="set", **changes).validate()
    assert "Remedy: " in str(caught.value)


def test_validate_names_the_file_if_told():
    with pytest.raises(DataError, match=re.escape("folder/a.npz: y: ")):
        make(y=np.zeros(8)).validate("folder/a.npz")


@pytest.mark.parametrize("groups", [{"all": [0, 2]}, {"all": ["x"]}, {"all": 3}, 5])
def test_groups_that_do_not_fit_the_features_are_refused(groups):
    with pytest.raises(DataError, match="feature_names or feature_groups do not fit 2 features"):
        make(about={"feature_groups": groups}).feature_groups()


X = np.zeros((4, 2, 1))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"x": np.ma.masked_equal(np.zeros((4, 2, 1)), 1)}, "x: is a masked array"),
        ({"x": [[[0.0]], [[0.0], [1.0]]]}, "x: is not an array .*Remedy: pad the songs"),
        ({"y": [0, 1, [0]]}, "y: is not an array"),
        ({"lengths": np.ma.masked_equal([1, 1, 1, 1], 2)}, "lengths: is a masked array"),
        ({"genres": {"blues", "jazz"}}, "genres: .* is not a list of names"),
        ({"genres": "ab"}, "genres: 'ab' is not a list of names"),
        ({"genres": None}, "genres: None is not a list of names"),
        ({"genres": 5}, "genres: 5 is not a list of names"),
        ({"genres": ["blues", "\ud800"]}, "genres: a name is not text"),
        ({"ids": ["a", "b", "c", "\udcff"]}, "ids: a name is not text"),
        ({"splits": {"train": [[0], [1, 2]]}}, "splits: is not an array"),
        ({"splits": [0, 1]}, r"splits: \[0, 1\] is not a dict"),
        ({"about": 5}, "about: 5 is not a dict"),
    ],
)
def test_containers_that_would_lose_something_are_refused(given, message):
    with pytest.raises(DataError, match=message):
        SongSet(**{"x": X, "y": [0, 1, 0, 1], "genres": ("blues", "jazz"), "provenance": "random", **given})


def test_objects_of_pandas_are_arrays():
    frame = pd.DataFrame({"y": [0, 1, 0, 1], "id": list("abcd")})
    songs = SongSet(x=X, y=frame["y"], genres=pd.Series(["blues", "jazz"]), ids=frame["id"])
    assert songs.y.tolist() == [0, 1, 0, 1]
    assert songs.genres == ("blues", "jazz")
    assert songs.ids.tolist() == list("abcd")

"""From arrays and data frames to songs."""

import numpy as np
import pandas as pd
import pytest
from toys import write_noise

from genrezoo import DataError, SettingsError, SongSet, load_songs

LABELS = ["jazz", "blues", "jazz", "blues"]


def frame(**columns):
    return pd.DataFrame({"genre": LABELS, "tempo": [90, 120, 95.5, 110], "artist": list("abcd"), **columns})


def test_a_table_with_labels_as_text():
    songs = SongSet.from_arrays(np.arange(8.0).reshape(4, 2), LABELS)
    assert (songs.n_segments, songs.n_features, songs.genres) == (1, 2, ("blues", "jazz"))
    assert songs.y.tolist() == [1, 0, 1, 0]
    assert songs.x[2].tolist() == [[4.0, 5.0]]


@pytest.mark.parametrize("labels", [[7, 3, 7, 3], np.array([7.0, 3.0, 7.0, 3.0]), pd.Series([7, 3, 7, 3])])
def test_integer_labels_without_genres_are_their_names(labels):
    songs = SongSet.from_arrays(np.zeros((4, 5, 2)), labels)
    assert (songs.genres, songs.y.tolist()) == (("3", "7"), [1, 0, 1, 0])


def test_genres_that_are_passed_set_the_order():
    assert SongSet.from_arrays(np.zeros((4, 2)), LABELS, genres=["jazz", "blues"]).y.tolist() == [0, 1, 0, 1]
    assert SongSet.from_arrays(np.zeros((4, 2)), [0, 1, 0, 1], genres=["jazz", "blues"]).genres == ("jazz", "blues")


def test_songs_of_unequal_length_are_padded():
    songs = SongSet.from_arrays([np.full((n, 2), n) for n in (3, 1, 2, 3)], LABELS)
    assert songs.lengths.tolist() == [3, 1, 2, 3]
    assert np.isnan(songs.padded()[1, 1:]).all()
    assert songs[1].x.tolist() == [[1.0, 1.0]]


def test_songs_of_one_length_need_no_lengths():
    assert not SongSet.from_arrays([np.zeros((3, 2))] * 4, LABELS).has_padding


def test_a_column_of_sides_makes_the_split():
    sides = ["training", "val", None, "test"]
    songs = SongSet.from_arrays(np.zeros((4, 2)), LABELS, split=sides, provenance="official")
    assert {side: index.tolist() for side, index in songs.splits.items()} == {"train": [0], "valid": [1], "test": [3]}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"y": ["jazz", None, "jazz", "blues"]}, r"y\[1\]: no label"),
        ({"y": [1.0, np.nan, 1.0, 2.0]}, r"y\[1\]: no label"),
        ({"y": [0.5, 1.0, 0.5, 1.0]}, "0.5 is not a label"),
        ({"y": [["jazz"]] * 4}, r"y: has shape \(4, 1\)"),
        ({"y": LABELS, "genres": ["jazz", "rock"]}, r"y\[1\]: 'blues' is none of the genres"),
        ({"y": LABELS, "split": ["train", "test", "left", ""]}, r"split\[2\]: 'left' is not a split"),
        ({"y": LABELS, "split": ["train"]}, "pass 4 names of splits"),
        ({"x": [np.zeros((2, 2)), np.zeros((1, 3)), np.zeros((2, 2)), np.zeros((2, 2))]}, r"x\[1\]: shape \(1, 3\)"),
        ({"x": [np.zeros((2, 2)), np.zeros((1, 2))] * 2, "lengths": [1] * 4}, "leave lengths out"),
    ],
)
def test_what_does_not_fit_is_named(change, message):
    with pytest.raises(DataError, match=message):
        SongSet.from_arrays(**{"x": np.zeros((4, 2)), "y": LABELS, "provenance": "official", **change})


def test_a_data_frame_with_roles():
    songs = SongSet.from_frame(frame(name=list("wxyz")), label="genre", group="artist", id="name")
    assert (songs.ids.tolist(), songs.groups.tolist()) == (list("wxyz"), list("abcd"))
    assert songs.about["feature_names"] == ["tempo"]
    assert songs.x.ravel().tolist() == [90, 120, 95.5, 110]


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        ({}, {}, "column 'artist': is not numeric"),
        ({"tempo": [90, None, 95, 110]}, {"group": "artist"}, "row 1, column 'tempo': 'nan' is not a finite number"),
        ({"tempo": [90, "fast", 95, 110]}, {"group": "artist"}, "row 1, column 'tempo': 'fast' is not a finite"),
        ({"artist": ["a", None, "c", "d"]}, {"group": "artist"}, "row 1, column 'artist': no group"),
        ({}, {"group": "singer"}, "group: no column 'singer'; it has genre, tempo, artist"),
        ({}, {"features": ["tempo", "key"]}, "features: no column 'key'"),
        ({}, {"features": []}, "no feature columns"),
    ],
)
def test_a_cell_that_does_not_fit_is_named(change, options, message):
    with pytest.raises(DataError, match=message):
        SongSet.from_frame(frame(**change), label="genre", **options)


def test_songs_by_position_and_one_after_the_other():
    songs = SongSet.from_arrays(np.arange(4.0)[:, None], LABELS, groups=list("abcd"), ids=list("wxyz"))
    assert (songs[-1].id, songs[-1].genre, songs[-1].group, songs[-1].x.tolist()) == ("z", "blues", "d", [[3.0]])
    assert [song.y for song in songs] == [1, 0, 1, 0]
    for index, error in ((4, IndexError), (-5, IndexError), (slice(2), TypeError), (True, TypeError)):
        with pytest.raises(error):
            songs[index]


def test_saved_songs_are_loaded_again(tmp_path):
    songs = SongSet.from_arrays(np.arange(4.0)[:, None], LABELS)
    assert load_songs(songs.save(tmp_path / "songs")).checksum() == songs.checksum()


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("tempo,kind\n1,a\n2,b\n", {}, "no column of labels; it has tempo, kind"),
        ("tempo,genre\n1,a\n,b\n3,a\n4,b\n", {}, "row 3, column 'tempo'"),
        ("tempo,genre\n1,a\n2,\n3,a\n4,b\n", {}, "row 3, column 'genre': the cell is blank"),
        ("tempo,singer,genre\n1,x,a\n2,y,b\n", {}, r"column 'singer': is not numeric \('x', …\)"),
        ("tempo,artist,genre\n1,x,a\n2,,b\n", {}, "row 3, column 'artist': the cell is blank"),
        ("tempo,song_id,genre\n1,x,a\n2,x,b\n3,y,a\n4,z,b\n", {}, "'x' occurs 2 times.*songs as groups"),
        ("tempo,genre\n1,a\n2,b\n", {"label": "style", "features": ["tempo"]}, "label: no column 'style'"),
    ],
)
def test_a_csv_table_that_does_not_fit(tmp_path, text, options, message):
    (tmp_path / "mine.csv").write_text(text)
    with pytest.raises(DataError, match=message):
        load_songs(tmp_path / "mine.csv", **options)


def test_a_csv_table_with_a_split(tmp_path):
    rows = [f"{n},{'ab'[n % 2]},{('train', 'valid', 'test')[n // 4]}" for n in range(12)]
    (tmp_path / "mine.csv").write_text("\n".join(["tempo,Label,side", *rows]))
    songs = load_songs(tmp_path / "mine.csv", split="side", provenance="artist-filtered")
    assert (songs.genres, songs.name) == (("a", "b"), "mine")
    assert songs.splits["valid"].tolist() == [4, 5, 6, 7]


def test_columns_that_name_a_song_its_artist_or_its_side_are_no_features(tmp_path):
    header = ",Track_ID,tempo,artist,genre,label,split"
    rows = [
        f"{n},{n + 7},{n},{'xyz'[n // 4]},{'ab'[n % 2]},{n % 2},{('train', 'valid', 'test')[n // 4]}" for n in range(12)
    ]
    (tmp_path / "mine.csv").write_text("\n".join([header, *rows]))
    songs = load_songs(tmp_path / "mine.csv")
    assert songs.about["feature_names"] == ["tempo"]
    assert (songs.ids[0], songs.groups[4], songs.genres, songs.provenance) == ("7", "y", ("a", "b"), "official")
    assert songs.splits["test"].tolist() == [8, 9, 10, 11]
    chosen = load_songs(tmp_path / "mine.csv", group="Track_ID", features=["tempo", "label"], provenance="random")
    assert chosen.about["feature_names"] == ["tempo", "label"]
    assert (chosen.ids[0], chosen.groups[0], chosen.provenance) == ("0", "7", "random")


def test_a_list_of_audio_files_with_labels(tmp_path):
    paths = [write_noise(tmp_path / f"{number}.wav", seed=number) for number in range(4)]
    features = {"kind": "log_mel", "n_mels": 4}
    songs = load_songs(paths, labels=LABELS, groups=list("abcd"), features=features, cache=tmp_path / "cache")
    assert (songs.genres, songs.y.tolist(), songs.ids[0]) == (("blues", "jazz"), [1, 0, 1, 0], str(paths[0]))
    for change, message in (
        ({"labels": LABELS[:2]}, "labels: 2 for 4 files"),
        ({"split": ["left"] * 4}, "is not a split"),
    ):
        with pytest.raises(DataError, match=message):
            load_songs(paths, **{"labels": LABELS, **change})
    with pytest.raises(DataError, match="occurs twice"):
        load_songs([paths[0]] * 4, labels=LABELS)
    with pytest.raises(SettingsError, match="files needs labels"):
        load_songs(paths)


def test_a_parquet_table_is_read(tmp_path):
    frame().to_parquet(tmp_path / "mine.parquet")
    assert load_songs(tmp_path / "mine.parquet", group="artist").x.ravel().tolist() == [90, 120, 95.5, 110]
    (tmp_path / "torn.parquet").write_bytes(b"PAR1 nothing")
    with pytest.raises(DataError, match="cannot be read as Parquet"):
        load_songs(tmp_path / "torn.parquet")

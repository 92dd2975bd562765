"""AudioSet's records, written as the publishers write them, and damaged ones."""

import json
import struct

import numpy as np
import pytest
import tensorflow as tf

from genrezoo.datasets import load_songs
from genrezoo.datasets.audioset import GENRES, load_audioset
from genrezoo.errors import DataError, SettingsError

CLASSES = [("/m/04rlf", "Music"), ("/m/0155w", "Blues"), ("/m/06rqw", "Ska"), ("/m/0gywn", "Soul music")]
CLASSES += [("/m/06j6l", "Rhythm and blues"), ("/m/09x0r", "Speech, of a person")]
CLASSES += [(mid, mid) for mids in GENRES.values() for mid in mids if mid not in dict(CLASSES)]


def make_table(folder):
    rows = [f'{number},{mid},"{name}"\n' for number, (mid, name) in enumerate(CLASSES)]
    (folder / "class_labels_indices.csv").write_text("index,mid,display_name\n" + "".join(rows))


def make_clip(video, labels, seconds=10, width=128, leave_out=()):
    feature, features = tf.train.Feature, tf.train.Features
    generator = np.random.default_rng(sum(video.encode()))
    rows = [generator.integers(0, 256, width, np.uint8).tobytes() for _ in range(seconds)]
    context = {
        "video_id": feature(bytes_list=tf.train.BytesList(value=[video.encode()])),
        "labels": feature(int64_list=tf.train.Int64List(value=labels)),
        "start_time_seconds": feature(float_list=tf.train.FloatList(value=[30.0])),
    }
    embedding = tf.train.FeatureList(feature=[feature(bytes_list=tf.train.BytesList(value=[row])) for row in rows])
    example = tf.train.SequenceExample(
        context=features(feature={name: value for name, value in context.items() if name not in leave_out}),
        feature_lists=tf.train.FeatureLists(feature_list={"audio_embedding": embedding}),
    )
    return example.SerializeToString(), np.array([list(row) for row in rows])


def write_records(path, records):
    path.parent.mkdir(parents=True, exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as file:
        for record in records:
            file.write(record)


@pytest.fixture
def tree(tmp_path):
    """Two files of six clips with one genre, and four with none or several."""
    make_table(tmp_path)
    labels = {
        "a": [0, 1],
        "b": [1],
        "c": [2, 0],
        "d": [2, 5],
        "e": [3],
        "f": [4, 3],
        "g": [1, 2],
        "h": [0],
        "i": [1, 4],
    }
    made = {video: make_clip(video, of, seconds=3 if video == "d" else 10) for video, of in labels.items()}
    write_records(tmp_path / "bal_train" / "00.tfrecord", [made[video][0] for video in "abcd"])
    write_records(tmp_path / "bal_train" / "0_.tfrecord", [made[video][0] for video in "efghia"])
    (tmp_path / "bal_train" / "notes.txt").touch()
    return tmp_path, {video: x for video, (_, x) in made.items()}


def test_clips_with_exactly_one_genre(tree):
    folder, x = tree
    songs = load_songs("audioset", path=folder / "bal_train")
    assert songs.genres == ("Blues", "Soul/R&B", "Ska")  # in the order of GENRES, those that are there
    assert {video: songs.genres[y] for video, y in zip(songs.ids, songs.y, strict=True)} == {
        "a": "Blues",
        "b": "Blues",
        "c": "Ska",
        "d": "Ska",
        "e": "Soul/R&B",
        "f": "Soul/R&B",
    }
    assert songs.x.shape == (6, 10, 128)
    for video, values, length in zip(songs.ids, songs.x, songs.lengths, strict=True):
        assert length == (3 if video == "d" else 10)
        np.testing.assert_array_equal(values[:length], x[video])
    assert songs.about["left_out"] == {
        "none of the genres": 1,
        "several of the genres": 2,
        "duplicate clip": 1,
        "genre of fewer than 2 clips": 0,
    }
    assert songs.about["files"] == 2
    json.dumps(songs.describe(), allow_nan=False)


def test_genres_by_name_by_identifier_and_by_list(tree):
    folder, _ = tree
    named = load_audioset(folder, genres=["Soul music", "/m/06rqw"])
    assert named.genres == ("Soul music", "/m/06rqw")
    lists = load_audioset(folder, genres={"slow": ["Blues", "/m/0gywn"], "quick": ["Ska"]})
    assert lists.genres == ("slow", "quick")
    assert np.bincount(lists.y).tolist() == [5, 2]
    with pytest.raises(SettingsError, match="'Polka' is not a class in .*class_labels_indices.csv"):
        load_audioset(folder, genres=["Polka", "Ska"])
    with pytest.raises(SettingsError, match="the class '/m/0155w' belongs to two genres"):
        load_audioset(folder, genres={"a": ["Blues"], "b": ["/m/0155w"]})
    with pytest.raises(SettingsError, match="a list of names, got 'Ska'"):
        load_audioset(folder, genres="Ska")


def test_small_genres_are_left_out(tree):
    folder, _ = tree
    with pytest.raises(
        DataError, match="fewer than two genres have 3 clips in 2 good files: Blues 2, Soul/R&B 2, Ska 2"
    ):
        load_audioset(folder, min_songs=3)
    with pytest.raises(SettingsError, match="min_songs must be at least 2"):
        load_audioset(folder, min_songs=1)
    songs = load_audioset(folder, genres=["Blues", "Ska", "Rhythm and blues"])
    assert songs.genres == ("Blues", "Ska")
    assert songs.about["left_out"]["genre of fewer than 2 clips"] == 1


def test_the_table_is_needed(tree, tmp_path):
    folder, _ = tree
    (folder / "class_labels_indices.csv").rename(folder / "classes.csv")
    with pytest.raises(
        DataError, match="there is no class_labels_indices.csv in it or in the folders above it.*research.google.com"
    ):
        load_audioset(folder)
    assert load_audioset(folder, labels=folder / "classes.csv").n_songs == 6
    (folder / "classes.csv").write_text("index,mid,display_name\nx,/m/1,Blues\n")
    with pytest.raises(DataError, match="row 2: 'x' is not a number"):
        load_audioset(folder, labels=folder / "classes.csv")
    (folder / "classes.csv").write_text("index,mid,display_name\n0,/m/1,Blues\n1,/m/1,Ska\n")
    with pytest.raises(DataError, match="row 3: '/m/1' occurs twice"):
        load_audioset(folder, labels=folder / "classes.csv")


def test_an_npz_file_is_read_as_such(tmp_path):
    arrays = {"x": np.full((4, 10, 128), 200, np.uint8), "y": [0, 1, 0, 1], "class_names": ["Blues", "Ska"]}
    np.savez(tmp_path / "a.npz", video_id=list("abcd"), **arrays)
    songs = load_audioset(tmp_path / "a.npz")
    assert (songs.x.max(), songs.ids[0]) == (200, "a")
    with pytest.raises(SettingsError, match="already has its songs"):
        load_audioset(tmp_path / "a.npz", genres=["Ska"])


def flipped(content):
    content = bytearray(content)
    content[-20] ^= 1
    return bytes(content)


def forged_length(content):
    return content + struct.pack("<Q", 2**60) + bytes(12)


BAD = {
    "empty": (lambda _: b"", "is empty"),
    "text": (
        lambda _: b"<html>an error page, long enough to be a record</html>",
        "record 0: is not a file of TensorFlow records",
    ),
    "cut": (lambda content: content[:-30], "record 3: ends within a record, or is damaged"),
    "flipped": (flipped, "its checksums are wrong"),
    "forged length": (forged_length, "record 4: ends within a record, or is damaged"),
}


@pytest.mark.parametrize("case", BAD)
def test_damaged_files_are_rejected_unless_strict(tree, case):
    folder, _ = tree
    damage, message = BAD[case]
    path = folder / "bal_train" / "00.tfrecord"
    (folder / "bal_train" / "bad.tfrecord").write_bytes(damage(path.read_bytes()))
    songs = load_audioset(folder)
    assert songs.n_songs == 6
    assert list(songs.about["rejected"]) == ["bal_train/bad.tfrecord"]
    assert songs.about["files"] == 2
    with pytest.raises(DataError, match=f"bad.tfrecord: {message}"):
        load_audioset(folder, strict=True)


@pytest.mark.parametrize(
    ("clip", "message"),
    [
        ({"leave_out": ("video_id",)}, r"record 0 of 1: not a clip of AudioSet's embeddings \(no video_id\)"),
        ({"leave_out": ("labels",)}, "no labels"),
        ({"seconds": 11}, r"11 seconds of \[128\] numbers, expected 1 to 10 of 128"),
        ({"seconds": 0}, "0 seconds"),
        ({"width": 127}, r"10 seconds of \[127\]"),
    ],
)
def test_records_that_are_no_clips(tree, clip, message):
    folder, _ = tree
    write_records(folder / "bad.tfrecord", [make_clip("x", [1], **clip)[0]])
    with pytest.raises(DataError, match=message):
        load_audioset(folder, strict=True)


def test_records_that_are_no_examples(tree):
    folder, _ = tree
    write_records(folder / "bad.tfrecord", [b"\xff\xff\xff no protocol buffer"])
    with pytest.raises(DataError, match="contains records that are not tf.train.Example"):
        load_audioset(folder / "bad.tfrecord", strict=True)


def test_a_folder_without_records_says_what_to_get(tmp_path):
    with pytest.raises(DataError, match="contains no .tfrecord files.*features.tar.gz"):
        load_audioset(tmp_path)

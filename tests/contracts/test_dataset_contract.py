"""Every registered data set keeps the contract; each check fails for a data set that breaks it."""

import h5py
import numpy as np
import pytest
from dataset_contract import dataset_checks
from toys import make_songs, write_noise

from genrezoo.audio.settings import feature_settings
from genrezoo.registry import DATASETS, Entry
from genrezoo.songs import SongSet
from genrezoo.songs.storage import save_songs

pytestmark = pytest.mark.usefixtures("no_children")

CHECKS = dict(dataset_checks())


def npz_sample(folder):
    songs = make_songs()
    np.savez(folder / "songs.npz", x=songs.x, y=songs.y, class_names=np.array(songs.genres))
    return {"path": folder / "songs.npz"}


def folder_sample(folder):
    return {"path": save_songs(make_songs(), folder / "songs")}


def sound_sample(folder):
    """Two recordings of each of two genres, under names of clips of GTZAN's."""
    for number in range(4):
        genre = ("blues", "jazz")[number % 2]
        write_noise(folder / "music" / genre / f"{genre}.0000{number}.wav", seed=number)
    return {"path": folder / "music", "features": {"kind": "log_mel", "n_mels": 4}, "cache": folder / "cache"}


def table_sample(folder):
    names = feature_settings("feature_table").names
    rows = [f"{genre}.0000{clip}.{piece}.wav" for genre in ("blues", "jazz") for clip in range(3) for piece in range(2)]
    numbers = [",".join([str(number)] * len(names)) for number in range(len(rows))]
    lines = [f"{row},66149,{text},{row.split('.')[0]}" for row, text in zip(rows, numbers, strict=True)]
    (folder / "features_3_sec.csv").write_text("\n".join([",".join(["filename", "length", *names, "label"]), *lines]))
    return {"path": folder / "features_3_sec.csv"}


def msd_sample(folder):
    """Two songs of each of two genres in the form of the Million Song Dataset."""
    songs = folder / "songs"
    songs.mkdir(exist_ok=True)
    for number in range(4):
        with h5py.File(songs / f"{number}.h5", "w") as file:
            for name, shape in (("pitches", (9, 12)), ("timbre", (9, 12)), ("loudness_max", (9,))):
                file[f"analysis/segments_{name}"] = np.full(shape, float(number))
            file["analysis/songs"] = np.array([(f"TR{number}",)], [("track_id", "S32")])
            file["metadata/songs"] = np.array([(f"AR{number}",)], [("artist_id", "S32")])
    (songs / "genres.cls").write_text("TR0\tRap\nTR1\tRock\nTR2\tRap\nTR3\tRock\n")
    return {"path": songs, "segments": 5}


def fma_sample(folder):
    """Six tracks of the Free Music Archive, two on each side."""
    rows = ["track_id,artist,set,set,track", ",id,split,subset,genre_top", "track_id,,,,"]
    for number, side in enumerate(["training", "validation", "test"] * 2):
        write_noise(folder / "fma_small" / "000" / f"{number:06}.wav", seed=number)
        rows.append(f"{number},{number},{side},small,{('Rock', 'Folk')[number // 3]}")
    (folder / "fma_metadata").mkdir(exist_ok=True)
    (folder / "fma_metadata" / "tracks.csv").write_text("\n".join(rows))
    return {"path": folder, "features": {"kind": "log_mel", "n_mels": 4}, "cache": folder / "cache"}


def audioset_sample(folder):
    """Two clips of each of two genres as TensorFlow records."""
    import tensorflow as tf

    def feature(kind, value):
        return tf.train.Feature(**{kind: {"value": [value]}})

    with tf.io.TFRecordWriter(str(folder / "00.tfrecord")) as file:
        for number in range(4):
            context = {"video_id": feature("bytes_list", b"%d" % number), "labels": feature("int64_list", number % 2)}
            seconds = {"feature": [feature("bytes_list", bytes([number]) * 128)] * 3}
            example = tf.train.SequenceExample(
                context={"feature": context}, feature_lists={"feature_list": {"audio_embedding": seconds}}
            )
            file.write(example.SerializeToString())
    (folder / "class_labels_indices.csv").write_text("index,mid,display_name\n0,/m/0155w,Blues\n1,/m/06rqw,Ska\n")
    return {"path": folder, "genres": ["Blues", "Ska"]}


def csv_sample(folder):
    (folder / "mine.csv").write_text("tempo,genre,artist\n90,jazz,a\n120,blues,b\n95,jazz,c\n110,blues,d\n")
    return {"path": folder / "mine.csv", "group": "artist"}


def files_sample(folder):
    paths = [write_noise(folder / f"{number}.wav", seed=number) for number in range(4)]
    features = {"kind": "log_mel", "n_mels": 4}
    return {"paths": paths, "labels": ["jazz", "blues"] * 2, "features": features, "cache": folder / "cache"}


SAMPLES = {
    "audioset": audioset_sample,
    "files": files_sample,
    "fma": fma_sample,
    "msd": msd_sample,
    "folder": sound_sample,
    "gtzan": sound_sample,
    "gtzan_table": table_sample,
    "npz": npz_sample,
    "songs_folder": folder_sample,
    "table": csv_sample,
    "synthetic": lambda _: {"n_segments": 9, "n_train": 40, "n_valid": 20, "n_test": 20},
    "synthetic_audio": lambda _: {
        "features": "mfcc_statistics",
        "seconds": 2,
        "n_train": 10,
        "n_valid": 5,
        "n_test": 5,
    },
}


@pytest.mark.parametrize("name", DATASETS.names())
def test_a_data_set_has_a_sample(name):
    assert name in SAMPLES, (
        f"{name} is not tested: add a function that writes a few songs into a folder and returns the loader's options "
        f"(options alone, where it reads no files) to SAMPLES in {__file__}"
    )


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("name", SAMPLES)
def test_dataset(name, check, tmp_path):
    CHECKS[check](DATASETS.get(name), SAMPLES[name](tmp_path))


def undocumented(**options):
    return make_songs()


def bad_songs(**options):
    """Songs with a fault in them."""
    songs = make_songs()
    x = songs.x.copy()
    x[0, 0, 0] = np.inf
    return SongSet(x=x, y=songs.y, genres=songs.genres)


def moody(**options):
    """Other songs each time."""
    return make_songs(seed=int(np.random.default_rng().integers(2**31)))


def leaky(**options):
    """A song on two sides."""
    songs = make_songs()
    return songs.with_split({**songs.splits, "test": songs.splits["train"]}, "random")


def gullible(**options):
    """Takes anything."""
    return make_songs()


@pytest.mark.parametrize(
    ("check", "broken", "message"),
    [
        ("facts", undocumented, "no docstring"),
        ("sample", bad_songs, "inf in segment 0"),
        ("repeats", moody, "other songs"),
        ("split", leaky, "on two sides"),
        ("refusal", gullible, "DID NOT RAISE"),
        ("detection", gullible, "recognises a path where nothing is"),
    ],
)
def test_a_broken_data_set_is_caught(check, broken, message):
    entry = Entry(name="broken", call=broken, summary="s", reference="r", licence="MIT", detects=lambda path: 3)
    with pytest.raises((AssertionError, ValueError, pytest.fail.Exception), match=message):
        CHECKS[check](entry, {})


def test_every_check_has_a_broken_member():
    rows = test_a_broken_data_set_is_caught.pytestmark[0].args[1]
    assert {row[0] for row in rows} == set(CHECKS)

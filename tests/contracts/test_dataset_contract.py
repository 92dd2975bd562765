"""Every registered data set keeps the contract; each check fails for a data set that breaks it."""

import numpy as np
import pytest
from dataset_contract import dataset_checks
from toys import make_songs

from genrezoo.datasets.arrays import save_songs
from genrezoo.registry import DATASETS, Entry
from genrezoo.songs import SongSet

CHECKS = dict(dataset_checks())


def npz_sample(folder):
    songs = make_songs()
    np.savez(folder / "songs.npz", x=songs.x, y=songs.y, class_names=np.array(songs.genres))
    return {"path": folder / "songs.npz"}


def folder_sample(folder):
    return {"path": save_songs(make_songs(), folder / "songs")}


SAMPLES = {
    "npz": npz_sample,
    "songs_folder": folder_sample,
    "synthetic": lambda _: {"n_segments": 9, "n_train": 40, "n_valid": 20, "n_test": 20},
}


def test_every_data_set_has_a_sample():
    assert set(SAMPLES) == set(DATASETS.names())


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("name", DATASETS.names())
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
    ],
)
def test_a_broken_data_set_is_caught(check, broken, message):
    entry = Entry(name="broken", call=broken, summary="s", reference="r", licence="MIT")
    with pytest.raises((AssertionError, ValueError, pytest.fail.Exception), match=message):
        CHECKS[check](entry, {})


def test_every_check_has_a_broken_member():
    rows = test_a_broken_data_set_is_caught.pytestmark[0].args[1]
    assert {row[0] for row in rows} == set(CHECKS)

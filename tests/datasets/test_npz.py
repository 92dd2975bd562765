"""`load_npz`: what it reads, and one clear refusal for everything that would make a figure wrong."""

import io
import os
import pickle
import tempfile
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest

from genrezoo import archive
from genrezoo.datasets import list_datasets, load_songs, npz
from genrezoo.datasets.npz import load_npz
from genrezoo.errors import DataError, SettingsError
from genrezoo.registry import DATASETS, Entry

GENRES = ["blues", "jazz", "ska"]
Y = np.arange(12) % 3
X = np.arange(12 * 4 * 2, dtype=np.float32).reshape(12, 4, 2)


def arrays(**changes):
    """The keys of a good archive with changes; None leaves one out."""
    columns = {"x": X, "y": Y, "class_names": GENRES, **changes}
    return {key: value for key, value in columns.items() if value is not None}


def save(path, **changes):
    np.savez(path, **arrays(**changes))
    return path


def npy(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def npy_claiming(header, data=b"", version=(1, 0)):
    """A .npy whose header is any text."""
    text = header.encode("latin-1") + b"\n"
    return b"\x93NUMPY" + bytes(version) + len(text).to_bytes(2 if version == (1, 0) else 4, "little") + text + data


def zipped(path, members, forge=None, compression=zipfile.ZIP_STORED):
    """An archive of (name, bytes) members; ``forge`` may change the directory's entries before it is written."""
    with warnings.catch_warnings(), zipfile.ZipFile(path, "w", compression) as archive:
        warnings.simplefilter("ignore")  # of a name that stands twice
        for name, data in members:
            archive.writestr(name, data)
        if forge:
            forge(archive.infolist())
    return path


def good_members(**changes):
    return [(f"{key}.npy", npy(value)) for key, value in arrays(**changes).items()]


def flip(path, array, byte):
    """Flips one bit of an array stored as it is, ``byte`` bytes after its first number."""
    content = bytearray(path.read_bytes())
    content[content.index(array.tobytes()) + byte] ^= 1
    path.write_bytes(content)
    return path


# What it reads


def test_arrays_names_and_defaults(tmp_path):
    songs = load_npz(save(tmp_path / "tiny.npz"))
    np.testing.assert_array_equal(songs.x, X)
    np.testing.assert_array_equal(songs.y, Y)
    assert songs.genres == ("blues", "jazz", "ska")
    assert songs.ids.tolist() == [str(row) for row in range(12)]
    assert (songs.name, songs.provenance, dict(songs.splits), songs.groups) == ("tiny", None, {}, None)
    assert songs.about["files"] == ["tiny.npz"]


def test_the_other_set_of_keys_and_a_name(tmp_path):
    path = tmp_path / "a.npz"
    np.savez_compressed(path, inputs=X[:, 0], targets=Y, label_map=np.array(GENRES))
    songs = load_npz(path, name="mine")
    assert songs.x.shape == (12, 1, 2)  # a table has one segment
    assert songs.name == "mine"
    np.testing.assert_array_equal(songs.x[:, 0], X[:, 0])


@pytest.mark.parametrize("names", [None, GENRES[::-1]])
def test_labels_as_text_name_their_genres(tmp_path, names):
    songs = load_npz(save(tmp_path / "a.npz", y=np.array(GENRES)[Y], class_names=names))
    assert songs.genres == tuple(names or GENRES)
    assert [songs.genres[label] for label in songs.y] == [GENRES[label] for label in Y]


@pytest.mark.parametrize("kind", ["u1", "<f8", ">f4", ">i2", "<f2", "i8"])
def test_any_kind_of_number_becomes_native_float32(tmp_path, kind):
    songs = load_npz(save(tmp_path / "a.npz", x=X.astype(kind), y=Y.astype(">i4")))
    assert songs.x.dtype == np.float32
    assert songs.x.dtype.isnative
    np.testing.assert_array_equal(songs.x, X)
    np.testing.assert_array_equal(songs.y, Y)


def test_fortran_order_changes_nothing(tmp_path):
    one, other = save(tmp_path / "a.npz"), save(tmp_path / "b.npz", x=np.asfortranarray(X))
    assert load_npz(one).checksum() == load_npz(other).checksum()


def test_flat_features_are_cut_into_segments_in_order(tmp_path):
    flat = np.arange(12 * 3000, dtype=np.float32).reshape(12, 3000)
    songs = load_npz(save(tmp_path / "a.npz", x=flat), n_segments=120)
    assert songs.x.shape == (12, 120, 25)
    np.testing.assert_array_equal(songs.x[3, 7], flat[3, 7 * 25 : 8 * 25])


def test_n_segments_may_repeat_what_the_array_says(tmp_path):
    assert load_npz(save(tmp_path / "a.npz"), n_segments=4).x.shape == X.shape


def test_padding_may_be_nan(tmp_path):
    x, lengths = X.copy(), np.full(12, 4)
    x[2, 3], lengths[2] = np.nan, 3
    songs = load_npz(save(tmp_path / "a.npz", x=x, lengths=lengths))
    assert songs.lengths.tolist() == lengths.tolist()
    assert songs.has_padding


@pytest.mark.parametrize("key", npz.IDS)
def test_ids_under_any_of_their_keys(tmp_path, key):
    assert load_npz(save(tmp_path / "a.npz", **{key: np.arange(12) * 7})).ids[2] == "14"


@pytest.mark.parametrize("key", npz.GROUPS)
def test_groups_under_any_of_their_keys(tmp_path, key):
    artists = np.array([b"Bj\xc3\xb6rk", b"Can"] * 6)
    assert load_npz(save(tmp_path / "a.npz", **{key: artists})).groups[:2].tolist() == ["Björk", "Can"]


@pytest.mark.parametrize(
    ("key", "given", "expected"),
    [
        ("split", None, "official"),
        ("split_filtered", None, "fault-filtered"),
        ("split_artist_filtered", None, "artist-filtered"),
        ("split_random", None, "random"),
        ("split_filtered", "artist-filtered", "artist-filtered"),
        ("split_mine", "random", "random"),
    ],
)
def test_a_column_says_the_split_and_where_it_comes_from(tmp_path, key, given, expected):
    column = ["train"] * 6 + ["Validation", "val", "valid", "test", "excluded", ""]
    songs = load_npz(save(tmp_path / "a.npz", **{key: column}), provenance=given)
    assert {name: index.tolist() for name, index in songs.splits.items()} == {
        "train": [0, 1, 2, 3, 4, 5],
        "valid": [6, 7, 8],
        "test": [9],
    }
    assert songs.provenance == expected
    assert songs.describe()["in_no_split"] == 2


def test_feature_names_are_kept_and_other_plain_arrays_let_be(tmp_path):
    songs = load_npz(save(tmp_path / "a.npz", feature_names=["rms", "centroid"], weights=np.eye(3), made=b"2020"))
    assert songs.about["feature_names"] == ["rms", "centroid"]
    assert "weights" not in songs.about


def test_a_link_to_a_file_is_followed(tmp_path):
    (tmp_path / "b.npz").symlink_to(save(tmp_path / "a.npz"))
    assert load_npz(tmp_path / "b.npz").name == "b"


def test_a_folder_of_three_files_is_an_official_split(tmp_path):
    for split, rows in {"train": range(6), "validation": range(6, 9), "test": range(9, 12)}.items():
        rows = list(rows)
        save(tmp_path / f"{split}.npz", x=X[rows], y=Y[rows])
    songs = load_npz(tmp_path)
    np.testing.assert_array_equal(songs.x, X)
    assert {name: index.tolist() for name, index in songs.splits.items()} == {
        "train": [0, 1, 2, 3, 4, 5],
        "valid": [6, 7, 8],
        "test": [9, 10, 11],
    }
    assert songs.provenance == "official"
    assert songs.ids[[0, 6, 11]].tolist() == ["train/0", "valid/0", "test/2"]
    assert songs.name == tmp_path.name
    assert songs.about["files"] == ["train.npz", "validation.npz", "test.npz"]


def test_the_million_song_files_as_the_courses_gave_them_out(tmp_path):
    generator = np.random.default_rng(0)
    label_map = np.array([f"genre {number}" for number in range(10)])
    for split, number in (("train", 40), ("valid", 20)):
        x = generator.standard_normal((number, 120, 25)).astype(np.float16)
        np.savez_compressed(
            tmp_path / f"msd-10-genre-{split}.npz", inputs=x, targets=np.arange(number) % 10, label_map=label_map
        )
    flat = generator.standard_normal((10, 3000))
    np.savez_compressed(tmp_path / "msd-10-genre-test-inputs.npz", inputs=flat)
    np.savez_compressed(tmp_path / "msd-10-genre-test-targets.npz", targets=np.arange(10))
    songs = load_npz(tmp_path, n_segments=120)
    assert songs.x.shape == (70, 120, 25)
    assert {name: len(index) for name, index in songs.splits.items()} == {"train": 40, "valid": 20, "test": 10}
    np.testing.assert_array_equal(songs.split("test").x[3, 1], flat[3, 25:50].astype(np.float32))
    with pytest.raises(DataError, match=r"3000 features, but 120 x 25 in msd.*pass n_segments"):
        load_npz(tmp_path)


def test_without_the_test_pair_it_has_two_sides(tmp_path):
    for split in ("train", "valid"):
        np.savez(tmp_path / f"msd-10-genre-{split}.npz", inputs=X, targets=Y, label_map=GENRES)
    assert list(load_npz(tmp_path).splits) == ["train", "valid"]


# What it refuses: the keys' contents

NAN, INFINITE = X.copy(), X.copy()
NAN[5, 2, 1], INFINITE[11, 0, 0] = np.nan, -np.inf
WIDE = X.astype(np.float64)
WIDE[1, 1, 1] = 1e39
OBJECTS = np.array(["a", None] * 6, dtype=object)

CONTENT = {
    "no labels": ({"y": None}, ["'y' is missing", "keys x, class_names"]),
    "no features": ({"x": None}, ["'x' is missing"]),
    "no names of genres": ({"class_names": None}, ["'class_names' is missing", "np.savez"]),
    "other keys": ({"x": None, "y": None, "X": X, "labels": Y}, ["keys class_names, X, labels", "np.savez"]),
    "both sets of keys": ({"inputs": X, "targets": Y}, ["two sets of songs"]),
    "labels as objects": ({"y": OBJECTS}, ["y.npy", "Python objects", "never loaded", "runs code"]),
    "names as objects": ({"class_names": np.array(GENRES, dtype=object)}, ["class_names.npy", "never loaded"]),
    "unused objects": ({"notes": OBJECTS}, ["notes.npy", "never loaded"]),
    "unused records": ({"notes": np.zeros(3, "f4,i4")}, ["notes.npy", "records"]),
    "one axis": ({"x": X[:, 0, 0]}, ["x: shape (12,)", "(songs, segments, features)"]),
    "four axes": ({"x": X[..., None]}, ["x: shape (12, 4, 2, 1)"]),
    "complex features": ({"x": X.astype(complex)}, ["x: ", "complex128"]),
    "features as text": ({"x": X.astype(str)}, ["x: ", "expected real numbers"]),
    "beyond float32": ({"x": WIDE}, ["x: ", "beyond the range of float32"]),
    "NaN": ({"x": NAN}, ["x[5, 2, 1]", "song '5' has nan in segment 2, feature 1", "lengths"]),
    "infinite": ({"x": INFINITE}, ["x[11, 0, 0]", "-inf"]),
    "NaN before the song's end": ({"x": NAN, "lengths": np.full(12, 3)}, ["x[5, 2, 1]"]),
    "no songs": ({"x": X[:0], "y": Y[:0]}, ["no songs", "(0, 4, 2)"]),
    "no features in a song": ({"x": X[:, :, :0]}, ["no songs", "(12, 4, 0)"]),
    "labels one short": ({"y": Y[:-1]}, ["y: shape (11,), expected (12,)"]),
    "one-hot labels": ({"y": np.eye(3)[Y]}, ["y: shape (12, 3)", "one number per song"]),
    "fractional label": ({"y": np.where(np.arange(12) == 4, 0.5, Y)}, ["y[4]", "0.5 is not a whole number"]),
    "label NaN": ({"y": np.where(np.arange(12) == 4, np.nan, Y)}, ["y[4]", "nan"]),
    "labels that are no genre": ({"y": np.array([*GENRES[:2], "skå"])[Y]}, ["y[2]", "'skå' is none of the genres"]),
    "label too large": ({"y": np.where(np.arange(12) == 7, 3, Y)}, ["y[7]", "label 3 of song '7'", "0 to 2"]),
    "negative label": ({"y": Y - 1}, ["y[0]", "label -1"]),
    "gap in the labels": ({"y": np.where(Y == 1, 2, Y)}, ["no song has the label of 'jazz'", "without gaps"]),
    "one genre": ({"y": Y * 0, "class_names": ["blues"]}, ["one genre", "at least two"]),
    "one song in a genre": ({"y": np.r_[Y[:-1] % 2, 2]}, ["genre 'ska' has one song"]),
    "name twice": ({"class_names": ["blues", "jazz", "blues"]}, ["genre name occurs twice"]),
    "names as numbers": ({"class_names": np.arange(3)}, ["class_names: ", "int64", "the name of label 0 first"]),
    "names as a dict": ({"class_names": {"blues": 0}}, ["class_names.npy", "never loaded"]),
    "names in a table": ({"class_names": [GENRES]}, ["class_names: shape (1, 3)"]),
    "id twice": ({"ids": [*range(11), 3]}, ["id '3' occurs 2 times"]),
    "ids one short": ({"song_id": np.arange(11)}, ["song_id: ", "expected 12 names"]),
    "fractional ids": ({"ids": np.arange(12) / 2}, ["ids: ", "float64"]),
    "ids in another encoding": ({"ids": np.array([b"\xff%d" % row for row in range(12)])}, ["ids: ", "UTF-8"]),
    "groups one short": ({"artist": GENRES}, ["artist: ", "expected 12 names"]),
    "length beyond the array": ({"lengths": np.r_[np.full(11, 4), 5]}, ["lengths[11]", "length of 5", "1 to 4"]),
    "length of nothing": ({"lengths": np.r_[0, np.full(11, 4)]}, ["lengths[0]", "length of 0"]),
    "fractional length": ({"lengths": np.full(12, 3.5)}, ["lengths[0]", "3.5 is not a whole number"]),
    "a split of other words": ({"split": ["dev"] * 12}, ["split: no song is in train, valid or test"]),
    "a split one short": ({"split": ["train"] * 11}, ["split: ", "expected 12 names"]),
    "a split from nowhere": ({"split_b": ["train"] * 12}, ["split_b: ", "is unknown", "provenance="]),
    "two splits": ({"split_a": ["train"] * 12, "split_b": ["test"] * 12}, ["several columns", "split_a, split_b"]),
    "feature names too few": ({"feature_names": ["rms"]}, ["feature_names: ", "expected 2 names"]),
}


def content_of(folder):
    return {path: path.read_bytes() if path.is_file() else None for path in Path(folder).rglob("*")}


def refused(path, parts, place, **options):
    """Checks that loading ends in one `DataError` of one line that names the file, and that nothing was written."""
    before = content_of(place)
    with pytest.raises(DataError) as caught:
        load_npz(path, **options)
    message = str(caught.value)
    assert Path(path).name in message
    assert "Remedy: " in message
    assert "\n" not in message
    for part in parts:
        assert part in message, message
    assert content_of(place) == before


@pytest.mark.parametrize("case", CONTENT)
def test_refuses_content(tmp_path, case):
    changes, parts = CONTENT[case]
    refused(save(tmp_path / "a.npz", **changes), parts, tmp_path)


# What it refuses: the file itself


def forged_size(size):
    def forge(members):
        members[0].file_size = size

    return forge


def forged_checksum(members):
    members[0].CRC ^= 1


def encrypt(members):
    members[0].flag_bits |= 1


def large_flipped(path):
    """The damage lies behind what is read of a header."""
    x = np.ones((12, 40, 200), np.float32)
    return flip(save(path, x=x), x, 300_000)


def written(path, data):
    path.write_bytes(data)
    return path


def half(path):
    content = save(path).read_bytes()
    return written(path, content[: len(content) // 2])


def without_x(x):
    """Members with x as given bytes."""
    return [("x.npy", x), *good_members(x=None)]


def described(shape, kind="<f4"):
    return f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}"


def bomb(path):
    members = without_x(npy(np.zeros((12, 1000, 1500), np.float32)))  # 72 MB in 70 kB
    return zipped(path, members, compression=zipfile.ZIP_DEFLATED)


def unknown_packing(members):
    members[0].compress_type = 97


def pipe(path):
    os.mkfifo(path)
    return path


def loop(path):
    path.symlink_to(path)
    return path


FILES = {
    "missing": (lambda path: path, ["No such file"]),
    "a name with NUL": (lambda path: path.with_name("a.npz\0"), ["null"]),
    "a pipe": (pipe, ["a pipe or device"]),
    "a link to itself": (loop, ["symbolic links"]),
    "nothing in it": (lambda path: written(path, b""), ["0 bytes"]),
    "text": (lambda path: written(path, b"<!doctype html>"), ["not an .npz archive", "<!doct"]),
    "a pickle": (lambda path: written(path, pickle.dumps({"x": 1})), ["not an .npz archive"]),
    "a bare array": (lambda path: written(path, npy(X)), ["one bare array (.npy)", "np.savez"]),
    "cut in half": (half, ["cut short or damaged"]),
    "cut to the first letters": (lambda path: written(path, b"PK\x03\x04"), ["cut short or damaged"]),
    "an empty archive": (lambda path: zipped(path, []), ["keys (none)"]),
    "a flipped bit in labels": (lambda path: flip(save(path), Y, 3), ["y.npy", "damaged", "CRC"]),
    "a flipped bit in features": (large_flipped, ["x: damaged", "CRC"]),
    "a forged checksum": (
        lambda path: zipped(path, good_members(x=np.ones((12, 40, 200))), forged_checksum, zipfile.ZIP_DEFLATED),
        ["x: damaged", "CRC"],
    ),
    "encrypted": (lambda path: zipped(path, good_members(), encrypt), ["x.npy", "encrypted"]),
    "packed in another way": (lambda path: zipped(path, good_members(), unknown_packing), ["x.npy", "compression"]),
    "a name twice": (lambda path: zipped(path, good_members() + good_members()), ["x.npy", "occurs 2 times"]),
    "something else inside": (lambda path: zipped(path, [*good_members(), ("notes.txt", b"hi")]), ["notes.txt"]),
    "text for an array": (lambda path: zipped(path, without_x(b"hello")), ["x.npy", "not an array"]),
    "a header of nonsense": (
        lambda path: zipped(path, without_x(npy_claiming("{'shape': "))),
        ["x.npy", "not an array"],
    ),
    "a deep header": (lambda path: zipped(path, without_x(npy_claiming("(" * 9000))), ["x.npy", "not an array"]),
    "a long header": (lambda path: zipped(path, without_x(npy_claiming(" " * 20_000))), ["x.npy", "not an array"]),
    "a header of the future": (
        lambda path: zipped(path, without_x(npy_claiming(described((12, 4)), bytes(192), version=(9, 0)))),
        ["x.npy", "not an array"],
    ),
    "four terabytes": (
        lambda path: zipped(path, without_x(npy_claiming(described((2**20, 2**20)), b"only"))),
        ["x.npy", "declares shape (1048576, 1048576)", "4 are there"],
    ),
    "more bytes than it claims": (
        lambda path: zipped(path, without_x(npy_claiming(described((3, 1)), bytes(96)))),
        ["x.npy", "12 bytes, but 96 are there"],
    ),
    "a negative size": (
        lambda path: zipped(path, without_x(npy_claiming(described((-12, -1)), bytes(48)))),
        ["x.npy", "declares shape (-12, -1)"],
    ),
    "nothing, endlessly long": (
        lambda path: zipped(path, without_x(npy_claiming(described((0, 2**70))))),
        ["x: damaged"],
    ),
    "a zip bomb": (bomb, ["x.npy", "72,000,128", "bomb"]),
    "a forged ratio": (lambda path: zipped(path, good_members(), forged_size(10 * 2**30)), ["x.npy", "bomb"]),
    "too large": (
        lambda path: zipped(path, good_members(), forged_size(20 * 2**30)),
        ["20.0 GiB", "limit is 16.0 GiB"],
    ),
    "a size beyond the data": (
        lambda path: zipped(path, good_members(), forged_size(1000)),
        ["x.npy"],
    ),
}


@pytest.mark.parametrize("case", FILES)
def test_refuses_file(tmp_path, case):
    make, parts = FILES[case]
    path = make(tmp_path / "a.npz")
    # A pipe or loop cannot be read back: compare the folder without it.
    place = tmp_path if path.is_file() else tempfile.mkdtemp(dir=tmp_path)
    refused(path, parts, place)


def test_a_pickle_is_never_run(tmp_path):
    class Payload:
        def __reduce__(self):
            return (open, (str(tmp_path / "run"), "w"))

    refused(save(tmp_path / "a.npz", y=np.array([Payload()] * 12)), ["never loaded"], tmp_path)
    assert not (tmp_path / "run").exists()


def test_the_limit_is_an_argument(tmp_path):
    refused(save(tmp_path / "a.npz"), ["limit"], tmp_path, max_bytes=100)


def test_refuses_what_memory_cannot_hold(tmp_path, monkeypatch):
    path = save(tmp_path / "a.npz", x=X.astype(np.float64))
    need = 12 * 8 * 8 + 12 * 8 * 4 + Y.nbytes + np.array(GENRES).nbytes  # as stored, as float32, labels, names
    monkeypatch.setattr(npz, "available_bytes", lambda: need)
    load_npz(path)
    monkeypatch.setattr(npz, "available_bytes", lambda: need - 1)
    refused(path, ["memory"], tmp_path)


def test_joining_files_takes_their_features_twice(tmp_path, monkeypatch):
    for split in ("train", "valid"):
        save(tmp_path / f"{split}.npz")
    need = 2 * (2 * X.nbytes + Y.nbytes + np.array(GENRES).nbytes)
    monkeypatch.setattr(npz, "available_bytes", lambda: need)
    load_npz(tmp_path)
    monkeypatch.setattr(npz, "available_bytes", lambda: need - 1)
    refused(tmp_path, ["memory"], tmp_path)


def test_available_memory_is_some_but_not_more_than_there_is():
    assert 2**20 < archive.available_bytes() <= os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def test_no_damage_goes_unseen(tmp_path):
    """Every mutation of a file is refused or changes nothing that was read."""
    path = save(tmp_path / "a.npz", ids=[f"song {row}" for row in range(12)])
    content, whole = path.read_bytes(), load_npz(path).checksum()
    generator = np.random.default_rng(1)
    refusals = 0
    for _ in range(300):
        damaged = np.frombuffer(content, np.uint8).copy()
        damaged[generator.integers(len(damaged), size=3)] = generator.integers(256, size=3)
        path.write_bytes(damaged.tobytes())
        try:
            assert load_npz(path).checksum() == whole
        except DataError:
            refusals += 1
    assert refusals > 200


# What it refuses: files that do not belong together


def pair(folder, train=None, valid=None):
    save(folder / "train.npz", **(train or {}))
    save(folder / "valid.npz", **(valid or {}))


def test_files_may_share_one_list_of_names(tmp_path):
    pair(tmp_path, valid={"class_names": None})
    assert load_npz(tmp_path).genres == tuple(GENRES)


FOLDERS = {
    "other features": ({"x": X[:, :, :1]}, ["valid.npz", "4 segments x 1 features", "4 x 2 in train.npz"]),
    "other genres": (
        {"class_names": ["jazz", "blues", "ska"]},
        ["have different genres", "train.npz: blues, jazz, ska"],
    ),
    "lengths in one": ({"lengths": np.full(12, 4)}, ["only one of train.npz and valid.npz has lengths"]),
    "a split inside": ({"split": ["train"] * 12}, ["only one of"]),
}


@pytest.mark.parametrize("case", FOLDERS)
def test_refuses_files_that_differ(tmp_path, case):
    changes, parts = FOLDERS[case]
    pair(tmp_path, valid=changes)
    refused(tmp_path, parts, tmp_path)


def test_refuses_a_column_beside_split_files(tmp_path):
    pair(tmp_path, {"split": ["train"] * 12}, {"split": ["valid"] * 12})
    refused(tmp_path, ["split is given by the files' names", "'split'"], tmp_path)


def test_refuses_features_in_another_order(tmp_path):
    pair(tmp_path, {"feature_names": ["rms", "flux"]}, {"feature_names": ["flux", "rms"]})
    refused(tmp_path, ["feature names", "valid.npz: flux, rms"], tmp_path)


def test_refuses_one_id_in_two_files(tmp_path):
    pair(tmp_path, {"ids": np.arange(12)}, {"ids": np.arange(11, 23)})
    refused(tmp_path, ["id '11' occurs 2 times"], tmp_path)


def test_refuses_genres_that_no_file_names(tmp_path):
    pair(tmp_path, {"class_names": None}, {"class_names": None})
    refused(tmp_path, ["'class_names' is missing"], tmp_path)


def test_refuses_two_files_for_one_split(tmp_path):
    for name in ("msd-10-genre-train", "msd-25-genre-train"):
        save(tmp_path / f"{name}.npz")
    refused(tmp_path, ["several files for 'train'", "msd-25-genre-train.npz"], tmp_path)


def test_refuses_inputs_without_targets(tmp_path):
    pair(tmp_path)
    np.savez(tmp_path / "test-inputs.npz", x=X)
    refused(tmp_path, ["test-inputs.npz", "'y' is missing", "move the file"], tmp_path)


def test_refuses_a_pair_that_says_a_thing_twice(tmp_path):
    np.savez(tmp_path / "test-inputs.npz", x=X, y=Y)
    np.savez(tmp_path / "test-targets.npz", y=Y)
    refused(tmp_path, ["test-targets.npz", "'y' is also in test-inputs.npz"], tmp_path)


def test_refuses_a_pair_of_unequal_length(tmp_path):
    np.savez(tmp_path / "test-inputs.npz", x=X, class_names=GENRES)
    np.savez(tmp_path / "test-targets.npz", y=Y[:-1])
    refused(tmp_path, ["test-targets.npz", "expected (12,)"], tmp_path)


def test_refuses_a_folder_without_split_files(tmp_path):
    save(tmp_path / "songs.npz")
    refused(tmp_path, ["no .npz file is named after a split"], tmp_path)


# Options


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_segments": 0}, "positive integer, got 0"),
        ({"n_segments": True}, "positive integer, got True"),
        ({"n_segments": 2.0}, "positive integer, got 2.0"),
        ({"n_segments": 3}, "already have 4 segments"),
        ({"provenance": "official"}, "has no split"),
    ],
)
def test_refuses_options(tmp_path, options, message):
    with pytest.raises(SettingsError, match=message):
        load_npz(save(tmp_path / "a.npz"), **options)


def test_refuses_segments_that_do_not_divide(tmp_path):
    with pytest.raises(SettingsError, match="8 numbers per song cannot be divided into 3 segments"):
        load_npz(save(tmp_path / "a.npz", x=X.reshape(12, 8)), n_segments=3)


def test_refuses_an_unknown_provenance(tmp_path):
    with pytest.raises(DataError, match=r"'good' is unknown.*official"):
        load_npz(save(tmp_path / "a.npz", split=["train"] * 12), provenance="good")


# load_songs and list_datasets


@pytest.fixture
def named():
    """Two registered data sets, one of which is read from somewhere."""

    def make(*, n_songs=4):
        return load_npz(save(Path(tempfile.mkdtemp()) / "a.npz", x=X[: 3 * n_songs], y=Y[: 3 * n_songs]), name="made")

    def read(root, **settings):
        return load_npz(root, **settings)

    for name, call in (("toy_made", make), ("toy_read", read)):
        DATASETS.add(Entry(name=name, call=call, summary="toy", reference="none"))
    yield
    for name in ("toy_made", "toy_read"):
        DATASETS.remove(name)


def test_names_come_before_paths(named, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save(Path("toy_made"))
    Path("toy_made.npz").rename("toy_made")
    assert load_songs("toy_made", n_songs=2).n_songs == 6
    with pytest.raises(DataError, match="which load_songs cannot read"):
        load_songs("./toy_made")


def test_a_named_set_that_needs_a_place_says_so(named, tmp_path):
    with pytest.raises(SettingsError, match=r"toy_read needs root: load_songs\('toy_read', root=…\)"):
        load_songs("toy_read")
    assert load_songs("toy_read", root=save(tmp_path / "a.npz"), n_segments=4).n_songs == 12


def test_an_option_that_the_loader_lacks(named, tmp_path):
    with pytest.raises(SettingsError, match="toy_made has no option 'n_segments'; it has n_songs"):
        load_songs("toy_made", n_segments=3)
    with pytest.raises(SettingsError, match="npz has no option 'seed'"):
        load_songs(save(tmp_path / "a.npz"), seed=3)


def test_load_songs_tells_what_it_found(tmp_path):
    assert load_songs(save(tmp_path / "a.npz"), n_segments=4).name == "a"
    assert load_songs(str(tmp_path / "a.npz")).name == "a"
    with pytest.raises(DataError, match=r"no \.npz file is named after a split"):
        load_songs(tmp_path)
    (tmp_path / "a.npz").rename(tmp_path / "a.mat")
    with pytest.raises(DataError, match=r"contains 1 x \.mat"):
        load_songs(tmp_path)
    with pytest.raises(DataError, match=r"is a \.mat file"):
        load_songs(tmp_path / "a.mat")
    with pytest.raises(DataError, match="data sets are .*npz"):
        load_songs(tmp_path / "nowhere")


def test_list_datasets_matches_patterns(named):
    assert list_datasets("toy_*") == ["toy_made", "toy_read"]
    assert {"npz", "songs_folder"} <= set(list_datasets())

"""The songs folder: what goes in comes out, and nothing unfinished or changed is ever loaded."""

import json
import os
import re
import tracemalloc

import numpy as np
import pytest
from toys import make_songs

from genrezoo.datasets import load_songs
from genrezoo.datasets.arrays import keep_songs, load_arrays
from genrezoo.errors import DataError
from genrezoo.files import lock_folder
from genrezoo.songs import SongSet, songset, storage
from genrezoo.songs.storage import save_songs


def make(**changes):
    """Songs with everything that a set can have: padding, groups, a split that leaves songs out, facts."""
    generator = np.random.default_rng(3)
    x = generator.standard_normal((20, 5, 3)).astype(np.float32)
    x[4, 3:] = np.nan  # padding
    facts = {
        "x": x,
        "y": np.arange(20) % 2,
        "genres": ("blues", "hip hop"),
        "lengths": np.where(np.arange(20) == 4, 3, 5),
        "ids": [f"söng {number}" for number in range(20)],
        "groups": np.arange(20) // 4,
        "splits": {"train": np.arange(12), "valid": np.arange(12, 16), "test": np.array([17, 16, 18])},
        "provenance": "artist-filtered",
        "name": "made up",
        "about": {"feature_names": ["a", "b", "c"], "rate": 22050, "none": None},
    }
    return SongSet(**{**facts, **changes})


def same(one, other):
    np.testing.assert_array_equal(one.x, other.x)
    for key in ("y", "lengths", "ids", "groups", "weights"):
        np.testing.assert_array_equal(getattr(one, key), getattr(other, key))
    assert list(one.splits) == list(other.splits)
    assert one.describe() == other.describe()
    assert one.checksum() == other.checksum()
    return True


def manifest_of(folder):
    return json.loads((folder / "manifest.json").read_text())


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"groups": None},
        {"weights": np.arange(20) / 2},
        {"splits": {}, "provenance": None},
        {"kind": "image", "lengths": None, "x": np.arange(20 * 4 * 5 * 3.0).reshape(20, 4, 5, 3)},
        {"lengths": None, "x": np.ones((20, 1, 2))},
    ],
)
def test_what_goes_in_comes_out(tmp_path, changes):
    songs = make(**changes)
    folder = save_songs(songs, tmp_path / "songs")
    assert same(load_arrays(folder), songs)
    assert same(load_songs(str(folder)), songs)
    assert load_arrays(folder).kind == songs.kind


def test_the_features_stay_on_disk(tmp_path):
    songs = load_arrays(save_songs(make(), tmp_path / "songs"))
    assert isinstance(songs.x, np.memmap)
    assert not songs.x.flags.writeable
    assert not isinstance(songs.split("train").x, np.memmap)


def test_the_folder_is_plain_arrays_and_a_manifest(tmp_path):
    x = np.full((20, 5, 3), 7.0)  # numbers in the padding, which have no meaning
    folder = save_songs(make(x=x), tmp_path / "songs")
    stored = np.load(folder / "x.npy", allow_pickle=False)
    assert stored.dtype == np.dtype("<f4")
    assert np.isnan(stored[4, 3:]).all()
    manifest = manifest_of(folder)
    assert manifest["schema"] == 1
    assert manifest["genres"] == ["blues", "hip hop"]
    assert manifest["files"]["x.npy"]["shape"] == [20, 5, 3]
    assert set(manifest["files"]) == {path.name for path in folder.glob("*.npy")}
    assert {path.name for path in folder.iterdir()} - set(manifest["files"]) == {"manifest.json", ".lock"}


def test_large_sets_are_written_block_by_block(tmp_path, monkeypatch):
    monkeypatch.setattr(songset, "BLOCK_BYTES", 2**20)
    np.save(tmp_path / "x.npy", np.random.default_rng(0).standard_normal((500, 100, 100), np.float32))  # 20 MB
    x = np.load(tmp_path / "x.npy", mmap_mode="r")
    songs = SongSet(x=x, y=np.arange(500) % 2, genres=("blues", "jazz"))
    tracemalloc.start()
    folder = save_songs(songs, tmp_path / "songs")
    load_arrays(folder)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 6 * 2**20
    np.testing.assert_array_equal(np.load(folder / "x.npy"), x)


# Killed half-way


class Killed(BaseException):
    """What no code catches."""


def kill_at(step, monkeypatch):
    """Lets the first ``step`` writes of a conversion happen and ends it at the next; returns how many there were."""
    count = iter(range(1000))

    def stopping(write):
        def wrapped(*arguments):
            if next(count) == step:
                raise Killed
            return write(*arguments)

        return wrapped

    for name in ("write_atomic", "write_text", "write_json"):
        monkeypatch.setattr(storage, name, stopping(getattr(storage, name)))
    return lambda: next(count)


def test_there_are_ten_writes(tmp_path, monkeypatch):
    counted = kill_at(1000, monkeypatch)
    save_songs(make(), tmp_path / "songs")
    assert counted() == 10  # the sign that it is unfinished, five columns, three splits, the manifest


@pytest.mark.parametrize("step", range(10))
def test_killed_at_any_write_it_is_refused_and_the_same_call_mends_it(tmp_path, monkeypatch, step):
    folder = tmp_path / "songs"
    with monkeypatch.context() as patch:
        kill_at(step, patch)
        with pytest.raises(Killed):
            save_songs(make(), folder)
    with pytest.raises(DataError, match=r"has no manifest\.json: the conversion did not finish|contains nothing"):
        load_songs(folder)
    with pytest.raises(DataError, match=r"has no manifest\.json"):
        load_arrays(folder)
    assert same(load_arrays(save_songs(make(), folder)), make())


@pytest.mark.parametrize("step", range(10))
def test_killed_while_overwriting_it_is_the_old_set_or_refused(tmp_path, monkeypatch, step):
    folder = save_songs(make(), tmp_path / "songs")
    with monkeypatch.context() as patch:
        kill_at(step, patch)
        with pytest.raises(Killed):
            save_songs(make(x=np.ones((20, 5, 3))), folder, overwrite=True)
    if step == 0:
        assert same(load_arrays(folder), make())
    else:
        with pytest.raises(DataError, match=r"manifest\.json"):
            load_arrays(folder)


def test_temporary_files_of_a_killed_process_are_cleared(tmp_path):
    folder = tmp_path / "songs"
    folder.mkdir()
    (folder / ".x.npy.abc.part").write_bytes(b"half")
    (folder / ".unfinished").touch()
    save_songs(make(), folder)
    assert not [path for path in folder.iterdir() if path.name.endswith(".part") or path.name == ".unfinished"]


# What stands there already


def test_songs_are_not_overwritten_unless_told(tmp_path):
    folder = save_songs(make(), tmp_path / "songs")
    with pytest.raises(DataError, match=r"already contains songs.*--overwrite"):
        save_songs(make(name="other"), folder)
    assert load_arrays(folder).name == "made up"
    (folder / "notes.txt").write_text("mine")
    save_songs(make(name="other", groups=None), folder, overwrite=True)
    assert load_arrays(folder).name == "other"
    assert not (folder / "groups.npy").exists()
    assert (folder / "notes.txt").read_text() == "mine"


def test_arrays_of_somebody_else_are_not_overwritten(tmp_path):
    np.save(tmp_path / "x.npy", np.zeros(3))
    with pytest.raises(DataError, match=r"contains x\.npy, which no conversion wrote"):
        save_songs(make(), tmp_path)
    assert np.load(tmp_path / "x.npy").tolist() == [0, 0, 0]


def test_a_folder_is_not_written_over_itself(tmp_path):
    folder = save_songs(make(), tmp_path / "songs")
    with pytest.raises(DataError, match="loaded from this folder"):
        save_songs(load_arrays(folder), folder, overwrite=True)
    assert same(load_arrays(folder), make())


def test_two_processes_do_not_mix(tmp_path):
    with lock_folder(tmp_path / "songs"), pytest.raises(DataError, match="another process"):
        save_songs(make(), tmp_path / "songs")


def test_a_full_disk_is_told(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(storage, "write_atomic", full)
    with pytest.raises(DataError, match="No space left on device"):
        save_songs(make(), tmp_path / "songs")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"y": np.zeros(20)}, "no song has the label of 'hip hop'"),
        ({"x": np.full((20, 5, 3), np.inf)}, "inf in segment 0"),
        ({"about": {"when": object()}}, "about: not plain data"),
        ({"about": {"rate": float("nan")}}, "about: not plain data"),
        ({"splits": {"../../train": [0]}}, "'../../train' cannot be part of a file name"),
    ],
)
def test_what_could_not_be_loaded_is_not_written(tmp_path, changes, message):
    with pytest.raises(DataError, match=re.escape(message)):
        save_songs(make(**changes), tmp_path / "songs")
    assert not list(tmp_path.iterdir())


# Changed afterwards


@pytest.fixture
def folder(tmp_path):
    return save_songs(make(), tmp_path / "songs")


@pytest.mark.parametrize("name", ["x", "y", "lengths", "ids", "groups", "split_train", "split_valid", "split_test"])
def test_a_changed_byte_is_refused_by_its_checksum(folder, name):
    path = folder / f"{name}.npy"
    content = bytearray(path.read_bytes())
    content[-8] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match=rf"{name}\.npy: its sha256 differs"):
        load_arrays(folder)


def test_verification_can_be_left_out(folder):
    content = bytearray((folder / "x.npy").read_bytes())
    content[-1] ^= 1
    (folder / "x.npy").write_bytes(content)
    assert load_arrays(folder, verify=False).n_songs == 20


@pytest.mark.parametrize("verify", [True, False])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:-4]), r"1,200 bytes, but 1,196 are there"),
        (lambda path: path.write_bytes(path.read_bytes() + b"more"), r"1,200 bytes, but 1,204 are there"),
        (lambda path: path.write_bytes(b""), "is empty"),
        (lambda path: path.unlink(), "No such file"),
        (lambda path: path.unlink() or os.mkfifo(path), "a pipe or device"),
        (
            lambda path: np.save(path, np.zeros((20, 3, 5), "<f4")),
            r"shape \(20, 3, 5\) of <f4, expected \(20, 5, 3\)",
        ),
        (lambda path: np.save(path, np.zeros((20, 5, 3), "<i4")), "of <i4, expected"),
        (lambda path: np.save(path, np.array([object()]), allow_pickle=True), "never loaded"),
    ],
)
def test_an_array_that_is_not_what_the_manifest_says(folder, verify, change, message):
    change(folder / "x.npy")
    with pytest.raises(DataError, match=rf"x\.npy: .*{message}"):
        load_arrays(folder, verify=verify)


def without(manifest, key):
    del manifest[key]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda manifest: manifest.update(schema=2), "schema: not the manifest of a songs folder"),
        (lambda manifest: manifest.update(genres="blues"), "genres: not the manifest"),
        (lambda manifest: manifest.update(code="import os"), "code: not the manifest"),
        (lambda manifest: without(manifest, "about"), "about: not the manifest"),
        (lambda manifest: without(manifest["files"], "lengths.npy"), r"lengths\.npy is missing"),
        (lambda manifest: manifest["splits"].append("dev"), r"split_dev\.npy is missing"),
        (lambda manifest: manifest["files"].update({"/etc/passwd": manifest["files"]["y.npy"]}), "/etc/passwd"),
        (lambda manifest: manifest["splits"].remove("valid"), r"split_valid\.npy .*unexpected"),
        (lambda manifest: manifest.update(provenance=None), "the split has no provenance"),
        (lambda manifest: manifest.update(genres=["blues"]), "one genre"),
    ],
)
def test_a_manifest_that_is_not_one(folder, change, message):
    manifest = manifest_of(folder)
    change(manifest)
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(DataError, match=message):
        load_arrays(folder)


@pytest.mark.parametrize("text", ["", "[1", "[]", "null"])
def test_a_manifest_that_is_no_json_object(folder, text):
    (folder / "manifest.json").write_text(text)
    with pytest.raises(DataError, match=r"manifest\.json: .*(is empty|not valid JSON|not the manifest)"):
        load_arrays(folder)


def test_a_manifest_that_is_a_pipe(folder):
    (folder / "manifest.json").unlink()
    os.mkfifo(folder / "manifest.json")
    with pytest.raises(DataError, match="a pipe or device"):  # and does not wait for ever
        load_arrays(folder)


def test_a_file_is_not_a_folder(tmp_path):
    (tmp_path / "a").touch()
    with pytest.raises(DataError, match="is not a folder"):
        load_arrays(tmp_path / "a")


def test_songs_that_are_kept_are_verified(tmp_path):
    songs = make_songs()
    folder = keep_songs(songs, tmp_path / "songs")
    assert keep_songs(songs, folder) == folder
    with pytest.raises(DataError, match="contains other songs"):
        keep_songs(make_songs(seed=1), folder)
    content = bytearray((folder / "x.npy").read_bytes())
    content[-1] ^= 0x80
    (folder / "x.npy").write_bytes(content)
    with pytest.raises(DataError, match="its sha256 differs from the manifest"):
        keep_songs(songs, folder)


@pytest.mark.parametrize("source", [5, None, b"x"])
def test_what_is_no_path_is_refused(source):
    with pytest.raises(DataError, match="is no path. Remedy: pass text or a pathlib.Path"):
        load_songs(source)


def test_a_path_that_the_system_refuses_is_told(tmp_path):
    with pytest.raises(DataError, match="cannot be read .File name too long"):
        load_songs(tmp_path / ("a" * 300))
    with pytest.raises(DataError, match="null"):
        load_songs("a\0b")


def test_a_folder_of_other_files_is_left_alone_unless_asked(tmp_path):
    (tmp_path / "thesis.txt").write_text("")
    with pytest.raises(DataError, match="contains other files, such as thesis.txt"):
        save_songs(make_songs(), tmp_path)
    assert not (tmp_path / "x.npy").exists()
    assert load_arrays(save_songs(make_songs(), tmp_path, overwrite=True)).n_songs == 60

"""Million Song Dataset files as the real ones are laid out, and those that no honest writer made."""

import json

import h5py
import numpy as np
import pytest

from genrezoo.datasets import load_songs, msd
from genrezoo.datasets.msd import load_msd, read_track
from genrezoo.errors import DataError, SettingsError
from genrezoo.songs import split_by_group

ANALYSIS = [("analysis_sample_rate", "<i4"), ("audio_md5", "S32"), ("duration", "<f8"), ("track_id", "S32")]
METADATA = [("artist_familiarity", "<f8"), ("artist_id", "S32"), ("artist_name", "S1024"), ("title", "S1024")]
PACKED = {"compression": "gzip", "shuffle": True, "maxshape": (None,)}
ALL = {"segments": None, "least": 1, "most": 4000}


@pytest.fixture
def children():
    """For tests of what child processes alone can show."""


@pytest.fixture(autouse=True)
def _quick(request):
    if "children" not in request.fixturenames:
        request.getfixturevalue("no_children")


def track_id(number):
    return f"TR{number:016d}"


def make_track(path, number=0, n_segments=130, artist=None, **arrays):
    """A file with the groups, tables and packing of the real ones; returns its features."""
    generator = np.random.default_rng(number)
    made = {
        "segments_pitches": generator.random((n_segments, 12)),
        "segments_timbre": generator.normal(0, 50, (n_segments, 12)),
        "segments_loudness_max": generator.uniform(-60, 0, n_segments),
    } | arrays
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        for name, values in made.items():
            if values is not None:
                values = np.asarray(values)
                packed = PACKED | {"maxshape": (None, *values.shape[1:]), "chunks": (64, *values.shape[1:])}
                file.create_dataset(f"analysis/{name}", data=values, **packed)
        songs = np.zeros(1, ANALYSIS)
        songs["track_id"] = track_id(number)
        file.create_dataset("analysis/songs", data=songs, chunks=(37,), **PACKED)
        about = np.zeros(1, METADATA)
        about["artist_id"] = artist or f"AR{number // 2}"
        about["title"] = "a song"
        file.create_dataset("metadata/songs", data=about, chunks=(3,), **PACKED)
        file.create_group("musicbrainz")
    return np.column_stack([values for values in made.values()]) if not arrays else None


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """Twelve songs of three genres by six artists, in folders by their ids, and two lists of genres."""
    folder = tmp_path_factory.mktemp("msd")
    features, lines, rows = {}, ["# a comment"], ["track_id,artist,genre,mood"]
    for number in range(12):
        name = track_id(number)
        features[name] = make_track(folder / "A" / str(number % 3) / f"{name}.h5", number, n_segments=120 + number)
        genre = ("Rap", "Rock", "Jazz")[number % 3]
        lines.append(f"{name}\t{genre}" + ("\tPop" if number % 2 else ""))
        rows.append(f"{name},AR{number // 2},{genre.lower()},{'' if number < 2 else 'sad' if number % 2 else 'gay'}")
    (folder / "genres.cls").write_text("\n".join(lines))
    (folder / "table.csv").write_text("\n".join(rows))
    return folder, features


def test_the_central_120_segments(tree):
    folder, features = tree
    songs = load_msd(folder, labels=folder / "genres.cls")
    assert songs.x.shape == (12, 120, 25)
    assert songs.genres == ("Jazz", "Rap", "Rock")
    for name, artist, x, y in zip(songs.ids, songs.groups, songs.x, songs.y, strict=True):
        number = int(name[2:])
        first = number // 2  # of 120 + number segments, number are dropped: half of them in front
        np.testing.assert_array_equal(x, features[name][first : first + 120].astype(np.float32))
        assert songs.genres[y] == ("Rap", "Rock", "Jazz")[number % 3]
        assert artist == f"AR{number // 2}"
    assert songs.about["feature_groups"] == {
        "chroma": list(range(12)),
        "timbre": list(range(12, 24)),
        "loudness": [24],
    }
    assert songs.about["feature_names"][0] == "chroma0"
    assert songs.about["feature_names"][24] == "loudness"
    assert songs.about["files"] == 12
    assert not songs.about["rejected"]
    json.dumps(songs.describe(), allow_nan=False)


def test_songs_of_any_length_are_padded_and_long_ones_cut(tree):
    folder, features = tree
    songs = load_msd(folder, labels=folder / "genres.cls", segments=None, max_segments=125)
    assert songs.n_segments == 125
    for name, x, length in zip(songs.ids, songs.x, songs.lengths, strict=True):
        kept = features[name][:125].astype(np.float32)
        assert length == len(kept)
        np.testing.assert_array_equal(x[:length], kept)
        assert np.isnan(x[length:]).all()
    assert songs.about["cut"] == 6  # 126 to 131 segments


def test_short_songs_are_left_out_or_padded(tree):
    folder, features = tree
    left = load_msd(folder, labels=folder / "genres.cls", segments=126)
    assert left.n_songs == 6
    assert left.about["left_out"]["fewer than 126 segments"] == 6
    padded = load_msd(folder, labels=folder / "genres.cls", segments=126, short="pad", min_segments=122)
    assert padded.n_songs == 10
    assert sorted(padded.lengths) == [122, 123, 124, 125, 126, 126, 126, 126, 126, 126]
    first = padded.lengths.argmin()
    np.testing.assert_array_equal(padded.x[first, :122], features[padded.ids[first]].astype(np.float32))
    assert np.isnan(padded.x[first, 122:]).all()


def test_genres_from_a_column_of_a_table(tree):
    folder, _ = tree
    songs = load_msd(folder, labels=folder / "table.csv", label_column="mood")
    assert songs.genres == ("gay", "sad")
    assert songs.n_songs == 10
    assert songs.about["left_out"]["no genre in the list"] == 2
    with pytest.raises(SettingsError, match="the column of genres in .*table.csv: artist, genre, mood"):
        load_msd(folder, labels=folder / "table.csv")
    with pytest.raises(DataError, match="no column 'colour'"):
        load_msd(folder, labels=folder / "table.csv", label_column="colour")


def test_small_genres_are_left_out(tree, tmp_path):
    folder, _ = tree
    genres = ["Rap"] * 5 + ["Rock"] * 5 + ["Jazz", "Folk"]
    (tmp_path / "few.cls").write_text("".join(f"{track_id(n)}\t{genre}\n" for n, genre in enumerate(genres)))
    songs = load_msd(folder, labels=tmp_path / "few.cls")
    assert songs.genres == ("Rap", "Rock")
    assert songs.about["left_out"]["genre of fewer than 2 songs"] == 2
    with pytest.raises(DataError, match="fewer than two genres have 6 songs .12 songs read"):
        load_msd(folder, labels=tmp_path / "few.cls", min_songs=6)


def test_the_only_list_in_the_folder_is_found(tree, tmp_path):
    folder, _ = tree
    with pytest.raises(DataError, match=r"it contains 2 lists of genres: genres.cls, table.csv.*tagtraum"):
        load_msd(folder)
    tmp_path = tmp_path / "A" / "B"
    make_track(tmp_path / "a.h5")
    with pytest.raises(DataError, match="it contains no list of genres, and the Million Song Dataset itself has none"):
        load_msd(tmp_path)
    for number in range(4):
        make_track(tmp_path / f"{number}.h5", number)
    (tmp_path / "a.h5").unlink()
    (tmp_path / "labels.csv").write_text("track_id,genre\n" + "".join(f"{track_id(n)},{n % 2}\n" for n in range(4)))
    assert load_songs(tmp_path).genres == ("0", "1")  # and load_songs knows such a folder by its files
    assert load_songs(tmp_path.parent, labels=tmp_path / "labels.csv").n_songs == 4  # however deep they lie
    assert load_songs("msd", path=tmp_path).n_songs == 4


def test_artists_are_never_torn_apart(tree):
    folder, _ = tree
    songs = split_by_group(load_msd(folder, labels=folder / "genres.cls"), valid=0.34, test=0.34, seed=1)
    assert songs.provenance == "artist-filtered"


@pytest.mark.slow
def test_more_workers_give_the_same_songs(tree, children, monkeypatch):
    folder, _ = tree
    one = load_msd(folder, labels=folder / "genres.cls")
    monkeypatch.setattr(msd, "CHUNK", 5)
    assert load_msd(folder, labels=folder / "genres.cls", workers=2).checksum() == one.checksum()


def external_storage(file, folder):
    (folder / "numbers").write_bytes(np.zeros((130, 12)).tobytes())
    name = str(folder / "numbers").encode()
    made = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    made.set_external(name, 0, h5py.h5f.UNLIMITED)
    space = h5py.h5s.create_simple((130, 12))
    h5py.h5d.create(file["analysis"].id, b"segments_timbre", h5py.h5t.NATIVE_DOUBLE, space, made)


def external_link(file, folder):
    make_track(folder / "other")
    file["analysis/segments_timbre"] = h5py.ExternalLink(str(folder / "other"), "/analysis/segments_timbre")


def external_group(file, folder):
    make_track(folder / "other")
    del file["analysis"]
    file["analysis"] = h5py.ExternalLink(str(folder / "other"), "/analysis")


def soft_link(file, _):
    file["analysis/segments_timbre"] = h5py.SoftLink("/analysis/segments_pitches")


def soft_cycle(file, _):
    file["analysis/segments_timbre"] = h5py.SoftLink("/analysis/segments_timbre")


def virtual(file, folder):
    make_track(folder / "other")
    layout = h5py.VirtualLayout((130, 12), "<f8")
    layout[:] = h5py.VirtualSource(str(folder / "other"), "analysis/segments_timbre", (130, 12))
    file["analysis"].create_virtual_dataset("segments_timbre", layout)


def huge(file, _):
    file.create_dataset("analysis/segments_timbre", (20_000_000, 12), "<f8", compression="gzip")  # 1.9 GB from 2 KB


def thin(file, _):
    made = file.create_dataset("analysis/segments_timbre", (99_999, 12), "<f8", chunks=(9, 12), compression="gzip")
    made[0] = 1  # nothing else of it is ever stored


def huge_chunk(file, _):
    shape = {"maxshape": (None, 12), "chunks": (15_000_000, 12)}
    file.create_dataset("analysis/segments_timbre", (130, 12), "<f8", compression="gzip", **shape)


def lzf(file, _):
    file.create_dataset("analysis/segments_timbre", data=np.zeros((130, 12)), compression="lzf")


def rows(values):
    return lambda file, _: file.create_dataset("analysis/segments_timbre", data=values)


def no_songs(file, _):
    rows(np.zeros((130, 12)))(file, _)
    del file["metadata/songs"]


def many_songs(file, _):
    rows(np.zeros((130, 12)))(file, _)
    del file["metadata/songs"]
    file.create_dataset("metadata/songs", data=np.zeros(3, METADATA))


def blank_artist(file, _):
    rows(np.zeros((130, 12)))(file, _)
    del file["metadata/songs"]
    file.create_dataset("metadata/songs", data=np.zeros(1, METADATA))


def no_text(file, _):
    rows(np.zeros((130, 12)))(file, _)
    del file["metadata/songs"]
    file.create_dataset("metadata/songs", data=np.zeros(1, [("artist_id", "<f8")]))


HOSTILE = {
    "external storage": (external_storage, "segments_timbre: is stored in another file"),
    "external link": (external_link, "segments_timbre: is behind a link into another file, which is not followed"),
    "external group": (external_group, "is behind a link into another file"),
    "soft link": (soft_link, "is behind a soft link, which is not followed"),
    "soft cycle": (soft_cycle, "is behind a soft link"),
    "virtual": (virtual, "is virtual: composed of other data sets"),
    "huge": (huge, r"shape \(20000000, 12\) of 8 bytes declares 1,920,000,000 bytes, 0 are stored"),
    "thin": (thin, r"declares 9,599,904 bytes, \d\d are stored"),
    "huge chunk": (huge_chunk, r"chunks \(15000000, 12\) of 8 bytes declares 1,440,000,000 bytes"),
    "plug-in filter": (lzf, "is compressed with filter 32000, which is not supported"),
    "never written": (lambda file, _: file.create_dataset("analysis/segments_timbre", (130, 12)), "was never written"),
    "whole numbers": (rows(np.zeros((130, 12), int)), "type int64, expected float32 or float64"),
    "text": (rows(np.full((130, 12), b"a")), "type .S1, expected float32"),
    "eleven columns": (rows(np.zeros((130, 11))), r"shape \(130, 11\), expected \(n, 12\)"),
    "one axis": (rows(np.zeros(130)), r"shape \(130,\), expected \(n, 12\)"),
    "a number": (rows(1.0), r"shape \(\), expected \(n, 12\)"),
    "no segments": (rows(np.zeros((0, 12))), "has no segments"),
    "other segments": (rows(np.zeros((129, 12))), "do not match: 130 segments_pitches, 129 segments_timbre"),
    "NaN": (rows(np.where(np.arange(1560) == 17, np.nan, 0).reshape(130, 12)), r"segments_timbre: \[1, 5\] is nan"),
    "infinite": (rows(np.full((130, 12), -np.inf)), r"\[0, 0\] is -inf"),
    "beyond float32": (rows(np.full((130, 12), 1e300)), "beyond the range of float32"),
    "a group": (lambda file, _: file.create_group("analysis/segments_timbre"), "segments_timbre: is not a dataset"),
    "nothing": (lambda *_: None, "not a Million Song Dataset file .has no data set analysis/segments_timbre"),
    "no table": (no_songs, "has no data set metadata/songs"),
    "summary of many": (many_songs, r"shape \(3,\), expected a single row"),
    "blank artist": (blank_artist, "'artist_id' is b''"),
    "artist is a number": (no_text, "no text column 'artist_id'"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_files_are_refused(tmp_path, case):
    forge, message = HOSTILE[case]
    path = tmp_path / "forged.h5"
    make_track(path, segments_timbre=None)
    with h5py.File(path, "a") as file:
        forge(file, tmp_path)
    with pytest.raises(DataError, match=message):
        read_track(path, **ALL)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"is empty \(0 bytes\)"),
        (b"<!DOCTYPE html>", "is not an HDF5 file; it begins with b'<!DOCTYP'"),
        (b"\x89HDF\r\n\x1a\n" + bytes(200), "cut short or damaged"),
    ],
)
def test_what_is_no_hdf5_is_refused(tmp_path, content, message):
    (tmp_path / "a.h5").write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_track(tmp_path / "a.h5", **ALL)


def test_a_cut_or_overwritten_file_is_refused(tmp_path):
    make_track(tmp_path / "a.h5")
    whole = (tmp_path / "a.h5").read_bytes()
    (tmp_path / "a.h5").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match="cut short or damaged"):
        read_track(tmp_path / "a.h5", **ALL)
    make_track(tmp_path / "b.h5")
    with h5py.File(tmp_path / "b.h5") as file:
        chunk = file["analysis/segments_pitches"].id.get_chunk_info(0)
    torn = bytearray(whole)
    torn[chunk.byte_offset : chunk.byte_offset + chunk.size] = bytes(chunk.size)
    (tmp_path / "b.h5").write_bytes(torn)
    with pytest.raises(DataError, match="cut short or damaged"):
        read_track(tmp_path / "b.h5", **ALL)


def test_valid_hdf5_of_something_else_is_told_apart(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["default"] = np.zeros(3)
    with pytest.raises(DataError, match=r"not a Million Song Dataset file \(has no group analysis\)"):
        read_track(tmp_path / "a.h5", **ALL)


def test_bad_files_are_rejected_and_stop_nothing_unless_strict(tree, tmp_path):
    folder, _ = tree
    for number in range(4):
        make_track(tmp_path / f"{number}.h5", number)
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "text.h5").write_text("no HDF5")
    make_track(tmp_path / "twin.h5", 3)
    (tmp_path / "genres.cls").write_text("".join(f"{track_id(n)}\t{n % 2}\n" for n in range(4)))
    songs = load_msd(tmp_path)
    assert songs.n_songs == 4
    assert songs.about["rejected"] == {
        "broken/text.h5": "is not an HDF5 file; it begins with b'no HDF5'",
        "twin.h5": f"track {track_id(3)} is also in 3.h5",
    }
    assert songs.about["files"] == 4
    with pytest.raises(DataError, match=r"twin.h5: track .* is also in 3.h5 .2 of 6 files cannot be read"):
        load_msd(tmp_path, strict=True)


def test_a_folder_without_songs_says_where_to_get_them(tree, tmp_path):
    with pytest.raises(DataError, match="contains no .h5 files.*millionsongdataset.com"):
        load_msd(tmp_path, labels=tree[0] / "genres.cls")
    with pytest.raises(DataError, match="is not a folder"):
        load_msd(tmp_path / "none")


def killed_by(path, **form):
    """Reads as `read_track` does, and dies of one file as a child does whose C library runs wild."""
    import os

    if path.endswith("3.h5"):
        os.abort()
    return read_track(path, **form)


def read_chunk_that_dies(files, results, *form):
    msd.read_track = killed_by
    return msd._read_chunk(files, results, *form)


@pytest.mark.slow
def test_a_child_that_dies_rejects_only_the_guilty_file(tmp_path, children, monkeypatch):
    for number in range(6):
        make_track(tmp_path / f"{number}.h5", number)
    (tmp_path / "genres.cls").write_text("".join(f"{track_id(n)}\t{n % 2}\n" for n in range(6)))
    monkeypatch.setattr(msd, "_read_chunk", read_chunk_that_dies)
    songs = load_msd(tmp_path, workers=2)
    assert list(songs.ids) == [track_id(number) for number in (0, 1, 2, 4, 5)]
    assert songs.about["rejected"] == {"3.h5": "reading it failed: the worker process ended with signal SIGABRT"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("TR1 Rap", "'TR1 Rap' is not a track, a tab and a genre"),
        ("TR1\tRap\nTR1\tRock", "line 2: track 'TR1' is 'Rock' here and 'Rap' in an earlier line"),
        ("# nothing\n", "assigns no genre to any track"),
        ("TR1\t", "assigns no genre"),
        ("caf\xe9\tRap", "is not UTF-8 text"),
    ],
)
def test_lists_that_are_none_are_refused(tmp_path, text, message):
    (tmp_path / "a.cls").write_bytes(text.encode("latin-1"))
    with pytest.raises(DataError, match=message):
        load_msd(tmp_path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"short": "stretch"}, "short must be 'leave out' or 'pad', got 'stretch'"),
        ({"segments": 0}, "segments must be a positive integer, got 0"),
        ({"workers": 1.5}, "workers must be a positive integer"),
        ({"min_songs": 1}, "min_songs must be at least 2"),
        ({"task": "msd-11"}, "task must be one of msd-10, msd-25"),
        ({"label_column": "genre"}, "label_column applies to tables"),
    ],
)
def test_options_out_of_range(tmp_path, options, message):
    (tmp_path / "a.cls").write_text("TR1\tRap")
    with pytest.raises(SettingsError, match=message):
        load_msd(tmp_path, **options)


def make_course(folder, task="msd-10", n_songs=4):
    x = np.arange(n_songs * 3000, dtype=np.float64).reshape(n_songs, 3000)
    for split in ("train", "valid"):
        arrays = {"inputs": x, "targets": np.arange(n_songs) % 2, "label_map": np.array(["Rap", "Rock"])}
        np.savez(folder / f"{task}-genre-{split}.npz", **arrays)
    np.savez(folder / f"{task}-genre-test-inputs.npz", inputs=x[:3])
    return x


def test_the_course_files_of_one_task_among_others(tmp_path):
    x = make_course(tmp_path)
    make_course(tmp_path, "msd-25")
    np.savez(tmp_path / "mnist-train.npz", inputs=np.zeros((3, 784)), targets=np.zeros(3))
    songs = load_songs("msd", path=tmp_path, task="msd-10")
    assert songs.name == "msd-10"
    assert songs.provenance == "official"
    assert songs.x.shape == (8, 120, 25)
    np.testing.assert_array_equal(songs.x[0], x[0].reshape(120, 25))
    assert songs.about["feature_groups"]["timbre"] == list(range(12))  # the course puts the timbre first
    assert songs.about["left_out"] == {"test songs without targets": 3}
    np.savez(tmp_path / "msd-10-genre-test-targets.npz", targets=np.array([0, 1, 0]))
    assert len(load_msd(tmp_path, task="msd-10").splits["test"]) == 3


def test_course_files_that_are_missing_or_damaged_are_named(tmp_path):
    with pytest.raises(DataError, match="msd-25-genre-train.npz or msd-25-genre-valid.npz is missing"):
        load_msd(tmp_path, task="msd-25")
    make_course(tmp_path)
    (tmp_path / "msd-10-genre-valid.npz").write_bytes(b"PK broken")
    with pytest.raises(DataError, match=f"{tmp_path}/msd-10-genre-valid.npz"):
        load_msd(tmp_path, task="msd-10")


def test_a_stray_file_makes_no_folder_of_sounds_one_of_tracks(tmp_path):
    for genre in ("jazz", "rock"):
        (tmp_path / genre).mkdir()
        for number in range(2):
            (tmp_path / genre / f"{number}.mp3").write_bytes(b"no audio")
    make_track(tmp_path / "rock" / "analysis.h5")
    with pytest.raises(DataError, match="0 good files of 0 genres, 4 rejected"):
        load_songs(tmp_path)

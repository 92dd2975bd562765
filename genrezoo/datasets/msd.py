"""The Million Song Dataset: The Echo Nest's analysis of a million songs, segment by segment.

Content: one HDF5 file per song, without audio. A *segment* is a part, mostly of 0.2 to 0.4 s, with a uniform sound; a
song has about 800. The features of each segment are

- ``segments_pitches``: 12 chroma, the strength of each pitch class relative to the strongest (no unit, 0 to 1);
- ``segments_timbre``: 12 timbre coefficients of the analyser, cepstrum-like (no unit, about 0 to ±200);
- ``segments_loudness_max``: its maximum loudness (dB, -60 to 0).

Size: 1,000,000 songs of 44,745 artists, 280 GB; a subset of 10,000 songs, 1.8 GB. It contains no genres, but there are
lists of them: tagtraum's (H. Schreiber, "Improving Genre Annotations for the Million Song Dataset", ISMIR 2015:
``msd_tagtraum_cd2c.cls``, 191,401 songs, 15 genres) or the MSD Allmusic Style Dataset (A. Schindler, R. Mayer and A.
Rauber, "Facilitating Comprehensive Benchmarking Experiments on the Million Song Dataset", ISMIR 2012; 25 styles).

Reference: T. Bertin-Mahieux, D. P. W. Ellis, B. Whitman and P. Lamere, "The Million Song Dataset", ISMIR 2011.
Licence: for research, under the terms of The Echo Nest and LabROSA.
"""

from __future__ import annotations

import dataclasses
import math
import signal
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from genrezoo.archive import available_bytes, read_headers, regular_size
from genrezoo.datasets._audio import holds_mostly, spelt_out, walk_files
from genrezoo.datasets._table import read_table
from genrezoo.datasets.npz import load_npz
from genrezoo.errors import DataError, SettingsError
from genrezoo.files import write_atomic
from genrezoo.parallel import ChildError, in_chunks, make_executor
from genrezoo.registry import DATASETS
from genrezoo.songs import SongSet
from genrezoo.songs.columns import to_float32

FEATURE_GROUPS = {"chroma": list(range(12)), "timbre": list(range(12, 24)), "loudness": [24]}
"""Columns of the features that are read from the HDF5 files."""

COURSE_GROUPS = {"timbre": list(range(12)), "chroma": list(range(12, 24)), "loudness": [24]}
"""Columns of the course's arrays, which begin with the timbre and hold the loudness at each segment's start."""

TASKS = ("msd-10", "msd-25")
"""The tasks of the course "Machine Learning Practical" (University of Edinburgh): 10 tagtraum genres, 25 styles."""

CHUNK = 200  # files that one child reads: its start takes about as long as 300 of them
SECONDS_PER_FILE = 20  # a genuine file takes milliseconds
_PARTS = (("segments_pitches", 12), ("segments_timbre", 12), ("segments_loudness_max", None))
_KIND = "Million Song Dataset file"


@DATASETS.register(
    "msd",
    summary="The Million Song Dataset's own HDF5 files with a list of genres, or the 10- and 25-genre course tasks",
    reference="T. Bertin-Mahieux, D. P. W. Ellis, B. Whitman and P. Lamere, The Million Song Dataset, ISMIR 2011",
    licence="research use, under the terms of The Echo Nest and LabROSA",
    detects=lambda path: 2 * holds_mostly(path, ".h5"),
)
def load_msd(
    path: str | Path,
    *,
    labels: str | Path | None = None,
    label_column: str | None = None,
    task: str | None = None,
    segments: int | None = 120,
    short: Literal["leave out", "pad"] = "leave out",
    min_segments: int = 1,
    max_segments: int = 4000,
    min_songs: int = 2,
    strict: bool = False,
    workers: int = 1,
) -> SongSet:
    """Loads songs from a folder tree of Million Song Dataset files, or one of the course's tasks.

    Choose 120 segments for models with a fixed input length (as in the documents), ``segments=None`` for recurrent and
    pooling models, which take songs of any length. Split the songs with `genrezoo.songs.split_by_group`; the groups are
    the artists.

    Args:
        path: Folder with ``.h5`` files at any depth; for a task the folder with ``msd-10-genre-train.npz`` and so on.
        labels: List of genres: a ``.csv`` table with a column ``track_id`` and one of genres, or a ``.cls`` list
            (track, tab, genre; a second, minority genre after another tab is ignored; lines with # are comments). The
            default is the only ``.cls`` or ``.csv`` file in the folder.
        label_column: The table's column of genres; needed if it has several other columns.
        task: ``"msd-10"`` or ``"msd-25"``: the course's arrays of 120 x 25, with their published split. Test songs
            without targets (the course kept those of msd-25) are left out and counted. The other options do not apply.
        segments: Number of central segments to keep of a song; None keeps all, with their number in ``lengths``.
        short: Treatment of songs with fewer than ``segments``: left out and counted, or padded (``lengths``).
        min_segments: Songs with fewer are left out and counted.
        max_segments: Without ``segments``, longer songs keep only this many first segments, and are counted; every song
            needs as much memory as the longest.
        min_songs: Genres with fewer songs are left out and counted; at least 2.
        strict: Stop at the first unreadable file instead of rejecting it.
        workers: Number of child processes that read files, 200 files at a time.

    Returns:
        The checked songs with 25 features: 12 chroma, 12 timbre, 1 loudness (a task: timbre, chroma, loudness). Ids are
        track ids, groups artist ids. ``about`` holds the features' names, groups and units, the number of good
        ``files``, ``rejected`` (each bad file with its reason) and ``left_out`` (how many good ones, and why).

    Raises:
        DataError: There are no ``.h5`` files, no list of genres, or fewer than two genres; with ``strict`` also for a
            bad file.
        SettingsError: An option is out of range, or the table's column of genres is ambiguous.

    Example:
        >>> folder = Path(tempfile.mkdtemp())
        >>> songs = {"inputs": np.zeros((4, 3000)), "targets": [0, 1, 0, 1], "label_map": ["Rap", "Rock"]}
        >>> for split in ("train", "valid"):
        ...     np.savez(folder / f"msd-10-genre-{split}.npz", **songs)
        >>> load_msd(folder, task="msd-10")
        SongSet('msd-10': 8 songs x 120 segments x 25 features, 2 genres, train 4, valid 4, official)
    """
    folder = Path(path)
    if not folder.is_dir():
        raise DataError("is not a folder", path=folder, remedy="pass the folder of the .h5 files")
    if task is not None:
        if labels is not None or label_column is not None or segments != 120:
            raise SettingsError("the files of a task already have labels and 120 segments; leave both options out")
        return _load_task(folder, task)
    if short not in ("leave out", "pad"):
        raise SettingsError(f"short must be 'leave out' or 'pad', got {short!r}")
    whole = {"segments": segments, "min_segments": min_segments, "max_segments": max_segments, "workers": workers}
    for name, number in whole.items():
        if number is not None and (isinstance(number, bool) or not isinstance(number, int) or number < 1):
            raise SettingsError(f"{name} must be a positive integer, got {number!r}")
    if min_songs < 2:
        raise SettingsError(f"min_songs must be at least 2, got {min_songs}: a genre of one song cannot be split")
    genre_of, listed = read_labels(folder, labels, label_column)
    files = [file for file in walk_files(folder) if file.suffix.lower() == ".h5"]
    if not files:
        raise DataError("contains no .h5 files", path=folder, remedy=_INSTRUCTIONS)
    least = max(min_segments, segments or 1) if short == "leave out" else min_segments
    form = (segments, least, max_segments)
    with tempfile.TemporaryDirectory(prefix="genrezoo-msd-") as results:
        tracks, rejected = _read_all(files, form, workers, Path(results))
        tracks = _refuse_twins(tracks, files, rejected)
        if rejected and (strict or len(rejected) == len(files)):
            place, reason = min(rejected.items())
            others = f" ({len(rejected)} of {len(files)} files cannot be read)" if len(rejected) > 1 else ""
            raise DataError(reason + others, path=files[place], remedy="download it again, or leave it out")
        read = len(files) - len(rejected)
        long_enough = [track for track in tracks if track.length]
        labelled = [track for track in long_enough if track.id in genre_of]
        count = Counter(genre_of[track.id] for track in labelled)
        kept = [track for track in labelled if count[genre_of[track.id]] >= min_songs]
        genres = tuple(sorted(genre for genre, number in count.items() if number >= min_songs))
        if len(genres) < 2:
            what = f"{read} songs read, {len(labelled)} of them long enough and in {listed['labels']}: {dict(count)}"
            raise DataError(
                f"fewer than two genres have {min_songs} songs ({what})", path=folder, remedy="pass more songs"
            )
        x = _fill(kept, segments, folder, Path(results))
    songs = SongSet(
        x=x,
        y=np.array([genres.index(genre_of[track.id]) for track in kept]),
        genres=genres,
        lengths=np.array([track.length for track in kept]),
        ids=np.array([track.id for track in kept]),
        groups=np.array([track.artist for track in kept]),
        name="msd",
        about={
            **describe_features(FEATURE_GROUPS),
            **listed,
            "segments": segments,
            "files": read,
            "rejected": {
                spelt_out(files[place].relative_to(folder)): reason for place, reason in sorted(rejected.items())
            },
            "left_out": {
                f"fewer than {least} segments": read - len(long_enough),
                "no genre in the list": len(long_enough) - len(labelled),
                f"genre of fewer than {min_songs} songs": len(labelled) - len(kept),
            },
            "cut": sum(track.segments > max_segments for track in kept) if segments is None else 0,
        },
    )
    return songs.validate(folder)


def describe_features(groups: Mapping[str, Sequence[int]]) -> dict[str, Any]:
    """Returns names, groups and units of the 25 features, as stored in ``about``."""
    names = [""] * sum(map(len, groups.values()))
    for group, columns in groups.items():
        for number, column in enumerate(columns):
            names[column] = f"{group}{number}" if len(columns) > 1 else group
    units = {"chroma": "fraction of the strongest pitch class", "timbre": "none", "loudness": "dB"}
    return {"feature_names": names, "feature_groups": {name: list(at) for name, at in groups.items()}, "units": units}


def read_labels(
    folder: Path, labels: str | Path | None = None, column: str | None = None
) -> tuple[dict[str, str], dict[str, str]]:
    """Returns the genre of each track in a list, and the source of the list.

    Args:
        folder: Folder that is searched if no list is passed.
        labels: The list, as for `load_msd`.
        column: The table's column of genres.

    Raises:
        DataError: There is no list, it cannot be read, or a track has two genres.
        SettingsError: The table's column is ambiguous, or was passed for a ``.cls`` list.
    """
    if labels is None:
        found = sorted(file for kind in ("*.cls", "*.csv") for file in folder.glob(kind))
        if len(found) != 1:
            told = f"it contains {len(found)} lists of genres: {', '.join(file.name for file in found[:5])}"
            what = told if found else "it contains no list of genres, and the Million Song Dataset itself has none"
            raise DataError(what, path=folder, remedy=f"pass labels=… . {_INSTRUCTIONS}")
        labels = found[0]
    path = Path(labels)
    if path.suffix.lower() != ".csv":
        if column is not None:
            raise SettingsError(f"label_column applies to tables only; {path.name} is a list of tracks and genres")
        return _read_cls(path), {"labels": path.name}
    table = read_table(path, required=("track_id",) if column is None else ("track_id", column))
    if column is None:
        others = [name for name in table.columns if name != "track_id"]
        if len(others) != 1:
            told = ", ".join(others)
            raise SettingsError(f"pass label_column=…, the column of genres in {path}: {told}")
        column = others[0]
    pairs = zip(table["track_id"], table[column], strict=True)
    return _unique(path, [(row, *pair) for row, pair in enumerate(pairs, 2)]), {
        "labels": path.name,
        "label_column": column,
    }


_INSTRUCTIONS = (
    "Get the songs from http://millionsongdataset.com (the subset of 10,000 will do), and a list of genres from "
    "https://www.tagtraum.com/msd_genre_datasets.html (msd_tagtraum_cd2c.cls)"
)


def _read_cls(path: Path) -> dict[str, str]:
    size = regular_size(path)
    if size > 256 * 2**20:
        raise DataError(f"has {size:,} bytes: not a list of genres", path=path, remedy="pass the .cls file")
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise DataError("is not UTF-8 text", path=path, remedy="unpack it first, or pass the .cls file") from error
    rows = []
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        cells = line.split("\t")
        if len(cells) not in (2, 3) or not cells[0].strip():
            what = f"{line[:60]!r} is not a track, a tab and a genre"
            raise DataError(what, path=path, where=f"line {number}", remedy="pass a .cls file as published by tagtraum")
        rows.append((number, cells[0], cells[1]))
    return _unique(path, rows)


def _unique(path: Path, rows: Sequence[tuple[int, str, str]]) -> dict[str, str]:
    genre_of: dict[str, str] = {}
    for row, track, genre in rows:
        track, genre = track.strip(), genre.strip()
        if genre and genre_of.setdefault(track, genre) != genre:
            what = f"track {track!r} is {genre!r} here and {genre_of[track]!r} in an earlier line"
            raise DataError(what, path=path, where=f"line {row}", remedy="keep one of them")
    if not genre_of:
        raise DataError("assigns no genre to any track", path=path, remedy="use another list or column")
    return genre_of


class _Track(NamedTuple):
    """A song that was read; its length is 0 if it was too short and left out."""

    place: int
    id: str
    artist: str
    segments: int
    length: int
    result: str
    start: int


def read_track(path: str | Path, *, segments: int | None, least: int, most: int) -> tuple[str, str, int, np.ndarray]:
    """Reads a song's track id, artist id and number of segments, and the kept segments as float32 ``(kept, 25)``.

    Args:
        path: A Million Song Dataset file.
        segments: Number of central segments to keep; None keeps the first ``most``.
        least: No segments are kept of songs with fewer.
        most: Number of segments to keep if ``segments`` is None.

    Raises:
        DataError: It is not such a file, is damaged or malicious, or holds numbers that are not finite.
    """
    from genrezoo.datasets._hdf5 import find_rows, open_hdf5, read_rows, read_text  # here: names are listed without it

    with open_hdf5(path) as file:
        track = read_text(file, "analysis/songs", "track_id", kind=_KIND)
        artist = read_text(file, "metadata/songs", "artist_id", kind=_KIND)
        parts = [find_rows(file, f"analysis/{name}", columns=columns, kind=_KIND) for name, columns in _PARTS]
        number = int(parts[0].shape[0])
        if len({part.shape[0] for part in parts}) > 1:
            told = ", ".join(f"{part.shape[0]} {name}" for part, (name, _) in zip(parts, _PARTS, strict=True))
            raise DataError(f"the segments do not match: {told}", path=path, remedy="download the file again")
        if number < least:
            return track, artist, number, np.empty((0, 25), np.float32)
        first = 0 if segments is None else max(0, (number - segments) // 2)
        rows = slice(first, min(number, first + (most if segments is None else segments)))
        values = np.column_stack([read_rows(part, rows) for part in parts])
    return track, artist, number, to_float32(values, path=path, where="analysis")


def _read_chunk(
    files: list[tuple[int, str]], results: str, segments: int | None, least: int, most: int
) -> dict[str, Any]:
    """Reads numbered files in a child process; the segments go to a file in ``results``, the rest is returned."""
    tracks, rejected, kept, start = [], [], [], 0
    target = Path(results) / f"{files[0][0]}-{files[-1][0]}.npy"
    for number, file in files:
        signal.alarm(SECONDS_PER_FILE)  # ends this child, even inside the C library
        try:
            track, artist, length, x = read_track(file, segments=segments, least=least, most=most)
        except DataError as error:
            place = f"{error.where}: " if error.where else ""
            rejected.append([number, f"{place}{error.what}"])
            continue
        finally:
            signal.alarm(0)
        tracks.append([number, track, artist, length, len(x), target.name, start])
        kept.append(x)
        start += len(x)
    x = np.concatenate([np.empty((0, 25), np.float32), *kept])
    write_atomic(target, lambda file: np.save(file, x, allow_pickle=False))
    return {"tracks": tracks, "rejected": rejected}


def _read_all(
    files: Sequence[Path], form: tuple[int | None, int, int], workers: int, results: Path
) -> tuple[list[_Track], dict[int, str]]:
    """Reads all files in child processes, a chunk of files each."""
    size = min(CHUNK, math.ceil(len(files) / workers))
    numbered = list(enumerate(map(str, files)))
    chunks = [numbered[first : first + size] for first in range(0, len(files), size)]
    tracks: list[_Track] = []
    rejected: dict[int, str] = {}
    with make_executor(workers) as executor:
        for chunk, answer in in_chunks(executor, _read_chunk, chunks, str(results), *form):
            if isinstance(answer, ChildError):
                rejected[chunk[0][0]] = f"reading it failed: {answer}"
            else:
                rejected |= dict(answer["rejected"])
                tracks += [_Track(*track) for track in answer["tracks"]]
    return sorted(tracks), rejected


def _refuse_twins(tracks: Sequence[_Track], files: Sequence[Path], rejected: dict[int, str]) -> list[_Track]:
    """Returns the tracks without duplicate files of a track, which are rejected."""
    first: dict[str, int] = {}
    for track in tracks:
        if first.setdefault(track.id, track.place) != track.place:
            rejected[track.place] = f"track {track.id} is also in {files[first[track.id]].name}"
    return [track for track in tracks if first[track.id] == track.place]


def _fill(tracks: Sequence[_Track], segments: int | None, folder: Path, results: Path) -> np.ndarray:
    """Returns the features of the kept songs, padded with NaN: ``(songs, segments, 25)``."""
    width = segments or max(track.length for track in tracks)
    need, free = 4 * 25 * width * len(tracks), available_bytes()
    if need > free:
        what = f"{len(tracks)} songs of up to {width} segments need {need / 2**30:.1f} GiB, {free / 2**30:.1f} are free"
        raise DataError(what, path=folder, remedy="lower max_segments, or pass segments=120")
    x = np.full((len(tracks), width, 25), np.nan, np.float32)
    opened, rows = "", np.empty((0, 25), np.float32)
    for song, track in enumerate(tracks):
        if track.result != opened:
            opened, rows = track.result, np.load(results / track.result, allow_pickle=False)
        x[song, : track.length] = rows[track.start : track.start + track.length]
    return x


def _load_task(folder: Path, task: str) -> SongSet:
    """Loads a course task with `load_npz`, restricted to its files, since tasks and other data share a folder."""
    if task not in TASKS:
        raise SettingsError(f"task must be one of {', '.join(TASKS)}, got {task!r}")
    stem = f"{task}-genre-"
    halves = {half: folder / f"{stem}{half}.npz" for half in ("train", "valid", "test", "test-inputs", "test-targets")}
    there = {half: file.resolve() for half, file in halves.items() if file.exists()}
    unlabelled = 0
    if "test-inputs" in there and "test-targets" not in there:
        header = read_headers(there.pop("test-inputs")).get("inputs")
        unlabelled = header.shape[0] if header and header.shape else 0
    if not {"train", "valid"} <= there.keys():
        remedy = f"put the course's {stem}train.npz and {stem}valid.npz into it"
        raise DataError(f"{stem}train.npz or {stem}valid.npz is missing", path=folder, remedy=remedy)
    with tempfile.TemporaryDirectory(prefix="genrezoo-msd-") as shown:
        for half, file in there.items():
            (Path(shown) / f"{stem}{half}.npz").symlink_to(file)
        try:
            songs = load_npz(shown, n_segments=120, name=task)
        except DataError as error:
            place = folder / Path(error.path).name if error.path and Path(error.path) != Path(shown) else folder
            raise DataError(error.what, path=place, where=error.where, remedy=error.remedy) from error
    if songs.n_features != 25:
        what = f"{songs.n_features} features per segment, but the course's songs have 25"
        raise DataError(what, path=folder, remedy=f"check what the {stem} files are")
    about = {
        **songs.about,
        **describe_features(COURSE_GROUPS),
        "units": dict.fromkeys(COURSE_GROUPS, "standard deviations of the training songs"),
        "left_out": {"test songs without targets": unlabelled},
    }
    labelled: SongSet = dataclasses.replace(songs, about=about)
    return labelled

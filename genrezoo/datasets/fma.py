"""The Free Music Archive data set (FMA): recordings under free licences, with artists and a published split.

Content: clips of 30 s from the middle of tracks (MP3, mostly 44.1 kHz stereo), each labelled with the root of its
genres. The subset *small* has 8,000 clips of 8 genres, 1,000 each (7.2 GiB); *medium* 25,000 of 16 genres, unbalanced
(22 GiB); *large* 106,574 (93 GiB), of which about half have one root genre. The splits are training, validation and
test (80/10/10), stratified by genre, with all songs of an artist in one split. In *small*, three files hold no audio
(099134, 108925, 133297) and three more are truncated; files that cannot be decoded are rejected and counted.

Reference: M. Defferrard, K. Benzi, P. Vandergheynst and X. Bresson, "FMA: A Dataset for Music Analysis", ISMIR 2017.
Licence: CC BY 4.0 for the tables; each recording has the Creative Commons licence that its artist chose.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genrezoo.datasets._audio import NOT_AUDIO, AudioFile, songs_from_audio, suffix_of, walk_files
from genrezoo.datasets._download import Published, fetch, unpack
from genrezoo.datasets._table import read_table
from genrezoo.errors import DataError, SettingsError, check_known
from genrezoo.registry import DATASETS
from genrezoo.songs import SongSet
from genrezoo.songs.columns import SIDES

if TYPE_CHECKING:
    from genrezoo.audio.settings import FeatureSettings


_SERVER = "https://os.unil.cloud.switch.ch/fma"
ARCHIVES = {
    "metadata": Published(f"{_SERVER}/fma_metadata.zip", "sha1:f0df49ffe5f2a6008d7dc83c6915b31835dfe733"),
    "small": Published(f"{_SERVER}/fma_small.zip", "sha1:ade154f733639d52e35e32f5593efe5be76c6d70"),
    "medium": Published(f"{_SERVER}/fma_medium.zip", "sha1:c67b69ea232021025fca9231fc1c7c1a063ab50b"),
    "large": Published(f"{_SERVER}/fma_large.zip", "sha1:497109f4dd721066b5ce5e5f250ec604dc78939e"),
}
"""The archives and the only digests published for them (README of the repository mdeff/fma, release of 9 May 2017)."""

SUBSETS = {"small": ("small",), "medium": ("small", "medium"), "large": ("small", "medium", "large")}
"""The subsets; each contains the smaller ones."""

_COLUMNS = ("track_id", "artist.id", "set.split", "set.subset", "track.genre_top")


@DATASETS.register(
    "fma",
    summary="Clips of the Free Music Archive with their published, artist-filtered split",
    reference="M. Defferrard, K. Benzi, P. Vandergheynst and X. Bresson, FMA: A Dataset for Music Analysis, ISMIR 2017",
    licence="tables CC BY 4.0; each recording under its artist's Creative Commons licence",
    detects=lambda path: 3 * (path / "fma_metadata" / "tracks.csv").is_file(),
)
def load_fma(
    path: str | Path,
    *,
    metadata: str | Path | None = None,
    subset: str = "small",
    features: str | Mapping[str, Any] | FeatureSettings = "log_mel",
    download: bool = False,
    cache: str | Path | None = None,
    workers: int | None = None,
    scheduler: str | None = None,
    strict: bool = False,
    on_file: Callable[[Path, str | None], None] | None = None,
    on_start: Callable[[int], None] | None = None,
    on_progress: Callable[[int, int | None], None] | None = None,
) -> SongSet:
    """Loads clips of the Free Music Archive.

    Args:
        path: The folder of clips (``000/000002.mp3``, with any extension), or the one that contains ``fma_small`` and
            ``fma_metadata``.
        metadata: Folder of ``tracks.csv`` and, if it exists, ``genres.csv``; the default is ``fma_metadata`` in or
            beside the clips' folder.
        subset: ``"small"``, ``"medium"`` or ``"large"``; clips of smaller subsets belong to the larger ones.
        features: Kind of features or their settings, as in `genrezoo.datasets.folder.load_folder`.
        download: Whether to download and unpack missing files into ``path``; clips and archive together need up to 2 x
            7.2 GiB (small). An interrupted download starts again.
        cache: Folder of the feature cache, see `genrezoo.datasets.folder.load_folder`, as for the next four.
        workers: Number of files to process in parallel.
        scheduler: Address of a Dask scheduler whose workers compute the features, in place of this machine.
        strict: Stop at the first bad file.
        on_file: Called with each finished file and None, or the reason if it was rejected.
        on_start: Called first, with the number of files.
        on_progress: For a download: called with the bytes downloaded and those expected.

    Returns:
        The checked songs with the published split (``official``); ids are track numbers (``"000002"``), groups artist
        numbers. Besides the entries of every set of audio files, ``about`` holds ``left_out`` (tracks of the subset
        without a file or without one root genre), ``passed_over`` (files of other tracks) and ``artists_on_two_sides``.

    Raises:
        DataError: Files or tables are missing (the message says where to get them) or contradict each other; with
            ``strict`` also for the first bad file.
        UnknownNameError: There is no such subset.

    Example:
        >>> load_fma("/nonexistent")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        genrezoo.errors.DataError: /nonexistent: is not a folder. Remedy: download and unpack https://os.unil.cloud.switch.ch/fma/...
    """
    check_known("subset of FMA", [subset], SUBSETS)
    root = Path(path)
    if download:
        _get(root, metadata, subset, on_progress)
    if not root.is_dir():
        raise DataError("is not a folder", path=root, remedy=_instructions(subset))
    clips = root / f"fma_{subset}" if (root / f"fma_{subset}").is_dir() else root
    tables = _find_tables(root, clips, metadata, subset)
    rows = _read_tracks(tables, subset)
    found: dict[str, Path] = {}
    passed_over = Counter[str]()
    for file in walk_files(clips):
        track = file.stem
        if track not in rows or file.suffix.lower() in NOT_AUDIO:
            passed_over[suffix_of(file)] += 1
        elif track in found:
            raise DataError(f"track {track} occurs twice, also as {found[track]}", path=file, remedy="keep one")
        else:
            found[track] = file
    if not found:
        what = f"contains none of the {len(rows):,} tracks of the subset {subset!r}"
        raise DataError(what, path=clips, remedy=_instructions(subset))
    usable = [track for track in sorted(found) if rows[track]["track.genre_top"]]
    return songs_from_audio(
        [
            AudioFile(
                path=found[track],
                id=track,
                genre=rows[track]["track.genre_top"],
                group=rows[track]["artist.id"],
                split=SIDES[rows[track]["set.split"]],
            )
            for track in usable
        ],
        path=clips,
        name=f"fma_{subset}",
        features=features,
        provenance="official",
        about={
            "subset": subset,
            "passed_over": dict(sorted(passed_over.items())),
            "left_out": {
                "no file": len(rows) - len(found),
                "no one root genre": len(found) - len(usable),
            },
            "artists_on_two_sides": _torn(rows[track] for track in usable),
        },
        cache=cache,
        workers=workers,
        scheduler=scheduler,
        strict=strict,
        on_file=on_file,
        on_start=on_start,
    )


def _instructions(subset: str) -> str:
    clips, tables = ARCHIVES[subset], ARCHIVES["metadata"]
    return f"download and unpack {clips.url} ({clips.digest}) and {tables.url} ({tables.digest}), or pass download=True"


def _get(
    root: Path, metadata: str | Path | None, subset: str, on_progress: Callable[[int, int | None], None] | None
) -> None:
    """Downloads and unpacks missing files."""
    if root.is_file():
        raise SettingsError(f"download needs a folder to write to, but {root} is a file")
    wanted: list[tuple[str, tuple[str, ...]]] = [(subset, ())]
    if metadata is None:
        wanted.append(("metadata", ("tracks.csv", "genres.csv")))
    for name, only in wanted:
        folder = root / f"fma_{name}"
        there = name == subset and root.is_dir() and any(root.glob("[0-9][0-9][0-9]/[0-9]*.*"))  # the clips themselves
        if not folder.exists() and not there:
            unpack(fetch(ARCHIVES[name], root / f"fma_{name}.zip", on_progress), folder, only)


def _find_tables(root: Path, clips: Path, metadata: str | Path | None, subset: str) -> Path:
    """Finds the folder of the tables."""
    if metadata is not None:
        places = [Path(metadata)]
    else:
        places = [root / "fma_metadata", root, clips.resolve().parent / "fma_metadata"]
    for place in places:
        if (place / "tracks.csv").exists():
            return place
    told = ", ".join(map(str, places))
    raise DataError(
        f"there is no tracks.csv in {told}", path=root, remedy=f"pass metadata=…, or {_instructions(subset)}"
    )


def _read_tracks(tables: Path, subset: str) -> dict[str, dict[str, str]]:
    """Returns the rows of the subset's tracks, by file name."""
    path = tables / "tracks.csv"
    table = read_table(path, columns=_COLUMNS, header=3)
    genres = None
    if (tables / "genres.csv").exists():
        genres = set(read_table(tables / "genres.csv", required=("genre_id", "title"))["title"])
    rows: dict[str, dict[str, str]] = {}
    for number, row in enumerate(table.to_dict("records"), 1):

        def refuse(column: str, what: str, number: int = number) -> DataError:
            remedy = "unpack fma_metadata.zip again"
            return DataError(what, path=path, where=f"track {number}, column {column!r}", remedy=remedy)

        if row["set.subset"] not in SUBSETS["large"]:
            raise refuse("set.subset", f"{row['set.subset']!r} is not a subset")
        if row["set.subset"] not in SUBSETS[subset]:
            continue
        if not row["track_id"].isdecimal():
            raise refuse("track_id", f"{row['track_id']!r} is not a track number")
        if SIDES.get(row["set.split"]) is None:
            raise refuse("set.split", f"{row['set.split']!r} is not a split")
        if not row["artist.id"].isdecimal():
            raise refuse("artist.id", f"{row['artist.id']!r} is not an artist number")
        if genres is not None and row["track.genre_top"] and row["track.genre_top"] not in genres:
            raise refuse("track.genre_top", f"{row['track.genre_top']!r} is not among the titles in genres.csv")
        name = f"{int(row['track_id']):06}"
        if name in rows:
            raise refuse("track_id", f"{row['track_id']} occurs twice")
        rows[name] = {str(column): value for column, value in row.items()}
    if not rows:
        raise DataError(f"no track is in the subset {subset!r}", path=path, remedy="use a larger subset")
    return rows


def _torn(rows: Iterable[Mapping[str, str]]) -> list[str]:
    """Returns artists with tracks in two splits."""
    sides: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        sides[row["artist.id"]].add(row["set.split"])
    return sorted(artist for artist, where in sides.items() if len(where) > 1)

"""The GTZAN collection: 1,000 clips of 30 seconds, 100 per genre; from audio files or from feature tables.

It is the collection that most studies of music genre use. It contains repeated, distorted and mislabelled clips, and
many clips of the same artists, so a random split partly measures artist recognition. Use the fault-filtered split,
which is the default, and do not compare results of different splits.

Nothing is downloaded: the collection has no licence and no stable address. Any copy of its audio files works, complete
or partial, in any format, as long as the files have GTZAN's names (``blues.00000.wav``).

References:
- Tzanetakis and Cook (2002), "Musical Genre Classification of Audio Signals".
- Sturm (2013), "The GTZAN Dataset: Its Contents, Its Faults, Their Effects on Evaluation, and Its Future Use".
- Kereliuk, Sturm and Larsen (2015), "Deep Learning and Music Adversaries": the lists of the splits.
"""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from genrezoo.audio.settings import feature_settings
from genrezoo.datasets._audio import NOT_AUDIO, AudioFile, songs_from_audio, suffix_of, walk_files
from genrezoo.datasets._gtzan_splits import FAULT_FILTERED, STRATIFIED
from genrezoo.datasets._table import read_table, to_numbers
from genrezoo.errors import DataError, SettingsError, check_known
from genrezoo.registry import DATASETS
from genrezoo.songs import SongSet, split_stratified

if TYPE_CHECKING:
    from genrezoo.audio.settings import FeatureSettings

GENRES = ("blues", "classical", "country", "disco", "hiphop", "jazz", "metal", "pop", "reggae", "rock")

SPLITS = ("fault_filtered", "stratified", "random")
"""The splits with their provenances: the published lists, or a random one."""

TABLES = ("features_30_sec.csv", "features_3_sec.csv")
"""The names of the feature tables."""

_REFERENCE = "Tzanetakis and Cook (2002); splits: Kereliuk, Sturm and Larsen (2015), after Sturm (2013)"
_LICENCE = "none stated; for research"
_CLIP = re.compile(rf"(({'|'.join(GENRES)})\.\d{{5}})")  # and an ending, or the number of a piece


def gtzan_lists(split: str) -> dict[str, list[str]]:
    """Returns the published lists of a split, as names of clips.

    Args:
        split: ``"fault_filtered"`` or ``"stratified"``.

    Raises:
        UnknownNameError: There are no such lists.

    Example:
        >>> {side: len(clips) for side, clips in gtzan_lists("fault_filtered").items()}
        {'train': 443, 'valid': 197, 'test': 290}
    """
    lists = {"fault_filtered": FAULT_FILTERED, "stratified": STRATIFIED}
    check_known("list of GTZAN", [split], lists)
    return {
        side: [f"{genre}.{number:05}" for genre, text in genres.items() for number in _numbers(text)]
        for side, genres in lists[split].items()
    }


@DATASETS.register(
    "gtzan",
    summary="The GTZAN collection from audio files, with the fault- and artist-filtered split",
    reference=_REFERENCE,
    licence=_LICENCE,
    detects=lambda path: 3 * _is_gtzan(path),
)
def load_gtzan(
    path: str | Path,
    *,
    features: str | Mapping[str, Any] | FeatureSettings = "log_mel",
    split: str = "fault_filtered",
    seed: int = 0,
    cache: str | Path | None = None,
    workers: int | None = None,
    scheduler: str | None = None,
    strict: bool = False,
    on_file: Callable[[Path, str | None], None] | None = None,
    on_start: Callable[[int], None] | None = None,
) -> SongSet:
    """Loads songs from GTZAN's audio files.

    Args:
        path: A folder that holds files named as in GTZAN, ``blues.00000`` with any extension, at any depth.
        features: Kind of features or their settings, as in `genrezoo.datasets.folder.load_folder`.
        split: One of `SPLITS`: ``fault_filtered`` (443/197/290 of the whole collection, without faulty clips),
            ``stratified`` (500/250/250, also published), or ``random`` (70/15/15, drawn with the seed). The last two
            have artists in several splits and are for comparison only; their provenance is ``random``.
        seed: Seed of the random split.
        cache: Folder of the feature cache, see `genrezoo.datasets.folder.load_folder`, as for the next four.
        workers: Number of files to process in parallel.
        scheduler: Address of a Dask scheduler whose workers compute the features, in place of this machine.
        strict: Stop at the first bad file.
        on_file: Called with each finished file and None, or the reason if it was rejected.
        on_start: Called first, with the number of files.

    Returns:
        The checked songs; ids are the clips' names without extension. ``about["lists"]`` holds for each split the
        number of listed clips and the missing ones (a part of the collection is enough); other files are counted in
        ``about["passed_over"]``.

    Raises:
        DataError: There are no such files, a clip occurs twice, or fewer than two genres have good files; with
            ``strict`` also for the first bad file.
        UnknownNameError: There is no such split.

    Example:
        >>> load_gtzan("/nonexistent")
        Traceback (most recent call last):
        ...
        genrezoo.errors.DataError: /nonexistent: is not a folder. Remedy: pass the folder that contains the audio files.
    """
    check_known("split of GTZAN", [split], SPLITS)
    root = Path(path)
    files: dict[str, AudioFile] = {}
    passed_over = Counter[str]()
    for file in walk_files(root):
        clip = _CLIP.match(file.name)
        if not clip or file.suffix.lower() in NOT_AUDIO or file.name[clip.end() :] != file.suffix:
            passed_over[suffix_of(file)] += 1
        elif clip[1] in files:
            remedy = "keep one of the two"
            raise DataError(f"clip {clip[1]} occurs twice, also as {files[clip[1]].path}", path=file, remedy=remedy)
        else:
            files[clip[1]] = AudioFile(file, id=clip[1], genre=clip[2])
    if not files:
        remedy = "pass a folder with files such as blues/blues.00000.wav (any audio format)"
        raise DataError("contains no file with the name of a GTZAN clip", path=root, remedy=remedy)
    songs = songs_from_audio(
        [files[clip] for clip in sorted(files)],
        path=root,
        name="gtzan",
        features=features,
        about={"passed_over": dict(sorted(passed_over.items()))},
        cache=cache,
        workers=workers,
        scheduler=scheduler,
        strict=strict,
        on_file=on_file,
        on_start=on_start,
    )
    return _with_split(songs, split, seed)


@DATASETS.register(
    "gtzan_table",
    summary="The well-known table of 57 features of GTZAN, with one row per clip or per three seconds",
    reference=f"{_REFERENCE}; tables: Olteanu, 'GTZAN Dataset - Music Genre Classification' (Kaggle)",
    licence=_LICENCE,
    detects=lambda path: 3 * (path.name in TABLES),
)
def load_gtzan_table(
    path: str | Path, *, split: str = "fault_filtered", seed: int = 0, songs: str = "clips"
) -> SongSet:
    """Loads songs from the CSV tables that accompany GTZAN, ``features_30_sec.csv`` and ``features_3_sec.csv``.

    In the second table ten rows belong to one clip. They become one song of ten segments, so that no split can divide a
    clip between training and test songs. Accuracies far above 90 % in studies of this table come from such splits.

    Args:
        path: The table: ``filename``, ``length``, the 57 columns of `genrezoo.audio.table`, ``label``.
        split: One of `SPLITS`, as in `load_gtzan`.
        seed: Seed of the random split.
        songs: Unit of a song: only ``"clips"``; ``"rows"`` is rejected with this explanation.

    Returns:
        The checked songs of 57 features: 1 segment each from the first table, up to 10 from the second. Ids are the
        clips' names. ``about`` has no feature settings, since another program computed the table's values.

    Raises:
        DataError: It is not such a table: columns or numbers are missing, a row is duplicated, or a label contradicts a
            name.
        SettingsError: ``songs`` is ``"rows"``.
        UnknownNameError: There is no such split.

    Example:
        >>> load_gtzan_table("features_3_sec.csv", songs="rows")
        Traceback (most recent call last):
        ...
        genrezoo.errors.SettingsError: songs='rows' could divide the rows of one clip between splits, so that ...
    """
    check_known("split of GTZAN", [split], SPLITS)
    if songs != "clips":
        raise SettingsError(
            f"songs={songs!r} could divide the rows of one clip between splits, so that results would measure how well "
            f"clips are recognised; the rows of a clip are the segments of one song: use songs='clips'"
        )
    path = Path(path)
    kind = feature_settings("feature_table")
    table = read_table(path, required=("filename", "label", *kind.names))
    values = to_numbers(table, kind.names, path=path)
    rows: dict[str, dict[int, int]] = {}  # for each clip, the row of each of its pieces
    for row, (file, label) in enumerate(zip(table["filename"], table["label"], strict=True)):
        name = re.fullmatch(rf"{_CLIP.pattern}(?:\.(\d+))?\.\w+", file)
        if name is None:
            remedy = "names must be like blues.00000.wav, or blues.00000.3.wav for a part of a clip"
            raise DataError(f"{file!r} is not a GTZAN clip", path=path, where=_cell(row, "filename"), remedy=remedy)
        if label != name[2]:
            what = f"{label!r}, but the clip is {file}"
            raise DataError(what, path=path, where=_cell(row, "label"), remedy="restore the table")
        first = rows.setdefault(name[1], {}).setdefault(int(name[3] or 0), row)
        if first != row:
            what = f"{file!r} is also in row {first + 2}"
            raise DataError(what, path=path, where=_cell(row, "filename"), remedy="restore the table")
    clips = sorted(rows)
    longest = max(map(len, rows.values()))
    x = np.zeros((len(clips), longest, len(kind.names)))
    for clip, pieces in zip(x, (rows[name] for name in clips), strict=True):
        clip[: len(pieces)] = values[[pieces[piece] for piece in sorted(pieces)]]
    genres = sorted({clip.partition(".")[0] for clip in clips})
    found = SongSet(
        x=x,
        y=np.array([genres.index(clip.partition(".")[0]) for clip in clips]),
        genres=tuple(genres),
        lengths=np.array([len(rows[clip]) for clip in clips]),
        ids=np.array(clips),
        name="gtzan_table",
        about={
            "files": [path.name],
            "feature_names": list(kind.names),
            "feature_groups": {group: list(columns) for group, columns in kind.groups.items()},
        },
    )
    return _with_split(found.validate(path), split, seed)


def _is_gtzan(folder: Path) -> bool:
    """Whether a folder has the layout of the collection: one folder per genre, with clips under GTZAN's names."""
    for top in (folder, folder / "genres", folder / "genres_original"):
        if all((top / genre).is_dir() for genre in GENRES):
            clips = [any(_CLIP.match(file.name) for file in walk_files(top / genre)) for genre in GENRES]
            return all(clips)
    return False


def _with_split(songs: SongSet, split: str, seed: int) -> SongSet:
    """Adds a split by clips to the songs; all songs of a clip are in one split."""
    clips = np.array([name.partition("#")[0] for name in songs.ids])
    if split == "random":
        single, first = np.unique(clips, return_index=True)
        drawn = split_stratified(dataclasses.replace(songs.take(first), ids=single, groups=None), seed=seed)
        lists = {side: single[index].tolist() for side, index in drawn.splits.items()}
    else:
        lists = gtzan_lists(split)
    splits = {side: np.flatnonzero(np.isin(clips, names)) for side, names in lists.items()}
    here = set(clips.tolist())
    told = {
        side: {"listed": len(names), "missing": [name for name in names if name not in here]}
        for side, names in lists.items()
    }
    songs = dataclasses.replace(songs, about={**songs.about, "split": split, "lists": told})
    splits = {side: index for side, index in splits.items() if index.size}
    if not splits:
        raise DataError(
            "no clip is in the split's lists", path=songs.name, remedy="choose split='random', or add clips"
        )
    return songs.with_split(splits, "fault-filtered" if split == "fault_filtered" else "random")


def _numbers(text: str) -> list[int]:
    ranges = (part.partition("-") for part in text.split())
    return [number for first, _, last in ranges for number in range(int(first), int(last or first) + 1)]


def _cell(row: int, column: str) -> str:
    return f"row {row + 2}, column {column!r}"

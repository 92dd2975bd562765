"""Songs from audio files with genres: the common part of all data sets of audio files."""

from __future__ import annotations

import itertools
import math
import os
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Unpack

import numpy as np

from genrezoo.archive import available_bytes
from genrezoo.audio.extract import Extraction, extract_files
from genrezoo.audio.settings import FeatureSettings, feature_settings
from genrezoo.environment import AUDIO_PACKAGES, versions
from genrezoo.errors import DataError, SettingsError
from genrezoo.songs import SongSet

# fmt: off
NOT_AUDIO = frozenset({
    ".bmp", ".cfg", ".csv", ".cue", ".db", ".doc", ".docx", ".gif", ".h5", ".htm", ".html", ".ini", ".jams", ".jpeg",
    ".jpg", ".json", ".lab", ".log", ".lrc", ".m3u", ".m3u8", ".md", ".mf", ".nfo", ".npy", ".npz", ".parquet", ".pdf",
    ".pls", ".png", ".py", ".sfv", ".sh", ".svg", ".tif", ".tiff", ".toml", ".tsv", ".txt", ".url", ".webp", ".xml",
    ".yaml", ".yml",
})
# fmt: on
"""File extensions that are skipped; every other file is inspected."""


@dataclass(frozen=True)
class AudioFile:
    """An audio file with its metadata.

    Attributes:
        path: The file.
        id: Id of the song.
        genre: Genre of the song.
        group: Group that a split must not divide (an artist), if known.
        split: Split that it belongs to, if any.
    """

    path: Path
    id: str
    genre: str
    group: str | None = None
    split: str | None = None


def walk_files(root: Path, on_error: Callable[[DataError], None] | None = None) -> Iterator[Path]:
    """Yields the files below a folder in sorted order; hidden ones are skipped, links to folders are followed once.

    Args:
        root: The folder.
        on_error: Called with the reason if a sub-folder cannot be read; the others are still searched.

    Raises:
        DataError: It is not a folder, or, without ``on_error``, a folder in it cannot be read.
    """
    if not root.is_dir():
        raise DataError("is not a folder", path=root, remedy="pass the folder that contains the audio files")

    def refuse(error: OSError) -> None:
        problem = DataError(f"cannot be read ({error.strerror})", path=error.filename, remedy="check its permissions")
        if on_error is None:
            raise problem
        on_error(problem)

    seen = set()
    for folder, inner, names in os.walk(root, followlinks=True, onerror=refuse):
        facts = os.stat(folder)
        if (facts.st_dev, facts.st_ino) in seen:
            inner.clear()
            continue
        seen.add((facts.st_dev, facts.st_ino))
        inner[:] = sorted(name for name in inner if not name.startswith("."))
        yield from (Path(folder, name) for name in sorted(names) if not name.startswith("."))


def holds_mostly(folder: Path, suffix: str) -> bool:
    """Whether files with an extension outnumber possible audio files among the first hundred of a folder tree."""
    if not folder.is_dir():
        return False
    first = [suffix_of(file) for file in itertools.islice(walk_files(folder), 100)]
    return first.count(suffix) > sum(one not in NOT_AUDIO for one in first if one != suffix)


def spelt_out(name: str | Path) -> str:
    """Returns a file name as text that can be stored, with bytes that are not UTF-8 escaped."""
    return os.fsencode(name).decode(errors="backslashreplace")


def suffix_of(path: Path) -> str:
    """Returns the file extension in lower case, as text that can be stored."""
    return spelt_out(path.suffix.lower())


def plain_name(text: str) -> str:
    """Returns a file name as an id, in composed Unicode, so that it is the same on all systems.

    Raises:
        DataError: The bytes of the name are not UTF-8.
    """
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise DataError(f"the name {spelt_out(text)} is not UTF-8", remedy="rename the file") from error
    return unicodedata.normalize("NFC", text)


def songs_from_audio(
    files: Sequence[AudioFile],
    *,
    path: Path,
    name: str,
    features: str | Mapping[str, Any] | FeatureSettings,
    provenance: str | None = None,
    rejected: Mapping[str, str] | None = None,
    about: Mapping[str, Any] | None = None,
    **options: Unpack[Extraction],
) -> SongSet:
    """Builds songs from the features of audio files.

    Args:
        files: The files, with their genres, groups and splits.
        path: Their source, for messages.
        name: Name of the set in tables, without the kind of its features.
        features: Kind of features, or their settings.
        provenance: Provenance of the split, if the files have one.
        rejected: Files that were rejected before their audio was read, with the reason.
        about: Further data to store with the songs.
        **options: Options of `genrezoo.audio.extract.extract_files`: ``cache``, ``workers``, ``scheduler``, ``strict``,
            ``on_file``, ``on_start``.

    Returns:
        The checked songs. Shorter ones are padded; if a file yields several images, each is a song ``id#1``, ``id#2``,
        … and they form one group. ``about`` holds the feature settings (``features``, ``feature_names``,
        ``feature_groups``, ``units``, ``versions`` of the libraries that computed them), the number of good ``files``,
        ``rejected`` and ``warnings`` by id.

    Raises:
        DataError: Fewer than two genres with good files; songs that do not fit into memory; with ``strict`` the first
            bad file.
    """
    settings = feature_settings(features)
    turned_down = dict(rejected or {})
    if options.get("strict") and turned_down:
        first, reason = next(iter(turned_down.items()))
        raise DataError(reason, path=path, where=first)
    known = {file.path: file for file in files}
    found = extract_files(known, settings, **options)
    turned_down |= {known[bad].id: reason for bad, reason in found.rejected.items()}
    good = [known[path] for path in found.paths]
    genres = sorted({file.genre for file in good})
    if len(genres) < 2:
        told = "; ".join(f"{name}: {reason}" for name, reason in list(turned_down.items())[:5])
        more = f"; and {len(turned_down) - 5} more" if len(turned_down) > 5 else ""
        raise DataError(
            f"{len(good)} good files of {len(genres)} genres, {len(turned_down)} rejected"
            f"{f' ({told}{more})' if told else ''}",
            path=path,
            remedy="provide at least two genres, each as a folder of audio files",
        )
    return assemble_songs(
        good,
        (found.features(file).x for file in found.paths),
        shapes=[found.shapes[file] for file in found.paths],
        settings=settings,
        genres=tuple(genres),
        path=path,
        name=f"{name}_{settings.kind}",
        provenance=provenance,
        about={
            "versions": versions(AUDIO_PACKAGES),
            **(about or {}),
            "files": len(good),
            "rejected": turned_down,
            "warnings": {known[odd].id: list(texts) for odd, texts in found.warnings.items()},
        },
    )


def assemble_songs(
    files: Sequence[AudioFile],
    features: Iterable[np.ndarray],
    *,
    shapes: Sequence[tuple[int, ...]],
    settings: FeatureSettings,
    genres: tuple[str, ...],
    path: Path | None,
    name: str,
    provenance: str | None,
    about: Mapping[str, Any],
) -> SongSet:
    """Builds a song set from the features of recordings.

    Args:
        files: The recordings, with their genres, groups and splits.
        features: The features of each, in the same order.
        shapes: Their shapes, which are checked before memory is allocated.
        settings: Settings of the features.
        genres: The genres, in the order of their labels.
        path: Source of the recordings, for messages.
        name: Name of the set in tables.
        provenance: Provenance of the split, if there is one.
        about: Further data to store with the songs.

    Returns:
        The checked songs; see `songs_from_audio`.

    Raises:
        DataError: They do not fit into memory, or cannot be trained on.
    """
    x, lengths, pieces = _stack(features, shapes, path)
    ids = []
    for file, count in zip(files, pieces, strict=True):
        ids += [file.id] if count == 1 else [f"{file.id}#{number}" for number in range(1, count + 1)]
    owners = [files[place] for place in np.repeat(np.arange(len(files)), pieces).tolist()]  # the file of each song
    groups = None
    if max(pieces) > 1 or any(file.group for file in files):
        groups = np.array([file.group or file.id for file in owners])
    sides = np.array([file.split or "" for file in owners])
    splits = {side: np.flatnonzero(sides == side) for side in ("train", "valid", "test") if (sides == side).any()}
    return SongSet(
        x=x,
        y=np.array([genres.index(file.genre) for file in owners]),
        genres=genres,
        lengths=lengths,
        ids=np.array(ids),
        groups=groups,
        splits=splits,
        provenance=provenance if splits else None,
        name=name,
        kind="image" if x.ndim == 4 else "segments",
        about={
            "features": settings.model_dump(mode="json"),
            "feature_names": list(settings.names),
            "feature_groups": {group: list(columns) for group, columns in settings.groups.items()},
            "units": settings.units,
            **about,
        },
    ).validate(path)


def check_provenance(provenance: str | None, *, has_split: bool, path: Path) -> str | None:
    """Returns the provenance of a user's split: the one specified, else ``official``; None without a split.

    Raises:
        SettingsError: It was specified, but there is no split.
    """
    if provenance is not None and not has_split:
        raise SettingsError(f"provenance={provenance!r} describes a split, but {path} has no split")
    return (provenance or "official") if has_split else None


def _stack(
    features: Iterable[np.ndarray], shapes: Sequence[tuple[int, ...]], path: Path | None
) -> tuple[np.ndarray, np.ndarray, list[int]]:
    """Returns the features of all files in one array, the songs' lengths, and the number of songs per file."""
    forms = {shape[1:] for shape in shapes}
    if len(forms) > 1:
        raise DataError(f"features have different shapes: {sorted(forms)}", path=path, remedy="clear the feature cache")
    (form,) = forms
    images = len(form) == 3
    pieces = [shape[0] if images else 1 for shape in shapes]
    longest = max(shape[0] for shape in shapes)
    whole = (sum(pieces), *form) if images else (len(shapes), longest, *form)
    if (need := 4 * math.prod(whole)) > (free := available_bytes()):
        remedy = "use an excerpt of each file (the features' `duration`), or fewer files"
        raise DataError(
            f"the songs need {need / 2**30:.1f} GiB of memory, but {free / 2**30:.1f} GiB are free; the longest has "
            f"{longest:,} segments",
            path=path,
            remedy=remedy,
        )
    x = np.zeros(whole, np.float32)
    lengths = np.full(len(x), whole[1])
    start = 0
    for values, count in zip(features, pieces, strict=True):
        if images:
            x[start : start + count] = values
        else:
            x[start, : len(values)] = values
            lengths[start] = len(values)
        start += count
    return x, lengths, pieces

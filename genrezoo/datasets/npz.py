"""Songs in NumPy archives: one ``.npz`` file, or the files of a published train/valid/test split in one folder.

This is the usual exchange format. Two sets of keys are supported, as in published data sets:

- ``inputs``, ``targets`` and ``label_map`` (the Million Song Dataset tasks of the Edinburgh courses), or
- ``x``, ``y`` and ``class_names``.

Labels that are text may do without the names of the genres. A file may also hold ``lengths`` (segments of each song;
the rest is padding), ids, groups, a column with each song's split, and ``feature_names``. Other arrays are ignored.

Reference: NumPy Enhancement Proposal 1, "A Simple File Format for NumPy Arrays".
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from genrezoo.archive import MAX_BYTES, Header, available_bytes, read_array, read_headers
from genrezoo.errors import DataError, SettingsError
from genrezoo.registry import DATASETS
from genrezoo.songs import PROVENANCES, SongSet
from genrezoo.songs.columns import GROUPS, IDS, SIDES, to_float32, to_integers, to_names
from genrezoo.songs.convert import labels_in

KEY_SETS = (("inputs", "targets", "label_map"), ("x", "y", "class_names"))
"""Keys of the features, labels and names of the genres."""

_SPLIT_COLUMNS = {
    "split": "official",
    "split_official": "official",
    "split_filtered": "fault-filtered",
    "split_fault_filtered": "fault-filtered",
    "split_artist_filtered": "artist-filtered",
    "split_random": "random",
}
_SPLIT_FILE = re.compile(r"(?:.*[-_.])?(train|valid|validation|val|test)(?:[-_.](inputs|targets))?\.npz", re.IGNORECASE)


@DATASETS.register(
    "npz",
    summary="One .npz file of songs, or train, valid and test .npz files in one folder",
    reference="NumPy Enhancement Proposal 1 (the .npy and .npz formats)",
    licence="that of the songs",
    detects=lambda path: 2 * (path.suffix.lower() == ".npz" or (path.is_dir() and any(path.glob("[!.]*.npz")))),
)
def load_npz(
    path: str | Path,
    *,
    name: str | None = None,
    n_segments: int | None = None,
    provenance: str | None = None,
    max_bytes: int = MAX_BYTES,
) -> SongSet:
    """Loads songs from one ``.npz`` file, or from the ``.npz`` files of a published split in one folder.

    Choose it for sets that fit into memory; convert larger ones, or ones that are loaded often, to a songs folder with
    `genrezoo.songs.storage.save_songs` first, which is memory-mapped.

    A folder is read split by split: ``train.npz``, ``valid.npz`` (or ``validation``, ``val``) and ``test.npz``, as far
    as they exist, optionally with a prefix as in ``msd-10-genre-train.npz``. A split may also be two files,
    ``…test-inputs.npz`` and ``…test-targets.npz``. One file may hold the genre names for all.

    Args:
        path: The file or the folder.
        name: Name of the set in tables; the default is the file's or folder's name.
        n_segments: Segments of a song where the features are stored flat: an array ``(songs, 3000)`` becomes ``(songs,
            120, 25)`` with ``n_segments=120``. By default a flat array is a feature table with one segment per song.
        provenance: Provenance of the split, one of `genrezoo.songs.PROVENANCES`. The default is ``official`` for split
            files and a column ``split``, and follows from the name for the columns ``split_filtered``,
            ``split_artist_filtered`` and ``split_random``.
        max_bytes: Largest unpacked size of a file in bytes; lower if memory is short.

    Returns:
        The checked songs. Missing ids become ``"0"``, ``"1"``, … or, in a folder, ``"train/0"``, …. Songs whose split
        is neither train, valid nor test are in no split, and `SongSet.describe` counts them. ``about`` holds the names
        of the files read and ``feature_names``.

    Raises:
        DataError: The files are damaged, have missing or ambiguous keys, pickled objects, sizes that contradict their
            headers, or labels or features that cannot be trained on.
        SettingsError: ``n_segments`` does not divide the features, or ``provenance`` is passed without a split.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "songs.npz"
        >>> np.savez(path, x=np.zeros((4, 6)), y=[0, 1, 0, 1], class_names=["blues", "jazz"])
        >>> load_npz(path, n_segments=3)
        SongSet('songs': 4 songs x 3 segments x 2 features, 2 genres, no split)
    """
    if n_segments is not None and (isinstance(n_segments, bool) or not isinstance(n_segments, int) or n_segments < 1):
        raise SettingsError(f"n_segments must be a positive integer, got {n_segments!r}")
    path = Path(path)
    parts = [_Part.find(split, files, n_segments, max_bytes) for split, files in _files(path).items()]
    _check_memory(path, parts)
    _check_alike(path, parts)

    columns: dict[str, Any] = {}
    for role in ("x", "y", "lengths", "ids", "groups"):
        if role in parts[0].keys:
            read = [part.column(role) for part in parts]
            columns[role] = read[0] if len(read) == 1 else np.concatenate(read)
    if "ids" not in columns and path.is_dir():
        columns["ids"] = [f"{part.split}/{row}" for part in parts for row in range(part.n_songs)]
    splits, source = _splits(path, parts)
    if provenance is not None and not splits:
        raise SettingsError(f"provenance={provenance!r} describes a split, but {path} has no split")
    if splits and not (provenance or source):
        remedy = f"pass provenance=, one of {', '.join(PROVENANCES)}"
        raise DataError(
            "the provenance of the split is unknown", path=path, where=parts[0].keys["split"], remedy=remedy
        )
    about: dict[str, Any] = {"files": [file.name for part in parts for file in part.files]}
    if "feature_names" in parts[0].keys:
        about["feature_names"] = list(_names(path, parts, "feature_names", parts[0].n_features))
    columns["y"], genres = _labels(path, parts, columns["y"])
    songs = SongSet(
        **columns,
        genres=genres,
        splits=splits,
        provenance=provenance or source,
        name=name or (path.resolve().name if path.is_dir() else path.stem),
        about=about,
    )
    return songs.validate(path)


@dataclass(frozen=True)
class _Part:
    """The songs of one file, or of a pair of files with inputs and targets.

    Attributes:
        split: The split in the file's name, or None.
        files: The files.
        keys: The key of each existing role (x, y, genres, lengths, ids, groups, split, feature_names).
        headers: File and header of each key.
        shape: Shape of the features: songs, segments, features.
    """

    split: str | None
    files: tuple[Path, ...]
    keys: dict[str, str]
    headers: dict[str, tuple[Path, Header]]
    shape: tuple[int, int, int]

    @classmethod
    def find(cls, split: str | None, files: list[Path], n_segments: int | None, max_bytes: int) -> _Part:
        headers: dict[str, tuple[Path, Header]] = {}
        for file in files:
            for key, header in read_headers(file, max_bytes=max_bytes).items():
                if key in headers:
                    raise DataError(f"{key!r} is also in {headers[key][0].name}", path=file, remedy="keep one")
                headers[key] = file, header
        keys = _roles(headers, files[-1])
        file, header = headers[keys["x"]]
        return cls(split, tuple(files), keys, headers, _shape(header, n_segments, file, keys["x"]))

    @property
    def n_songs(self) -> int:
        return self.shape[0]

    @property
    def n_features(self) -> int:
        return self.shape[2]

    def column(self, role: str) -> np.ndarray:
        """Reads the array of one role, in the type of a `SongSet`."""
        key = self.keys[role]
        file, _ = self.headers[key]
        values = read_array(file, key)
        if role == "x":
            return to_float32(values.reshape(self.shape), path=file, where=key)
        numbers = role == "lengths" or (role == "y" and values.dtype.kind not in "US")
        convert = to_integers if numbers else to_names
        return convert(values, self.n_songs, path=file, where=key)

    def texts(self, role: str, number: int | None = None) -> list[str]:
        """Reads a list of names that is not per song."""
        key = self.keys[role]
        file, header = self.headers[key]
        if header.dtype.kind not in "US" or len(header.shape) != 1 or number not in (None, *header.shape):
            raise DataError(
                f"shape {header.shape} and type {header.dtype}, expected {number or 'a list of'} names",
                path=file,
                where=key,
                remedy=f"save it as np.array([...], dtype=str){'' if number else ', the name of label 0 first'}",
            )
        return [str(text) for text in to_names(read_array(file, key), header.shape[0], path=file, where=key)]


def _files(path: Path) -> dict[str | None, list[Path]]:
    """Returns the files of each split (None for a single file), in the order train, valid, test."""
    if not path.is_dir():
        return {None: [path]}
    found: dict[str, dict[str, list[Path]]] = defaultdict(lambda: defaultdict(list))
    for file in sorted(path.iterdir()):
        if match := _SPLIT_FILE.fullmatch(file.name):
            found[SIDES[match[1].lower()]][(match[2] or "").lower()].append(file)
    if not found:
        remedy = "pass the .npz file itself, or rename the files to train.npz, valid.npz and test.npz"
        raise DataError("no .npz file is named after a split", path=path, remedy=remedy)
    files: dict[str | None, list[Path]] = {}
    for split in ("train", "valid", "test"):
        halves = found.get(split, {})
        doubled = [half for half, candidates in halves.items() if len(candidates) > 1]
        if doubled or ("" in halves and len(halves) > 1):
            names = ", ".join(file.name for candidates in halves.values() for file in candidates)
            remedy = "keep the files of one set in one folder"
            raise DataError(f"several files for {split!r}: {names}", path=path, remedy=remedy)
        if halves:
            files[split] = [candidates[0] for candidates in halves.values()]
    return files


def _roles(headers: dict[str, tuple[Path, Header]], path: Path) -> dict[str, str]:
    """Finds the key of each role."""

    def refuse(what: str, remedy: str) -> DataError:
        return DataError(what, path=path, where=f"keys {', '.join(headers) or '(none)'}", remedy=remedy)

    advice = "save it as np.savez(path, x=…, y=…, class_names=…)"
    present = [keys for keys in KEY_SETS if keys[0] in headers or keys[1] in headers]
    if not present:
        raise refuse("features and labels were not found", advice)
    if len(present) > 1:
        raise refuse("two sets of songs in one file", "keep either inputs and targets or x and y")
    x, y, genres = present[0]
    for key in (x, y):
        if key not in headers:
            without_labels = (
                "; songs without labels cannot be used for testing: move the file elsewhere" if key == y else ""
            )
            raise refuse(f"{key!r} is missing", advice + without_labels)
    keys = {"x": x, "y": y}
    for role, names in (
        ("genres", (genres,)),
        ("lengths", ("lengths",)),
        ("ids", IDS),
        ("groups", GROUPS),
        ("feature_names", ("feature_names",)),
    ):
        if known := [name for name in names if name in headers]:
            keys[role] = known[0]
    columns = [key for key in headers if key == "split" or key.startswith("split_")]
    if "split" in columns:
        keys["split"] = "split"
    elif len(columns) > 1:
        raise refuse("several columns could be the split", "keep one, or rename the right one to 'split'")
    elif columns:
        keys["split"] = columns[0]
    return keys


def _shape(header: Header, n_segments: int | None, path: Path, key: str) -> tuple[int, int, int]:
    """Returns the features' shape as (songs, segments, features)."""
    shape = header.shape
    if header.dtype.kind not in "fiu" or len(shape) not in (2, 3):
        raise DataError(
            f"shape {shape} and type {header.dtype}, expected real numbers",
            path=path,
            where=key,
            remedy="save features as (songs, features) or (songs, segments, features)",
        )
    if len(shape) == 2 and n_segments is not None:
        if shape[1] % n_segments:
            raise SettingsError(
                f"{path}: {key}: {shape[1]} numbers per song cannot be divided into {n_segments} segments"
            )
        return shape[0], n_segments, shape[1] // n_segments
    if len(shape) == 2:
        return shape[0], 1, shape[1]
    if n_segments not in (None, shape[1]):
        raise SettingsError(
            f"{path}: {key}: the songs already have {shape[1]} segments, but n_segments is {n_segments}"
        )
    return shape[0], shape[1], shape[2]


def _check_memory(path: Path, parts: list[_Part]) -> None:
    need = 0
    for part in parts:
        need += sum(part.headers[key][1].n_bytes for key in part.keys.values())
        if len(parts) > 1 or part.headers[part.keys["x"]][1].dtype != np.float32:
            need += 4 * math.prod(part.shape)  # a second time, joined or as float32
    if need > (free := available_bytes()):
        raise DataError(
            f"loading needs {need / 2**30:.1f} GiB of memory, but {free / 2**30:.1f} GiB are free",
            path=path,
            remedy="use fewer songs or store them as float32 or smaller",
        )


def _check_alike(path: Path, parts: list[_Part]) -> None:
    """Rejects files that do not belong together."""
    first = parts[0]
    for part in parts[1:]:
        if part.shape[1:] != first.shape[1:]:
            raise DataError(
                f"songs of {part.shape[1]} segments x {part.shape[2]} features, "
                f"but {first.shape[1]} x {first.shape[2]} in {first.files[0].name}",
                path=part.files[0],
                remedy="store all songs in the same shape, or pass n_segments if some are stored flat",
            )
        differ = (part.keys.keys() ^ first.keys.keys()) - {"genres"}
        if differ:
            raise DataError(
                f"only one of {first.files[0].name} and {part.files[0].name} has {', '.join(sorted(differ))}",
                path=path,
                remedy="store it in all files or in none",
            )


def _labels(path: Path, parts: list[_Part], y: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
    """Returns labels as positions in the genres, and the genres, which text labels name themselves."""
    if y.dtype.kind != "U":
        return y, _names(path, parts, "genres")
    named = any("genres" in part.keys for part in parts)
    labels, genres = labels_in(y, _names(path, parts, "genres") if named else None, str(path))
    return labels, tuple(genres)


def _names(path: Path, parts: list[_Part], role: str, number: int | None = None) -> tuple[str, ...]:
    """Returns the names of genres or features, which must be the same and in the same order in all files."""
    named = {part.files[0].name: tuple(part.texts(role, number)) for part in parts if role in part.keys}
    if not named:
        key = next(names for x, _, names in KEY_SETS if x == parts[0].keys["x"])
        remedy = f"name them in the order of the labels, np.savez(path, …, {key}=['blues', …]), or save labels as text"
        raise DataError(f"{key!r} is missing", path=path, remedy=remedy)
    if len(set(named.values())) > 1:
        lists = "; ".join(f"{file}: {', '.join(names[:10])}" for file, names in named.items())
        what = f"the files have different {role.replace('_', ' ')} ({lists})"
        raise DataError(what, path=path, remedy="store them in the same order in all files")
    return next(iter(named.values()))


def _splits(path: Path, parts: list[_Part]) -> tuple[dict[str, np.ndarray], str | None]:
    """Returns index arrays and their provenance, from the files' names or from a column."""
    key = parts[0].keys.get("split")
    if parts[0].split is not None:
        if key is not None:
            remedy = "drop the column, or keep all songs in one file"
            raise DataError(f"the split is given by the files' names and by a column {key!r}", path=path, remedy=remedy)
        starts = np.cumsum([0, *(part.n_songs for part in parts)])
        return {
            str(part.split): start + np.arange(part.n_songs) for part, start in zip(parts, starts, strict=False)
        }, "official"
    if key is None:
        return {}, None
    told = np.array([SIDES.get(str(value).strip().lower(), "") for value in parts[0].column("split")])
    splits = {split: np.flatnonzero(told == split) for split in ("train", "valid", "test") if split in told}
    if not splits:
        raise DataError("no song is in train, valid or test", path=path, where=key, remedy="use these three names")
    return splits, _SPLIT_COLUMNS.get(key)

"""The songs folder: songs as plain arrays on disk, memory-mapped when loaded; incomplete folders are rejected.

`genrezoo data convert` and `genrezoo data split` write it. Choose it for sets that are larger than memory or loaded
often: opening one takes only the time of its checksums, and training reads only what it needs.

The folder holds ``x.npy`` (padding as NaN), ``y.npy``, ``lengths.npy``, ``ids.npy``, ``groups.npy``, ``weights.npy``
and ``split_<name>.npy`` as far as they exist, and ``manifest.json`` with everything else and the sha256 of each array.
The manifest is written last: a folder without one is incomplete.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal

import numpy as np
from pydantic import BaseModel, Field

from genrezoo.errors import DataError
from genrezoo.files import lock_folder, write_atomic, write_json, write_text

if TYPE_CHECKING:
    from genrezoo.songs.songset import SongSet

MANIFEST = "manifest.json"
"""File whose presence shows that a songs folder is complete."""

_UNFINISHED = ".unfinished"  # stands while songs are written, so that a second try knows whose arrays lie there
_COLUMNS = ("x", "y", "lengths", "ids", "groups", "weights")
_SPLIT_NAME = r"[A-Za-z0-9_-]{1,64}"
_OURS = re.compile(rf"({'|'.join(_COLUMNS)}|split_{_SPLIT_NAME})\.npy|\..+\.(npy|json)\..*\.part")  # or a torn one


class StoredArray(BaseModel, extra="forbid", strict=True):
    """The manifest's entry of one array."""

    shape: list[int]
    dtype: str
    sha256: str


class Manifest(BaseModel, extra="forbid", strict=True):
    """Everything of a `SongSet` except its arrays, and the expected form of the arrays."""

    version: Literal[1] = Field(alias="schema")
    name: str
    kind: str
    genres: list[str]
    splits: list[str]
    provenance: str | None
    about: dict[str, Any]
    files: dict[str, StoredArray]


def save_songs(songs: SongSet, folder: str | Path, *, overwrite: bool = False) -> Path:
    """Writes songs as a songs folder.

    The arrays are streamed in blocks, so that memory-mapped songs of any size are written in constant memory. A killed
    process leaves a folder that `load_arrays` rejects, whether or not it was complete before, and that the same call
    can overwrite.

    Args:
        songs: Songs; they are checked first, so that nothing is written that cannot be loaded.
        folder: Folder to write to; created if missing.
        overwrite: Replace existing songs. Other files in the folder are not changed.

    Returns:
        The folder as a `Path`.

    Raises:
        DataError: The songs cannot be trained on, ``about`` is not plain data, a split's name cannot be part of a file
            name, the folder already holds songs, unknown arrays or other files, or another process is writing to it.

    Example:
        >>> import tempfile
        >>> from genrezoo import SongSet, load_songs
        >>> songs = SongSet(x=np.zeros((4, 3, 2)), y=[0, 1, 0, 1], genres=("blues", "jazz"))
        >>> folder = save_songs(songs, Path(tempfile.mkdtemp()) / "songs")
        >>> load_songs(folder).checksum() == songs.checksum()
        True
    """
    folder = Path(folder)
    songs.validate()
    _check_plain(songs)
    source = getattr(songs.x, "filename", None)  # of a memory-mapped array
    if source is not None and Path(source).parent.resolve() == folder.resolve():
        remedy = "use another folder"
        raise DataError("these songs were loaded from this folder and could be lost", path=folder, remedy=remedy)
    with lock_folder(folder):
        there = [path for path in [folder / MANIFEST, *folder.iterdir()] if path.exists() and _is_ours(path)]
        finished = (folder / MANIFEST).exists()
        if there and not overwrite and (finished or not (folder / _UNFINISHED).exists()):
            what = "already contains songs" if finished else f"contains {there[0].name}, which no conversion wrote"
            raise DataError(
                what, path=folder, remedy="use another folder, or overwrite it (overwrite=True, --overwrite)"
            )
        ours = {".lock", _UNFINISHED}
        foreign = [path.name for path in folder.iterdir() if not _is_ours(path) and path.name not in ours]
        if foreign and not there and not overwrite:
            remedy = "use another folder, or write to this one anyway (overwrite=True, --overwrite)"
            raise DataError(f"contains other files, such as {foreign[0]}", path=folder, remedy=remedy)
        try:
            write_text(folder / _UNFINISHED, "")
            for path in there:  # the manifest first, so that at no instant it stands beside other arrays
                path.unlink(missing_ok=True)
            files = {f"{key}.npy": _write(folder / f"{key}.npy", songs, key) for key in _keys(songs)}
            manifest = {
                "schema": 1,
                "name": songs.name,
                "kind": songs.kind,
                "genres": list(songs.genres),
                "splits": list(songs.splits),
                "provenance": songs.provenance,
                "about": dict(songs.about),
                "files": files,
            }
            write_json(folder / MANIFEST, manifest)
            (folder / _UNFINISHED).unlink()
        except OSError as error:
            raise DataError(
                f"cannot be written ({error})", path=folder, remedy="free some disk space or use another folder"
            ) from error
    return folder


def _check_plain(songs: SongSet) -> None:
    try:
        json.dumps(dict(songs.about), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise DataError(
            f"not plain data ({error})", path=songs.name, where="about", remedy="use text, numbers, lists and dicts"
        ) from error
    for name in songs.splits:
        if not re.fullmatch(_SPLIT_NAME, name):
            remedy = "use letters, digits, - and _"
            raise DataError(f"{name!r} cannot be part of a file name", path=songs.name, where="splits", remedy=remedy)


def _is_ours(path: Path) -> bool:
    return path.name == MANIFEST or _OURS.fullmatch(path.name) is not None


def _keys(songs: SongSet) -> list[str]:
    return [key for key in _COLUMNS if getattr(songs, key) is not None] + [f"split_{name}" for name in songs.splits]


def _write(path: Path, songs: SongSet, key: str) -> dict[str, Any]:
    """Streams one array to disk and returns its manifest entry, with the sha256 of the bytes written."""
    blocks: Iterable[np.ndarray]
    if key == "x":
        shape, dtype, blocks = songs.x.shape, np.dtype("<f4"), (x for _, x in songs.blocks())
    else:
        array = songs.splits[key.removeprefix("split_")] if key.startswith("split_") else getattr(songs, key)
        shape, dtype, blocks = array.shape, array.dtype.newbyteorder("<"), [array]
    header = io.BytesIO()
    layout = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(header, layout)
    digest = hashlib.sha256()

    def content(file: BinaryIO) -> None:
        digest.update(header.getvalue())
        file.write(header.getvalue())
        for block in blocks:
            data = block.astype(dtype, copy=False).tobytes()
            digest.update(data)
            file.write(data)

    write_atomic(path, content)
    return {"shape": list(shape), "dtype": dtype.str, "sha256": digest.hexdigest()}

"""The songs folder: songs as bare arrays on disk, memory-mapped when loaded, complete or refused.

What `genrezoo data convert` and `genrezoo data split` write. Choose it for sets that are larger than memory or loaded
often: opening one takes no time beyond the check of its checksums, and training reads only what it needs.

The folder holds ``x.npy`` (padding as NaN), ``y.npy``, ``lengths.npy``, ``ids.npy``, ``groups.npy`` and
``split_<name>.npy`` where there are any, and ``manifest.json`` with everything else and the sha256 of each array. The
manifest is written last: a folder without one was never finished.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np
from pydantic import BaseModel, Field, ValidationError

from genrezoo.archive import read_header, regular_size
from genrezoo.errors import DataError
from genrezoo.files import lock_folder, read_json, sha256_of, write_atomic, write_json, write_text
from genrezoo.songs.songset import SongSet

MANIFEST = "manifest.json"
"""File whose presence says that a songs folder is complete."""

_UNFINISHED = ".unfinished"  # stands while songs are written, so that a second try knows whose arrays lie there
_COLUMNS = ("x", "y", "lengths", "ids", "groups")
_SPLIT_NAME = r"[A-Za-z0-9_-]{1,64}"
_OURS = re.compile(rf"({'|'.join(_COLUMNS)}|split_{_SPLIT_NAME})\.npy|\..+\.(npy|json)\..*\.part")  # or a torn one


class _File(BaseModel, extra="forbid", strict=True):
    """What the manifest says of one array."""

    shape: list[int]
    dtype: str
    sha256: str


class _Manifest(BaseModel, extra="forbid", strict=True):
    """Everything of a `SongSet` but its arrays, and what the arrays must look like."""

    version: Literal[1] = Field(alias="schema")
    name: str
    kind: str
    genres: list[str]
    splits: list[str]
    provenance: str | None
    about: dict[str, Any]
    files: dict[str, _File]


def save_songs(songs: SongSet, folder: str | Path, *, overwrite: bool = False) -> Path:
    """Writes songs as a songs folder.

    The arrays are streamed in blocks, so that memory-mapped songs of any size are written in constant memory. A process
    killed half-way leaves a folder that `load_arrays` refuses, whether or not a complete one stood there before, and
    that the same call may write again.

    Args:
        songs: Songs; they are checked first, so that nothing is written that could not be loaded.
        folder: Folder to write to; made if missing.
        overwrite: Replace songs that are there. Other files in the folder are left alone.

    Returns:
        The folder as a `Path`.

    Raises:
        DataError: The songs cannot be trained on, ``about`` is not plain data, a split's name is no file name, the
            folder holds songs (or arrays that are not ours) already or other files alone, or another process is writing
            to it.

    Example:
        >>> import tempfile
        >>> songs = SongSet(x=np.zeros((4, 3, 2)), y=[0, 1, 0, 1], genres=("blues", "jazz"))
        >>> folder = save_songs(songs, Path(tempfile.mkdtemp()) / "songs")
        >>> load_arrays(folder).checksum() == songs.checksum()
        True
    """
    folder = Path(folder)
    songs.validate()
    _check_plain(songs)
    source = getattr(songs.x, "filename", None)  # of a memory-mapped array
    if source is not None and Path(source).parent.resolve() == folder.resolve():
        remedy = "name another folder"
        raise DataError(
            "these songs were loaded from this folder and would be lost half-way", path=folder, remedy=remedy
        )
    with lock_folder(folder):
        there = [path for path in [folder / MANIFEST, *folder.iterdir()] if path.exists() and _is_ours(path)]
        finished = (folder / MANIFEST).exists()
        if there and not overwrite and (finished or not (folder / _UNFINISHED).exists()):
            what = "holds songs already" if finished else f"holds {there[0].name}, which no conversion left"
            raise DataError(
                what, path=folder, remedy="name another folder, or overwrite it (overwrite=True, --overwrite)"
            )
        ours = {".lock", _UNFINISHED}
        foreign = [path.name for path in folder.iterdir() if not _is_ours(path) and path.name not in ours]
        if foreign and not there and not overwrite:
            remedy = "name another folder, or write into this one all the same (overwrite=True, --overwrite)"
            raise DataError(f"holds other files, such as {foreign[0]}", path=folder, remedy=remedy)
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
                f"cannot be written ({error})", path=folder, remedy="make room or name another folder"
            ) from error
    return folder


def keep_songs(songs: SongSet, folder: Path) -> Path:
    """Writes songs to a folder of results, or verifies those that an earlier command has written there.

    Raises:
        DataError: What is there was changed since, or is other songs.
    """
    if not (folder / MANIFEST).exists():
        return save_songs(songs, folder)
    if load_arrays(folder).checksum() != songs.checksum():
        remedy = "delete the folder and give the same command again"
        raise DataError("holds other songs than those that it was made for", path=folder, remedy=remedy)
    return folder


def load_arrays(path: str | Path, *, verify: bool = True) -> SongSet:
    """Loads a songs folder without reading its features into memory.

    Args:
        path: The folder.
        verify: Compare each array with its sha256, which reads everything once. Without it a flipped bit goes unseen;
            sizes, types and shapes are always checked.

    Returns:
        The checked songs; ``x`` is memory-mapped and read-only.

    Raises:
        DataError: The folder is not complete, its manifest is not one, or an array is not what the manifest says.
    """
    folder = Path(path)
    if not folder.is_dir():
        raise DataError("is not a folder", path=folder, remedy="name a folder written by `genrezoo data convert`")
    if not (folder / MANIFEST).exists():
        remedy = "run `genrezoo data convert` again with --overwrite"
        raise DataError(f"has no {MANIFEST}: its conversion did not finish", path=folder, remedy=remedy)
    regular_size(folder / MANIFEST)
    try:
        manifest = _Manifest.model_validate(read_json(folder / MANIFEST))
    except ValidationError as error:
        first = error.errors()[0]
        raise DataError(
            f"not the manifest of a songs folder ({error.error_count()} faults, the first: {first['msg']})",
            path=folder / MANIFEST,
            where=".".join(map(str, first["loc"])),
            remedy="restore the file or convert the songs again",
        ) from error
    expected = {"x", "y", "lengths", "ids", *map("split_{}".format, manifest.splits)}
    named = {name.removesuffix(".npy") for name in manifest.files}
    if named - {"groups"} != expected:  # no other file of this machine is ever opened
        wrong = sorted((named - {"groups"}) ^ expected)[0]
        remedy = "restore the file or convert the songs again"
        raise DataError(
            f"{wrong}.npy is missing or has no place here", path=folder / MANIFEST, where="files", remedy=remedy
        )
    arrays = {key: _read(folder / f"{key}.npy", manifest.files[f"{key}.npy"], verify=verify) for key in sorted(named)}
    songs = SongSet(
        x=arrays["x"],
        y=arrays["y"],
        genres=tuple(manifest.genres),
        lengths=arrays["lengths"],
        ids=arrays["ids"],
        groups=arrays.get("groups"),
        splits={name: arrays[f"split_{name}"] for name in manifest.splits},
        provenance=manifest.provenance,
        name=manifest.name,
        about=manifest.about,
        kind=manifest.kind,
    )
    return songs.validate(folder)


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
            raise DataError(f"{name!r} cannot be part of a file's name", path=songs.name, where="splits", remedy=remedy)


def _is_ours(path: Path) -> bool:
    return path.name == MANIFEST or _OURS.fullmatch(path.name) is not None


def _keys(songs: SongSet) -> list[str]:
    return [key for key in _COLUMNS if getattr(songs, key) is not None] + [f"split_{name}" for name in songs.splits]


def _write(path: Path, songs: SongSet, key: str) -> dict[str, Any]:
    """Streams one array to disk; returns what the manifest says of it (the sha256 is of the bytes handed over)."""
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


def _read(path: Path, told: _File, *, verify: bool) -> np.ndarray:
    """One array, memory-mapped if it holds the features, after it was held against its header and the manifest."""
    size = regular_size(path)
    with open(path, "rb") as file:
        header = read_header(file, size, path=path)
    if (list(header.shape), header.dtype.str) != (told.shape, told.dtype):
        raise DataError(
            f"shape {header.shape} of {header.dtype.str}, the manifest says {tuple(told.shape)} of {told.dtype}",
            path=path,
            remedy="convert the songs again",
        )
    if verify and sha256_of(path) != told.sha256:
        remedy = "the file was changed or damaged: convert the songs again"
        raise DataError("its sha256 is not the one in the manifest", path=path, remedy=remedy)
    array: np.ndarray = np.load(path, mmap_mode="r" if path.name == "x.npy" else None, allow_pickle=False)
    return array

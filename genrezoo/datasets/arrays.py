"""Songs folders, memory-mapped and verified; `genrezoo.songs.storage` writes them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pydantic import ValidationError

from genrezoo.archive import read_header, regular_size
from genrezoo.errors import DataError
from genrezoo.files import read_json, sha256_of
from genrezoo.registry import DATASETS
from genrezoo.songs import SongSet
from genrezoo.songs.storage import MANIFEST, Manifest, StoredArray, save_songs


def keep_songs(songs: SongSet, folder: Path) -> Path:
    """Writes songs to a folder of results, or verifies those written there by an earlier command.

    Raises:
        DataError: The stored songs were changed, or are others.
    """
    if not (folder / MANIFEST).exists():
        return save_songs(songs, folder)
    if load_arrays(folder).checksum() != songs.checksum():
        remedy = "delete the folder and run the same command again"
        raise DataError("contains other songs", path=folder, remedy=remedy)
    return folder


@DATASETS.register(
    "songs_folder",
    summary="A folder written by `genrezoo data convert` or `genrezoo data split`, memory-mapped",
    reference="genrezoo.songs.storage",
    licence="that of the songs",
    detects=lambda path: 3 * any((path / name).is_file() for name in (MANIFEST, "x.npy", "y.npy")),
)
def load_arrays(path: str | Path, *, verify: bool = True) -> SongSet:
    """Loads a songs folder without reading its features into memory.

    Args:
        path: The folder.
        verify: Compare each array with its sha256, which reads everything once. Without it a flipped bit goes
            unnoticed; sizes, types and shapes are always checked.

    Returns:
        The checked songs; ``x`` is memory-mapped and read-only.

    Raises:
        DataError: The folder is incomplete, its manifest is invalid, or an array does not match the manifest.
    """
    folder = Path(path)
    if not folder.is_dir():
        raise DataError("is not a folder", path=folder, remedy="pass a folder written by `genrezoo data convert`")
    if not (folder / MANIFEST).exists():
        remedy = "run `genrezoo data convert` again with --overwrite"
        raise DataError(f"has no {MANIFEST}: the conversion did not finish", path=folder, remedy=remedy)
    regular_size(folder / MANIFEST)
    try:
        manifest = Manifest.model_validate(read_json(folder / MANIFEST))
    except ValidationError as error:
        first = error.errors()[0]
        raise DataError(
            f"not the manifest of a songs folder ({error.error_count()} errors, the first: {first['msg']})",
            path=folder / MANIFEST,
            where=".".join(map(str, first["loc"])),
            remedy="restore the file or convert the songs again",
        ) from error
    expected = {"x", "y", "lengths", "ids", *map("split_{}".format, manifest.splits)}
    named = {name.removesuffix(".npy") for name in manifest.files}
    optional = {"groups", "weights"}
    if named - optional != expected:  # no other file of this machine is ever opened
        wrong = sorted((named - optional) ^ expected)[0]
        remedy = "restore the file or convert the songs again"
        raise DataError(f"{wrong}.npy is missing or unexpected", path=folder / MANIFEST, where="files", remedy=remedy)
    arrays = {key: _read(folder / f"{key}.npy", manifest.files[f"{key}.npy"], verify=verify) for key in sorted(named)}
    songs = SongSet(
        x=arrays["x"],
        y=arrays["y"],
        genres=tuple(manifest.genres),
        lengths=arrays["lengths"],
        ids=arrays["ids"],
        groups=arrays.get("groups"),
        weights=arrays.get("weights"),
        splits={name: arrays[f"split_{name}"] for name in manifest.splits},
        provenance=manifest.provenance,
        name=manifest.name,
        about=manifest.about,
        kind=manifest.kind,
    )
    return songs.validate(folder)


def _read(path: Path, told: StoredArray, *, verify: bool) -> np.ndarray:
    """Loads one array, memory-mapped if it holds the features, after a check against its header and the manifest."""
    size = regular_size(path)
    with open(path, "rb") as file:
        header = read_header(file, size, path=path)
    if (list(header.shape), header.dtype.str) != (told.shape, told.dtype):
        raise DataError(
            f"shape {header.shape} of {header.dtype.str}, expected {tuple(told.shape)} of {told.dtype}",
            path=path,
            remedy="convert the songs again",
        )
    if verify and sha256_of(path) != told.sha256:
        remedy = "the file was changed or damaged: convert the songs again"
        raise DataError("its sha256 differs from the manifest", path=path, remedy=remedy)
    array: np.ndarray = np.load(path, mmap_mode="r" if path.name == "x.npy" else None, allow_pickle=False)
    return array

"""The songs folder as a data set; `genrezoo.songs.storage` writes and reads it."""

from __future__ import annotations

from genrezoo.registry import DATASETS
from genrezoo.songs.storage import MANIFEST, load_arrays

DATASETS.register(
    "songs_folder",
    summary="A folder written by `genrezoo data convert` or `genrezoo data split`, memory-mapped",
    reference="genrezoo.songs.storage",
    licence="that of the songs in it",
    detects=lambda path: 3 * any((path / name).is_file() for name in (MANIFEST, "x.npy", "y.npy")),
)(load_arrays)

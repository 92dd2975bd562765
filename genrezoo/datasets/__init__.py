"""Where songs come from: one file for each source, and `load_songs`, which finds the one that a path or name needs."""

from __future__ import annotations

import inspect
from collections import Counter
from pathlib import Path
from typing import Any

from genrezoo.datasets.gtzan import TABLES, is_gtzan
from genrezoo.datasets.sound import holds_mostly
from genrezoo.errors import DataError, SettingsError
from genrezoo.registry import DATASETS, Entry
from genrezoo.songs import SongSet


def load_songs(source: str | Path, **options: Any) -> SongSet:
    """Loads songs from a path, or from a data set that has a name.

    Args:
        source: One of these, in this order:

            - a name of `list_datasets`, e.g. ``"synthetic"``; a folder of that name is reached as ``"./synthetic"``;
            - an ``.npz`` file, or a folder of ``.npz`` files named after a split (see `genrezoo.datasets.npz`);
            - a folder written by ``genrezoo data convert`` (see `genrezoo.datasets.arrays`);
            - a folder of sound files, those of each genre in a folder of their own (see `genrezoo.datasets.folder`), or
              the GTZAN collection or its ``features_30_sec.csv`` (see `genrezoo.datasets.gtzan`);
            - a folder tree of ``.h5`` files of the Million Song Dataset (see `genrezoo.datasets.msd`), or of AudioSet's
              ``.tfrecord`` files (see `genrezoo.datasets.audioset`).
        options: Keyword arguments of the loader, e.g. ``n_segments`` for ``.npz`` files. A named data set that is read
            from somewhere takes its place as an option too.

    Returns:
        The checked songs.

    Raises:
        DataError: Nothing that can be loaded was found, or the songs in it cannot be trained on.
        SettingsError: The loader has no such option, or lacks one that it needs.

    Example:
        >>> import tempfile
        >>> import numpy as np
        >>> path = Path(tempfile.mkdtemp()) / "songs.npz"
        >>> np.savez(path, x=np.zeros((4, 6)), y=[0, 1, 0, 1], class_names=["blues", "jazz"])
        >>> load_songs(path, name="a").n_features
        6
    """
    if isinstance(source, str) and source in DATASETS.names():
        return _call(DATASETS.get(source), options)
    path = Path(source)
    if path.is_dir():
        files = [file for file in path.iterdir() if not file.name.startswith(".")]
        if "manifest.json" in {file.name for file in files}:
            return _call(DATASETS.get("songs_folder"), {"path": path, **options})
        kinds = Counter(file.suffix.lower() or "no ending" for file in files)
        if kinds[".npz"]:
            return _call(DATASETS.get("npz"), {"path": path, **options})
        if is_gtzan(path):
            return _call(DATASETS.get("gtzan"), {"path": path, **options})
        for name, suffix in (("msd", ".h5"), ("audioset", ".tfrecord")):
            if holds_mostly(path, suffix):
                return _call(DATASETS.get(name), {"path": path, **options})
        if any(file.is_dir() for file in files) and "x.npy" not in {file.name for file in files}:
            return _call(DATASETS.get("folder"), {"path": path, **options})
        found = ", ".join(f"{number} x {kind}" for kind, number in kinds.most_common(5)) or "nothing"
        what = f"neither a songs folder nor one of .npz files; it holds {found}"
        if {"x.npy", "y.npy"} & {file.name for file in files}:
            what = "has no manifest.json: its conversion did not finish"
    elif path.suffix.lower() == ".npz":
        return _call(DATASETS.get("npz"), {"path": path, **options})
    elif path.name in TABLES:
        return _call(DATASETS.get("gtzan_table"), {"path": path, **options})
    elif path.exists():
        what = f"is a {path.suffix or 'nameless kind of'} file, which load_songs does not read"
    else:
        what = f"neither a file, a folder nor a data set; data sets are {', '.join(list_datasets())}"
    remedy = "name an .npz file, a folder of a split's .npz files, or one written by `genrezoo data convert`"
    raise DataError(what, path=path, remedy=remedy)


def list_datasets(pattern: str = "*") -> list[str]:
    """Names of the registered data sets and loaders that match a shell pattern.

    Example:
        >>> list_datasets("n*")
        ['npz']
    """
    return DATASETS.names(pattern)


def _call(entry: Entry, options: dict[str, Any]) -> SongSet:
    """Calls a loader, telling a wrong option from a fault inside it."""
    parameters = inspect.signature(entry.call).parameters.values()
    named = {parameter.name: parameter for parameter in parameters if parameter.kind is not parameter.VAR_KEYWORD}
    unknown = [name for name in options if name not in named]
    if unknown and len(named) == len(parameters):
        raise SettingsError(f"{entry.name} has no option {unknown[0]!r}; it has {', '.join(named)}")
    for name, parameter in named.items():
        if parameter.default is parameter.empty and name not in options:
            raise SettingsError(f"{entry.name} needs {name}: load_songs({entry.name!r}, {name}=…)")
    songs: SongSet = entry.call(**options)
    return songs

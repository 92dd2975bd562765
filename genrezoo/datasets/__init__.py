"""Data sets: one module per source, and `load_songs`, which finds the one for a path or a name."""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from genrezoo.errors import DataError, SettingsError
from genrezoo.files import checked_path
from genrezoo.registry import DATASETS, Entry
from genrezoo.songs import SongSet


def load_songs(source: str | Path | Sequence[str | Path], **options: Any) -> SongSet:
    """Loads songs from a path or from a named data set.

    Args:
        source: A name of `list_datasets`, e.g. ``"synthetic"`` (a folder of that name is reached as ``"./synthetic"``),
            or a path. Each data set recognises its own files (see `find_dataset`): an ``.npz`` file or a folder of
            them, a folder written by ``genrezoo data convert``, a folder of audio files with a sub-folder per genre,
            the GTZAN collection or its tables, the Free Music Archive, a folder tree of ``.h5`` files of the Million
            Song Dataset or of AudioSet's ``.tfrecord`` files, a ``.csv`` or ``.parquet`` table with a column of labels.
            Or a list of audio files; their labels are the option ``labels`` (see `genrezoo.datasets.files`).
        options: Keyword arguments of the loader, e.g. ``n_segments`` for ``.npz`` files. For a named data set that is
            read from a file or folder, its path is an option too.

    Returns:
        The checked songs.

    Raises:
        DataError: The source cannot be loaded, or its songs cannot be trained on.
        SettingsError: The loader has no such option, or lacks one that it needs.

    Example:
        >>> import tempfile
        >>> import numpy as np
        >>> path = Path(tempfile.mkdtemp()) / "songs.npz"
        >>> np.savez(path, x=np.zeros((4, 6)), y=[0, 1, 0, 1], class_names=["blues", "jazz"])
        >>> load_songs(path, name="a").n_features
        6
    """
    if isinstance(source, Sequence) and not isinstance(source, str | bytes):
        return _call(DATASETS.get("files"), {"paths": source, **options})
    if isinstance(source, str) and source in DATASETS.names():
        return _call(DATASETS.get(source), options)
    checked_path(source)
    if entry := find_dataset(source):
        return _call(entry, {"path": Path(source), **options})
    path = Path(source)
    if path.is_dir():
        kinds = Counter(file.suffix.lower() or "no ending" for file in path.iterdir() if not file.name.startswith("."))
        found = ", ".join(f"{number} x {kind}" for kind, number in kinds.most_common(5)) or "nothing"
        what = f"is not a folder of any known data set; it contains {found}"
    elif path.exists():
        what = f"is a {path.suffix or 'nameless kind of'} file, which load_songs cannot read"
    else:
        what = f"neither a file, a folder nor a data set; data sets are {', '.join(list_datasets())}"
    remedy = "pass an .npz file, a folder of a split's .npz files, or one written by `genrezoo data convert`"
    raise DataError(what, path=path, remedy=remedy)


def find_dataset(path: str | Path) -> Entry | None:
    """Finds the data set that can read a path; None if there is none.

    Raises:
        DataError: Two data sets match equally well.

    Example:
        >>> find_dataset("songs.npz").name
        'npz'
    """
    path = checked_path(path)
    sure = {entry.name: entry.detects(path) for entry in DATASETS.members() if entry.detects}
    best = [DATASETS.get(name) for name, level in sure.items() if level == max(sure.values()) > 0]
    if len(best) > 1:
        names = " or ".join(entry.name for entry in best)
        remedy = f"pass the data set's name and the path: load_songs({best[0].name!r}, path=…)"
        raise DataError(f"may be {names}", path=path, remedy=remedy)
    return best[0] if best else None


def takes_audio(entry: Entry) -> bool:
    """Whether a data set consists of audio files, whose features are an option."""
    return "features" in inspect.signature(entry.call).parameters


def may_take(source: str | Path, option: str) -> bool:
    """Whether the loader of a source may have an option of that name.

    Example:
        >>> may_take("synthetic", "n_train"), may_take("songs.npz", "n_train"), may_take("songs.npz", "n_segments")
        (True, False, True)
    """
    entry = DATASETS.get(source) if isinstance(source, str) and source in DATASETS.names() else find_dataset(source)
    parameters = inspect.signature(entry.call).parameters if entry else {}
    return option in parameters or any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())


def list_datasets(pattern: str = "*") -> list[str]:
    """Returns the names of the registered data sets and loaders that match a shell pattern.

    Example:
        >>> list_datasets("n*")
        ['npz']
    """
    return DATASETS.names(pattern)


def _call(entry: Entry, options: dict[str, Any]) -> SongSet:
    """Calls a loader, and reports wrong options separately from errors inside it."""
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

"""Weights that Keras downloads into its own cache."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from genrezoo import files
from genrezoo.environment import OFFLINE, offline
from genrezoo.errors import DataError
from genrezoo.lazy import keras
from genrezoo.weights._entry import KerasFile


def place(source: KerasFile) -> Path:
    """Returns the path of the file in the cache of Keras."""
    return Path(os.environ.get("KERAS_HOME") or Path("~", ".keras").expanduser()) / "models" / source.file


def is_whole(path: Path, source: KerasFile) -> bool:
    """Whether a file is the published one."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest() == source.md5


def fetch(name: str, source: KerasFile, given: str | Path | None = None) -> Path:
    """Downloads the file, unless it is in the cache of Keras.

    Args:
        name: Name of the weights.
        source: The file.
        given: A copy of the file, to use instead of downloading.

    Returns:
        The path of the file in the cache.

    Raises:
        DataError: It cannot be downloaded, or the copy is another file.
    """
    path = place(source)
    remedy = f"fetch the file elsewhere, and `genrezoo weights fetch {name} --from FILE` here"
    if given is not None:
        content = files.read_bytes(given, most=2**40)  # read once, so that the verified bytes are written
        if hashlib.md5(content).hexdigest() != source.md5:
            what = f"not {source.file}: its md5 is not {source.md5}"
            raise DataError(what, path=given, remedy="download the file again from its publisher")
        return files.write_atomic(path, content)
    if path.is_file() and is_whole(path, source):
        return path
    if offline():
        what = f"weights {name!r} are not in the cache, or damaged, and {OFFLINE} forbids downloads"
        raise DataError(what, path=source.url, remedy=remedy)
    try:
        home = path.parents[1]
        found = keras.utils.get_file(
            source.file, source.url, cache_dir=home, cache_subdir="models", file_hash=source.md5
        )
        return Path(found)
    except Exception as error:  # Keras raises no narrower error if a download fails
        raise DataError(f"weights {name!r} cannot be downloaded ({error})", path=source.url, remedy=remedy) from error

"""Conversion of users' columns to the types of a `SongSet`, with an error if information would be lost."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import numpy as np

from genrezoo.errors import DataError

SIDES = {
    "train": "train",
    "training": "train",
    "valid": "valid",
    "validation": "valid",
    "val": "valid",
    "test": "test",
}
"""Names of splits in columns and file names, and the splits that they stand for."""

IDS = ("ids", "id", "song_id", "song_ids", "track_id", "video_id", "clip_id")
"""Names of columns that hold the songs' ids; the first existing one is used."""

GROUPS = ("groups", "group", "artist_id", "artist", "artists")
"""Names of columns that hold the songs' groups; the first existing one is used."""


def to_array(values: Any, *, path: str | Path, where: str) -> np.ndarray:
    """Converts values, including pandas objects, to an array.

    Raises:
        DataError: Lists of unequal lengths, or a masked array, whose mask would be lost.
    """
    masked = sys.modules.get("numpy.ma")  # which is not loaded for arrays that cannot be masked: it takes 45 ms
    if masked and isinstance(values, masked.MaskedArray):
        remedy = "fill or remove the masked values; pass lengths for padding"
        raise DataError("is a masked array, whose mask would be lost", path=path, where=where, remedy=remedy)
    try:
        return np.asarray(values)
    except ValueError as error:
        remedy = "pad the songs to one length, and pass their lengths"
        raise DataError(f"is not an array ({error})", path=path, where=where, remedy=remedy) from error


def to_float32(values: np.ndarray, *, path: str | Path, where: str) -> np.ndarray:
    """Converts numbers of any width or byte order to float32.

    Raises:
        DataError: A finite number is beyond the range of float32 and would silently become infinite.
    """
    if values.dtype == np.float32:
        return values
    try:
        with np.errstate(over="raise"):
            return values.astype(np.float32)
    except FloatingPointError:
        what = f"a {values.dtype} number is beyond the range of float32 (3.4e38)"
        raise DataError(what, path=path, where=where, remedy="remove the song or rescale the feature") from None


def to_integers(values: Any, n_songs: int, *, path: str | Path, where: str) -> np.ndarray:
    """Checks one whole number per song and returns them as int64; floats with whole values are accepted.

    Raises:
        DataError: Their number is wrong, or they are not whole numbers.
    """
    array = to_array(values, path=path, where=where)
    if array.shape != (n_songs,):
        what = f"shape {array.shape}, expected ({n_songs},)"
        raise DataError(what, path=path, where=where, remedy="pass one number per song")
    if array.dtype.kind not in "iuf":
        raise DataError(f"type {array.dtype}", path=path, where=where, remedy="pass integers")
    wrong = np.flatnonzero(~(np.abs(array.astype(np.float64)) < 2.0**62) | (array != np.rint(array)))
    if wrong.size:
        what, where = f"{array[wrong[0]]} is not a whole number", f"{where}[{wrong[0]}]"
        raise DataError(what, path=path, where=where, remedy="pass integers")
    return array.astype(np.int64)


def to_weights(values: Any, n_songs: int, *, path: str | Path, where: str) -> np.ndarray:
    """Checks the weights of songs and returns them as float32.

    Raises:
        DataError: Their number is wrong, or they are not finite numbers of at least 0.
    """
    array = to_array(values, path=path, where=where)
    remedy = "pass one number of at least 0 per song"
    if array.shape != (n_songs,) or array.dtype.kind not in "iufb":
        what = f"shape {array.shape} and type {array.dtype}, expected {n_songs} numbers"
        raise DataError(what, path=path, where=where, remedy=remedy)
    weights = to_float32(array, path=path, where=where)
    wrong = np.flatnonzero(~(np.isfinite(weights) & (weights >= 0)))
    if wrong.size:
        raise DataError(f"the weight is {array[wrong[0]]}", path=path, where=f"{where}[{wrong[0]}]", remedy=remedy)
    return weights


def check_text(names: np.ndarray, *, path: str | Path, where: str) -> np.ndarray:
    """Checks that names can be written as UTF-8 and returns them.

    Raises:
        DataError: A name contains a lone surrogate.
    """
    if re.search("[\ud800-\udfff]", "".join(names)):
        raise DataError("a name is not text (it contains a lone surrogate)", path=path, where=where, remedy="save text")
    return names


def to_names(values: Any, n_songs: int, *, path: str | Path, where: str) -> np.ndarray:
    """Checks one name per song and returns them as text; integers and UTF-8 bytes are accepted.

    Raises:
        DataError: Their number is wrong, or they are not names.
    """
    array = to_array(values, path=path, where=where)
    if array.dtype == object and all(isinstance(name, str) for name in array.ravel()):
        array = array.astype(str)  # a column of pandas
    if array.shape != (n_songs,) or array.dtype.kind not in "USiu":
        what = f"shape {array.shape} and type {array.dtype}, expected {n_songs} names"
        raise DataError(what, path=path, where=where, remedy="pass one name per song, as text or integers")
    if array.dtype.kind != "S":
        return check_text(array.astype(str), path=path, where=where)
    try:
        return np.char.decode(array, "utf-8")
    except UnicodeDecodeError as error:
        raise DataError(f"a name is not UTF-8 ({error.reason})", path=path, where=where, remedy="save text") from error

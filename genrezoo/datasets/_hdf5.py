"""Safe reading of arrays from untrusted HDF5 files: every declaration is checked before the library relies on it.

An HDF5 file can refer to other files (external and soft links, virtual data sets, external storage), load plug-ins
through its filters, and declare gigabytes that unpack from two kilobytes. Here names are resolved link by link, only
data inside the file is read, and only after its shape, type and compression were checked. The underlying C library has
had memory errors on malicious files; callers read untrusted files in a child process.

Reference: The HDF Group, "HDF5 File Format Specification", version 3.0.
"""

from __future__ import annotations

import contextlib
import math
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import h5py
import numpy as np

from genrezoo.archive import read_start, regular_size
from genrezoo.errors import DataError, GenrezooError

MAX_FILE_BYTES = 256 * 2**20
"""Largest size of a file, in bytes."""

MAX_BYTES = 64 * 2**20
"""Largest unpacked size of a data set, or of one chunk of it, in bytes."""

_MAX_RATIO = 1000  # times that numbers may be larger than what is stored of them
_SMALL = 2**20  # bytes below which no ratio is suspicious
_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_FILTERS = {h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_FLETCHER32}  # no plug-in is ever loaded
_LINKS = {h5py.h5l.TYPE_SOFT: "a soft link", h5py.h5l.TYPE_EXTERNAL: "a link into another file"}
_LAYOUTS = {h5py.h5d.COMPACT, h5py.h5d.CONTIGUOUS, h5py.h5d.CHUNKED}
_BROKEN = (  # what h5py raises on damaged or hostile bytes
    OSError,
    RuntimeError,
    ValueError,
    TypeError,
    LookupError,
    OverflowError,
    MemoryError,
    SystemError,
    EOFError,
    zlib.error,
)
_AGAIN = "download the file again"


@contextlib.contextmanager
def open_hdf5(path: str | Path, *, max_bytes: int = MAX_FILE_BYTES) -> Iterator[h5py.File]:
    """Opens a regular HDF5 file for reading.

    Args:
        path: The file.
        max_bytes: Largest size in bytes.

    Raises:
        DataError: The file is not regular, empty, too large, not HDF5 or truncated; or h5py reports damage inside the
            block.
    """
    path = Path(path)
    size = regular_size(path)
    if size > max_bytes:
        raise DataError(f"has {size:,} bytes, the limit is {max_bytes:,}", path=path, remedy="check what it is")
    start = read_start(path, 8)
    if start != _SIGNATURE:
        raise DataError(
            f"is not an HDF5 file; it begins with {start!r}", path=path, remedy="check how the file was written"
        )
    try:
        with h5py.File(path, "r", locking=False) as opened:  # a lock would be refused on a read-only file system
            yield opened
    except GenrezooError:  # it is a ValueError too, and says more
        raise
    except _BROKEN as error:
        raise DataError(f"cut short or damaged ({_told(error)})", path=path, remedy=_AGAIN) from error


def find_rows(file: h5py.File, name: str, *, columns: int | None = None, kind: str = "HDF5 file") -> h5py.Dataset:
    """Returns a data set of floats that is safe to read, without reading it.

    Args:
        file: From `open_hdf5`.
        name: Its name, e.g. ``"analysis/segments_pitches"``.
        columns: Number of columns of its shape ``(n, columns)``; None for ``(n,)``.
        kind: Kind of file expected, for the message if the name is missing.

    Raises:
        DataError: It is missing, behind a link, stored elsewhere, of another type or shape, empty, or implausible.
    """
    dataset = _find(file, name, kind)
    shape, dtype = dataset.shape, dataset.dtype
    wanted = "(n,)" if columns is None else f"(n, {columns})"
    if (
        shape is None
        or len(shape) != (1 if columns is None else 2)
        or shape[1:] != (() if columns is None else (columns,))
    ):
        _refuse(file, name, f"shape {shape}, expected {wanted}", _AGAIN)
    if dtype.kind != "f" or dtype.itemsize not in (4, 8):
        _refuse(file, name, f"type {dtype}, expected float32 or float64", _AGAIN)
    if not shape[0]:
        _refuse(file, name, "has no segments", "leave the file out")
    return dataset


def read_rows(dataset: h5py.Dataset, rows: slice) -> np.ndarray:
    """Reads rows of a data set from `find_rows`, as float64.

    Raises:
        DataError: A value is not finite.
    """
    values = np.asarray(dataset[rows], np.float64)
    bad = np.argwhere(~np.isfinite(values))
    if bad.size:
        place = ", ".join(map(str, [int(bad[0][0]) + (rows.start or 0), *bad[0][1:].tolist()]))
        _refuse(dataset.file, dataset.name.lstrip("/"), f"[{place}] is {values[tuple(bad[0])]}", "leave the file out")
    return values


def read_text(file: h5py.File, name: str, field: str, *, kind: str = "HDF5 file") -> str:
    """Reads one short text from a table with one row.

    Args:
        file: From `open_hdf5`.
        name: The table's name, e.g. ``"metadata/songs"``.
        field: The column's name, e.g. ``"artist_id"``.
        kind: Kind of file expected, for the message if the name is missing.

    Raises:
        DataError: As `find_rows`; or the table has no such column of text, more or less than one row, or the text is
            blank.
    """
    dataset = _find(file, name, kind)
    names = dataset.dtype.names or ()
    if field not in names or dataset.dtype[field].kind != "S":
        _refuse(file, name, f"no text column {field!r}; it has {', '.join(names) or 'no columns'}", _AGAIN)
    if dataset.shape != (1,):
        _refuse(file, name, f"shape {dataset.shape}, expected a single row", "pass files of single songs")
    raw = bytes(dataset.fields(field)[0])
    try:
        text = raw.decode("utf-8").strip("\0 ")
    except UnicodeDecodeError:
        text = ""
    if not text or not text.isprintable():
        _refuse(file, name, f"{field!r} is {raw!r}", _AGAIN)
    return text


def _find(file: h5py.File, name: str, kind: str) -> h5py.Dataset:
    """Returns the data set of that name if it is reached by hard links only, lies in this file and is small enough."""
    place: h5py.Group = file
    parts = name.split("/")
    for depth, part in enumerate(parts):
        if not place.id.links.exists(part.encode()):  # ``in place`` would follow a link
            missing = f"{'data set' if depth == len(parts) - 1 else 'group'} {'/'.join(parts[: depth + 1])}"
            what = f"not a {kind} (has no {missing})"
            raise DataError(what, path=file.filename, remedy="check what the file is")
        link = place.id.links.get_info(part.encode()).type
        if link != h5py.h5l.TYPE_HARD:
            kind_of_link = _LINKS.get(link, "a user-defined link")
            _refuse(file, name, f"is behind {kind_of_link}, which is not followed", "copy the data into the file")
        kinds = h5py.Dataset if depth == len(parts) - 1 else h5py.Group
        if place.get(part, getclass=True) is not kinds:
            _refuse(file, "/".join(parts[: depth + 1]), f"is not a {kinds.__name__.lower()}", _AGAIN)
        place = place[part]
    _check_storage(file, name, place)
    return place


def _check_storage(file: h5py.File, name: str, dataset: h5py.Dataset) -> None:
    made = dataset.id.get_create_plist()
    if made.get_external_count():
        _refuse(file, name, "is stored in another file", "copy the data into the file")
    if made.get_layout() not in _LAYOUTS:
        _refuse(file, name, "is virtual: composed of other data sets", "copy the data into the file")
    unknown = {made.get_filter(place)[0] for place in range(made.get_nfilters())} - _FILTERS
    if unknown:
        _refuse(
            file, name, f"is compressed with filter {min(unknown)}, which is not supported", "compress it with gzip"
        )
    item = dataset.dtype.itemsize
    stored = dataset.id.get_storage_size()
    for what, shape in (("shape", dataset.shape or ()), ("chunks", dataset.chunks or ())):
        claimed = math.prod(shape) * item
        if claimed > MAX_BYTES or claimed > max(_SMALL, _MAX_RATIO * stored):
            claim = f"{what} {shape} of {item} bytes declares {claimed:,} bytes, {stored:,} are stored"
            _refuse(file, name, claim, "the file is damaged or malicious; download it again")
    if not stored and math.prod(dataset.shape or ()):
        _refuse(file, name, "was never written: no bytes are stored", _AGAIN)


def _refuse(file: h5py.File, where: str, what: str, remedy: str) -> NoReturn:
    raise DataError(what, path=file.filename, where=where, remedy=remedy)


def _told(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0][:200]

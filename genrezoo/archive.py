"""Arrays from untrusted files: the size that a header declares is compared with what is there before it is read.

NumPy's own loader believes headers, takes the last of two members of one name, unpacks any number of bytes, and waits
for ever on a pipe. Here only regular files are opened, pickled objects are never loaded, and what is refused is named.
"""

from __future__ import annotations

import contextlib
import io
import math
import os
import struct
import tokenize
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import IO, NamedTuple, NoReturn

import numpy as np

from genrezoo.errors import DataError, SettingsError
from genrezoo.files import open_regular

MAX_BYTES = 16 * 2**30
"""Unpacked bytes that an archive may hold."""

_MAX_RATIO = 250  # real features pack 1 to 20 times, padding included; a bomb of zeros 1,000 times
_SMALL = 64 * 2**20  # bytes below which no ratio is suspicious: a column of equal labels packs as a bomb does
_PLAIN = "biufcUS"  # kinds of numbers and text; not objects (pickled) and not records
_BROKEN = (  # what zipfile, zlib and NumPy's header parser raise on damaged or hostile bytes
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    tokenize.TokenError,
    SyntaxError,
    EOFError,
    OSError,
    ValueError,
    TypeError,
    KeyError,
    RuntimeError,
    OverflowError,
    MemoryError,
)


class Header(NamedTuple):
    """What the header of a ``.npy`` declares, and where its numbers begin."""

    shape: tuple[int, ...]
    dtype: np.dtype
    offset: int

    @property
    def n_bytes(self) -> int:
        """Bytes of the numbers alone."""
        return math.prod(self.shape) * self.dtype.itemsize


def regular_size(path: Path) -> int:
    """The size of a regular file that is not empty, in bytes.

    Raises:
        DataError: See `genrezoo.files.open_regular`.
    """
    with open_regular(path) as file:
        return os.fstat(file.fileno()).st_size


def read_start(path: Path, n_bytes: int) -> bytes:
    """The first bytes of a regular file that is not empty.

    Raises:
        DataError: See `genrezoo.files.open_regular`.
    """
    with open_regular(path) as file:
        return file.read(n_bytes)


def read_header(file: IO[bytes], n_bytes: int, *, path: Path, where: str | None = None) -> Header:
    """Reads the header of a ``.npy`` and holds it against the ``n_bytes`` that the whole takes.

    Raises:
        DataError: Not a ``.npy``; objects or records; a shape that does not make up the bytes.
    """
    try:
        version = np.lib.format.read_magic(file)
        read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}[version]
        shape, _, dtype = read(file)
    except _BROKEN as error:
        raise DataError("not an array as NumPy writes it", path=path, where=where, remedy="save it again") from error
    if dtype.hasobject:
        raise DataError(
            "contains Python objects; pickled data are never loaded, because loading them runs code",
            path=path,
            where=where,
            remedy="save plain arrays: numbers, or names as np.array(names, dtype=str)",
        )
    if dtype.kind not in _PLAIN:
        raise DataError(f"contains records of type {dtype}", path=path, where=where, remedy="save numbers or text")
    header = Header(shape, dtype, file.tell())
    if min(shape, default=0) < 0 or header.offset + header.n_bytes != n_bytes:
        raise DataError(
            f"its header declares shape {shape} of {dtype}, {header.n_bytes:,} bytes, "
            f"but {n_bytes - header.offset:,} are there",
            path=path,
            where=where,
            remedy="the file is damaged or forged; fetch or make it again",
        )
    return header


def read_headers(path: Path, *, max_bytes: int = MAX_BYTES) -> dict[str, Header]:
    """Looks through an ``.npz`` without unpacking it: the header of each array by its key.

    Args:
        path: The archive.
        max_bytes: Unpacked bytes that it may hold at most.

    Raises:
        DataError: It is no archive, is damaged, holds anything but plain arrays, a name twice, or too much.
    """
    with _opened(path) as archive:
        members = archive.infolist()
        for name, times in Counter(member.filename for member in members).items():
            if times > 1:
                remedy = "save each array once, so that it is clear which counts"
                _refuse(path, name, f"occurs {times} times in the archive", remedy)
            if not name.endswith(".npy"):
                _refuse(path, name, "is not an array", "save only arrays, as np.savez does")
        total = sum(member.file_size for member in members)
        if total > max_bytes:
            _refuse(path, None, f"would unpack to {_gib(total)}, the limit is {_gib(max_bytes)}", "convert it in parts")
        for member in members:
            if member.file_size > max(_SMALL, _MAX_RATIO * member.compress_size):
                ratio = f"{member.compress_size:,} bytes would unpack to {member.file_size:,}"
                _refuse(path, member.filename, f"{ratio}, as only a bomb does", "save it with np.savez, not packed")
        return {member.filename[:-4]: _member_header(archive, member, path) for member in members}


def read_array(path: Path, key: str) -> np.ndarray:
    """Unpacks one array of an archive that `read_headers` has passed, checksum included.

    Raises:
        DataError: Its bytes are damaged.
    """
    with _opened(path) as archive:
        try:
            with archive.open(f"{key}.npy") as file:
                array: np.ndarray = np.lib.format.read_array(file, allow_pickle=False)  # up to the checksum
        except _BROKEN as error:
            _refuse(path, key, f"damaged ({_told(error)})", "fetch or make the file again", error)
    return array


def read_npz(path: Path, *, prefix: str = "", max_bytes: int = 2**31) -> dict[str, np.ndarray]:
    """The arrays of an ``.npz`` whose keys begin with ``prefix``, which their names are returned without.

    Raises:
        DataError: As `read_headers` and `read_array`.
    """
    keys = [key for key in read_headers(path, max_bytes=max_bytes) if key.startswith(prefix)]
    return {key.removeprefix(prefix): read_array(path, key) for key in keys}


def check_memory(n_bytes: int, what: str) -> None:
    """Refuses what would not fit into memory, before it is allocated.

    Raises:
        SettingsError: It would take more than this machine can still give.
    """
    if n_bytes > (free := available_bytes()):
        raise SettingsError(
            f"{what} would need {_gib(n_bytes)} of memory, but only {_gib(free)} are free; make it smaller"
        )


def available_bytes() -> int:
    """Memory that this machine can still give, in bytes (all of it where the system does not say)."""
    with contextlib.suppress(OSError), open("/proc/meminfo", encoding="ascii") as file:
        for line in file:
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    start = read_start(path, 6)
    if start == np.lib.format.MAGIC_PREFIX:
        remedy = "save it with its labels and names: np.savez(path, x=…, y=…, class_names=…)"
        raise DataError("is one bare array (.npy), not an .npz archive", path=path, remedy=remedy)
    if not start.startswith(b"PK"):
        remedy = "check what was saved there"
        raise DataError(f"is not an .npz archive; it begins with {start!r}", path=path, remedy=remedy)
    try:
        archive = zipfile.ZipFile(path)
    except _BROKEN as error:
        _refuse(path, None, f"cut short or damaged ({_told(error)})", "fetch or make the file again", error)
    with archive:
        yield archive


def _member_header(archive: zipfile.ZipFile, member: zipfile.ZipInfo, path: Path) -> Header:
    """The header of one member, of which no more is unpacked than a header can take."""
    try:
        with archive.open(member) as file:
            start = io.BytesIO(file.read(min(member.file_size, 2**17)))
    except _BROKEN as error:
        _refuse(path, member.filename, f"damaged ({_told(error)})", "fetch or make the file again", error)
    return read_header(start, member.file_size, path=path, where=member.filename)


def _refuse(path: Path, where: str | None, what: str, remedy: str, error: BaseException | None = None) -> NoReturn:
    raise DataError(what, path=path, where=where, remedy=remedy) from error


def _told(error: BaseException) -> str:
    return str(error) or type(error).__name__


def _gib(n_bytes: int) -> str:
    return f"{n_bytes / 2**30:.1f} GiB"

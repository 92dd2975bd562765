"""What a folder holds, told to another machine, and sent there in blocks."""

from __future__ import annotations

import functools
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

from genrezoo import files
from genrezoo.errors import DataError

BLOCK = 8_000_000
"""Bytes that travel at once; Dask warns of more than 10 MB."""


def listing(folder: Path) -> dict[str, str]:
    """The sha256 of each file of a folder, by its relative name; locks and files half written do not count.

    Raises:
        DataError: It holds what cannot be sent, such as a link to a folder.
    """
    found: dict[str, str] = {}
    for here, inner, names in os.walk(folder):
        for name in sorted(names + [name for name in inner if os.path.islink(os.path.join(here, name))]):
            path = Path(here, name)
            if name == ".lock" or (name.startswith(".") and name.endswith(".part")):
                continue
            try:
                about = path.stat()
                if not path.is_file():
                    raise DataError(
                        "only plain files can be sent to another machine",
                        path=path,
                        remedy="put the files themselves there",
                    )
                times = (about.st_mtime_ns, about.st_ctime_ns)
                found[path.relative_to(folder).as_posix()] = _sha256(str(path), about.st_size, about.st_ino, times)
            except FileNotFoundError:
                continue  # it was replaced or removed just now
    return found


def digest(listed: Mapping[str, str]) -> str:
    """The sha256 of a listing: folders with one digest have the same files."""
    return hashlib.sha256(json.dumps(sorted(listed.items())).encode()).hexdigest()


EMPTY = digest({})


def blocks(path: Path) -> Iterator[bytes]:
    """A file's content in pieces that can travel; nothing for an empty file."""
    with open(path, "rb") as file:
        while block := file.read(BLOCK):
            yield block


def join(path: Path, parts: list[Path]) -> None:
    """Writes a file from its blocks."""

    def content(file: BinaryIO) -> None:
        for part in parts:
            file.write(part.read_bytes())

    files.write_atomic(path, content)


def inside(folder: Path, name: str) -> Path:
    """The file of that relative name.

    Raises:
        DataError: The name leads out of the folder.
    """
    path = (folder / name).resolve()
    if not path.is_relative_to(folder.resolve()) or path == folder.resolve():
        raise DataError(f"{name!r} is not a file in it", path=folder, remedy="look at what the worker runs")
    return path


@functools.lru_cache(maxsize=4096)
def _sha256(path: str, size: int, inode: int, times: tuple[int, int]) -> str:
    """The sha256 of a file, computed again only if it has changed."""
    return files.sha256_of(path)

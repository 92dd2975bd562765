"""Downloads of archives with pooch, complete and verified.

A file gets its final name only after its digest was verified; an interrupted transfer starts again. This module adds to
pooch: no downloads with ``GENREZOO_OFFLINE=1``, with a message that says which file to get and where to put it; a
single kind of error; and atomic unpacking of folders.
"""

from __future__ import annotations

import os
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Collection
from pathlib import Path
from typing import NamedTuple

from genrezoo.audio.decode import import_audio
from genrezoo.environment import OFFLINE, offline
from genrezoo.errors import DataError

SECONDS = 60.0
"""Seconds without data after which a transfer is aborted."""


class Published(NamedTuple):
    """A published file.

    Attributes:
        url: Address of the file.
        digest: ``"sha256:<64 digits>"``, or, if nothing better is published, ``"sha1:<40>"`` or ``"md5:<32>"``.
    """

    url: str
    digest: str


def fetch(file: Published, target: Path, on_progress: Callable[[int, int | None], None] | None = None) -> Path:
    """Downloads a file, unless it already exists with the published digest.

    Args:
        file: The file to download.
        target: Path to write; its folder is created if missing.
        on_progress: Called with the bytes downloaded and those expected (None if unknown), block by block.

    Returns:
        The target.

    Raises:
        DataError: Downloads are disabled, the network or the server fails, the disk is full, or the digest is wrong.
        SettingsError: pooch is not installed.
    """
    pooch = import_audio("pooch")
    wrong = "is missing"
    if target.is_file():
        kind, _, digits = file.digest.partition(":")
        if pooch.file_hash(str(target), alg=kind) == digits:
            return target
        wrong = "is not the published file"
    if offline():
        remedy = f"download {file.url} ({file.digest}) to this path, or unset {OFFLINE}"
        raise DataError(f"{wrong} and {OFFLINE} forbids downloads", path=target, remedy=remedy)
    pooch.get_logger().setLevel("WARNING")
    progress = _Progress(on_progress) if on_progress else False
    downloader = pooch.HTTPDownloader(progressbar=progress, chunk_size=2**20, timeout=SECONDS)
    try:
        pooch.retrieve(file.url, file.digest, target.name, target.parent, downloader=downloader)
    except (OSError, ValueError) as error:  # of the network and the disk; another digest
        remedy = "run the same command again later, or download the file to this path yourself"
        raise DataError(f"{file.url} cannot be downloaded ({error})", path=target, remedy=remedy) from error
    return target


def unpack(archive: Path, folder: Path, only: Collection[str] = ()) -> Path:
    """Unpacks the folder of that name from a verified zip archive, atomically.

    Args:
        archive: The archive.
        folder: Folder to write; an existing one is complete and not changed.
        only: Names of the files to unpack; None for all.

    Returns:
        The folder.

    Raises:
        DataError: The archive lacks the files or is damaged, or the disk is full.
    """
    if folder.exists():
        return folder
    try:
        with tempfile.TemporaryDirectory(dir=folder.parent) as place, zipfile.ZipFile(archive) as opened:
            opened.extractall(place, [f"{folder.name}/{name}" for name in only] or None)
            os.replace(Path(place, folder.name), folder)
    except (OSError, zipfile.BadZipFile, zlib.error, KeyError) as error:
        what = f"cannot be unpacked ({error})"
        raise DataError(
            what, path=archive, remedy="free some disk space, or delete the archive and download it again"
        ) from error
    return folder


class _Progress:
    """A progress bar with the interface that pooch expects."""

    def __init__(self, on_progress: Callable[[int, int | None], None]):
        self.total: int | None = None
        self._there, self._on_progress = 0, on_progress

    def update(self, n_bytes: int) -> None:
        self._there += n_bytes
        self._on_progress(self._there, self.total or None)

    def reset(self) -> None:  # pooch sets it to nothing, then to all, to finish the bar
        self._there = 0

    def close(self) -> None:
        pass

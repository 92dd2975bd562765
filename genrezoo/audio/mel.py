"""Mel spectrograms in decibels, as images for convolutional networks (``log_mel``)."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field, model_validator

from genrezoo.audio.settings import Counted, Features, FeatureSettings, compute
from genrezoo.audio.spectrum import power, spectrum_blocks

FLOOR = 1e-10  # power, i.e. -100 dB


class MelSettings(FeatureSettings):
    """Common settings of the kinds based on mel spectra."""

    n_fft: int = Field(2048, ge=64, le=65536, multiple_of=2, description="Samples per frame.")
    n_mels: int = Field(128, ge=2, le=512, description="Mel bands.")
    frames_per_second: int = Field(21, ge=1, le=1000, description="Frames per second.")
    fmin: float = Field(0.0, ge=0, description="Lower edge of the lowest band, Hz.")
    fmax: float | None = Field(None, gt=0, description="Upper edge of the highest band, Hz; None: half the rate.")

    @model_validator(mode="after")
    def _bands(self) -> MelSettings:
        if self.frames_per_second > self.rate:
            raise ValueError("frames_per_second must not be above rate")
        if not self.fmin < (self.fmax or self.rate / 2) <= self.rate / 2:
            raise ValueError("fmin must be below fmax, and fmax not above half the rate")
        empty = int((self._filters() == 0).all(axis=0).sum())
        if empty:
            raise ValueError(f"{empty} mel bands contain no bin of the spectrum; use fewer bands or a larger n_fft")
        return self

    def _filters(self) -> np.ndarray:
        return mel_filters(self.rate, self.n_fft, self.n_mels, fmin=self.fmin, fmax=self.fmax)

    def _groups(self, sound: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """Yields mel spectra in decibels, ``(frames, n_mels)`` float32, group by group."""
        hop = Fraction(self.rate, self.frames_per_second)
        for spectrum in spectrum_blocks(sound, n_fft=self.n_fft, hop=hop):
            yield decibels(power(spectrum) @ self._filters())


class LogMel(MelSettings):
    """Mel power spectra in decibels, with a whole number of frames per second.

    Choose it for convolutional networks that treat the spectrum as an image. Frame ``i`` is centred at ``i /
    frames_per_second`` seconds. The value is ``10 log10(max(power, 1e-10))``, not relative to the loudest frame, so
    that the values of a second do not depend on the rest of the recording. Only whole seconds are kept.

    Example:
        >>> features = LogMel().extract([np.zeros(50_000, np.float32)])
        >>> features.x.shape, round(float(features.x.max()), 3), float(features.edges[-1])
        ((42, 128), -100.0, 2.0)

    Reference: document D, section 4.1.2; ``librosa.feature.melspectrogram`` and ``power_to_db(top_db=None)``.
    """

    unit_of_values: ClassVar[str] = "dB re a power of 1"

    kind: Literal["log_mel"] = "log_mel"

    @property
    def names(self) -> tuple[str, ...]:
        """``mel1`` (the lowest band), ``mel2``, …."""
        return tuple(f"mel{band + 1}" for band in range(self.n_mels))

    def extract(self, blocks: Iterable[np.ndarray]) -> Features:
        """``x`` is ``(frames_per_second * whole seconds, n_mels)``, dB.

        Raises:
            DataError: The recording is shorter than a second.
        """
        sound = Counted(blocks)
        spectra = list(self._groups(sound))
        sound.check(1.0, self)
        count = sound.samples // self.rate * self.frames_per_second
        return Features(np.concatenate(spectra)[:count], np.arange(count + 1) / self.frames_per_second)


def log_mel(samples: np.ndarray, **options: object) -> np.ndarray:
    """Computes mel spectra of a whole signal.

    Args:
        samples: ``(n,)`` float32 mono, full scale 1.
        **options: Fields of `LogMel`, e.g. ``rate`` and ``n_mels``.

    Returns:
        ``(frames_per_second * whole seconds, n_mels)`` float32, dB.

    Raises:
        DataError: The signal is not one channel of finite numbers, or shorter than a second.
        SettingsError: An option is out of range.

    Example:
        >>> log_mel(np.zeros(22050, np.float32), n_mels=40).shape
        (21, 40)
    """
    return compute("log_mel", samples, options)


def decibels(values: np.ndarray, *, top: float | None = None) -> np.ndarray:
    """Converts power to decibels: ``10 log10(max(values, 1e-10))``.

    Args:
        values: Power, float32, of any shape.
        top: Values are raised to at most this many decibels below the largest one; None does not limit them.

    Returns:
        float32 of the same shape.

    Example:
        >>> decibels(np.float32([1, 100, 0]), top=80).tolist()
        [0.0, 20.0, -60.0]
    """
    level: np.ndarray = np.maximum(values, np.float32(FLOOR))
    np.log(level, out=level)  # NumPy's natural logarithm is several times as fast as the one to base 10
    level *= np.float32(10 / np.log(10))
    if top is not None:
        np.maximum(level, level.max() - np.float32(top), out=level)
    return level


@functools.lru_cache(maxsize=32)
def mel_filters(rate: int, n_fft: int, n_mels: int, *, fmin: float = 0.0, fmax: float | None = None) -> np.ndarray:
    """Returns triangular filters with centres evenly spaced on Slaney's mel scale, each of area 1.

    Args:
        rate: Samples per second.
        n_fft: Samples of a frame.
        n_mels: Number of bands.
        fmin: Lower edge of the lowest band, Hz.
        fmax: Upper edge of the highest band, Hz; None is half the rate.

    Returns:
        ``(n_fft // 2 + 1, n_mels)`` float32, read-only: ``power @ filters`` is the mel spectrum.

    Reference: ``librosa.filters.mel``, transposed.
    """
    bins = np.arange(n_fft // 2 + 1) * rate / n_fft
    low, high = hz_to_mel(np.array([fmin, rate / 2 if fmax is None else fmax]))
    ends = mel_to_hz(np.linspace(low, high, n_mels + 2))
    rising = (bins[:, None] - ends[:-2]) / (ends[1:-1] - ends[:-2])
    falling = (ends[2:] - bins[:, None]) / (ends[2:] - ends[1:-1])
    areas = (ends[2:] - ends[:-2]) / 2
    filters: np.ndarray = (np.maximum(0, np.minimum(rising, falling)) / areas).astype(np.float32)
    filters.flags.writeable = False
    return filters


# Slaney's scale: even steps of 200/3 Hz up to 1,000 Hz, above that 27 steps for each factor of 6.4.
def hz_to_mel(frequency: np.ndarray) -> np.ndarray:
    """Converts frequencies in Hz to Slaney's mel scale."""
    high = 15 + 27 * np.log(np.maximum(frequency, 1000) / 1000) / np.log(6.4)
    return np.where(frequency < 1000, frequency * 3 / 200, high)


def mel_to_hz(mel: np.ndarray) -> np.ndarray:
    """The inverse of `hz_to_mel`."""
    return np.where(mel < 15, mel * 200 / 3, 1000 * 6.4 ** ((mel - 15) / 27))

"""Mel spectra as input of the music taggers of Pons and others (``tagger_mel``)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from genrezoo.audio.mel import mel_filters
from genrezoo.audio.settings import Counted, Features, FeatureSettings, compute
from genrezoo.audio.spectrum import power, spectrum_blocks

N_FFT, HOP, N_MELS = 512, 256, 96
GAIN = np.float32(10_000)


class TaggerMel(FeatureSettings):
    """Mel power spectra with the fixed settings that `musicnn` and `vgg_tagger` were trained on.

    Choose it for these networks and their weights. At 16,000 Hz there are frames of 512 samples every 256, that is 62.5
    per second, and 96 bands up to 8,000 Hz. The value is ``log10(1 + 10000 power)``, 0 in silence. Frame ``i`` is
    centred at ``256 i / 16000`` seconds; the last one, less than a step before the end, is left out: 3 s have 187
    frames.

    Example:
        >>> features = TaggerMel().extract([np.zeros(48_000, np.float32)])
        >>> features.x.shape, float(features.x.max()), float(features.edges[-1])
        ((187, 96), 0.0, 2.992)

    Reference: J. Pons, X. Serra, "musicnn: pre-trained convolutional neural networks for music audio tagging" (2019).
    """

    unit_of_values: ClassVar[str] = "log10(1 + 10000 power)"

    kind: Literal["tagger_mel"] = "tagger_mel"
    rate: Literal[16000] = Field(16000, description="Sample rate that audio is resampled to, in Hz.")

    @property
    def names(self) -> tuple[str, ...]:
        """``mel1`` (the lowest band), ``mel2``, …."""
        return tuple(f"mel{band + 1}" for band in range(N_MELS))

    def extract(self, blocks: Iterable[np.ndarray]) -> Features:
        """``x`` is ``(samples // 256, 96)``.

        Raises:
            DataError: The recording is shorter than a frame.
        """
        sound = Counted(blocks)
        spectra = list(self.spectra(sound))
        sound.check(N_FFT / self.rate, self)
        x = np.concatenate(spectra)
        return Features(x, np.arange(len(x) + 1) * HOP / self.rate)

    def spectra(self, sound: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """Yields the spectra of one recording group by group, ``(frames, 96)`` float32."""
        filters = mel_filters(self.rate, N_FFT, N_MELS)
        last = np.empty((0, N_MELS), np.float32)  # held back: the very last one is left out
        for spectrum in spectrum_blocks(sound, n_fft=N_FFT, hop=HOP):
            levels = np.concatenate([last, np.log10(1 + GAIN * (power(spectrum) @ filters))])
            last = levels[-1:]
            yield levels[:-1]


def tagger_mel(samples: np.ndarray) -> np.ndarray:
    """Computes mel spectra of a whole signal, as input of the taggers.

    Args:
        samples: ``(n,)`` floating-point mono at 16,000 Hz, full scale 1.

    Returns:
        ``(n // 256, 96)`` float32, ``log10(1 + 10000 power)``.

    Raises:
        DataError: The signal is not one channel of finite numbers, or shorter than a frame.

    Example:
        >>> tagger_mel(np.zeros(16_000, np.float32)).shape
        (62, 96)
    """
    return compute("tagger_mel", samples, {})

"""Harmonic-percussive separation, by medians along time and along frequency."""

from __future__ import annotations

from collections.abc import Iterator

import numba
import numpy as np

from genrezoo.audio.median import LANES, running_median
from genrezoo.audio.spectrum import GROUP, istft

TINY = np.finfo(np.float32).tiny


def harmonic_part(spectra: np.ndarray, power: np.ndarray, *, length: int, hop: int = 512) -> np.ndarray:
    """Returns the harmonic part of a signal; the remainder is the percussive part, because the two masks sum to 1.

    Medians of the power are the squares of medians of the magnitude, so that the soft mask
    ``harmonic**2 / (harmonic**2 + percussive**2)`` needs no root.

    Args:
        spectra: ``(groups, bins, GROUP)`` complex64: the frames of the signal, group by group.
        power: ``(groups, bins, GROUP)`` float32: their power.
        length: Samples of the signal.
        hop: Samples from one frame to the next.

    Returns:
        ``(length,)`` float32.

    Reference: ``librosa.effects.hpss``; Fitzgerald, "Harmonic/percussive separation using median filtering" (2010).
    """
    frames, bins = length // hop + 1, power.shape[1]
    lasting = np.empty_like(power)
    _medians_in_time(power, frames, lasting)
    striking = np.empty((bins, GROUP), np.float32)

    def masked() -> Iterator[np.ndarray]:
        for group, spectrum in enumerate(spectra):
            running_median(power[group], striking)
            kept = np.empty_like(spectrum)
            _mask(spectrum.view(np.float32), lasting[group], striking, kept.view(np.float32))
            yield kept.T[: frames - group * GROUP]

    return istft(masked(), n_fft=2 * (bins - 1), hop=hop, length=length)


@numba.njit(cache=True)
def _medians_in_time(power: np.ndarray, frames: int, medians: np.ndarray) -> None:
    """Running medians of each bin; a stripe of bins is transposed at a time, so that they are contiguous."""
    bins = power.shape[1]
    for first in range(0, bins, LANES):
        lanes = min(LANES, bins - first)
        stripe, result = np.empty((frames, lanes), np.float32), np.empty((frames, lanes), np.float32)
        for t in range(frames):
            for lane in range(lanes):
                stripe[t, lane] = power[t // GROUP, first + lane, t % GROUP]
        running_median(stripe, result)
        for t in range(frames):
            for lane in range(lanes):
                medians[t // GROUP, first + lane, t % GROUP] = result[t, lane]


@numba.njit(cache=True, error_model="numpy")
def _mask(spectra: np.ndarray, lasting: np.ndarray, striking: np.ndarray, kept: np.ndarray) -> None:
    """Multiplies spectra, viewed as pairs of real numbers, by the fraction of harmonic power; by half in silence."""
    half = np.float32(0.5)
    for k in range(len(kept)):
        for i in range(lasting.shape[1]):
            one, two = lasting[k, i], striking[k, i]
            share = one / (one + two) if max(one, two) >= TINY else half
            kept[k, 2 * i] = spectra[k, 2 * i] * share
            kept[k, 2 * i + 1] = spectra[k, 2 * i + 1] * share

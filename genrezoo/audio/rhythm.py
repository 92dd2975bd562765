"""Onsets and tempo, from the mel spectrum in decibels."""

from __future__ import annotations

import numba
import numpy as np
import scipy.fft

from genrezoo.audio.spectrum import hann

LANES = 64  # frames done together


def onset_strength(level: np.ndarray, *, n_fft: int, hop: int) -> np.ndarray:
    """Computes the onset strength: the median over the bands of the increase in level from the frame before.

    Args:
        level: ``(n_mels, frames)`` float32, dB.
        n_fft: Samples of a frame.
        hop: Samples from one frame to the next.

    Returns:
        ``(frames,)`` float32, dB, shifted by half a frame, so that an onset is at its beginning.

    Reference: ``librosa.onset.onset_strength(..., aggregate=numpy.median)``, which ``librosa.beat.beat_track`` takes.
    """
    strength = np.zeros(level.shape[1], np.float32)
    late = 1 + n_fft // (2 * hop)
    if len(strength) > late:
        _median_rise(level, strength[late:])
    return strength


@numba.njit(cache=True)
def _median_rise(level: np.ndarray, medians: np.ndarray) -> None:
    """Computes the median over the bands of each frame's increase over the one before.

    Floats of one sign are ordered as the whole numbers of the same bits, so the value that a given number of others
    does not exceed is found bit by bit, by counting: no branch, no sorting, and many frames side by side.
    """
    n_bands = len(level)
    rise = np.zeros((n_bands, LANES), np.float32)
    bits = rise.view(np.int32)
    lower, trial, below = np.empty(LANES, np.int32), np.empty(LANES, np.int32), np.empty(LANES, np.int32)
    upper = np.empty(LANES, np.int32)
    for first in range(0, len(medians), LANES):
        lanes = min(LANES, len(medians) - first)
        for band in range(n_bands):
            for i in range(lanes):
                rise[band, i] = max(level[band, first + i + 1] - level[band, first + i], np.float32(0))
        lower[:] = (
            0  # the greatest number that fewer than half the values lie below: the lower of the two in the middle
        )
        for bit in range(30, -1, -1):
            below[:] = 0
            for i in range(LANES):
                trial[i] = lower[i] | np.int32(1 << bit)
            for band in range(n_bands):
                for i in range(LANES):
                    below[i] += np.int32(bits[band, i] < trial[i])
            for i in range(LANES):
                lower[i] = trial[i] if below[i] <= (n_bands - 1) // 2 else lower[i]
        below[:] = 0
        upper[:] = 0x7F7FFFFF
        for band in range(n_bands):
            for i in range(LANES):
                value = bits[band, i]
                below[i] += np.int32(value <= lower[i])
                upper[i] = min(upper[i], value) if value > lower[i] else upper[i]
        for i in range(LANES):
            upper[i] = upper[i] if below[i] == n_bands // 2 and n_bands % 2 == 0 else lower[i]
        for i in range(lanes):
            medians[first + i] = (lower.view(np.float32)[i] + upper.view(np.float32)[i]) / np.float32(2)


def tempo(strength: np.ndarray, *, rate: int, hop: int) -> float:
    """Estimates the tempo by the strongest onset autocorrelation over eight seconds, weighted towards 120 bpm.

    The mean autocorrelation of all windows is the inverse transform of their mean power spectrum, so one inverse
    transform is enough.

    Args:
        strength: ``(frames,)`` float32.
        rate: Samples per second.
        hop: Samples from one frame to the next.

    Returns:
        Beats per minute; 0 where there is no onset.

    Reference: the tempo of ``librosa.beat.beat_track``.
    """
    if not strength.any():
        return 0.0
    size = 8 * rate // hop
    padded = np.pad(strength, size // 2, mode="linear_ramp")
    windows = np.lib.stride_tricks.sliding_window_view(padded, size)[: len(strength)]
    length = scipy.fft.next_fast_len(2 * size - 1, real=True)
    spectrum = np.zeros(length // 2 + 1)
    for first in range(0, len(strength), LANES):  # what fits into the cache
        part = windows[first : first + LANES] * hann(size)  # (LANES, size)
        energy = np.einsum("ij,ij->i", part, part)
        part /= np.sqrt(np.where(energy > 0, energy, 1))[:, None]  # each window's autocorrelation at no lag is 1
        pairs = scipy.fft.rfft(part, n=length, axis=1, workers=1).view(np.float32)
        spectrum += np.einsum("ij,ij->j", pairs, pairs).reshape(-1, 2).sum(axis=1)
    similarity = scipy.fft.irfft(spectrum, n=length)[1:size] / len(strength)
    beats = 60 * rate / (hop * np.arange(1.0, size))
    weight = np.where(beats < 320, -0.5 * np.log2(beats / 120) ** 2, -np.inf)
    return float(beats[np.argmax(np.log1p(1e6 * similarity) + weight)])

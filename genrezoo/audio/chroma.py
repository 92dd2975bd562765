"""Chroma features, and the tuning of a recording."""

from __future__ import annotations

import functools

import numba
import numpy as np


@functools.lru_cache(maxsize=128)  # tunings are multiples of a hundredth
def chroma_filters(rate: int, n_fft: int, tuning: float = 0.0) -> np.ndarray:
    """Returns the weights of each bin in the twelve pitch classes, C first.

    Args:
        rate: Samples per second.
        n_fft: Samples of a frame.
        tuning: Deviation of the recording from concert pitch, in semitones.

    Returns:
        ``(n_fft // 2 + 1, 12)`` float32, read-only: ``power @ filters`` is the chroma.

    Reference: ``librosa.filters.chroma``, transposed.
    """
    bins = np.arange(1, n_fft // 2 + 2) * rate / n_fft
    pitch = 12 * np.log2(bins / (440 * 2 ** (tuning / 12) / 16))  # semitones above the A of 27.5 Hz
    pitch = np.concatenate([[pitch[0] - 18], pitch])  # as if bin 0 were one and a half octaves below bin 1
    width = np.maximum(np.diff(pitch), 1)[:, None]
    pitch = pitch[:-1, None]  # (bins, 1)
    distance = np.remainder(pitch - np.arange(12) + 126, 12) - 6
    weights = np.exp(-2 * (distance / width) ** 2)
    weights /= np.sqrt(np.sum(weights**2, axis=1, keepdims=True))
    weights *= np.exp(-0.5 * ((pitch / 12 - 5) / 2) ** 2)  # octaves far from the fifth count less
    filters: np.ndarray = np.roll(weights, -3, axis=1).astype(np.float32)
    filters.flags.writeable = False
    return filters


def normalised(chroma: np.ndarray) -> np.ndarray:
    """Normalises chroma so that the strongest pitch class of each frame is 1; silent frames are unchanged.

    Args:
        chroma: ``(12, frames)`` float32.

    Returns:
        The same shape.
    """
    greatest = chroma.max(axis=0)
    greatest[greatest < np.finfo(np.float32).tiny] = 1
    result: np.ndarray = chroma / greatest
    return result


def estimate_tuning(power: np.ndarray, greatest: np.ndarray, rate: int, n_fft: int) -> float:
    """Estimates the tuning of a recording: the most frequent deviation of its spectral peaks from concert pitch.

    Args:
        power: ``(groups, n_fft // 2 + 1, GROUP)`` float32: power of all frames, group by group.
        greatest: ``(frames,)`` float32: the maximum power of each frame.
        rate: Samples per second.
        n_fft: Samples of a frame.

    Returns:
        Semitones, a multiple of 0.01 from -0.5 to 0.49; 0 where there is no peak.

    Reference: ``librosa.estimate_tuning(S=power)``.
    """
    bins = np.arange(n_fft // 2) * rate / n_fft
    inside = np.flatnonzero((bins >= 150) & (bins < min(4000, rate / 2)))
    low, high = int(inside[0]), int(inside[-1]) + 1
    pitches = np.empty((high - low + 1) // 2 * len(greatest), np.float32)  # of two neighbours one is a peak at most
    levels = np.empty_like(pitches)
    count = _peaks(power, np.float32(0.1) * greatest, low, high, rate / n_fft, pitches, levels)
    if not count:
        return 0.0
    pitches, levels = pitches[:count], levels[:count]
    pitches = pitches[levels >= np.median(levels)]
    residual = np.mod(12 * np.log2(pitches / (440 / 16)), 1.0)
    residual[residual >= 0.5] -= 1.0
    counts, edges = np.histogram(residual, np.linspace(-0.5, 0.5, 101))
    return float(edges[counts.argmax()])


@numba.njit(cache=True)
def _peaks(
    power: np.ndarray, least: np.ndarray, low: int, high: int, width: float, pitches: np.ndarray, levels: np.ndarray
) -> int:
    """Frequencies and heights of the parabolas through the peaks above ``least``; returns how many there are."""
    count = 0
    group_size = power.shape[2]
    peak = np.empty(group_size, np.bool_)
    for group in range(len(power)):
        bounds = least[group * group_size : (group + 1) * group_size]
        for k in range(low, high):
            left, here, right = power[group, k - 1], power[group, k], power[group, k + 1]
            for t in range(len(bounds)):
                peak[t] = (here[t] > bounds[t]) & (here[t] > left[t]) & (here[t] >= right[t])
            for t in range(len(bounds)):
                if peak[t]:
                    curve = np.float64(left[t] + right[t]) - 2.0 * here[t]
                    slope = np.float64(right[t] - left[t]) / 2.0
                    shift = np.float32(0.0 if abs(slope) >= abs(curve) else -slope / curve)
                    pitches[count] = (k + shift) * width
                    levels[count] = here[t] + np.float32(0.5) * ((right[t] - left[t]) / np.float32(2)) * shift
                    count += 1
    return count

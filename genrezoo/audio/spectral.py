"""Features of each frame, compiled by numba: from the spectrum and, for level and zero crossings, from the samples."""

from __future__ import annotations

import functools

import numba
import numpy as np

from genrezoo.audio.mel import mel_filters
from genrezoo.audio.spectrum import GROUP

TINY = np.finfo(np.float32).tiny
ROLLOFF = np.float32(0.85)


@numba.njit(cache=True, fastmath=True)
def describe_spectra(
    spectra: np.ndarray,
    frequencies: np.ndarray,
    bands: tuple[np.ndarray, np.ndarray, np.ndarray],
    power: np.ndarray,
    first: int,
    mel: np.ndarray,
    facts: np.ndarray,
) -> None:
    """Computes all features of a spectrum, for a group of frames while it is in the CPU cache.

    The frames lie side by side, so that the CPU processes 8 or 16 of them at a time.

    Args:
        spectra: ``(bins, 2 * frames)`` float32, at most `GROUP` frames: complex spectra viewed as pairs of real
            numbers.
        frequencies: ``(bins,)`` float32, Hz.
        bands: Mel filters as `sparse_mel_filters` returns them.
        power: ``(bins, GROUP)`` float32 for the power; 0 where there is no frame.
        first: Column of the first frame in the following arrays.
        mel: ``(n_mels, all frames)`` float32 for the mel power.
        facts: ``(4, all frames)`` float32 for centroid, bandwidth and 85 % rolloff of the magnitude, in Hz, and the
            maximum power.

    Reference: ``librosa.feature.spectral_centroid``, ``spectral_bandwidth``, ``spectral_rolloff``, ``melspectrogram``.
    """
    bins, frames, zero = len(frequencies), spectra.shape[1] // 2, np.float32(0)
    magnitude = np.empty((bins, GROUP), np.float32)
    sums = np.zeros((6, GROUP), np.float32)
    total, moment, greatest, spread, passed, target = sums[0], sums[1], sums[2], sums[3], sums[4], sums[5]
    below = np.zeros(GROUP, np.int32)
    for k in range(bins):
        for i in range(frames):
            real, imaginary = spectra[k, 2 * i], spectra[k, 2 * i + 1]
            power[k, i] = real * real + imaginary * imaginary
        power[k, frames:] = 0
    for k in range(bins):
        for i in range(GROUP):
            magnitude[k, i] = np.sqrt(power[k, i])
            total[i] += magnitude[k, i]
        for i in range(GROUP):
            moment[i] += magnitude[k, i] * frequencies[k]
        for i in range(GROUP):
            greatest[i] = max(greatest[i], power[k, i])
    for i in range(GROUP):
        moment[i] = moment[i] / total[i] if total[i] >= TINY else zero
        target[i] = ROLLOFF * total[i]
    for k in range(bins):
        for i in range(GROUP):
            distance = frequencies[k] - moment[i]
            spread[i] += magnitude[k, i] * distance * distance
        for i in range(GROUP):
            passed[i] += magnitude[k, i]
        for i in range(GROUP):
            below[i] += np.int32(passed[i] < target[i])
    for i in range(frames):
        facts[0, first + i] = moment[i]
        facts[1, first + i] = np.sqrt(spread[i] / total[i]) if total[i] >= TINY else zero
        facts[2, first + i] = frequencies[below[i]]
        facts[3, first + i] = greatest[i]
    lowest, end, weights = bands
    offset = 0
    for band in range(len(lowest)):
        total[:] = 0
        for k in range(lowest[band], end[band]):
            for i in range(GROUP):
                total[i] += weights[offset] * power[k, i]
            offset += 1
        for i in range(frames):
            mel[band, first + i] = total[i]


@functools.lru_cache(maxsize=32)
def sparse_mel_filters(rate: int, n_fft: int, n_mels: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns `mel_filters` without their zeros.

    Returns:
        First bin of each band, the bin after its last one, and the concatenated weights of all bands.
    """
    filters = mel_filters(rate, n_fft, n_mels)
    inside = filters > 0
    first = inside.argmax(axis=0)
    last = len(filters) - inside[::-1].argmax(axis=0)
    weights = [filters[low:high, band] for band, (low, high) in enumerate(zip(first, last, strict=True))]
    return first, last, np.concatenate(weights)


@numba.njit(cache=True, fastmath=True)
def describe_samples(samples: np.ndarray, hop: int, energy: np.ndarray, crossings: np.ndarray) -> None:
    """Computes level and zero crossings of frames of four hops, centred at each hop.

    Args:
        samples: ``(n,)`` float32.
        hop: Samples from one frame to the next.
        energy: ``(1 + n // hop,)`` float64 for the mean square of each frame, with silence before the beginning and
            after the end.
        crossings: Float64 of the same length for the fraction of a frame's samples with another sign than the sample
            before; values up to 1e-10 count as positive zero.

    Reference: ``librosa.feature.rms(y=...)``, squared, and ``zero_crossing_rate``.
    """
    n = len(samples)
    parts = n // hop + 1
    squares = np.zeros(parts)
    changes = np.zeros(parts, np.int64)
    negative = np.empty(hop + 1, np.int32)
    edges = np.zeros(parts, np.int64)  # whether the first sample of a part differs from the one before
    limit = np.float32(-1e-10)
    for part in range(parts):
        begin, end = part * hop, min((part + 1) * hop, n)
        total = np.float32(0)
        for i in range(end - begin):
            value = samples[begin + i]
            total += value * value
            negative[i + 1] = value < limit
        negative[0] = samples[begin - 1] < limit if begin > 0 else negative[1]
        count = 0
        for i in range(end - begin):
            count += negative[i] ^ negative[i + 1]
        squares[part], changes[part] = total, count
        edges[part] = negative[0] ^ negative[1] if end > begin else 0
    for frame in range(parts):
        low, high = max(frame - 2, 0), min(frame + 2, parts)
        square, count = 0.0, 0
        for part in range(low, high):
            square += squares[part]
            count += changes[part]
        if frame >= 2:
            count -= edges[low]  # a frame's first sample is compared with none
        energy[frame] = square / (4 * hop)
        crossings[frame] = count / (4 * hop)


@numba.njit(cache=True, fastmath=True)
def moments(values: np.ndarray) -> tuple[float, float]:
    """Computes mean and variance in float64 and in two passes, so that a large mean does not affect a small variance.

    Args:
        values: ``(n,)`` float32 or float64.
    """
    total = square = 0.0
    for i in range(len(values)):
        total += values[i]
    mean = total / len(values)
    for i in range(len(values)):
        distance = values[i] - mean
        square += distance * distance
    return mean, square / len(values)

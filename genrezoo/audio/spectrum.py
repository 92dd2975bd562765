"""The short-time Fourier transform from which all features are derived: float32, centred frames, Hann window.

Frames are transformed in groups of `GROUP`, counted from the first frame of the recording. So results are bit-identical
whether a recording is passed whole or in blocks, and features of a group are computed while it is in the CPU cache.
"""

from __future__ import annotations

import functools
import importlib.machinery
import importlib.util
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np

from genrezoo.errors import SettingsError

GROUP = 64  # 64 frames of 2,048 samples are half a megabyte


def stft(samples: np.ndarray, *, n_fft: int = 2048, hop: int | Fraction = 512) -> np.ndarray:
    """Computes the short-time Fourier transform of a whole signal.

    Frame ``i`` is centred at sample ``i * hop``, with silence before the beginning and after the end.

    Args:
        samples: ``(n,)`` float32.
        n_fft: Samples of a frame, even.
        hop: Samples from one frame to the next. If it is not a whole number, frame ``i`` is centred at the sample
            nearest to ``i * hop``.

    Returns:
        ``(frames, n_fft // 2 + 1)`` complex64, time first; there is a frame for each centre up to the end, so
        ``frames = 1 + n // hop``.

    Raises:
        SettingsError: ``n_fft`` is odd or too small, or ``hop`` below 1.

    Example:
        >>> tone = np.cos(2 * np.pi * 8 / 64 * np.arange(640)).astype(np.float32)
        >>> spectrum = stft(tone, n_fft=64, hop=16)
        >>> spectrum.shape, int(power(spectrum)[20].argmax())
        ((41, 33), 8)

    Reference: ``librosa.stft``, whose defaults these are, transposed.
    """
    return np.concatenate(list(spectrum_blocks([samples], n_fft=n_fft, hop=hop)))


def spectrum_blocks(
    blocks: Iterable[np.ndarray], *, n_fft: int = 2048, hop: int | Fraction = 512
) -> Iterator[np.ndarray]:
    """Yields the frames of `stft` for a signal in blocks: bit-identical to the whole signal, in constant memory.

    Args:
        blocks: Consecutive blocks of the signal, each ``(n,)`` float32, with any lengths.
        n_fft: As for `stft`.
        hop: As for `stft`.

    Yields:
        ``(GROUP, n_fft // 2 + 1)`` complex64; the last one has the remaining frames.

    Raises:
        SettingsError: As for `stft`.
    """
    for _, frames in frame_blocks(blocks, n_fft=n_fft, hop=hop):
        yield transform(frames)


def transform(frames: np.ndarray, *, frequency_first: bool = False) -> np.ndarray:
    """Computes the spectra of frames.

    Args:
        frames: ``(frames, n_fft)`` float32.
        frequency_first: Whether the result is transposed, at no extra cost.

    Returns:
        ``(frames, n_fft // 2 + 1)`` complex64, or ``(n_fft // 2 + 1, frames)``.
    """
    windowed = frames * hann(frames.shape[1])
    axis = 0 if frequency_first else 1
    spectrum: np.ndarray = _real_fft()(windowed.T if frequency_first else windowed, axis)
    return spectrum


def frame_blocks(
    blocks: Iterable[np.ndarray], *, n_fft: int = 2048, hop: int | Fraction = 512
) -> Iterator[tuple[int, np.ndarray]]:
    """Cuts a signal into centred frames, group by group.

    Args:
        blocks: Consecutive pieces of the signal, each ``(n,)`` float32, of any lengths.
        n_fft: As for `stft`.
        hop: As for `stft`.

    Yields:
        Number of the first frame, and ``(GROUP, n_fft)`` float32, without the window; the last group has what is left.

    Raises:
        SettingsError: As for `stft`.
    """
    step = Fraction(hop)
    if n_fft < 4 or n_fft % 2 or step < 1:
        raise SettingsError(f"n_fft must be even and at least 4, hop at least 1; got {n_fft} and {hop}")
    held = np.zeros(n_fft // 2, np.float32)  # the signal from `start` on, in samples of the padded signal
    start = done = length = 0  # frames done, samples seen

    def group(count: int) -> np.ndarray:
        first = centres(done, count, step) - start
        rows = first if step.denominator > 1 else slice(first[0], first[-1] + 1, step.numerator)
        frames: np.ndarray = np.lib.stride_tricks.sliding_window_view(held, n_fft)[rows]
        return frames

    for block in blocks:
        held = np.concatenate([held, np.asarray(block, np.float32)])
        length += len(block)
        while centres(done, GROUP, step)[-1] - start + n_fft <= len(held):
            yield done, group(GROUP)
            done += GROUP
        skipped = min(int(centres(done, 1, step)[0]) - start, len(held))
        held, start = held[skipped:], start + skipped
    held = np.concatenate([held, np.zeros(n_fft // 2, np.float32)])
    total = (2 * step.denominator * length + step.denominator - 1) // (2 * step.numerator) + 1
    while done < total:
        count = min(GROUP, total - done)
        yield done, group(count)
        done += count


def centres(first: int, count: int, hop: Fraction) -> np.ndarray:
    """Returns the samples at which frames ``first, first + 1, …`` are centred, int64."""
    index = np.arange(first, first + count, dtype=np.int64)
    return (2 * index * hop.numerator + hop.denominator) // (2 * hop.denominator)


@functools.cache
def _real_fft() -> Callable[[np.ndarray, int], np.ndarray]:
    """Returns ``scipy.fft.rfft`` on one thread: only its compiled part, because importing SciPy is slow.

    The import took 0.17 of the 0.45 s of CPU time of a cold prediction. NumPy's transform takes three times as long and
    rounds differently.
    """
    spec = importlib.util.find_spec("scipy")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        for suffix in importlib.machinery.EXTENSION_SUFFIXES:
            path = Path(folder, "fft", "_pocketfft", f"pypocketfft{suffix}")
            found = importlib.util.spec_from_file_location("pypocketfft", path) if path.exists() else None
            if found and found.loader:
                compiled = importlib.util.module_from_spec(found)
                found.loader.exec_module(compiled)
                return lambda x, axis: compiled.r2c(x, (axis,), True, 0, None, 1)
    import scipy.fft  # of another version, which keeps it elsewhere

    return lambda x, axis: scipy.fft.rfft(x, axis=axis, workers=1)


def istft(spectra: Iterable[np.ndarray], *, n_fft: int = 2048, hop: int = 512, length: int) -> np.ndarray:
    """Returns the signal whose short-time Fourier transform is nearest to the given one.

    Args:
        spectra: Consecutive groups of frames of any sizes, each ``(frames, n_fft // 2 + 1)`` complex64, as
            `spectrum_blocks` yields them.
        n_fft: Samples of a frame.
        hop: Samples from one frame to the next, a divisor of ``n_fft``.
        length: Samples of the signal.

    Returns:
        ``(length,)`` float32; silence where there is no frame.

    Raises:
        SettingsError: ``n_fft`` is not a multiple of ``hop``.

    Example:
        >>> noise = np.random.default_rng(0).standard_normal(5000).astype(np.float32)
        >>> bool(np.allclose(istft([stft(noise)], length=5000), noise, atol=1e-6))
        True

    Reference: ``librosa.istft``.
    """
    if n_fft % hop:
        raise SettingsError(f"n_fft must be a multiple of hop, got {n_fft} and {hop}")
    import scipy.fft as fft  # here, as most features need no inverse

    window, parts, done = hann(n_fft), n_fft // hop, 0
    signal = np.zeros((-(-(length + n_fft // 2) // hop) + parts, hop), np.float32)  # a row for each hop
    for spectrum in spectra:
        frames = fft.irfft(spectrum, n=n_fft, axis=1, workers=1)
        frames *= window
        for part in range(parts):
            rows = signal[done + part : done + part + len(frames)]
            rows += frames[: len(rows), part * hop : (part + 1) * hop]
        done += len(frames)
    weights = np.square(window).reshape(parts, hop)
    for row in range(len(signal)):
        if not parts <= row < done:  # a row that not every part of a frame reaches
            weight = weights[max(0, row - done + 1) : row + 1].sum(axis=0)
            np.divide(signal[row], weight, out=signal[row], where=weight > np.finfo(np.float32).tiny)
    signal[parts:done] /= weights.sum(axis=0)
    return signal.ravel()[n_fft // 2 : n_fft // 2 + length]


def power(spectrum: np.ndarray) -> np.ndarray:
    """Returns the squared magnitude, float32, of the same shape."""
    squares: np.ndarray = np.square(spectrum.real) + np.square(spectrum.imag)
    return squares


@functools.lru_cache(maxsize=32)
def hann(size: int) -> np.ndarray:
    """Periodic Hann window, ``(size,)`` float32, read-only."""
    window = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / size)).astype(np.float32)
    window.flags.writeable = False
    return window

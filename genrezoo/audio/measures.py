"""The 57 features of one window of audio, all from one short-time Fourier transform."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from genrezoo.audio.chroma import chroma_filters, estimate_tuning, normalised
from genrezoo.audio.harmonic import harmonic_part
from genrezoo.audio.mel import decibels
from genrezoo.audio.mfcc import cosines
from genrezoo.audio.rhythm import onset_strength, tempo
from genrezoo.audio.spectral import describe_samples, describe_spectra, moments, sparse_mel_filters
from genrezoo.audio.spectrum import GROUP, frame_blocks, transform

N_FFT, HOP, N_MELS, N_MFCC = 2048, 512, 128, 20
BINS = N_FFT // 2 + 1
SEPARATED = 12  # where the four columns of the harmonic and the percussive part stand


@dataclass(frozen=True, eq=False)
class Analysis:
    """Intermediate results from which the features are derived.

    Attributes:
        power: ``(groups, 1025, GROUP)`` float32.
        mel: ``(128, frames)`` float32, mel power.
        facts: ``(4, frames)`` float32: centroid, bandwidth and rolloff in Hz, maximum power.
    """

    power: np.ndarray
    mel: np.ndarray
    facts: np.ndarray


def measure(samples: np.ndarray, rate: int) -> np.ndarray:
    """Computes means, variances and tempo, in the order of `genrezoo.audio.table.COLUMNS`.

    Args:
        samples: ``(n,)`` float32 mono, full scale 1.
        rate: Samples per second.

    Returns:
        ``(57,)`` float64.
    """
    groups = len(samples) // HOP // GROUP + 1
    spectra = np.empty((groups, BINS, GROUP), np.complex64)
    analysis = analyse(samples, rate, spectra)
    harmonic = harmonic_part(spectra, analysis.power, hop=HOP, length=len(samples))
    separated = [*moments(harmonic), *moments(samples - harmonic)]
    return np.insert(measure_whole(samples, rate, analysis), SEPARATED, separated)


def analyse(samples: np.ndarray, rate: int, spectra: np.ndarray | None = None) -> Analysis:
    """Transforms a signal, and computes everything possible while each group of frames is in the CPU cache.

    Args:
        samples: ``(n,)`` float32.
        rate: Samples per second.
        spectra: ``(groups, 1025, GROUP)`` complex64 for the spectra, if they are needed.
    """
    frames = len(samples) // HOP + 1
    power = np.empty((-(-frames // GROUP), BINS, GROUP), np.float32)
    mel, facts = np.empty((N_MELS, frames), np.float32), np.empty((4, frames), np.float32)
    frequencies = (np.arange(BINS) * rate / N_FFT).astype(np.float32)
    filters = sparse_mel_filters(rate, N_FFT, N_MELS)
    for first, group in frame_blocks([samples], n_fft=N_FFT, hop=HOP):
        spectrum = transform(group, frequency_first=True)
        place = first // GROUP
        describe_spectra(spectrum.view(np.float32), frequencies, filters, power[place], first, mel, facts)
        if spectra is not None:
            spectra[place, :, : len(group)] = spectrum
    return Analysis(power, mel, facts)


def measure_whole(samples: np.ndarray, rate: int, analysis: Analysis) -> np.ndarray:
    """Computes all columns except those of the harmonic and the percussive part.

    Args:
        samples: ``(n,)`` float32.
        rate: Samples per second.
        analysis: Analysis of the samples.

    Returns:
        ``(53,)`` float64.
    """
    centroid, bandwidth, rolloff, greatest = analysis.facts
    tuning = estimate_tuning(analysis.power, greatest, rate, N_FFT)
    chroma = chroma_filters(rate, N_FFT, tuning).T @ analysis.power  # (groups, 12, GROUP)
    chroma = normalised(chroma.transpose(1, 0, 2).reshape(12, -1)[:, : len(greatest)])
    energy, crossings = np.empty(len(greatest)), np.empty(len(greatest))
    describe_samples(samples, HOP, energy, crossings)
    level = decibels(analysis.mel, top=80)
    beats = tempo(onset_strength(level, n_fft=N_FFT, hop=HOP), rate=rate, hop=HOP)
    curves = [chroma.ravel(), np.sqrt(energy), centroid, bandwidth, rolloff, crossings]
    coefficients = cosines(N_MELS, N_MFCC).T @ level
    parts = [moments(curve) for curve in curves], [beats], [moments(curve) for curve in coefficients]
    return np.concatenate([np.ravel(part) for part in parts])

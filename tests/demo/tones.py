"""Recordings that are told from each other with ease."""

import wave

import numpy as np

RATE = 8000


def tone(genre, seconds, seed):
    """A high tone, or a low one, in noise."""
    generator = np.random.default_rng(seed)
    time = np.arange(seconds * RATE) / RATE
    return 0.3 * np.sin(2 * np.pi * (2500, 250)[genre] * time) + 0.03 * generator.standard_normal(len(time))


def write(path, samples):
    """A WAV file of samples."""
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", "none"))
        file.writeframes((samples * 32767).astype("<i2").tobytes())
    return path

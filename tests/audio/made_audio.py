"""Audio files made on the spot, whole and broken, as bytes."""

import functools
import io
import struct

import numpy as np
import soundfile

RATE = 22050


def tone(seconds=3.0, *, rate=RATE, channels=1, seed=0):
    """A tone in noise, float32 (n,) or (n, channels), each channel with noise of its own."""
    generator = np.random.default_rng(seed)
    time = np.arange(round(seconds * rate)) / rate
    x = 0.4 * np.sin(2 * np.pi * 440 * time)[:, None] + 0.05 * generator.standard_normal((len(time), channels))
    return (x[:, 0] if channels == 1 else x).astype(np.float32)


def encode(samples, kind="WAV", *, rate=RATE, subtype=None, endian=None):
    """The bytes of an audio file of one of libsndfile's formats (up to 10 s: longer OGG must be written in parts)."""
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, rate, format=kind, subtype=subtype, endian=endian)
    return buffer.getvalue()


@functools.cache
def whole(kind="WAV", seconds=3.0):
    """Three seconds of tone in a format."""
    return encode(tone(seconds), kind)


def half(data):
    """The first half of a file, as an interrupted download leaves it."""
    return data[: len(data) // 2]


def hole(data, n_bytes=1000):
    """A file with other bytes in its middle."""
    middle = len(data) // 2
    return data[:middle] + np.random.default_rng(1).bytes(n_bytes) + data[middle + n_bytes :]


def gap(data, n_bytes=1000):
    """A file that lacks bytes in its middle."""
    middle = len(data) // 2
    return data[:middle] + data[middle + n_bytes :]


def wav_header(data, *, rate=None, channels=None, n_bytes=None):
    """A WAV file with another rate, number of channels or number of bytes in its header."""
    changed = bytearray(data)
    place = data.index(b"fmt ") + 8
    if channels is not None:
        struct.pack_into("<H", changed, place + 2, channels)
        struct.pack_into("<H", changed, place + 12, channels * 2 % 2**16)
    if rate is not None:
        struct.pack_into("<I", changed, place + 4, rate)
    if n_bytes is not None:
        struct.pack_into("<I", changed, data.index(b"data") + 4, n_bytes)
    return bytes(changed)


def flac_length(data, samples):
    """A FLAC file whose header claims another number of samples; 0 means that it does not know."""
    word = int.from_bytes(data[18:26], "big")
    return data[:18] + (word >> 36 << 36 | samples).to_bytes(8, "big") + data[26:]


def without_table(data):
    """An MP3 without its first frame, which says how many follow."""
    return data[data.index(data[:2], 4) :]


def id3(n_bytes=1000):
    """A tag as it stands before the audio of an MP3."""
    size = bytes(n_bytes >> shift & 127 for shift in (21, 14, 7, 0))
    return b"ID3\x04\x00\x00" + size + bytes(n_bytes)


def au_stream(samples, rate=RATE, claimed=2**32 - 1):
    """What ffmpeg writes into a pipe: an AU header without a length, and big-endian floats."""
    samples = np.atleast_2d(samples.T).T
    return struct.pack(">4s5I", b".snd", 24, claimed, 6, rate, samples.shape[1]) + samples.astype(">f4").tobytes()

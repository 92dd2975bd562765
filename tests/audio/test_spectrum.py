import contextlib
import importlib.util
from fractions import Fraction

import librosa
import numpy as np
import pytest
import scipy.fft

from genrezoo.audio import spectrum
from genrezoo.audio.spectrum import GROUP, centres, frame_blocks, hann, istft, power, spectrum_blocks, stft, transform
from genrezoo.errors import SettingsError

NOISE = np.random.default_rng(0).standard_normal(70_000).astype(np.float32)


@pytest.mark.parametrize(("n_fft", "hop"), [(2048, 512), (2048, 1050), (512, 100), (256, 300)])
@pytest.mark.parametrize("length", [70_000, 2048, 700])
def test_equals_librosa(n_fft, hop, length):
    ours = stft(NOISE[:length], n_fft=n_fft, hop=hop)
    with pytest.warns(UserWarning, match="n_fft") if n_fft > length else contextlib.nullcontext():
        theirs = librosa.stft(NOISE[:length], n_fft=n_fft, hop_length=hop).T
    assert ours.dtype == np.complex64
    assert ours.shape == theirs.shape
    assert np.abs(ours - theirs).max() < 1e-6 * np.abs(theirs).max()


@pytest.mark.parametrize("size", [64, 882, 2048])
def test_the_transform_is_scipys(size, monkeypatch):
    frames = np.random.default_rng(0).standard_normal((GROUP, size)).astype(np.float32)
    expected = scipy.fft.rfft(frames * hann(size), axis=1)
    assert np.array_equal(transform(frames), expected)
    assert np.array_equal(transform(frames, frequency_first=True).T, expected)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)  # where its compiled part is elsewhere
    spectrum._real_fft.cache_clear()
    assert np.array_equal(transform(frames), expected)
    spectrum._real_fft.cache_clear()


@pytest.mark.parametrize("hop", [512, 300, Fraction(2205, 2), Fraction(48000, 7)])
@pytest.mark.parametrize("size", [1, 37, 5000, 69_999])
def test_blocks_are_the_whole_to_the_bit(hop, size):
    sound = NOISE[: 3000 if size == 1 else None]
    pieces = [sound[first : first + size] for first in range(0, len(sound), size)]
    groups = list(spectrum_blocks(pieces, n_fft=1024, hop=hop))
    assert all(len(group) == GROUP for group in groups[:-1])
    assert np.array_equal(np.concatenate(groups), stft(sound, n_fft=1024, hop=hop))


@pytest.mark.parametrize("hop", [16, Fraction(33, 2), Fraction(100, 3)])
@pytest.mark.parametrize("length", [0, 1, 99, 100, 1000])
def test_frames_are_centred_at_the_nearest_sample(hop, length):
    sound = np.arange(1, length + 1, dtype=np.float32)
    padded = np.concatenate([np.zeros(4), sound, np.zeros(4)])
    expected = [int(np.floor(float(i * hop) + 0.5)) for i in range(length + 1)]
    expected = [centre for centre in expected if centre <= length]
    frames = np.concatenate([frames for _, frames in frame_blocks([sound], n_fft=8, hop=hop)])
    assert np.array_equal(frames, [padded[centre : centre + 8] for centre in expected])
    assert centres(0, len(expected), Fraction(hop)).tolist() == expected


def test_a_frame_for_every_hop_and_whole_seconds_meet():
    at = centres(0, 101, Fraction(22050, 20))
    assert at[[0, 1, 20, 100]].tolist() == [0, 1103, 22050, 5 * 22050]


@pytest.mark.slow
@pytest.mark.parametrize("length", [70_000, 5_000, 1_500])
def test_inverse_equals_librosa_and_returns_the_signal(length):
    spectrum = stft(NOISE[:length])
    pieces = [spectrum[:30], spectrum[30:41], spectrum[41:]]
    back = istft(pieces, length=length)
    assert np.abs(back - NOISE[:length]).max() < 2e-6
    changed = spectrum * np.linspace(0, 1, 1025, dtype=np.float32)
    theirs = librosa.istft(changed.T, length=length)
    assert np.abs(istft([changed], length=length) - theirs).max() < 2e-6


def test_inverse_is_silent_where_no_frame_reaches():
    back = istft([stft(NOISE)[:20]], length=70_000)
    assert back.shape == (70_000,)
    assert not back[20 * 512 + 1024 :].any()


def test_power_of_a_tone():
    tone = np.cos(2 * np.pi * 100 / 2048 * np.arange(20_000)).astype(np.float32)
    values = power(stft(tone))
    assert values.dtype == np.float32
    assert values[20].argmax() == 100
    assert values[20, 100] == pytest.approx(512**2, rel=1e-4)  # half of the window's sum, squared


@pytest.mark.parametrize(("n_fft", "hop"), [(2047, 512), (2, 1), (2048, 0), (2048, Fraction(1, 2))])
def test_geometry_that_makes_no_sense(n_fft, hop):
    with pytest.raises(SettingsError, match="n_fft must be even"):
        stft(NOISE, n_fft=n_fft, hop=hop)


def test_inverse_needs_overlap_that_fits():
    with pytest.raises(SettingsError, match="multiple of hop"):
        istft([stft(NOISE, hop=600)], hop=600, length=70_000)

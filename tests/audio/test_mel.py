import librosa
import numpy as np
import pytest
from pydantic import ValidationError

from genrezoo.audio.mel import LogMel, decibels, log_mel, mel_filters
from genrezoo.audio.settings import feature_settings
from genrezoo.errors import DataError, SettingsError

NOISE = (0.1 * np.random.default_rng(0).standard_normal(80_000)).astype(np.float32)


@pytest.mark.parametrize(("rate", "n_fft", "n_mels"), [(22050, 2048, 128), (44100, 4096, 40), (8000, 512, 20)])
@pytest.mark.parametrize("ends", [(0.0, None), (300.0, 3500.0)])
def test_filters_are_librosas(rate, n_fft, n_mels, ends):
    ours = mel_filters(rate, n_fft, n_mels, fmin=ends[0], fmax=ends[1])
    theirs = librosa.filters.mel(sr=rate, n_fft=n_fft, n_mels=n_mels, fmin=ends[0], fmax=ends[1])
    assert np.abs(ours.T - theirs).max() < 1e-6 * theirs.max()
    assert not ours.flags.writeable


@pytest.mark.slow
def test_equals_librosa():
    spectra = librosa.feature.melspectrogram(y=NOISE, sr=22050, hop_length=1050)
    theirs = librosa.power_to_db(spectra, top_db=None).T[:63]
    ours = log_mel(NOISE)
    assert ours.shape == (63, 128)
    assert ours.dtype == np.float32
    assert np.abs(ours - theirs).max() < 1e-4 * np.ptp(theirs)


def test_blocks_are_the_whole_to_the_bit():
    settings = LogMel(rate=16000, frames_per_second=30)  # 533 1/3 samples
    pieces = np.array_split(NOISE, [10, 5000, 5001, 33333])
    assert np.array_equal(settings.extract(pieces).x, settings.extract([NOISE]).x)


def test_only_whole_seconds_and_their_edges():
    features = LogMel(rate=8000, n_mels=40, frames_per_second=10).extract([NOISE[:20_000]])
    assert features.x.shape == (20, 40)
    assert features.edges.tolist() == [i / 10 for i in range(21)]


def test_what_comes_later_changes_nothing():
    loud = NOISE.copy()
    loud[60_000:] *= 100
    assert np.array_equal(log_mel(loud)[:42], log_mel(NOISE)[:42])


def test_twice_as_loud_is_six_decibels():
    assert np.allclose(log_mel(2 * NOISE) - log_mel(NOISE), 6.0206, atol=1e-4)


def test_decibels_by_hand():
    values = np.float32([[1, 1e-3], [0, 1e9]])
    assert np.allclose(decibels(values), [[0, -30], [-100, 90]], atol=1e-4)
    assert np.allclose(decibels(values, top=80), [[10, 10], [10, 90]], atol=1e-4)
    assert values[1, 0] == 0  # its argument is left alone


def test_names():
    assert LogMel(n_mels=3, n_fft=64, rate=4000).names == ("mel1", "mel2", "mel3")


@pytest.mark.parametrize("n", [0, 22049])
def test_too_short(n):
    with pytest.raises(DataError, match=rf"{n / 22050:.2f} s of audio, but 'log_mel' needs at least 1.00 s"):
        log_mel(NOISE[:n])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_fft": 256}, "mel bands contain no bin"),
        ({"fmax": 12_000.0}, "fmax not above half the rate"),
        ({"fmin": 5000.0, "fmax": 4000.0}, "fmin must be below fmax"),
        ({"n_fft": 2047}, "multiple of 2"),
        ({"rate": 96_000}, "less than or equal to 48000"),
        ({"duration": 0.0}, "greater than or equal to 0.1"),
        ({"offset": float("nan")}, "finite"),
    ],
)
def test_settings_that_make_no_sense(options, message):
    with pytest.raises(SettingsError, match=message):
        feature_settings("log_mel", **options)
    with pytest.raises(ValidationError, match=message):
        LogMel(**options)

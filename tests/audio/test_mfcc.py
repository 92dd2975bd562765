import librosa
import numpy as np
import pytest

from genrezoo.audio.mfcc import MfccStatistics, cosines, mfcc_statistics
from genrezoo.audio.settings import feature_settings
from genrezoo.errors import DataError, SettingsError

NOISE = (0.1 * np.random.default_rng(0).standard_normal(90_000)).astype(np.float32)
SOUND = NOISE * np.sin(np.arange(90_000) / 9_000, dtype=np.float32) ** 2


@pytest.mark.slow
def test_cosines_are_librosas():
    level = np.random.default_rng(1).standard_normal((128, 7)).astype(np.float32)
    assert np.allclose(level.T @ cosines(128, 13), librosa.feature.mfcc(S=level, n_mfcc=13).T, atol=1e-5)


def test_mean_and_deviation_of_librosas_coefficients_over_each_second():
    spectra = librosa.feature.melspectrogram(y=SOUND, sr=22000, hop_length=1100)
    theirs = librosa.feature.mfcc(S=librosa.power_to_db(spectra, top_db=None), n_mfcc=13)
    seconds = [theirs[:, 20 * i : 20 * i + 20] for i in range(4)]
    expected = np.array([np.concatenate([one.mean(axis=1), one.std(axis=1)]) for one in seconds])
    ours = mfcc_statistics(SOUND, rate=22000)
    assert ours.shape == (4, 26)
    assert (np.abs(ours - expected) < 1e-4 * np.ptp(expected, axis=0) + 1e-5).all()


def test_frames_that_no_whole_hop_separates():
    ours = mfcc_statistics(SOUND, n_mfcc=5)  # 1102.5 samples
    padded = np.pad(SOUND, 1024)
    starts = [int(i * 1102.5 + 0.5) for i in range(80)]
    window = librosa.filters.get_window("hann", 2048)
    spectra = np.array([np.fft.rfft(padded[start : start + 2048] * window) for start in starts])
    level = librosa.power_to_db(librosa.filters.mel(sr=22050, n_fft=2048) @ np.abs(spectra.T) ** 2, top_db=None)
    coefficients = librosa.feature.mfcc(S=level, n_mfcc=5).T.reshape(4, 20, 5)
    assert np.allclose(ours[:, :5], coefficients.mean(axis=1), rtol=1e-4, atol=1e-3)
    assert np.allclose(ours[:, 5:], coefficients.std(axis=1), rtol=1e-4, atol=1e-3)


def test_blocks_are_the_whole_to_the_bit():
    settings = MfccStatistics()
    pieces = np.array_split(SOUND, [1, 999, 30_000])
    assert np.array_equal(settings.extract(pieces).x, settings.extract([SOUND]).x)


def test_names_groups_and_edges():
    settings = MfccStatistics(n_mfcc=2)
    assert settings.names == ("mfcc1_mean", "mfcc2_mean", "mfcc1_std", "mfcc2_std")
    assert settings.groups == {"mean": [0, 1], "std": [2, 3]}
    assert settings.extract([SOUND]).edges.tolist() == [0, 1, 2, 3, 4]
    assert len(MfccStatistics().names) == 26


def test_a_steady_tone_does_not_deviate():
    tone = np.sin(2 * np.pi * 1000 * np.arange(4 * 22000) / 22000).astype(np.float32)  # 50 periods in a hop
    statistics = mfcc_statistics(tone, rate=22000, n_mfcc=3)
    assert (statistics[1:3, 3:] < 1e-2).all()
    assert np.allclose(statistics[1], statistics[2], atol=1e-2)


def test_too_short():
    with pytest.raises(DataError, match="0.91 s of audio, but 'mfcc_statistics' needs at least 1.00 s"):
        mfcc_statistics(SOUND[:20_000])


def test_more_coefficients_than_bands():
    with pytest.raises(SettingsError, match="n_mfcc must not be above n_mels"):
        feature_settings("mfcc_statistics", n_mels=10, n_mfcc=11)

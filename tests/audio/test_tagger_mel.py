import librosa
import numpy as np
import pytest

from genrezoo.audio.mel import mel_filters
from genrezoo.audio.settings import feature_settings
from genrezoo.audio.tagger_mel import TaggerMel, tagger_mel
from genrezoo.errors import DataError, SettingsError

RATE = 16000
RANDOM = np.random.default_rng(1)


def noise(samples):
    return (0.1 * RANDOM.standard_normal(samples)).astype(np.float32)


def test_equals_librosa():
    sound = noise(3 * RATE)
    reference = librosa.feature.melspectrogram(y=sound, sr=RATE, n_fft=512, hop_length=256, n_mels=96)
    x = tagger_mel(sound)
    assert x.shape == (187, 96)
    assert x.dtype == np.float32
    np.testing.assert_allclose(x, np.log10(1 + 1e4 * reference.T)[:187], atol=2e-5)


def test_a_cosine_has_the_power_of_its_frame():
    # 500 Hz is bin 16. A Hann window sums to 256, so that bin has amplitude 128 and its two neighbours half of that.
    sound = np.cos(2 * np.pi * 500 / RATE * np.arange(RATE)).astype(np.float32)
    bins = np.zeros(257, np.float32)
    bins[15:18] = 64**2, 128**2, 64**2
    np.testing.assert_allclose(tagger_mel(sound)[30], np.log10(1 + 1e4 * bins @ mel_filters(RATE, 512, 96)), atol=1e-3)


def test_full_scale_does_not_overflow():
    square = np.sign(np.sin(2 * np.pi * 100 / RATE * np.arange(RATE))).astype(np.float32)
    assert np.isfinite(tagger_mel(square)).all()
    assert tagger_mel(square).max() > np.log10(np.finfo(np.float16).max)  # half precision would have overflowed


def test_blocks_make_no_difference_to_a_bit():
    sound = noise(50_000)
    cuts = np.sort(RANDOM.integers(0, len(sound), 20))
    whole, streamed = TaggerMel().extract([sound]), TaggerMel().extract(np.split(sound, cuts))
    assert np.array_equal(whole.x, streamed.x)
    assert np.array_equal(whole.edges, streamed.edges)


@pytest.mark.parametrize(("samples", "frames"), [(512, 2), (48_000, 187), (48_128, 188), (16_000, 62)])
def test_a_frame_for_each_whole_step(samples, frames):
    features = TaggerMel().extract([np.zeros(samples, np.float32)])
    assert features.x.shape == (frames, 96)
    np.testing.assert_allclose(features.edges, np.arange(frames + 1) * 0.016)
    assert (features.x == 0).all()


def test_what_does_not_fit_is_refused():
    with pytest.raises(DataError, match=r"0\.03 s of audio, but 'tagger_mel' needs at least 0\.03 s"):
        tagger_mel(np.zeros(500, np.float32))
    with pytest.raises(SettingsError, match="rate"):
        feature_settings("tagger_mel", rate=22050)

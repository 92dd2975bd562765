import librosa
import numpy as np
import pytest

from genrezoo.audio.segments import QUIETEST, SHORTEST, Segments
from genrezoo.audio.settings import feature_settings
from genrezoo.errors import DataError, SettingsError

RATE, FRAME = 22050, 512 / 22050
CLICKS = (0.7, 1.35, 1.9, 2.6)
CHROMA, TIMBRE, LOUDNESS = slice(0, 12), slice(12, 24), 24


def tone(frequency, seconds=1.0, *, level=1.0, rate=RATE):
    return (level * np.sin(2 * np.pi * frequency * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def noise(seconds, seed=0):
    return (0.1 * np.random.default_rng(seed).standard_normal(round(seconds * RATE))).astype(np.float32)


def clicks(times, seconds=3.5, level=0.5):
    """Short bursts of noise in silence."""
    sound = np.zeros(round(seconds * RATE), np.float32)
    for number, time in enumerate(times):
        first = round(time * RATE)
        sound[first : first + 400] += level * noise(400 / RATE, seed=number) * 10
    return sound


def tune(seed=0, seconds=12):
    """Notes of random pitch and length: something with onsets, chroma and dynamics."""
    draws = np.random.default_rng(seed)
    parts = []
    while sum(map(len, parts)) < seconds * RATE:
        length = draws.uniform(0.15, 0.7)
        note = tone(220 * 2 ** (draws.integers(0, 24) / 12), length, level=draws.uniform(0.05, 0.8))
        parts.append(note * np.exp(-np.arange(len(note)) / (0.3 * RATE)))
    return np.concatenate(parts)[: seconds * RATE].astype(np.float32) + noise(seconds, seed) / 100


def inner(features):
    """Segments that neither begin nor end with the sound, where frames are half empty."""
    return features.x[1:-1]


def test_a_segment_begins_with_each_click():
    features = Segments(longest_seconds=10).extract([clicks(CLICKS)])
    assert features.edges[0] == 0
    assert features.edges[-1] == pytest.approx(3.5)
    np.testing.assert_allclose(features.edges[1:-1], CLICKS, atol=2 * FRAME)


def test_beats_are_a_beat_apart():
    features = Segments(unit="beat").extract([clicks(np.arange(0.5, 12, 0.5), seconds=12)])
    beats = features.edges[(features.edges > 1) & (features.edges < 11)]
    np.testing.assert_allclose(np.diff(beats), 0.5, atol=2 * FRAME)
    np.testing.assert_allclose((beats + 0.25) % 0.5, 0.25, atol=3 * FRAME)  # on the clicks


def test_no_segment_is_shorter_or_longer_than_allowed():
    features = Segments(longest_seconds=0.4).extract([tune()])
    lengths = np.diff(features.edges)
    assert lengths.min() >= SHORTEST
    assert lengths.max() <= 0.4 + FRAME
    assert lengths.min() < 0.2  # there is a short one to be merged or not
    assert len(features.x) == len(lengths)


def test_two_clicks_closer_than_the_shortest_segment_are_one_boundary():
    near = Segments(longest_seconds=10).extract([clicks((0.7, 0.735, 1.9))])
    assert len(near.x) == 3


def test_a_long_segment_is_divided_evenly():
    features = Segments(longest_seconds=1.0).extract([tone(440, 2.5)])
    np.testing.assert_allclose(np.diff(features.edges), 2.5 / 3, atol=2 * FRAME)


def test_pure_a_is_chroma_a_alone():
    features = Segments().extract([tone(440, 3)])
    assert (features.x[:, CHROMA].argmax(axis=1) == 9).all()
    middle = inner(features)[:, CHROMA]
    assert np.delete(middle, 9, axis=1).max() < 0.3  # librosa's filters are wide: a semitone away is not nothing
    assert features.x[:, CHROMA].max(axis=1) == pytest.approx(1)
    assert Segments().names[9] == "chroma_A"


def test_an_octave_does_not_move_chroma():
    low, high = (inner(Segments().extract([tone(frequency, 3)]))[:, CHROMA] for frequency in (523.25, 1046.5))
    np.testing.assert_allclose(low, high, atol=0.1)
    assert (low.argmax(axis=1) == 0).all()


def test_a_semitone_moves_chroma_by_one():
    for step in range(12):
        chroma = inner(Segments().extract([tone(440 * 2 ** (step / 12), 3)]))[:, CHROMA]
        assert (chroma.argmax(axis=1) == (9 + step) % 12).all()


@pytest.mark.parametrize("level", [1.0, 0.1, 0.01])
def test_loudness_of_a_sine_is_three_decibels_below_its_peak(level):
    loudness = inner(Segments().extract([tone(1000, 3, level=level)]))[:, LOUDNESS]
    np.testing.assert_allclose(loudness, 20 * np.log10(level) - 3.01, atol=0.02)


def test_louder_sound_has_more_loudness_the_same_chroma_and_more_of_the_first_timbre():
    sound = tune() + noise(12) / 5  # nowhere so quiet that it comes near the floor
    quiet, loud = (Segments().extract([sound * gain]).x for gain in (0.1, 1.0))
    np.testing.assert_allclose(loud[:, LOUDNESS] - quiet[:, LOUDNESS], 20, atol=1e-3)
    np.testing.assert_allclose(loud[:, CHROMA], quiet[:, CHROMA], atol=1e-5)
    np.testing.assert_allclose(loud[:, 12] - quiet[:, 12], 20 * np.sqrt(40), rtol=1e-3)  # 40 bands, all 20 dB up
    np.testing.assert_allclose(loud[:, 13:24], quiet[:, 13:24], atol=0.1)


def test_silence_is_silent():
    features = Segments().extract([np.zeros(2 * RATE, np.float32)])
    assert (features.x[:, CHROMA] == 0).all()
    assert (features.x[:, LOUDNESS] == QUIETEST).all()
    assert np.isfinite(features.x).all()
    np.testing.assert_allclose(np.diff(features.edges), 1, atol=FRAME)


@pytest.mark.parametrize("unit", ["onset", "beat"])
def test_blocks_make_no_difference_to_a_bit(unit):
    sound = tune()
    whole = Segments(unit=unit).extract([sound])
    cuts = np.sort(np.random.default_rng(1).integers(0, len(sound), 40))
    streamed = Segments(unit=unit).extract(np.split(sound, cuts))
    assert np.array_equal(whole.x, streamed.x)
    assert np.array_equal(whole.edges, streamed.edges)


def test_columns_are_librosas_aggregated_by_segment():
    sound = tune()
    features = Segments().extract([sound])
    starts = np.rint(features.edges[:-1] / FRAME).astype(int)
    chroma = librosa.feature.chroma_stft(y=sound, sr=RATE, tuning=0, norm=None).T
    chroma = np.add.reduceat(chroma, starts)
    np.testing.assert_allclose(features.x[:, CHROMA], chroma / chroma.max(axis=1, keepdims=True), atol=1e-4)
    mel = librosa.feature.melspectrogram(y=sound, sr=RATE, n_mels=40)
    decibels = librosa.power_to_db(mel, amin=1e-4, top_db=None)
    timbre = librosa.feature.mfcc(S=decibels, n_mfcc=12).T
    timbre = np.add.reduceat(timbre, starts) / np.diff([*starts, len(timbre)])[:, None]
    np.testing.assert_allclose(features.x[:, TIMBRE], timbre, atol=1e-4 * np.ptp(timbre))
    strength = librosa.onset.onset_strength(S=decibels, sr=RATE)
    onsets = librosa.onset.onset_detect(onset_envelope=strength, sr=RATE, backtrack=True)
    assert set(starts) <= {0, *onsets}  # no segment of this tune is longer than a second
    assert len(starts) > 0.8 * len(np.unique(onsets))  # a few are too near to the one before


def test_frames_are_as_long_at_every_rate():
    assert [Segments(rate=rate).hop / rate for rate in (8000, 22050, 44100)] == pytest.approx([FRAME] * 3, rel=2e-3)
    features = Segments(rate=44100).extract([tone(440, 3, rate=44100)])
    assert (features.x[:, CHROMA].argmax(axis=1) == 9).all()
    np.testing.assert_allclose(inner(features)[:, LOUDNESS], -3.01, atol=0.02)


def test_names_and_groups_are_those_of_the_columns():
    settings = feature_settings("segments", duration=30.0)
    assert isinstance(settings, Segments)
    assert len(settings.names) == len(set(settings.names)) == 25
    assert [settings.names[columns[0]] for columns in settings.groups.values()] == ["chroma_C", "timbre_0", "loudness"]
    assert sum(settings.groups.values(), []) == list(range(25))


def test_less_than_a_frame_is_refused():
    with pytest.raises(DataError, match="0.05 s of audio, but 'segments' needs at least 0.09 s"):
        Segments().extract([tone(440, 0.05)])
    assert len(Segments().extract([tone(440, 0.1)]).x) == 1


def test_a_segment_that_could_not_be_divided_is_refused():
    with pytest.raises(SettingsError, match="longest_seconds"):
        feature_settings("segments", longest_seconds=0.1)

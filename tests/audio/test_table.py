import warnings

import librosa
import numpy as np
import pytest

from genrezoo.audio.chroma import chroma_filters, estimate_tuning
from genrezoo.audio.harmonic import harmonic_part
from genrezoo.audio.measures import analyse, measure
from genrezoo.audio.mel import decibels
from genrezoo.audio.rhythm import onset_strength, tempo
from genrezoo.audio.spectral import describe_samples, moments
from genrezoo.audio.spectrum import GROUP, power, stft
from genrezoo.audio.table import COLUMNS, FeatureTable
from genrezoo.errors import DataError

pytestmark = pytest.mark.usefixtures("no_children")

RATE = 22050
SECONDS = np.arange(6 * RATE) / RATE
RANDOM = np.random.default_rng(0)


def chord(*frequencies):
    return sum(np.sin(2 * np.pi * frequency * SECONDS + frequency) for frequency in frequencies) / len(frequencies)


def clicks(beats_a_minute):
    sound = np.zeros(len(SECONDS))
    for begin in range(1000, len(sound) - 400, int(60 * RATE / beats_a_minute)):
        sound[begin : begin + 400] += RANDOM.standard_normal(400) * np.exp(-np.arange(400) / 80)
    return sound


def music(beats_a_minute, *frequencies, level=0.3):
    sound = level * (chord(*frequencies) * (1 + np.sin(2 * np.pi * SECONDS)) + clicks(beats_a_minute))
    return (sound + 0.003 * RANDOM.standard_normal(len(sound))).astype(np.float32)


SOUNDS = {
    "music": music(100, 220, 277.18, 329.63, 1760),
    "out of tune": music(150, 226, 285, 339, 905),
    "noise": (0.1 * RANDOM.standard_normal(len(SECONDS))).astype(np.float32),
    "clicks in silence": clicks(80).astype(np.float32),
    "half silence": music(120, 440, 660) * (SECONDS < 3).astype(np.float32),
    "very quiet": music(120, 440, 660, level=1e-3) * np.float32(0.1),
    "silence": np.zeros(len(SECONDS), np.float32),
}
whatever_the_sound = pytest.mark.parametrize("sound", SOUNDS.values(), ids=SOUNDS)


def librosas(sound):
    """Each measure as librosa computes it: name -> values."""
    spectral = librosa.feature
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # no pitch in silence
        values = {"chroma_stft": spectral.chroma_stft(y=sound, sr=RATE)}
    values["rms"] = spectral.rms(y=sound)
    values["spectral_centroid"] = spectral.spectral_centroid(y=sound, sr=RATE)
    values["spectral_bandwidth"] = spectral.spectral_bandwidth(y=sound, sr=RATE)
    values["rolloff"] = spectral.spectral_rolloff(y=sound, sr=RATE)
    values["zero_crossing_rate"] = spectral.zero_crossing_rate(sound)
    values["harmony"], values["perceptr"] = librosa.effects.hpss(sound)
    values |= {f"mfcc{i + 1}": row for i, row in enumerate(spectral.mfcc(y=sound, sr=RATE))}
    return values


@pytest.mark.slow
@whatever_the_sound
def test_every_column_equals_librosa(sound):
    ours = dict(zip(COLUMNS, measure(sound, RATE), strict=True))
    for name, values in librosas(sound).items():
        values = values.astype(np.float64)
        extent, mean = np.ptp(values), values.mean()
        rounding = 1e-4 if name.startswith("mfcc") else 1e-9  # sums of 128 levels of up to 100 dB
        rounding += 2e-6 * abs(mean)
        assert abs(ours.pop(f"{name}_mean") - mean) <= 1e-4 * extent + rounding, name
        assert abs(ours.pop(f"{name}_var") - values.var()) <= 1e-4 * extent**2 + rounding**2 + 1e-12, name
    beats, _ = librosa.beat.beat_track(y=sound, sr=RATE)
    assert ours.pop("tempo") == pytest.approx(float(np.squeeze(beats)))
    assert not ours


def facts_of(sound):
    """Centroid, bandwidth, rolloff, greatest power of each frame; power; mel power; all with frames second."""
    analysis = analyse(sound, RATE)
    values = np.concatenate(list(analysis.power), axis=1)
    frames = analysis.mel.shape[1]
    assert not values[:, frames:].any()
    return analysis.facts, values[:, :frames], analysis.mel


def separated(sound):
    """The harmonic part."""
    spectra = np.zeros((len(sound) // 512 // GROUP + 1, 1025, GROUP), np.complex64)
    return harmonic_part(spectra, analyse(sound, RATE, spectra).power, length=len(sound))


@pytest.mark.slow
@whatever_the_sound
def test_every_frame_equals_librosa(sound):
    theirs = librosas(sound)
    facts, values, mel = facts_of(sound)
    for column, name in enumerate(("spectral_centroid", "spectral_bandwidth")):
        assert np.abs(facts[column] - theirs[name][0]).max() <= 1e-4 * np.ptp(theirs[name]), name
    bins = np.abs(facts[2] - theirs["rolloff"][0]) / (RATE / 2048)
    assert bins.max() <= 1.001  # where the sums of a hundred bins are rounded decides at times
    assert (bins > 0.5).mean() < 0.02
    assert np.array_equal(facts[3], values.max(axis=0))
    spectrogram = librosa.feature.melspectrogram(y=sound, sr=RATE)
    assert np.abs(mel - spectrogram).max() <= 1e-5 * spectrogram.max()
    assert np.allclose(values.T, power(stft(sound)), rtol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("length", [512, 2047, 2048, 2049, 33_333])
def test_level_and_sign_changes(length):
    sound = SOUNDS["music"][:length].copy()
    sound[length // 3 : length // 2] = 0
    sound[length // 2 :: 7] = -1e-12  # counts as positive zero
    energy, crossings = np.empty(length // 512 + 1), np.empty(length // 512 + 1)
    describe_samples(sound, 512, energy, crossings)
    assert np.allclose(np.sqrt(energy), librosa.feature.rms(y=sound)[0], rtol=1e-5)
    assert np.array_equal(crossings, librosa.feature.zero_crossing_rate(sound)[0])


@pytest.mark.slow
@whatever_the_sound
def test_separated_waveforms_equal_librosa(sound):
    harmonic, percussive = librosa.effects.hpss(sound)
    ours = separated(sound)
    assert np.abs(ours - harmonic).max() <= 1e-5 * np.abs(sound).max()
    assert np.abs(sound - ours - percussive).max() <= 1e-5 * np.abs(sound).max()


@pytest.mark.slow
def test_a_tone_is_harmonic_and_a_click_percussive():
    tone = chord(440.0).astype(np.float32)
    click = np.zeros_like(tone)
    click[RATE :: RATE // 2] = 1
    for sound, kept in ((tone, 0.99), (click, 0.01)):
        ours = separated(sound)
        inner = slice(RATE // 2, -RATE // 2)
        share = np.square(ours[inner]).sum() / np.square(sound[inner]).sum()
        assert share > kept if kept > 0.5 else share < kept


@pytest.mark.parametrize("tuning", [0.0, -0.37, 0.5])
@pytest.mark.parametrize(("rate", "n_fft"), [(22050, 2048), (44100, 4096), (8000, 512)])
def test_chroma_filters_are_librosas(tuning, rate, n_fft):
    theirs = librosa.filters.chroma(sr=rate, n_fft=n_fft, tuning=tuning)
    assert np.abs(chroma_filters(rate, n_fft, tuning).T - theirs).max() < 1e-6


@pytest.mark.slow
@pytest.mark.parametrize("tuning", [-0.4, -0.05, 0.0, 0.23])
def test_tuning(tuning):
    sound = chord(*(440 * 2 ** ((note + tuning) / 12) for note in (-9, 0, 4, 7))).astype(np.float32)
    values = power(stft(sound))
    groups = np.pad(values, ((0, -len(values) % GROUP), (0, 0))).reshape(-1, GROUP, 1025).transpose(0, 2, 1)
    estimate = estimate_tuning(np.ascontiguousarray(groups), values.max(axis=1), RATE, 2048)
    assert estimate == pytest.approx(librosa.estimate_tuning(S=values.T, sr=RATE), abs=1e-9)
    assert estimate == pytest.approx(tuning, abs=0.03)


@pytest.mark.slow
@whatever_the_sound
def test_onsets_equal_librosa(sound):
    theirs = librosa.onset.onset_strength(y=sound, sr=RATE, aggregate=np.median)
    level = decibels(facts_of(sound)[2], top=80)
    assert np.abs(onset_strength(level, n_fft=2048, hop=512) - theirs).max() <= 1e-4 * np.ptp(theirs)


@pytest.mark.parametrize("n_bands", [1, 2, 5, 128])
def test_onset_is_the_median_rise(n_bands):
    fall = np.linspace(3, -3, 50, dtype=np.float32)[:, None] ** 2
    level = np.random.default_rng(1).standard_normal((50, n_bands)).astype(np.float32) - fall
    level[20:23] = level[20]  # no rise at all
    expected = np.median(np.maximum(np.diff(level, axis=0), 0), axis=1)
    ours = onset_strength(np.ascontiguousarray(level.T), n_fft=2048, hop=512)
    assert not ours[:3].any()
    assert np.array_equal(ours[3:], expected[:47])
    assert onset_strength(level[:3].T, n_fft=2048, hop=512).tolist() == [0, 0, 0]


@pytest.mark.slow
@pytest.mark.parametrize("beats", [60, 87, 120, 170])
@pytest.mark.parametrize(("rate", "hop"), [(22050, 512), (44100, 512), (8000, 256)])
def test_tempo_equals_librosa(beats, rate, hop):
    strength = np.random.default_rng(1).random(20 * rate // hop).astype(np.float32)
    strength[:: round(60 * rate / hop / beats)] += 5
    theirs = librosa.feature.tempo(onset_envelope=strength, sr=rate, hop_length=hop)[0]
    assert tempo(strength, rate=rate, hop=hop) == pytest.approx(theirs)
    assert tempo(np.zeros_like(strength), rate=rate, hop=hop) == 0


def test_moments_lose_nothing_to_a_large_mean():
    values = 1000 + np.tile(np.array([-1e-3, 1e-3]), 5000)
    assert moments(values) == pytest.approx((1000, 1e-6))


def test_names_are_those_of_the_well_known_table():
    measures = ["chroma_stft", "rms", "spectral_centroid", "spectral_bandwidth", "rolloff", "zero_crossing_rate"]
    header = [f"{name}_{statistic}" for name in [*measures, "harmony", "perceptr"] for statistic in ("mean", "var")]
    header += ["tempo", *(f"mfcc{i}_{statistic}" for i in range(1, 21) for statistic in ("mean", "var"))]
    settings = FeatureTable()
    assert list(settings.names) == header
    assert sorted(column for group in settings.groups.values() for column in group) == list(range(57))
    assert [header[column] for column in settings.groups["separation"]] == header[12:16]
    assert settings.groups["timbre"] == list(range(17, 57))


@pytest.mark.parametrize(
    ("seconds", "edges"),
    [(1.0, [0, 1.0]), (2.99, [0, 2.99]), (3.0, [0, 2, 3.0]), (4.99, [0, 2, 4.99]), (5.5, [0, 2, 4, 5.5])],
)
def test_a_short_remainder_joins_the_last_window(seconds, edges):
    settings = FeatureTable(rate=16000, window_seconds=2.0)
    sound = SOUNDS["music"][: round(seconds * 16000)]
    features = settings.extract(np.array_split(sound, 7))
    assert features.x.dtype == np.float32
    assert np.allclose(features.edges, edges)
    windows = [sound[round(low * 16000) : round(high * 16000)] for low, high in zip(edges, edges[1:], strict=False)]
    assert np.array_equal(features.x, np.float32([measure(window, 16000) for window in windows]))


def test_too_short():
    with pytest.raises(DataError, match=r"0.50 s of audio, but 'feature_table' needs at least 0.72 s"):
        FeatureTable().extract([SOUNDS["music"][:11025]])
    with pytest.raises(DataError, match=r"0.00 s of audio"):
        FeatureTable().extract([])

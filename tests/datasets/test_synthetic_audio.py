import time
import wave

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from genrezoo.audio.settings import feature_settings
from genrezoo.datasets import load_songs
from genrezoo.datasets.synthetic_audio import (
    GENRES,
    SyntheticAudioSettings,
    draw_artist,
    load_synthetic_audio,
    play,
    recordings,
    render_audio,
)
from genrezoo.errors import DataError, SettingsError, UnknownNameError
from genrezoo.seeds import generator
from genrezoo.songs.splits import check_split

SMALL = {"n_train": 20, "n_valid": 5, "n_test": 10, "seconds": 3.0}


def played(genre, *, seconds=8.0, seed=0, blend=0.0, **changes):
    draws = np.random.default_rng(seed)
    artist = draw_artist(np.random.default_rng(0))._replace(hiss=0.0, cutoff=1e5, **changes)
    return play(genre, artist, draws, rate=22050, seconds=seconds, blend=blend)


def peak_frequencies(sound):
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound))))
    inner = (spectrum[1:-1] > spectrum[:-2]) & (spectrum[1:-1] > spectrum[2:]) & (spectrum[1:-1] > spectrum.max() / 20)
    return (np.flatnonzero(inner) + 1) * 22050 / len(sound)


def test_mean_and_deviation_tell_the_genres_better_than_chance_and_worse_than_always():
    songs = load_songs("synthetic_audio", features="mfcc_statistics", seconds=4, n_train=100, n_valid=5, n_test=60)
    x = np.concatenate([songs.x.mean(axis=1), songs.x.std(axis=1)], axis=1)
    train, test = songs.splits["train"], songs.splits["test"]
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.3, max_iter=2000)).fit(x[train], songs.y[train])
    assert 0.5 < model.score(x[test], songs.y[test]) < 0.95


def test_a_hundred_recordings_take_a_few_seconds():
    start = time.perf_counter()
    assert len(list(recordings(SyntheticAudioSettings(n_train=60, n_valid=20, n_test=20)))) == 100
    assert time.perf_counter() - start < 10


def test_splits_have_their_own_artists_and_equal_numbers_of_genres():
    songs = load_songs("synthetic_audio", features="segments", **SMALL)
    leaks = check_split(songs)
    assert not leaks.duplicates
    assert songs.provenance == "artist-filtered"
    assert np.array_equal(np.bincount(songs.y[songs.splits["train"]]), [4] * 5)
    assert songs.genres == ("drone", "march", "arpeggio", "noise_beat", "chorale")
    assert {group.split(" ")[0] == songs.genres[y] for group, y in zip(songs.groups, songs.y, strict=True)} == {True}


def test_test_recordings_do_not_depend_on_how_much_there_is_to_learn():
    few, many = (
        [r for r in recordings(SyntheticAudioSettings(**{**SMALL, "n_train": n})) if r.split == "test"] for n in (5, 30)
    )
    assert len(few) == 10
    assert all(np.array_equal(a.samples, b.samples) for a, b in zip(few, many, strict=True))


def test_another_seed_is_other_sound():
    one, other = (next(recordings(SyntheticAudioSettings(seed=seed, seconds=1))) for seed in (1, 2))
    assert not np.allclose(one.samples, other.samples)


def test_segments_are_padded_and_lengths_say_so():
    songs = load_songs("synthetic_audio", features="segments", **SMALL)
    assert songs.has_padding
    for x, length in zip(songs.x, songs.lengths, strict=True):
        assert np.isfinite(x[:length]).all()
        assert np.isnan(x[length:]).all() or not x[length:].any()


def test_what_was_done_is_kept_with_the_songs():
    settings = feature_settings("segments", rate=8000, longest_seconds=2)
    options = {"n_train": 5, "n_valid": 5, "n_test": 5, "seconds": 2.0}
    songs = load_songs("synthetic_audio", features=settings, seed=3, **options)
    assert songs.name == "synthetic_audio"
    assert "synthetic" not in songs.about  # that would promise a best attainable accuracy
    assert feature_settings(songs.about["features"]) == settings
    assert SyntheticAudioSettings(**songs.about["synthetic_audio"]) == SyntheticAudioSettings(seed=3, **options)
    assert len(songs.about["feature_names"]) == songs.n_features == 25
    assert songs.about["feature_groups"]["loudness"] == [24]


def test_an_excerpt_is_that_part_of_the_recording():
    options = {"n_genres": 2, "n_train": 2, "n_valid": 2, "n_test": 2, "seconds": 4}
    settings = feature_settings("log_mel", offset=1.0, duration=2.0)
    songs = load_synthetic_audio(features=settings, **options)
    assert songs.n_segments == 2 * 21
    samples = next(recordings(SyntheticAudioSettings(**options))).samples
    part = settings.extract([samples[22050 : 3 * 22050]]).x  # on another number of threads, perhaps
    np.testing.assert_allclose(songs.x[0], part, atol=1e-3)


def test_pictures_are_songs_of_four_axes():
    options = {"n_genres": 2, "n_train": 2, "n_valid": 2, "n_test": 2}
    songs = load_synthetic_audio(features="spectrogram_image", seconds=2, **options)
    assert songs.kind == "image"
    assert songs.x.shape == (6, 172, 173, 3)
    assert 200 < songs.x.max() <= 255
    several = load_synthetic_audio(features={"kind": "spectrogram_image", "window_seconds": 1}, seconds=2, **options)
    assert several.ids[:3].tolist() == ["train-0#1", "train-0#2", "train-1#1"]
    assert len(several) == 12
    check_split(several)


def test_files_hold_the_same_samples(tmp_path):
    rows = render_audio(tmp_path, rate=8000, n_genres=2, seconds=1.5, n_train=3, n_valid=2, n_test=2)
    played = list(recordings(SyntheticAudioSettings(n_genres=2, seconds=1.5, n_train=3, n_valid=2, n_test=2), 8000))
    assert [row["path"] for row in rows[:3]] == [
        "drone/drone.00000.wav",
        "march/march.00000.wav",
        "drone/drone.00001.wav",
    ]
    assert sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.wav")) == sorted(
        row["path"] for row in rows
    )
    for row, recording in zip(rows, played, strict=True):
        assert (row["artist"], row["split"]) == (recording.artist, recording.split)
        with wave.open(str(tmp_path / row["path"])) as file:
            assert (file.getframerate(), file.getnchannels(), file.getnframes()) == (8000, 1, 12000)
            samples = np.frombuffer(file.readframes(12000), "<i2") / 32768
        assert np.array_equal(samples, recording.samples)
        assert 0.2 < np.abs(samples).max() < 0.9


@pytest.mark.parametrize("genre", GENRES)
@pytest.mark.parametrize("seed", range(3))
def test_every_genre_can_be_played_at_any_length_and_rate(genre, seed):
    for seconds, rate in ((1.0, 4000), (7.3, 48000)):
        draws = generator(seed, "tune")
        sound = play(genre, draw_artist(draws), draws, rate=rate, seconds=seconds, blend=1.0)
        assert sound.shape == (round(seconds * rate),)
        assert np.isfinite(sound).all()
        assert np.sqrt(np.mean(sound**2)) > 0.01
        assert np.abs(sound).max() < 1


@pytest.mark.parametrize("seed", range(20))
def test_even_a_second_of_bells_is_no_silence(seed):
    assert np.abs(played("bells", seconds=0.9, seed=seed, tempo=0.0)).max() > 0.2


def test_a_drone_holds_tonic_and_fifth():
    found = peak_frequencies(played("drone", key=45, overtones=np.eye(10)[0]))
    distance = np.abs(12 * np.log2(found / 110)[:, None] - [-12, 0, 7, 12])  # (peaks, notes) semitones
    assert distance.min(axis=0).max() < 0.1  # each note is heard
    assert distance.min(axis=1).max() < 1  # and nothing else but how they swell


def test_overtones_that_the_rate_cannot_hold_are_left_out():
    flat = {"overtones": np.eye(10)[0] * 0 + 1.0, "key": 81}  # a drone of 440 and 880 Hz: 25 multiples fit below 11,025
    found = peak_frequencies(played("drone", **flat))
    np.testing.assert_allclose(found % 440, np.where(found % 440 > 220, 440, 0), atol=230)
    assert found.max() < 10 * 1320 * 1.01


def rises(sound):
    """How much the level rises in all, in multiples of its mean."""
    level = np.sqrt(np.mean(sound[: len(sound) // 512 * 512].reshape(-1, 512) ** 2, axis=1))
    return np.maximum(np.diff(level), 0).sum() / level.mean()


def test_a_march_is_faster_and_harder_than_a_chorale():
    march, chorale = (np.mean([rises(played(name, seed=seed)) for seed in range(5)]) for name in ("march", "chorale"))
    assert march > 2 * chorale


def test_blend_mixes_another_genre_in():
    alone, blended = ([rises(played("drone", seed=seed, blend=blend)) for seed in range(5)] for blend in (0.0, 1.0))
    assert np.mean(blended) > 1.1 * np.mean(alone)  # every other genre has more notes than a drone


def test_options_are_checked():
    with pytest.raises(UnknownNameError, match=r"'n_trian'.*Did you mean 'n_train'"):
        load_songs("synthetic_audio", n_trian=5)
    with pytest.raises(UnknownNameError, match="'log_mle'"):
        load_synthetic_audio(features="log_mle")
    with pytest.raises(SettingsError, match="n_genres: .* got 9"):
        load_synthetic_audio(n_genres=9)
    with pytest.raises(SettingsError, match="2 recordings of 5 genres"):
        load_synthetic_audio(n_valid=2)
    with pytest.raises(SettingsError, match="rate must be"):
        render_audio("nowhere", rate=100)
    with pytest.raises(DataError, match="needs at least 1.00 s"):
        load_synthetic_audio(features={"kind": "log_mel", "offset": 2.5}, **SMALL)

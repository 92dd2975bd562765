"""`Standardiser`: NumPy's own mean and deviation over what is real, and nothing of other songs."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genrezoo.errors import DataError, SettingsError
from genrezoo.songs import SongSet, Standardiser, songset


def make(x, **changes):
    return SongSet(**{"x": x, "y": np.arange(len(x)) % 2, "genres": ("blues", "jazz"), **changes})


@given(st.integers(0, 2**32 - 1), st.integers(1, 9), st.integers(1, 5))
def test_mean_and_deviation_are_those_of_the_real_segments(seed, n_songs, n_segments):
    generator = np.random.default_rng(seed)
    x = (generator.standard_normal((n_songs, n_segments, 3)) * [1, 10, 0.1] + [0, 5, -100]).astype(np.float32)
    lengths = generator.integers(1, n_segments + 1, n_songs)
    padding = np.arange(n_segments) >= lengths[:, None]
    x[padding] = 1e9
    known = np.where(padding[..., None], np.nan, x).astype(np.float64)
    if (np.nanstd(known, axis=(0, 1)) < 0.02).any():  # float32 has steps of 8e-6 at 100
        return  # constant features are tested below
    found = Standardiser.fit(make(x, lengths=lengths))
    np.testing.assert_allclose(found.mean, np.nanmean(known, axis=(0, 1)), rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(found.scale, np.nanstd(known, axis=(0, 1)), rtol=1e-5)
    out = found.apply(make(x, lengths=lengths))
    assert out.dtype == np.float32
    assert (np.isnan(out) == padding[..., None]).all()
    np.testing.assert_allclose(np.nanmean(out, axis=(0, 1)), 0, atol=2e-3)
    np.testing.assert_allclose(np.nanstd(out, axis=(0, 1)), 1, rtol=1e-3)


def test_by_hand():
    x = np.array([[[1.0, 10.0], [3.0, 10.0]], [[8.0, 10.0], [777.0, 777.0]]])
    found = Standardiser.fit(make(x, lengths=[2, 1]))
    np.testing.assert_allclose(found.mean, [4, 10])
    np.testing.assert_allclose(found.scale, [np.sqrt(26 / 3), 1])  # deviations -3, -1, 4; the second never varies
    out = found.apply(make(x, lengths=[2, 1]))
    np.testing.assert_allclose(out[0, :, 0], np.array([-3, -1]) / np.sqrt(26 / 3), rtol=1e-6)
    np.testing.assert_array_equal(out[:, :, 1], [[0, 0], [0, np.nan]])


@pytest.mark.parametrize("value", [0.0, 0.1, -1e6, 1e30])
def test_a_constant_feature_becomes_zero_whatever_its_size(value):
    songs = make(np.full((1000, 3, 1), value))
    found = Standardiser.fit(songs)
    assert found.scale.tolist() == [1.0]
    np.testing.assert_allclose(found.apply(songs), 0, atol=abs(value) * 1e-6)


def test_a_small_feature_is_not_a_constant_one():
    x = np.array([0.0, 1.0] * 4).reshape(8, 1, 1)
    found = Standardiser.fit(make(x * 1e-6))
    assert found.scale[0] == pytest.approx(5e-7)
    np.testing.assert_allclose(found.apply(make(x * 1e-6)).ravel(), [-1, 1] * 4, rtol=1e-5)


def test_blocks_change_nothing(monkeypatch):
    songs = make(np.random.default_rng(0).standard_normal((50, 4, 3)), lengths=1 + np.arange(50) % 4)
    whole = Standardiser.fit(songs)
    monkeypatch.setattr(songset, "BLOCK_BYTES", 7 * 48)
    parts = Standardiser.fit(songs)
    np.testing.assert_allclose(parts.mean, whole.mean, rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(parts.scale, whole.scale, rtol=1e-6)
    np.testing.assert_array_equal(whole.apply(songs), whole.apply(songs))


def test_clip_limits_both_sides_and_leaves_padding():
    x = np.zeros((100, 2, 1), np.float32)
    x[:, 0, 0] = np.tile([-1, 1], 50)
    x[0, 0, 0], x[1, 0, 0] = -1000, 1000
    songs = make(x, lengths=[1] * 100)
    out = Standardiser.fit(songs, clip=0.5).apply(songs)
    assert (np.nanmin(out), np.nanmax(out)) == (-0.5, 0.5)
    assert np.isnan(out[:, 1]).all()
    assert np.nanmax(Standardiser.fit(songs).apply(songs)) > 5


@pytest.mark.parametrize("clip", [0, -1.0, float("nan")])
def test_clip_must_be_positive(clip):
    with pytest.raises(SettingsError, match="clip must be positive"):
        Standardiser.fit(make(np.zeros((4, 1, 1))), clip=clip)


def test_only_the_songs_given_are_seen():
    x = np.random.default_rng(0).standard_normal((12, 2, 3)).astype(np.float32)
    splits = {"train": np.arange(6), "valid": np.arange(6, 9), "test": np.arange(9, 12)}
    spoilt = x.copy()
    spoilt[6:] = 1e6
    one, other = (Standardiser.fit(make(a, splits=splits, provenance="random").split("train")) for a in (x, spoilt))
    np.testing.assert_array_equal(one.mean, other.mean)
    np.testing.assert_array_equal(one.scale, other.scale)
    np.testing.assert_allclose(one.mean, x[:6].mean(axis=(0, 1)), rtol=1e-5, atol=1e-6)


def test_the_songs_are_left_alone():
    songs = make(np.random.default_rng(0).standard_normal((6, 2, 3)))
    before = songs.x.copy()
    Standardiser.fit(songs).apply(songs)
    np.testing.assert_array_equal(songs.x, before)


def test_none_changes_nothing_but_padding():
    songs = make(np.ones((4, 2, 3)), lengths=[2, 2, 1, 2])
    out = Standardiser.none(3).apply(songs)
    assert np.isnan(out[2, 1]).all()
    assert np.nansum(out) == 21


def test_another_number_of_features_is_refused():
    with pytest.raises(DataError, match="songs have 2 features, fitted on 3"):
        Standardiser.none(3).apply(make(np.zeros((4, 1, 2))))

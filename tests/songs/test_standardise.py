"""`Standardiser`: NumPy's own mean and deviation over what is real, and nothing of other songs."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genrezoo.errors import DataError, SettingsError, UnknownNameError
from genrezoo.songs import SongSet, Standardiser, songset, standardise
from genrezoo.songs.standardise import TRANSFORMS


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
    assert found.constant == 1
    np.testing.assert_allclose(found.apply(songs), 0, atol=abs(value) * 1e-6)


def test_a_small_feature_is_not_a_constant_one():
    x = np.array([0.0, 1.0] * 4).reshape(8, 1, 1)
    found = Standardiser.fit(make(x * 1e-6))
    assert found.scale[0] == pytest.approx(5e-7)
    assert found.constant == 0
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
    with pytest.raises(DataError, match="songs have 2 features, but the run was trained on 3"):
        Standardiser.none(3).apply(make(np.zeros((4, 1, 2))))


LONG_TAILS = np.exp(np.random.default_rng(3).normal(size=(300, 4, 2)) * [1.0, 2.0]) * [1, 50]


def test_a_signed_logarithm_by_hand():
    x = np.array([-9.0, 0.0, 1.0, 2.0, 99.0]).reshape(5, 1, 1)  # median 1, quartiles 0 and 2
    found = Standardiser.fit(make(x), transform="signed_log")
    assert (found.mean[0], found.scale[0]) == (1, pytest.approx(2 / 1.349))
    z = (x.ravel() - 1) * 1.349 / 2
    np.testing.assert_allclose(found.apply(make(x)).ravel(), np.sign(z) * np.log1p(np.abs(z)), rtol=1e-6)


def test_a_smooth_clip_by_hand():
    x = np.array([-9.0, 0.0, 1.0, 2.0, 99.0]).reshape(5, 1, 1)
    z = (x.ravel() - 1) * 1.349 / 2
    out = Standardiser.fit(make(x), transform="smooth_clip").apply(make(x)).ravel()
    np.testing.assert_allclose(out, z / np.sqrt(1 + z**2 / 9), rtol=1e-6)
    assert np.abs(out).max() < 3


def test_quantiles_make_any_feature_normal():
    songs = make(LONG_TAILS)
    out = Standardiser.fit(songs, transform="quantile").apply(songs).reshape(-1, 2)
    order = LONG_TAILS.reshape(-1, 2).argsort(axis=0)
    assert (np.diff(np.take_along_axis(out, order, axis=0), axis=0) >= 0).all(), "the order of the values changed"
    np.testing.assert_allclose(out.mean(axis=0), 0, atol=0.01)
    np.testing.assert_allclose(out.std(axis=0), 1, atol=0.02)
    assert out.max() == pytest.approx(2.6)


def test_equal_values_share_a_score():
    x = np.concatenate([np.zeros(600), np.arange(1, 401)]).reshape(-1, 1, 1)  # three in five are silent
    songs = make(x)
    found = Standardiser.fit(songs, transform="quantile")
    out = found.apply(songs).ravel()
    assert len(set(out[:600])) == 1
    assert -2 < out[0] < -0.5, "somewhere among the scores of the lower three fifths"
    assert out[-1] == pytest.approx(2.6)
    assert found.equals(found.of([0]))
    assert not found.equals(Standardiser.fit(songs))


@pytest.mark.parametrize("transform", TRANSFORMS)
def test_a_transform_knows_no_padding_and_no_other_songs(transform):
    lengths = np.full(300, 3)
    known = Standardiser.fit(make(LONG_TAILS, lengths=lengths), transform=transform)
    padded = LONG_TAILS.copy()
    padded[:, 3] = 1e9
    found = Standardiser.fit(make(padded, lengths=lengths), transform=transform)
    assert found.equals(known)
    assert np.isnan(found.apply(make(padded, lengths=lengths))[:, 3]).all()
    constant = make(np.full((20, 2, 1), 7.0))
    assert np.abs(Standardiser.fit(constant, transform=transform).apply(constant)).max() < 1e-3


def test_a_sample_of_many_segments_is_spread_over_all(monkeypatch):
    monkeypatch.setattr(standardise, "_MOST_SEGMENTS", 100)
    monkeypatch.setattr(songset, "BLOCK_BYTES", 7 * 4)  # one song a block
    songs = make(np.arange(1000.0).reshape(250, 4, 1))
    found = Standardiser.fit(songs, transform="signed_log")
    assert found.mean[0] == pytest.approx(499.5, abs=10)
    assert found.scale[0] == pytest.approx(500 / 1.349, rel=0.03)


def test_an_unknown_transform_is_refused():
    with pytest.raises(UnknownNameError, match="signed_log"):
        Standardiser.fit(make(LONG_TAILS), transform="log")

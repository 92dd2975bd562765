from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import ops

from genrezoo.errors import SettingsError, UnknownNameError
from genrezoo.exporting.formats import onnx_answers
from genrezoo.exporting.trace import to_onnx
from genrezoo.layers import MaskPadding, PooledStatistics
from genrezoo.layers.statistics import STATISTICS

SONGS = np.random.default_rng(0).standard_normal((5, 7, 2)).astype("float32")
LENGTHS = (7, 4, 2, 1, 0)
REAL = np.arange(7) < np.array(LENGTHS)[:, None]


def by_numpy(song):
    """Every statistic of the rows of a song, in the layer's order."""
    quantiles = np.percentile(song, [0, 10, 25, 50, 75, 90, 100], axis=0)
    deltas = np.abs(np.diff(song, axis=0)) if len(song) > 1 else np.zeros_like(song)
    means, deviations = ((part.mean(axis=0), np.sqrt(part.var(axis=0) + 1e-6)) for part in (song, deltas))
    return np.concatenate([means[0], means[1], *quantiles, *deviations])


def test_equal_to_numpy_on_the_real_segments_alone():
    found = np.asarray(PooledStatistics(STATISTICS)(np.where(REAL[..., None], SONGS, 99), mask=REAL))
    for song, length in enumerate(LENGTHS[:-1]):
        np.testing.assert_allclose(found[song], by_numpy(SONGS[song, :length]), atol=1e-6)
    np.testing.assert_allclose(found[-1], [1e-3 if name.endswith("std") else 0 for name in STATISTICS for _ in "ab"])


def test_without_a_mask_all_segments_are_real():
    found = np.asarray(PooledStatistics(STATISTICS)(SONGS))
    np.testing.assert_allclose(found[0], by_numpy(SONGS[0]), atol=1e-6)


def test_differences_over_a_gap_do_not_count():
    song = np.array([[[1.0], [2.0], [50.0], [7.0], [10.0]]], "float32")
    real = np.array([[True, True, False, True, True]])
    found = np.asarray(PooledStatistics(["delta_mean", "median", "max"])(song, mask=real))
    assert found.ravel().tolist() == [2.0, 4.5, 10.0]


def test_quantiles_pass_a_gradient_to_the_segments_they_are_made_of():
    """The lower quartile of 0, 1, 2, 3 lies at rank 0.75: a quarter of the least and three quarters of the next."""
    import tensorflow  # here, because only this test takes a gradient

    song = tensorflow.Variable([[[2.0], [0.0], [3.0], [1.0]]])
    with tensorflow.GradientTape() as tape:
        found = ops.sum(PooledStatistics(["q25"])(song))
    assert tape.gradient(found, song).numpy().ravel().tolist() == [0.0, 0.25, 0.0, 0.75]


@pytest.mark.parametrize("segments", [None, 1])
def test_onnx_sorts_as_well(segments):
    songs = keras.Input((segments, 2))
    model = keras.Model(songs, PooledStatistics(STATISTICS)(MaskPadding()(songs)))
    answers = onnx_answers(to_onnx(model))
    given = np.where(REAL[..., None], SONGS, np.nan)[:, :segments]
    np.testing.assert_allclose(answers(given), np.asarray(model(given)), atol=1e-6)


@pytest.mark.parametrize(
    ("statistics", "error", "reason"),
    [
        (["mean", "medain"], UnknownNameError, "statistic 'medain'.* 'median'"),
        ([], SettingsError, "one or more different names, got \\[\\]"),
        (["max", "max"], SettingsError, "one or more different names"),
    ],
)
def test_statistics_that_cannot_be_are_refused(statistics, error, reason):
    with pytest.raises(error, match=reason):
        PooledStatistics(statistics)


def test_segments_of_long_songs_are_counted_with_16_bit_floats():
    songs = np.random.default_rng(1).standard_normal((2, 3000, 2)).astype("float32")
    names = ("mean", "std", "q10", "median", "max", "delta_mean")
    exact = np.asarray(PooledStatistics(names)(songs))
    for kind in ("float16", "bfloat16"):
        found = PooledStatistics(names, dtype=kind)(songs)
        np.testing.assert_allclose(np.asarray(ops.cast(found, "float32")), exact, atol=0.02, err_msg=kind)

from __future__ import annotations

import keras
import numpy as np
import pytest

from genrezoo.errors import SettingsError
from genrezoo.layers import LastSegment, MaskedPooling1D

SONG = np.array([[[-1.0], [-2.0], [-3.0], [9.0], [9.0], [9.0], [9.0]]], "float32")
REAL = np.array([[True, True, True, False, False, False, False]])


@pytest.mark.parametrize(("kind", "expected"), [("max", [-1, -3, 0]), ("average", [-1.5, -3, 0])])
def test_by_hand(kind, expected):
    """Windows (-1, -2), (-3, masked), (masked, masked); the seventh segment is left over."""
    layer = MaskedPooling1D(kind, 2)
    assert np.asarray(layer(SONG, mask=REAL)).ravel().tolist() == expected
    assert np.asarray(layer.compute_mask(SONG, REAL)).tolist() == [[True, True, False]]


@pytest.mark.parametrize("size", [1, 2, 3])
@pytest.mark.parametrize("kind", ["max", "average"])
def test_equals_keras_without_padding(kind, size):
    songs = np.random.default_rng(0).standard_normal((2, 7, 3)).astype("float32")
    theirs = {"max": keras.layers.MaxPooling1D, "average": keras.layers.AveragePooling1D}[kind](size)
    np.testing.assert_allclose(np.asarray(MaskedPooling1D(kind, size)(songs)), np.asarray(theirs(songs)), atol=1e-6)


def test_large_and_small_values_are_pooled_exactly():
    songs = np.array([[[-3e20], [-4e20], [1e-30], [5.0]]], "float32")
    real = np.array([[True, True, True, False]])
    assert np.asarray(MaskedPooling1D("max", 2)(songs, mask=real)).ravel().tolist() == [songs[0, 0, 0], songs[0, 2, 0]]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"kind": "sum"}, "kind of pooling must be one of 'max', 'average', got 'sum'"),
        ({"size": 0}, "size of a pooling window must be at least 1, got 0"),
    ],
)
def test_arguments_out_of_range_are_refused(arguments, reason):
    with pytest.raises(SettingsError, match=reason):
        MaskedPooling1D(**arguments)


def test_song_shorter_than_the_window_is_refused():
    with pytest.raises(SettingsError, match="7 segments are too few for a pooling window of 8"):
        MaskedPooling1D("max", 8)(SONG)


def test_last_real_segment():
    states = np.arange(12, dtype="float32").reshape(3, 4, 1)
    mask = np.array([[True, True, True, True], [True, True, False, False], [False, False, False, False]])
    assert np.asarray(LastSegment()(states)).ravel().tolist() == [3, 7, 11]
    assert np.asarray(LastSegment()(states, mask=mask)).ravel().tolist() == [3, 5, 0]
    assert LastSegment().compute_output_shape((3, 4, 1)) == (3, 1)


@pytest.mark.parametrize(("kind", "expected"), [("max", [-1, -1, -2]), ("average", [-1.5, -7 / 3, -3])])
def test_windows_that_overlap_are_around_each_segment_and_leave_padding_out(kind, expected):
    songs = np.array([[[-1.0], [-2.0], [-4.0], [9.0], [9.0]]], "float32")
    mask = np.array([[True, True, True, False, False]])
    layer = MaskedPooling1D(kind, 3, overlapping=True)
    np.testing.assert_allclose(np.asarray(layer(songs, mask=mask))[0, :3, 0], expected, atol=1e-6)
    np.testing.assert_allclose(np.asarray(layer(songs[:, :3]))[0, :, 0], expected, atol=1e-6)
    assert layer.compute_mask(songs, mask) is mask

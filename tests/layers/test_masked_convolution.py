from __future__ import annotations

import keras
import numpy as np
import pytest

from genrezoo.errors import SettingsError
from genrezoo.layers import MaskedConv1D

SONG = np.array([[[1.0], [2.0], [4.0], [8.0], [16.0]]], "float32")


def summing(kernel_size, **options):
    """One kernel of ones and a bias of 10."""
    layer = MaskedConv1D(1, kernel_size, **options)
    layer.build(SONG.shape)
    layer.kernel.assign(np.ones((kernel_size, 1, 1)))
    layer.bias.assign([10.0])
    return layer


def test_by_hand():
    assert np.asarray(summing(2)(SONG)).ravel().tolist() == [13, 16, 22, 34]
    assert np.asarray(summing(3, activation="relu")(-SONG)).ravel().tolist() == [3, 0, 0]


def test_windows_without_a_real_segment_give_zero_and_not_the_bias():
    mask = np.array([[True, True, True, False, False]])
    layer = summing(2)
    assert np.asarray(layer(SONG, mask=mask)).ravel().tolist() == [13, 16, 14, 0]  # the third sees 4 and padding
    assert np.asarray(layer.compute_mask(SONG, mask)).tolist() == [[True, True, True, False]]


def test_equals_keras_without_padding():
    songs = np.random.default_rng(0).standard_normal((2, 9, 3)).astype("float32")
    ours, theirs = MaskedConv1D(4, 3, activation="tanh"), keras.layers.Conv1D(4, 3, activation="tanh")
    for layer in (ours, theirs):
        layer.build(songs.shape)
    theirs.kernel.assign(ours.kernel)
    theirs.bias.assign([0.1, 0.2, 0.3, 0.4])
    ours.bias.assign(theirs.bias)
    np.testing.assert_allclose(np.asarray(ours(songs)), np.asarray(theirs(songs)), atol=1e-6)


def test_a_kernel_over_one_segment_keeps_their_number():
    assert np.asarray(summing(1)(SONG)).ravel().tolist() == [11, 12, 14, 18, 26]


def test_penalty_is_on_the_kernels():
    layer = summing(2, kernel_regularizer=keras.regularizers.L1(0.5))
    assert [float(loss) for loss in layer.losses] == [1.0]


@pytest.mark.parametrize(("filters", "kernel_size"), [(0, 3), (3, 0)])
def test_sizes_out_of_range_are_refused(filters, kernel_size):
    with pytest.raises(SettingsError, match=f"must be at least 1, got {filters} and {kernel_size}"):
        MaskedConv1D(filters, kernel_size)


def test_song_shorter_than_the_kernel_is_refused():
    with pytest.raises(SettingsError, match="5 segments are too few for a kernel of 6"):
        MaskedConv1D(1, 6)(SONG)

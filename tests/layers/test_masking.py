from __future__ import annotations

import warnings

import keras
import numpy as np
import pytest
from keras import ops

from genrezoo.layers import EndMask, MaskedConv1D, MaskedPooling1D, MaskPadding
from genrezoo.layers.masking import window_mask

NAN = np.nan
SONGS = np.array([[[1, 2], [3, 4], [NAN, NAN]], [[5, NAN], [7, 8], [9, 10]]], "float32")


def test_mask_padding_gives_zeros_and_a_mask():
    outputs = MaskPadding()(SONGS)
    assert np.asarray(outputs).tolist() == [[[1, 2], [3, 4], [0, 0]], [[5, 0], [7, 8], [9, 10]]]
    mask = np.asarray(MaskPadding().compute_mask(SONGS))
    assert mask.tolist() == [[True, True, False], [False, True, True]]  # a segment with one NaN is padding


def test_mask_padding_keeps_to_a_mask_that_is_there_already():
    before = np.array([[False, True, True]] * 2)
    assert np.asarray(MaskPadding().compute_mask(SONGS, before)).tolist() == [[False, True, False], [False, True, True]]


def test_mask_reaches_the_next_layer():
    class Spy(keras.layers.Layer):
        def __init__(self):
            super().__init__()
            self.supports_masking = True

        def call(self, inputs, mask=None):
            return ops.cast(mask, "float32")

    songs = keras.Input((3, 2))
    spied = keras.Model(songs, Spy()(MaskPadding()(songs)))
    assert np.asarray(spied(SONGS)).tolist() == [[1, 1, 0], [0, 1, 1]]


def test_end_mask_zeroes_and_ends_without_a_warning():
    songs = keras.Input((3, 2))
    x = MaskPadding()(songs)
    x = MaskedPooling1D("max", 1)(MaskedConv1D(2, 1)(x))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = keras.Model(songs, keras.layers.Flatten()(EndMask()(x)))
        model(SONGS)
    mask = np.array([[True, False, False]] * 2)
    assert np.asarray(EndMask()(np.nan_to_num(SONGS), mask=mask)).tolist() == [
        [[1, 2], [0, 0], [0, 0]],
        [[5, 0], [0, 0], [0, 0]],
    ]


@pytest.mark.parametrize(
    ("size", "stride", "expected"),
    [(1, 1, [1, 1, 0, 0, 0]), (2, 1, [1, 1, 0, 0]), (3, 1, [1, 1, 0]), (2, 2, [1, 0]), (3, 3, [1]), (5, 5, [1])],
)
def test_window_is_real_if_any_of_its_segments_is(size, stride, expected):
    mask = np.array([[True, True, False, False, False]])
    assert np.asarray(window_mask(mask, size=size, stride=stride)).astype(int).tolist() == [expected]
    assert window_mask(None, size=size, stride=stride) is None

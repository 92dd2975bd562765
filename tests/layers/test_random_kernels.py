from __future__ import annotations

import numpy as np
import pytest

from genrezoo.errors import SettingsError
from genrezoo.layers import RandomKernels
from genrezoo.layers.kernels import Kernels, draw_kernels

SONG = np.array([[[1.0], [-2.0], [3.0], [0.5], [9.0]]], "float32")
REAL = np.array([[True, True, True, True, False]])


def with_kernel(taps, *, bias=0.0, dilation=1, padded=False):
    """The layer with one kernel of one feature."""
    layer = RandomKernels(1)
    layer.build(SONG.shape)
    weights = np.array(taps, np.float32)[:, None, None]
    layer.groups = [Kernels(weights, np.array([bias], np.float32), dilation, padded)]
    return layer


def answer(layer, mask=REAL):
    return np.asarray(layer(SONG, mask=mask)).round(4).ravel().tolist()


def test_by_hand():
    """Differences of neighbours are -3, 5, -2.5; with a dilation of 2 they are 2, 2.5."""
    assert answer(with_kernel([-1.0, 0.0, 1.0], bias=-2.2)) == [0.5, pytest.approx(0.3)]  # 2 - 2.2 and 2.5 - 2.2
    assert answer(with_kernel([-1.0, 1.0])) == [pytest.approx(1 / 3, abs=1e-4), 5.0]
    assert answer(with_kernel([-1.0, 1.0], dilation=2)) == [1.0, 2.5]


def test_padded_kernels_are_centred_at_every_real_segment_and_see_zeros_beyond():
    """The sums of three neighbours: 1 - 2, 1 - 2 + 3, -2 + 3 + 0.5, 3 + 0.5."""
    assert answer(with_kernel([1.0, 1.0, 1.0], padded=True)) == [0.75, 3.5]


def test_outputs_near_0_count_as_partly_positive():
    """Differences of the last two pairs, 2 and 2.5, and a bias that leaves the first at 0, or by 0.00025 beside it."""
    taps = [-1.0, 0.0, 1.0]
    assert answer(with_kernel(taps, bias=-2.0)) == [0.75, 0.5]
    above, below = (answer(with_kernel(taps, bias=bias))[0] for bias in (-1.99975, -2.00025))
    assert (above, below) == (pytest.approx(0.875, abs=1e-3), pytest.approx(0.625, abs=1e-3))


def test_a_song_without_room_for_a_kernel_gives_zeros():
    assert answer(with_kernel([1.0, 1.0, 1.0], bias=1.0), mask=REAL & (np.arange(5) < 2)) == [0.0, 0.0]


def test_kernels_follow_from_the_seed():
    kernels = [draw_kernels(50, 100, 6, seed=seed) for seed in (1, 1, 2)]
    same = [np.array_equal(kernels[0][0].weights, other[0].weights) for other in kernels[1:]]
    assert same == [True, False]


@pytest.mark.parametrize(
    ("segments", "lengths"), [(100, {7, 9, 11}), (10, {7, 9}), (6, {5}), (5, {5}), (2, {1}), (1, {1})]
)
def test_kernels_fit_into_the_song(segments, lengths):
    groups = draw_kernels(200, segments, 5, seed=1)
    assert {len(group.weights) for group in groups} == lengths
    assert sum(group.weights.shape[-1] for group in groups) == 200
    for group in groups:
        assert (len(group.weights) - 1) * group.dilation < segments
        read = (group.weights != 0).any(axis=0).sum(axis=0)  # features of each kernel
        assert read.min() >= 1
        assert read.max() <= min(5, len(group.weights))
    if segments == 100:
        assert {group.dilation for group in groups} == {1, 2, 4, 8, 16}
        assert {group.padded for group in groups} == {True, False}


def test_what_cannot_be_is_refused():
    with pytest.raises(SettingsError, match="kernels must be at least 1, got 0"):
        RandomKernels(0)
    with pytest.raises(SettingsError, match="seed must be an integer from 0"):
        RandomKernels(3, seed=-1)
    with pytest.raises(SettingsError, match="need a known number of segments"):
        RandomKernels(3).build((None, None, 4))

"""Attention that knows distances: by hand, and what moves and what does not change it."""

from __future__ import annotations

import numpy as np
import pytest
from keras import ops

from genrezoo.errors import SettingsError
from genrezoo.layers import RotaryAttention


def maps(segments=6, units=4, seed=0):
    return np.random.default_rng(seed).standard_normal((2, segments, 3 * units), dtype="float32")


def attended(inputs, heads=1, **options):
    return np.asarray(RotaryAttention(heads)(inputs, **options))


def test_scores_by_hand():
    """One pair of numbers turns by a radian a segment: the scores of the first segment are 2 and 2 cos 1, by root 2."""
    inputs = np.zeros((1, 2, 6), "float32")
    inputs[0, :, 0] = inputs[0, :, 2] = np.sqrt(2)  # the same query and key everywhere
    inputs[0, :, 4] = [1, 0]
    first = 1 / (1 + np.exp((2 * np.cos(1) - 2) / np.sqrt(2)))
    np.testing.assert_allclose(attended(inputs)[0, :, 0], [first, 1 - first], atol=1e-6)


def test_a_shifted_song_is_attended_alike():
    """Positions count as distances alone: masked segments before a song change nothing."""
    inputs = maps()
    late = np.concatenate([np.full((2, 3, 12), 7, "float32"), inputs], axis=1)
    mask = np.tile(np.arange(9) >= 3, (2, 1))
    np.testing.assert_allclose(attended(late, 2, mask=mask)[:, 3:], attended(inputs, 2), atol=1e-5)


def test_order_counts():
    inputs = maps()
    swapped = inputs[:, [1, 0, 2, 3, 4, 5]]
    assert np.abs(attended(inputs)[:, 5] - attended(swapped)[:, 5]).max() > 1e-3


def test_heads_do_not_see_each_other():
    inputs = maps(units=8)
    other = inputs.copy()
    other[..., 4:8] = other[..., 12:16] = other[..., 20:24] = 3.0  # the second head's queries, keys and values
    np.testing.assert_array_equal(attended(inputs, 2)[..., :4], attended(other, 2)[..., :4])


def test_a_song_without_a_real_segment_is_finite():
    assert np.isfinite(attended(maps(), mask=np.zeros((2, 6), bool))).all()


@pytest.mark.parametrize(
    ("heads", "units", "reason"),
    [(0, 4, "heads must be at least 1, got 0"), (4, 4, "12 features are not queries, keys and values of an even size")],
)
def test_heads_that_do_not_fit_are_refused(heads, units, reason):
    with pytest.raises(SettingsError, match=reason):
        attended(maps(units=units), heads)


def test_positions_of_long_songs_are_told_apart_with_16_bit_floats():
    vectors = np.tile(np.random.default_rng(1).standard_normal((1, 1, 12)), (1, 600, 1)).astype("float32")
    vectors[:, :300, 8:] = 0.0  # the second half of the song has other values, so that distances count
    outputs = (RotaryAttention(1, dtype=kind)(vectors) for kind in ("float32", "bfloat16"))
    exact, half = (np.asarray(ops.cast(output, "float32")) for output in outputs)
    assert np.abs(exact[:, 599] - exact[:, 300]).max() > 0.1
    np.testing.assert_allclose(half, exact, atol=0.05)

from __future__ import annotations

import numpy as np
import pytest

from genrezoo.errors import SettingsError
from genrezoo.layers import Periodic, PiecewiseLinear, RankOneDense, SeparateDense
from genrezoo.seeds import keras_seed

X = np.random.default_rng(0).standard_normal((4, 3)).astype("float32")


def test_members_differ_from_the_start_by_the_signs_of_their_inputs():
    with keras_seed(1):
        layer = RankOneDense(5, members=40, signs=True)
        found = np.asarray(layer(X))
    signs, kernel = np.asarray(layer.input_scale), np.asarray(layer.kernel)
    assert set(signs.ravel().tolist()) == {-1.0, 1.0}
    assert abs(signs.mean()) < 0.3
    np.testing.assert_allclose(found, np.stack([(X * sign) @ kernel for sign in signs], axis=1), atol=1e-6)
    plain = np.asarray(RankOneDense(5, members=2)(X))
    np.testing.assert_array_equal(plain[:, 0], plain[:, 1])


def test_a_stack_keeps_the_members_apart():
    first, second = RankOneDense(5, members=2, signs=True), RankOneDense(4, members=2)
    before = np.asarray(second(first(X)))
    first.bias.assign(np.array([[0.0] * 5, [1.0] * 5]))
    after = np.asarray(second(first(X)))
    np.testing.assert_array_equal(before[:, 0], after[:, 0])
    assert np.abs(before[:, 1] - after[:, 1]).max() > 0.1
    with pytest.raises(SettingsError, match="inputs must have 3 members, got 2"):
        RankOneDense(4, members=3)(first(X))


def test_separate_maps_are_drawn_as_those_of_a_dense_layer_are():
    """The range is that of one row's kernel, whatever the number of rows."""
    layer = SeparateDense(4)
    layer(np.zeros((1, 300, 2), "float32"))
    assert 0.98 < np.abs(np.asarray(layer.kernel)).max() <= 1.0  # the root of 6 / (2 + 4)


def test_bins_say_how_far_a_number_lies_within_them():
    """Edges of three bins: -1.15, -0.32, 0.32, 1.15."""
    layer = PiecewiseLinear(3)
    np.testing.assert_allclose(layer.edges, [-1.1503494, -0.3186394, 0.3186394, 1.1503494], atol=1e-6)
    found = np.asarray(layer(np.array([[-1.1503494 - 0.83171, 0.0, 1.1503494 + 0.83171]], "float32")))
    np.testing.assert_allclose(found, [[[-1, 0, 0], [1, 0.5, 0], [1, 1, 2]]], atol=1e-5)


def test_any_line_with_bends_at_the_edges_is_an_affine_map_of_the_bins():
    """A number itself is one: the edges' distances as weights, the first edge as the shift."""
    layer, x = PiecewiseLinear(5), np.linspace(-4, 4, 31, dtype="float32")[:, None]
    found = np.asarray(layer(x))[:, 0] @ np.diff(layer.edges) + layer.edges[0]
    np.testing.assert_allclose(found, x[:, 0], atol=1e-5)


def test_waves_repeat():
    layer = Periodic(2)
    layer.build((None, 1))
    layer.kernel.assign(np.array([[1.0, 0.25]]))
    found = np.asarray(layer(np.array([[0.5], [1.5]], "float32")))[:, 0]
    np.testing.assert_allclose(found, [[0, 0.70711, -1, 0.70711], [0, 0.70711, -1, -0.70711]], atol=1e-4)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: RankOneDense(0, members=2), "units and members must be at least 1, got 0 and 2"),
        (lambda: SeparateDense(0), "units must be at least 1, got 0"),
        (lambda: PiecewiseLinear(0), "bins must be at least 1, got 0"),
        (lambda: Periodic(3, scale=0.0), "frequencies must be at least 1 and scale above 0, got 3 and 0.0"),
    ],
)
def test_sizes_out_of_range_are_refused(make, reason):
    with pytest.raises(SettingsError, match=reason):
        make()

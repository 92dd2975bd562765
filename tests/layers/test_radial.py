from __future__ import annotations

import numpy as np
import pytest

from genrezoo.errors import SettingsError
from genrezoo.layers import RadialBasis


def similarities(layer, x):
    return np.asarray(layer(np.array(x, "float32"))).ravel().tolist()


def test_by_hand():
    """Two features, whose mean squared differences to the song at the second centre are 0 and (4 + 36) / 2 = 20."""
    layer = RadialBasis(2, precisions=(0.05, 0.1))
    layer.build((None, 2))
    layer.place(np.array([[1.0, 4.0], [3.0, 10.0]]), np.zeros(2), np.ones(2))
    assert similarities(layer, [[3.0, 10.0]]) == pytest.approx([(np.exp(-1) + np.exp(-2)) / 2, 1.0])


def test_inputs_and_centres_are_standardised_and_a_scale_of_0_leaves_a_feature_out():
    layer = RadialBasis(1, precisions=(1.0,))
    layer.build((None, 2))
    layer.place(np.array([[1e6 + 2.0, 5.0]]), np.array([1e6, 0.0]), np.array([0.5, 0.0]))
    assert similarities(layer, [[1e6, 5.0], [1e6, -77.0]]) == pytest.approx([np.exp(-0.5)] * 2)


def test_influences_are_squared_derivatives():
    """Compared with differences of the layer's own similarities, on features of unequal scale."""
    rng = np.random.default_rng(0)
    layer = RadialBasis(7, precisions=(0.2, 1.0))
    layer.build((None, 3))
    x, weights = rng.normal(size=(600, 3)) * [1.0, 5.0, 1.0], rng.normal(size=(7, 2))
    layer.place(x[:7], np.array([0.5, 0.0, 0.0]), np.array([1.0, 0.2, 0.0]))

    def sums(x):
        return np.asarray(layer(x.astype("float32")), np.float64) @ weights

    steps = 0.02 * np.eye(3) * [1.0, 5.0, 1.0]
    by_hand = [np.square((sums(x + step) - sums(x - step)) / (2 * step.sum())).sum() for step in steps]
    np.testing.assert_allclose(layer.influences(x, weights), by_hand, rtol=1e-3, atol=1e-9)
    assert by_hand[2] == 0


@pytest.mark.parametrize(("centres", "precisions"), [(0, (1.0,)), (1, ()), (1, (0.0,)), (1, (1.0, float("inf")))])
def test_what_is_out_of_range_is_refused(centres, precisions):
    with pytest.raises(SettingsError, match="centres must be at least 1, got 0|precisions must be one or more finite"):
        RadialBasis(centres, precisions)

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


@pytest.mark.parametrize(("centres", "precisions"), [(0, (1.0,)), (1, ()), (1, (0.0,)), (1, (1.0, float("inf")))])
def test_what_is_out_of_range_is_refused(centres, precisions):
    with pytest.raises(SettingsError, match="centres must be at least 1, got 0|precisions must be one or more finite"):
        RadialBasis(centres, precisions)

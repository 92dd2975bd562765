"""Who is asked and who is heard."""

from __future__ import annotations

import math

import numpy as np
import pytest

from genrezoo.errors import SettingsError
from genrezoo.layers import Cascade, uncertainty


def doubtful(*shares):
    """Logits of two classes whose posterior of the first is given, ``(songs, 2)``."""
    return np.log([[share, 1 - share] for share in shares]).astype("float32")


def test_uncertainty_is_the_share_of_the_largest_entropy():
    half = -(0.25 * math.log(0.25) + 0.75 * math.log(0.75)) / math.log(2)
    found = np.asarray(uncertainty(doubtful(0.5, 0.25)))
    np.testing.assert_allclose(found, [1.0, half], atol=1e-6)


def test_uncertainty_stays_in_its_range_at_both_ends():
    logits = np.array([[0.1] * 7, [1e4, *[0.0] * 6], [80.0, *[0.0] * 6]], "float32")
    found = np.asarray(uncertainty(logits))
    assert np.isfinite(found).all()
    assert found.min() >= 0
    assert found.max() <= 1


def test_the_surer_one_is_heard_and_only_where_the_first_is_unsure():
    first = doubtful(0.9, 0.6, 0.6, 0.5)
    second = doubtful(0.01, 0.01, 0.45, 0.5)  # surer, surer, less sure, equally unsure
    layer = Cascade(threshold=0.8)
    np.testing.assert_array_equal(np.asarray(layer([first, second])), [first[0], second[1], first[2], first[3]])
    assert np.asarray(layer.asks(first)).tolist() == [False, True, True, True]


@pytest.mark.parametrize(("threshold", "asked"), [(1.0, 0), (0.0, 3)])
def test_the_ends_ask_never_and_wherever_there_is_doubt(threshold, asked):
    layer = Cascade(threshold)
    first = np.concatenate([doubtful(0.5, 0.7, 0.99), [[0.0, 1e4]]]).astype("float32")
    layer([first, first])
    assert np.asarray(layer.asks(first)).sum() == asked


def test_threshold_is_a_weight_that_nothing_trains():
    assert Cascade().get_config()["threshold"] == 0.5
    layer = Cascade(0.25)
    layer([doubtful(0.5), doubtful(0.5)])
    assert [float(np.asarray(weight)) for weight in layer.weights] == [0.25]
    assert layer.trainable_weights == []


@pytest.mark.parametrize("threshold", [-0.1, 1.1, float("nan")])
def test_threshold_out_of_range_is_refused(threshold):
    with pytest.raises(SettingsError, match=f"from 0 to 1, got {threshold}"):
        Cascade(threshold)

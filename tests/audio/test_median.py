import numpy as np
import pytest
from scipy.ndimage import median_filter

from genrezoo.audio.median import LANES, SIZE, running_median


def medians_of(values):
    medians = np.full_like(values, np.nan)
    running_median(values, medians)
    return medians


@pytest.mark.parametrize("shape", [(200, 2 * LANES + 1), (SIZE, LANES), (SIZE // 2, 3), (1, 2), (100, 1)])
@pytest.mark.parametrize("kind", ["different", "ties", "rising", "huge"])
def test_equals_scipy(shape, kind):
    values = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    if kind == "ties":
        values = np.round(values).astype(np.float32)
    elif kind == "rising":
        values = np.sort(values, axis=0)
    elif kind == "huge":
        values = np.float32(3e38) * np.tanh(values)
    assert np.array_equal(medians_of(values), median_filter(values, (SIZE, 1), mode="reflect"))


def test_a_spike_leaves_no_trace():
    values = np.ones((100, 5), np.float32)
    values[50] = 1000
    assert (medians_of(values) == 1).all()


def test_series_do_not_touch_each_other():
    values = np.random.default_rng(1).random((90, 70)).astype(np.float32)
    order = np.random.default_rng(2).permutation(70)
    assert np.array_equal(medians_of(values)[:, order], medians_of(np.ascontiguousarray(values[:, order])))

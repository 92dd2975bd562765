from __future__ import annotations

import keras
import numpy as np
import pytest

from genrezoo.errors import SettingsError
from genrezoo.layers import ImagenetInput

PICTURES = np.random.default_rng(0).uniform(0, 255, (2, 4, 5, 3)).astype("float32")


def test_it_is_the_preprocessing_that_the_weights_were_trained_with():
    expected = keras.applications.resnet50.preprocess_input(PICTURES.copy())
    np.testing.assert_allclose(ImagenetInput()(PICTURES), expected, atol=1e-4)


def test_one_channel_counts_as_all_three():
    grey = PICTURES[..., :1]
    np.testing.assert_array_equal(ImagenetInput()(grey), ImagenetInput()(np.repeat(grey, 3, axis=-1)))


@pytest.mark.parametrize("shape", [(2, 4, 5, 2), (2, 4, 5, 4), (2, 4, 3)])
def test_other_channels_are_refused(shape):
    with pytest.raises(SettingsError, match="1 or 3 channels, got"):
        ImagenetInput()(np.zeros(shape, "float32"))

from __future__ import annotations

import keras
import numpy as np
import pytest

from genrezoo.errors import SettingsError
from genrezoo.models import create_model


def test_a_segment_sees_as_far_both_ways_as_the_dilations_say():
    """Two kernels of three segments a block, one and two apart: 2 * 1 + 2 * 2 segments before and as many after."""
    model = create_model("tcn", (None, 3), 2, seed=1, filters=8, dilations=(1, 2), dropout=0, input_dropout=0)
    blocks = keras.Model(model.input, model.get_layer("block_2_activation").output)
    songs = np.zeros((21, 21, 3), "float32")
    songs[np.arange(21), np.arange(21)] = 5.0  # each song has one loud segment
    seen = np.abs(np.asarray(blocks(songs))[:, 10] - np.asarray(blocks(songs[:1] * 0))[:, 10]).max(axis=-1) > 1e-6
    assert seen.tolist() == [4 <= loud <= 16 for loud in range(21)]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"kernel_size": 0}, "kernel_size must be a whole number from 1, got 0"),
        ({"dilations": ()}, "dilations must be a list of whole numbers from 1"),
        ({"pooling": "max"}, "pooling must be one of 'attention', 'mean', got 'max'"),
        ({"dropout": 1.0}, "dropout must be a number of at least 0 and below 1, got 1.0"),
    ],
)
def test_options_out_of_range_are_refused(arguments, reason):
    with pytest.raises(SettingsError, match=reason):
        create_model("tcn", (5, 3), 3, **arguments)

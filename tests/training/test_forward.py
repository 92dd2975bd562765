"""Inference over many songs: batches that fit into memory, whose answers are those of all songs at once."""

import numpy as np
import pytest

from genrezoo.training.fitted import forward


class Recorder:
    """A model that answers with each song's mean, and records its batches."""

    def __init__(self):
        self.batches = []

    def predict_on_batch(self, x):
        self.batches.append(len(x))
        return x.mean(axis=(1, 2))[:, None]


@pytest.mark.parametrize(
    ("songs", "segments", "features", "batches"),
    [
        (600, 120, 2, [256, 256, 88]),
        (3, 6000, 1, [1, 1, 1]),  # 36 million pairs of segments a song
        (5, 2, 2**21, [2, 2, 1]),  # 4 million features a song
    ],
)
def test_long_songs_share_a_batch_with_fewer_others(songs, segments, features, batches):
    model, x = Recorder(), np.zeros((songs, segments, features), np.float32)
    x += np.arange(songs)[:, None, None]
    np.testing.assert_array_equal(forward(model, x)["logits"][:, 0], np.arange(songs))
    assert model.batches == batches

import dataclasses

import numpy as np
import pytest

from genrezoo.errors import SettingsError
from genrezoo.layers import Standardise
from genrezoo.songs import SongSet, Standardiser
from genrezoo.songs.standardise import TRANSFORMS


def test_the_layer_does_what_the_standardiser_of_songs_does():
    x = np.random.default_rng(0).normal(5, 3, (6, 4, 3)).astype("float32")
    songs = SongSet(x=x, y=np.arange(6) % 2, genres=("a", "b"), lengths=[4, 2, 3, 4, 1, 4])
    fitted = Standardiser.fit(songs, clip=0.7)
    layer = Standardise(fitted.mean.tolist(), fitted.scale.tolist(), clip=fitted.clip)
    np.testing.assert_allclose(np.asarray(layer(songs.padded())), fitted.apply(songs), atol=1e-6)


@pytest.mark.parametrize("transform", TRANSFORMS)
def test_the_layer_transforms_as_the_standardiser_does(transform):
    x = np.exp(np.random.default_rng(1).normal(0, 2, (40, 4, 3))).astype("float32")
    x[::3, :, 1] = 0  # many equal values
    songs = SongSet(x=x, y=np.arange(40) % 2, genres=("a", "b"), lengths=[4, 2] * 20)
    fitted = Standardiser.fit(songs, transform=transform, clip=2.0)
    layer = Standardise(fitted.mean.tolist(), fitted.scale.tolist(), clip=2.0, transform=transform, knots=fitted.knots)
    beyond = dataclasses.replace(songs, x=10 * x - 20)
    for given in (songs, beyond):
        np.testing.assert_allclose(np.asarray(layer(given.padded())), fitted.apply(given), atol=1e-5)
    again = Standardise.from_config(layer.get_config())
    np.testing.assert_array_equal(np.asarray(again(x)), np.asarray(layer(x)))
    empty = Standardiser.none(3, clip=2.0, transform=transform)
    loaded = Standardise(empty.mean, empty.scale, clip=2.0, transform=transform, knots=empty.knots, as_weights=True)
    loaded.build(x.shape)
    loaded.set_weights([part for part in (fitted.mean, fitted.scale, fitted.knots) if part is not None])
    np.testing.assert_array_equal(np.asarray(loaded(x)), np.asarray(layer(x)))
    assert loaded.trainable_weights == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"mean": [0], "scale": [1, 1]}, "the same length, got 1, 2"),
        ({"mean": [0], "scale": [1], "columns": [1, 2]}, "the same length"),
        ({"mean": [0], "scale": [0]}, "scale must not be zero"),
        ({"mean": [0], "scale": [1], "clip": 0}, "clip must be positive"),
        ({"mean": [0], "scale": [1], "transform": "quantile"}, "knots are only used by"),
        ({"mean": [0], "scale": [1], "knots": [[[0]], [[1]]]}, "knots are only used by"),
    ],
)
def test_arguments_out_of_range_are_refused(arguments, message):
    with pytest.raises(SettingsError, match=message):
        Standardise(**arguments)

import numpy as np
import pytest

from genrezoo.errors import SettingsError
from genrezoo.layers import Standardise
from genrezoo.songs import SongSet, Standardiser


def test_the_layer_does_what_the_standardiser_of_songs_does():
    x = np.random.default_rng(0).normal(5, 3, (6, 4, 3)).astype("float32")
    songs = SongSet(x=x, y=np.arange(6) % 2, genres=("a", "b"), lengths=[4, 2, 3, 4, 1, 4])
    fitted = Standardiser.fit(songs, clip=0.7)
    layer = Standardise(fitted.mean.tolist(), fitted.scale.tolist(), clip=fitted.clip)
    np.testing.assert_allclose(np.asarray(layer(songs.padded())), fitted.apply(songs), atol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"mean": [0], "scale": [1, 1]}, "one length, got 1, 2"),
        ({"mean": [0], "scale": [1], "columns": [1, 2]}, "one length"),
        ({"mean": [0], "scale": [0]}, "scale must not be zero"),
        ({"mean": [0], "scale": [1], "clip": 0}, "clip must be positive"),
    ],
)
def test_arguments_out_of_range_are_refused(arguments, message):
    with pytest.raises(SettingsError, match=message):
        Standardise(**arguments)

"""Small songs and models that many tests need."""

import wave

import keras
import numpy as np

from genrezoo.seeds import keras_seed
from genrezoo.songs import SongSet


def make_songs(n_songs=60, n_segments=6, n_features=4, num_classes=3, seed=0, name="toy"):
    """Songs whose genres differ by their mean, split 60/20/20 per cent, songs of a genre spread over the sides."""
    generator = np.random.default_rng(seed)
    y = np.arange(n_songs) % num_classes
    x = generator.standard_normal((n_songs, n_segments, n_features)) + 1.5 * y[:, None, None] * np.eye(n_features)[0]
    order = generator.permutation(n_songs)
    cuts = [int(n_songs * 0.6), int(n_songs * 0.8)]
    splits = dict(zip(("train", "valid", "test"), np.split(order, cuts), strict=True))
    genres = tuple(f"genre{number}" for number in range(num_classes))
    return SongSet(x=x, y=y, genres=genres, splits=splits, provenance="random", name=name)


def make_model(kind="linear", input_shape=(6, 4), num_classes=3, seed=0):
    """A tiny plain Keras model; ``dropout`` has everything whose state a resume must restore."""
    with keras_seed(seed):
        inputs = keras.Input(input_shape)
        hidden = keras.layers.Flatten()(inputs)
        if kind == "dropout":
            hidden = keras.layers.Dropout(0.4)(hidden)
            hidden = keras.layers.Dense(8)(hidden)
            hidden = keras.layers.BatchNormalization()(hidden)
            hidden = keras.layers.GaussianNoise(0.1)(keras.layers.Activation("tanh")(hidden))
        return keras.Model(inputs, keras.layers.Dense(num_classes, name="logits")(hidden))


def write_noise(path, seconds=1.0, seed=0, rate=22050):
    """Writes a small 16-bit WAV file of noise, which the seed makes different from others."""
    noise = np.random.default_rng(seed).normal(0, 0.1, int(seconds * rate)).clip(-1, 1)
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, rate, 0, "NONE", "none"))
        file.writeframes((noise * 32767).astype("<i2").tobytes())
    return path

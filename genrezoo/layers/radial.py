"""Radial basis functions: how similar a song is to each of a number of centres."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from genrezoo.errors import SettingsError

PRECISIONS = (0.1, 0.3, 1.0, 3.0, 9.0)
"""Precisions of the Gaussians: songs are compared roughly and closely at once, so that no width has to be searched."""


@keras.saving.register_keras_serializable("genrezoo")
class RadialBasis(keras.layers.Layer):
    """Measures the similarity of each input to each centre, from 0 to 1, by a mean of Gaussians of several widths.

    With d the mean squared difference of the standardised features, the similarity is the mean of ``exp(-precision *
    d)`` over the precisions. A linear layer on the similarities to training songs is a kernel machine. Centres and
    standardisation are weights that are not trained: standard normal centres until `place` sets them.

    Args:
        centres: Number of centres, at least 1.
        precisions: Precisions of the Gaussians, above 0.

    Call arguments:
        inputs: ``(batch, features)``.

    Returns:
        ``(batch, centres)``.

    Raises:
        SettingsError: ``centres`` is below 1, or a precision is not above 0.

    Example:
        >>> import numpy as np
        >>> layer = RadialBasis(2, precisions=(1.0,))
        >>> layer.build((None, 2))
        >>> layer.place(np.array([[0.0, 4.0], [2.0, 8.0]]), np.zeros(2), np.ones(2))
        >>> np.asarray(layer(np.array([[2.0, 8.0]], "float32"))).round(4).tolist()  # exp(-20 / 2), exp(0)
        [[0.0, 1.0]]

    Reference:
        D. Broomhead, D. Lowe, Multivariable functional interpolation and adaptive networks, Complex Systems 2 (1988);
        T. Poggio, F. Girosi, Networks for approximation and learning, Proceedings of the IEEE 78 (1990), section III.
    """

    def __init__(self, centres: int, precisions: Sequence[float] = PRECISIONS, **kwargs: Any):
        super().__init__(**kwargs)
        if centres < 1:
            raise SettingsError(f"centres must be at least 1, got {centres}")
        if not precisions or not all(0 < precision < float("inf") for precision in precisions):
            raise SettingsError(f"precisions must be one or more finite numbers above 0, got {precisions!r}")
        self.centres, self.precisions = centres, [float(precision) for precision in precisions]

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Creates the weights."""
        features = input_shape[-1]

        def weight(name: str, shape: tuple[int | None, ...], initializer: str) -> Any:
            return self.add_weight(shape=shape, initializer=initializer, trainable=False, name=name)

        self.mean = weight("mean", (features,), "zeros")
        self.scale = weight("scale", (features,), "ones")
        normal = keras.initializers.RandomNormal(stddev=1.0)
        self.places = weight("places", (self.centres, features), normal)

    def place(self, centres: np.ndarray, mean: np.ndarray, scale: np.ndarray) -> None:
        """Sets the centres and the standardisation of the features.

        Args:
            centres: ``(centres, features)``, on the scale of the inputs.
            mean: ``(features,)``, subtracted from inputs and centres.
            scale: ``(features,)``, multiplies the result; 0 for a feature that is to have no influence.
        """
        self.mean.assign(mean)
        self.scale.assign(scale)
        self.places.assign((centres - mean) * scale)

    def call(self, inputs: Any) -> Any:
        """Computes the similarities."""
        x = (inputs - self.mean) * self.scale
        squares = ops.sum(ops.square(x), axis=-1, keepdims=True) + ops.sum(ops.square(self.places), axis=-1)
        products = ops.matmul(x, ops.transpose(self.places))
        distances = ops.maximum(squares - 2.0 * products, 0.0) / x.shape[-1]  # (batch, centres)
        similar = [ops.exp(-precision * distances) for precision in self.precisions]
        return sum(similar[1:], start=similar[0]) / len(similar)

    def influences(self, inputs: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Measures how much weighted sums of the similarities depend on each feature around some inputs.

        Args:
            inputs: ``(n, features)``.
            weights: Weight of each centre in each sum, ``(centres, sums)``.

        Returns:
            Squared derivatives by each feature, summed over the inputs and over the weighted sums, ``(features,)``
            float64.
        """
        mean, scale, places = (np.asarray(one, np.float64) for one in (self.mean, self.scale, self.places))
        total, share = np.zeros(len(scale)), 2 / (len(self.precisions) * len(scale))
        for start in range(0, len(inputs), 512):  # of thousands of centres, that is some ten megabytes
            x = (inputs[start : start + 512] - mean) * scale
            distances = np.square(x).sum(axis=1, keepdims=True) + np.square(places).sum(axis=1) - 2 * x @ places.T
            distances = np.maximum(distances, 0) / len(scale)
            slopes = sum(precision * np.exp(-precision * distances) for precision in self.precisions)
            for column in weights.T:
                part = slopes * (share * column)
                total += np.square(part.sum(axis=1, keepdims=True) * x - part @ places).sum(axis=0)
        return total * np.square(scale)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, int]:
        """Returns the shape of the similarities."""
        return input_shape[0], self.centres

"""Embeddings of numerical features, with which a network can learn nonlinear functions of each feature easily."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Any

import keras
import numpy as np
from keras import ops

from genrezoo.errors import SettingsError

BEYOND = 1e30
"""Stands for no limit: larger than any feature."""


@keras.saving.register_keras_serializable("genrezoo")
class PiecewiseLinear(keras.layers.Layer):
    """Piecewise linear encoding; an affine map of it is a piecewise linear function with bends at the bins' edges.

    The output is 1 for bins below the value, 0 for bins above it, and for the bin that holds the value the fraction of
    the bin below it; the outer bins extrapolate without limit. The edges are fixed and cut a normal distribution into
    bins of equal probability. Features should be standardised, preferably by the transform ``quantile``.

    Args:
        bins: Number of bins, at least 1; 1 is linear.

    Call arguments:
        inputs: ``(batch, features)``.

    Returns:
        ``(batch, features, bins)``.

    Raises:
        SettingsError: ``bins`` is below 1.

    Example:
        >>> import numpy as np
        >>> layer = PiecewiseLinear(2)
        >>> layer.edges.astype("float64").round(2).tolist()
        [-0.97, 0.0, 0.97]
        >>> np.asarray(layer(np.array([[-0.5, 2.0]], "float32")), "float64").round(2).tolist()
        [[[0.48, 0.0], [1.0, 2.07]]]

    Reference:
        Y. Gorishniy, I. Rubachev, A. Babenko, On embeddings for numerical features in tabular deep learning, NeurIPS
        2022, section 3.2; the fixed edges are our own.
    """

    def __init__(self, bins: int = 8, **kwargs: Any):
        super().__init__(**kwargs)
        if bins < 1:
            raise SettingsError(f"bins must be at least 1, got {bins}")
        self.bins = bins

    @property
    def edges(self) -> np.ndarray:
        """The bins' edges, ``(bins + 1,)``, in ascending order: normal scores of ``(k + 1/2) / (bins + 1)``."""
        scores = [NormalDist().inv_cdf((k + 0.5) / (self.bins + 1)) for k in range(self.bins + 1)]
        return np.array(scores, np.float32)

    def call(self, inputs: Any) -> Any:
        """Computes the encoding."""
        edges, low, high = self.edges, np.zeros(self.bins, np.float32), np.ones(self.bins, np.float32)
        low[0], high[-1] = -BEYOND, BEYOND
        parts = (ops.convert_to_tensor(part) for part in (edges[:-1], np.diff(edges), low, high))
        start, width, low, high = (ops.cast(part, inputs.dtype) for part in parts)
        return ops.minimum(ops.maximum((ops.expand_dims(inputs, -1) - start) / width, low), high)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Returns the input's shape with one more axis."""
        return *input_shape, self.bins


@keras.saving.register_keras_serializable("genrezoo")
class Periodic(keras.layers.Layer):
    """Sines and cosines of each feature at frequencies that are learnt per feature.

    Args:
        frequencies: Number of frequencies per feature, at least 1.
        scale: Standard deviation of the initial frequencies, in periods per unit, above 0.

    Call arguments:
        inputs: ``(batch, features)``.

    Returns:
        ``(batch, features, 2 * frequencies)``: sines, then cosines.

    Raises:
        SettingsError: ``frequencies`` is below 1, or ``scale`` is not positive.

    Example:
        >>> import numpy as np
        >>> waves = np.asarray(Periodic(2)(np.zeros((1, 1), "float32")))
        >>> waves[0, 0, 2:].tolist()  # the cosines
        [1.0, 1.0]

    Reference:
        Y. Gorishniy, I. Rubachev, A. Babenko, On embeddings for numerical features in tabular deep learning, NeurIPS
        2022, section 3.3.
    """

    def __init__(self, frequencies: int = 8, scale: float = 0.1, **kwargs: Any):
        super().__init__(**kwargs)
        if frequencies < 1 or not scale > 0:
            raise SettingsError(f"frequencies must be at least 1 and scale above 0, got {frequencies} and {scale}")
        self.frequencies, self.scale = frequencies, scale

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Creates the frequencies."""
        start = keras.initializers.RandomNormal(0.0, self.scale)
        self.kernel = self.add_weight(name="kernel", shape=(input_shape[-1], self.frequencies), initializer=start)

    def call(self, inputs: Any) -> Any:
        """Computes the sines and cosines."""
        phase = ops.expand_dims(inputs, -1) * self.kernel * (2 * math.pi)
        return ops.concatenate([ops.sin(phase), ops.cos(phase)], axis=-1)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Returns the input's shape with one more axis."""
        return *input_shape, 2 * self.frequencies
